"""The CloudWatch alarms on audits: non-compliant resources per check or severity, and an audit that does not come.

AWS IoT writes `NonCompliantResources` and `ResourcesEvaluated` (namespace `AWS/IoT`) once per audit and check, with the
dimensions `CheckName` and `ScheduledAuditName`. Between two audits there is no data, so an alarm on findings keeps its
state where data is missing, while the dead man's alarm counts exactly the missing as a breach.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddreport.catalogue import describe_check
from ddreport.setup.desired import AlarmsPer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ddreport.setup.desired import Desired, WantedAlarms
    from ddreport.terms import Severity

NAME_START = "ddreport-"
"""Begin of the names of the alarms that set-up makes."""

NAMESPACE = "AWS/IoT"
NON_COMPLIANT = "NonCompliantResources"
EVALUATED = "ResourcesEvaluated"

DEAD_MAN_HOURS = 36
"""Hours without a daily audit after which the dead man's alarm goes off: one audit is missing, and some hours more.

The service chooses the hour of an audit, and large accounts take a while. CloudWatch looks back at most seven days
(604,800 seconds of Period times EvaluationPeriods), so audits that come weekly or more seldom cannot be watched so.
"""

MOST_METRICS = 10
"""Metrics in the expression of one alarm."""

_HOUR = 3600
_MOST_NAME = 255
_STEADY_CHECK = "LOGGING_DISABLED_CHECK"  # always finds its one resource, the account itself


@dataclass(frozen=True)
class AlarmDefinition:
    """An alarm as it is wanted: what it watches, in words, and AWS's members of `PutMetricAlarm`."""

    name: str
    watches: str
    settings: Mapping[str, Any]


def wanted_alarms(desired: Desired, topic_arn: str) -> tuple[list[AlarmDefinition], list[str]]:
    """Return the alarms that are wanted, and in words what cannot be watched.

    Parameters
    ----------
    topic_arn
        Who is told when an alarm goes off, and when it is over.
    """
    wanted = desired.alarms
    found: list[AlarmDefinition] = []
    notes: list[str] = []
    if wanted is None:
        return found, notes
    for schedule in desired.schedules or ():
        names = desired.checks_of(schedule)
        found += _on_findings(schedule.name, names, wanted, topic_arn)
        if wanted.dead_man and schedule.frequency == "DAILY":
            found.append(_dead_man(schedule.name, names, topic_arn))
        elif wanted.dead_man:
            notes.append(
                f"no alarm can tell that the {schedule.frequency} audit {schedule.name} does not come: CloudWatch "
                "looks back seven days at most."
            )
    return found, notes


def _on_findings(
    schedule: str, names: Iterable[str], wanted: WantedAlarms, topic_arn: str
) -> Iterable[AlarmDefinition]:
    by_severity: dict[Severity, list[str]] = {}
    for name in names:
        severity = describe_check(name).severity
        if severity in wanted.severities and severity is not None:
            by_severity.setdefault(severity, []).append(name)
    for severity, checks in by_severity.items():
        if wanted.per is AlarmsPer.CHECK:
            for check in checks:
                yield _on_check(schedule, check, severity, topic_arn)
            continue
        parts = [checks[n : n + MOST_METRICS] for n in range(0, len(checks), MOST_METRICS)]
        for number, part in enumerate(parts, start=1):
            yield _on_severity(schedule, part, severity, topic_arn, suffix=f"-{number}" if len(parts) > 1 else "")


def _on_check(schedule: str, check: str, severity: Severity, topic_arn: str) -> AlarmDefinition:
    about = f"{describe_check(check).title} ({severity}): resources that the audit {schedule} found non-compliant"
    watched = {
        "Namespace": NAMESPACE,
        "MetricName": NON_COMPLIANT,
        "Dimensions": _dimensions(check, schedule),
        "Statistic": "Maximum",
        "Period": _HOUR,
    }
    return _alarm(_name(schedule, check), about, watched, topic_arn)


def _on_severity(
    schedule: str, checks: list[str], severity: Severity, topic_arn: str, *, suffix: str
) -> AlarmDefinition:
    about = f"checks of severity {severity}: resources that the audit {schedule} found non-compliant"
    metrics = [
        {
            "Id": f"m{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": NAMESPACE,
                    "MetricName": NON_COMPLIANT,
                    "Dimensions": _dimensions(check, schedule),
                },
                "Period": _HOUR,
                "Stat": "Maximum",
            },
            "ReturnData": False,
        }
        for number, check in enumerate(checks, start=1)
    ]
    total = {"Id": "total", "Expression": "SUM(METRICS())", "Label": f"{severity} findings", "ReturnData": True}
    return _alarm(_name(schedule, f"{severity}{suffix}"), about, {"Metrics": [*metrics, total]}, topic_arn)


def _alarm(name: str, about: str, watched: Mapping[str, Any], topic_arn: str) -> AlarmDefinition:
    settings = {
        "AlarmDescription": f"{about}. Made by ddreport setup.",
        "ActionsEnabled": True,
        "AlarmActions": [topic_arn],
        "OKActions": [topic_arn],
        "EvaluationPeriods": 1,
        "Threshold": 0.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "ignore",
        **watched,
    }
    return AlarmDefinition(name, about, settings)


def _dead_man(schedule: str, names: Iterable[str], topic_arn: str) -> AlarmDefinition:
    checks = list(names)
    check = _STEADY_CHECK if _STEADY_CHECK in checks else checks[0]
    about = f"no audit {schedule} has completed {check} for {DEAD_MAN_HOURS} hours"
    settings = {
        "AlarmDescription": f"{about}. Made by ddreport setup.",
        "ActionsEnabled": True,
        "AlarmActions": [topic_arn],
        "OKActions": [topic_arn],
        "EvaluationPeriods": DEAD_MAN_HOURS,
        "DatapointsToAlarm": DEAD_MAN_HOURS,
        "Threshold": 1.0,
        "ComparisonOperator": "LessThanThreshold",
        "TreatMissingData": "breaching",
        "Namespace": NAMESPACE,
        "MetricName": EVALUATED,
        "Dimensions": _dimensions(check, schedule),
        "Statistic": "SampleCount",
        "Period": _HOUR,
    }
    return AlarmDefinition(_name(schedule, "no-audit"), about, settings)


def _dimensions(check: str, schedule: str) -> list[dict[str, str]]:
    return [{"Name": "CheckName", "Value": check}, {"Name": "ScheduledAuditName", "Value": schedule}]


def _name(schedule: str, rest: str) -> str:
    return f"{NAME_START}{schedule}-{rest}"[:_MOST_NAME]


def differences(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Return in words what an alarm that exists has otherwise than it is wanted."""
    return [
        f"{key} is {_shown(found.get(key))}, wanted: {_shown(value)}"
        for key, value in wanted.items()
        if _plain(value) != _plain(found.get(key))
    ]


def _plain(value: Any) -> Any:
    """Return a value in a form that does not depend on how AWS orders and fills it."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item is not None and item != []}
    if isinstance(value, (list, tuple)):
        return sorted((_plain(item) for item in value), key=repr)
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _shown(value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    if isinstance(value, (list, dict)):
        return "something else" if value else "not set"
    return "not set" if value is None else str(value)
