"""The plan for the audit configuration and for V2 logging: settings of the account that can carry no tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ddreport.catalogue import checks as catalogue
from ddreport.setup.changes import Call, Change, ChangeKind, Part
from ddreport.setup.definitions import Problem
from ddreport.setup.marks import MADE, Mark, digest_of
from ddreport.setup.planning_base import Planned, new_mark, unknown, verdict
from ddreport.setup.present import Unknown, known

if TYPE_CHECKING:
    from ddreport.setup.definitions import Definitions
    from ddreport.setup.desired import Desired
    from ddreport.setup.present import AuditState, LoggingState, Present

CONFIGURATION = "configuration"
"""How the audit configuration is called in a plan; there is one."""

_LOGGING_CHECK = "LOGGING_DISABLED_CHECK"

OPTIONS = "V2 options"
"""How the logging options are called in a plan; there are one."""


def plan_audit(desired: Desired, definitions: Definitions, present: Present, mark: Mark | None) -> Planned:
    """Return what has to happen to the audit configuration, apart from checks that are to be disabled.

    Parameters
    ----------
    mark
        What is remembered of it.
    """
    planned = Planned(mark=mark)
    state = present.audit
    if isinstance(state, Unknown):
        planned.changes.append(unknown(Part.AUDIT, CONFIGURATION, state))
        return planned
    notification = _notification(definitions)
    digest = _digest(desired, definitions)
    request: dict[str, Any] = {}
    differences: list[str] = []
    if state.role_arn != definitions.audit_role_arn:
        request["roleArn"] = definitions.audit_role_arn
        differences.append(f"audits read as {state.role_arn or 'nobody'}, wanted: {definitions.audit_role_arn}")
    checks, said = _checks(desired, state)
    differences += said
    if checks:
        request["auditCheckConfigurations"] = checks
    said = [
        f"notifications: {key} is {state.notification.get(key, 'not set')}, wanted: {value}"
        for key, value in notification.items()
        if state.notification.get(key) != value
    ]
    if said:
        differences += said
        request["auditNotificationTargetConfigurations"] = {"SNS": notification}
    is_new = state.role_arn is None
    kind = ChangeKind.CREATE if is_new else verdict(differences, mark, digest)
    if is_new:
        planned.mark = Mark(MADE, digest)
        differences = [
            f"audits read the account as {definitions.audit_role_arn.rpartition('/')[2]}",
            f"enables {len(desired.checks)} of {len(catalogue())} checks",
            *_threshold_words(desired),
            *([f"tells {definitions.topic_arn}"] if definitions.topic_arn else []),
        ]
    elif request or mark is not None:
        planned.mark = new_mark(mark, digest)
    calls = (Call("iot", "update_account_audit_configuration", request),) if request else ()
    planned.changes.append(Change(Part.AUDIT, CONFIGURATION, kind, tuple(differences), calls))
    return planned


def _digest(desired: Desired, definitions: Definitions) -> str:
    checks = [sorted(desired.checks), desired.disable_other_checks, dict(desired.thresholds)]
    return digest_of([checks, definitions.audit_role_arn, _notification(definitions)])


def _notification(definitions: Definitions) -> dict[str, Any]:
    if definitions.topic_arn is None:
        return {}
    return {"targetArn": definitions.topic_arn, "roleArn": definitions.notification_role_arn, "enabled": True}


def _checks(desired: Desired, state: AuditState) -> tuple[dict[str, Any], list[str]]:
    changes: dict[str, Any] = {}
    off = [name for name in desired.checks if not state.checks.get(name)]
    said = [f"disabled: {', '.join(off)}"] if off else []
    for name in off:
        changes[name] = {"enabled": True}
    for name, days in desired.thresholds.items():
        threshold = catalogue()[name].threshold
        if threshold is None:
            continue
        found = state.thresholds.get(name, {}).get(threshold.configuration_key, str(threshold.default_days))
        if found != str(days):
            changes[name] = {"enabled": True, "configuration": {threshold.configuration_key: str(days)}}
            said.append(f"the threshold of {name} is {found} days, wanted: {days}")
    return changes, said


def _threshold_words(desired: Desired) -> list[str]:
    return [f"{name} at {days} days" for name, days in desired.thresholds.items()]


def plan_checks_off(desired: Desired, definitions: Definitions, present: Present, mark: Mark | None) -> Planned:
    """Return what has to happen to checks that are to be disabled, which comes after the schedules.

    Parameters
    ----------
    mark
        What is remembered of the audit configuration.
    """
    planned = Planned()
    state = present.audit
    if not desired.disable_other_checks or isinstance(state, Unknown):
        return planned
    others = [name for name in state.enabled if name not in desired.checks]
    if not others:
        return planned
    declared = {schedule.name for schedule in desired.schedules or ()}
    for schedule in (known(present.schedules) or {}).values():
        in_use = [name for name in others if name in schedule.checks]
        if in_use and schedule.name not in declared:
            planned.problems.append(
                Problem(
                    f"{in_use[0]} is to be disabled, but the scheduled audit {schedule.name}, which is not declared, "
                    "runs it, and AWS refuses that.",
                    f"declare {schedule.name} without it, delete that schedule, or name the check in `checks`.",
                )
            )
    call = Call(
        "iot",
        "update_account_audit_configuration",
        {"auditCheckConfigurations": {name: {"enabled": False} for name in others}},
    )
    details = (f"disables {', '.join(others)}; AWS deletes the data collected for them",)
    kind = verdict(details, mark, _digest(desired, definitions))
    planned.changes.append(Change(Part.CHECKS, "other checks", kind, details, (call,)))
    return planned


def plan_logging(desired: Desired, definitions: Definitions, present: Present, mark: Mark | None) -> Planned:
    """Return what has to happen to the logging options."""
    planned = Planned(mark=mark)
    state = present.logging
    if desired.log_level is None:
        return planned
    if isinstance(state, Unknown):
        planned.changes.append(unknown(Part.LOGGING, OPTIONS, state))
        return planned
    if desired.log_level == "DISABLED" and _LOGGING_CHECK in desired.checks:
        planned.warnings.append(f"the wanted log level is DISABLED, which {_LOGGING_CHECK} will report at every audit.")
    wanted = {"roleArn": definitions.logging_role_arn, "defaultLogLevel": desired.log_level, "disableAllLogs": False}
    digest = digest_of(wanted)
    call = Call("iot", "set_v2_logging_options", wanted)
    if state is None:
        planned.mark = Mark(MADE, digest)
        details = (f"level {desired.log_level}, written as {definitions.logging_role_arn.rpartition('/')[2]}",)
        planned.changes.append(Change(Part.LOGGING, OPTIONS, ChangeKind.CREATE, details, (call,)))
        return planned
    differences = _logging_differences(desired, definitions, state)
    if differences or mark is not None:
        planned.mark = new_mark(mark, digest)
    kind = verdict(differences, mark, digest)
    planned.changes.append(Change(Part.LOGGING, OPTIONS, kind, tuple(differences), (call,) if differences else ()))
    return planned


def _logging_differences(desired: Desired, definitions: Definitions, state: LoggingState) -> list[str]:
    return [
        *(["all logs are disabled"] if state.disabled else []),
        *([f"the level is {state.level}, wanted: {desired.log_level}"] if state.level != desired.log_level else []),
        *(
            [f"logs are written as {state.role_arn}, wanted: {definitions.logging_role_arn}"]
            if state.role_arn != definitions.logging_role_arn
            else []
        ),
    ]
