"""Facts become verdicts: one row each with what was found and one line of advice. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ddreport.doctor.facts import Allowed, ArchiveFound
from ddreport.doctor.permissions import NEEDS
from ddreport.metrics.scheduled_runs import PERIOD_DAYS
from ddreport.setup.present import LoggingState, Unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ddreport.doctor.facts import Facts, RoleFound, TopicFound
    from ddreport.doctor.permissions import Need

MOST_SCHEDULES = 5
MOST_ACTIONS = 100
MOST_VERSIONS = 5
NEAR = 0.9
"""Share of a quota from which on it is near. AWS raises none of those of Audit."""

OLD_PULL_DAYS = 7
"""Days after which a pull is old; after 90 AWS has forgotten what it would have brought."""

SET_UP = "`ddreport setup plan` shows what is missing, `ddreport setup apply` does it"


class Status(StrEnum):
    """How one thing stands."""

    OK = "ok"
    WARN = "warn"
    """It works, but something is missing or will not go on for long."""

    FAIL = "fail"
    """It does not work."""

    UNKNOWN = "unknown"
    """It could not be looked at; that is no good news."""


@dataclass(frozen=True)
class Verdict:
    """One row: the thing, how it stands, what was found, and what to do about it (empty where nothing)."""

    area: str
    name: str
    status: Status
    found: str
    advice: str = ""


def judge(facts: Facts) -> list[Verdict]:
    """Return the verdicts on an account and Region, in the order in which things have to be right."""
    return [
        *_identity(facts),
        *_permissions(facts),
        *_audit(facts),
        *_schedules(facts),
        *(_role(role) for role in facts.roles),
        *_topic(facts),
        _logging(facts),
        *_alarms(facts),
        *_archive(facts),
        *_quotas(facts),
    ]


def unreachable(message: str, hint: str | None) -> Verdict:
    """Return the verdict on a target that could not be looked at."""
    return Verdict("target", "connection", Status.FAIL, message, hint or "")


def exit_code(verdicts: Iterable[Verdict], *, reached_all: bool) -> int:
    """Return what the command line ends with: 0 ok or warn, 1 something fails, 4 a target could not be looked at."""
    if not reached_all:
        return 4
    return int(any(verdict.status is Status.FAIL for verdict in verdicts))


def _unknown(area: str, name: str, why: Unknown) -> Verdict:
    return Verdict(area, name, Status.UNKNOWN, why.why, "`ddreport doctor --print-policy auditor` has the permission")


def _identity(facts: Facts) -> Iterator[Verdict]:
    where = f"{facts.caller} in account {facts.place.account}, {facts.place.region}"
    if facts.emulated:
        where += " (emulated)"
    if facts.caller.endswith(":root"):
        yield Verdict(
            "identity", "caller", Status.WARN, where, "use a role of its own instead of the account's root user"
        )
    else:
        yield Verdict("identity", "caller", Status.OK, where)
    yield Verdict("identity", "Region", Status.OK, f"AWS IoT answers in {facts.place.region}")


def _permissions(facts: Facts) -> Iterator[Verdict]:
    for need in NEEDS[facts.way]:
        yield _permission(need, facts)


def _permission(need: Need, facts: Facts) -> Verdict:
    answers = {action: facts.allowed.get(action, Allowed.UNKNOWN) for action in need.actions}
    refused = sorted(action for action, answer in answers.items() if answer is Allowed.NO)
    unsure = sorted(action for action, answer in answers.items() if answer is Allowed.UNKNOWN)
    if refused:
        return Verdict(
            "permission",
            need.name,
            Status.FAIL,
            f"refused: {', '.join(refused)}",
            f"needed to {need.purpose}; `ddreport doctor --print-policy {facts.way}` prints the policy",
        )
    if unsure:
        why = f" ({facts.simulation})" if facts.simulation else ""
        return Verdict(
            "permission",
            need.name,
            Status.UNKNOWN,
            f"not known (what changes something is not tried): {', '.join(unsure)}{why}",
            f"needed to {need.purpose}; allow iam:SimulatePrincipalPolicy to know beforehand",
        )
    return Verdict("permission", need.name, Status.OK, f"may {need.purpose}")


def _audit(facts: Facts) -> Iterator[Verdict]:
    audit = facts.audit
    if isinstance(audit, Unknown):
        yield _unknown("audit", "configuration", audit)
        return
    if audit.role_arn is None:
        yield Verdict("audit", "configuration", Status.FAIL, "Audit was never set up here", SET_UP)
        return
    yield Verdict("audit", "configuration", Status.OK, f"set up, with the role {audit.role_arn}")
    off = sorted(name for name, on in audit.checks.items() if not on)
    number = f"{len(audit.enabled)} of {len(audit.checks)} checks are on"
    if not audit.enabled:
        yield Verdict("audit", "checks", Status.FAIL, "every check is off", SET_UP)
    elif off:
        yield Verdict(
            "audit", "checks", Status.WARN, f"{number}; off: {', '.join(off)}", "switch on what concerns this fleet"
        )
    else:
        yield Verdict("audit", "checks", Status.OK, number)


def _schedules(facts: Facts) -> Iterator[Verdict]:
    if isinstance(facts.schedules, Unknown):
        yield _unknown("schedule", "schedules", facts.schedules)
        return
    if not facts.schedules:
        yield Verdict("schedule", "schedules", Status.WARN, "no audit is scheduled: nobody looks by itself", SET_UP)
        return
    missed = [row for row in facts.schedules if row["missed_date"]]
    for row in missed:
        yield Verdict(
            "schedule",
            row["scheduled_audit_name"],
            Status.WARN,
            f"it should have run on {row['missed_date']}, and AWS has no such audit",
            "look at `ddreport audit list --days 90`; a schedule changed since is no reason to worry",
        )
    if not missed:
        first = facts.schedules[0]
        said = f"next: {first['scheduled_audit_name']} on {first['next_run_date']}, at an hour that AWS chooses"
        yield Verdict("schedule", "schedules", Status.OK, f"{len(facts.schedules)} scheduled; {said}")
    if isinstance(facts.coverage, Unknown):
        yield _unknown("schedule", "coverage", facts.coverage)
        return
    nobody = sorted(row["check_name"] for row in facts.coverage if row["coverage"] == "not covered")
    several = sorted(row["check_name"] for row in facts.coverage if row["coverage"] == "several")
    if nobody:
        yield Verdict(
            "schedule",
            "coverage",
            Status.WARN,
            f"on, but run by no schedule: {', '.join(nobody)}",
            "add them to a schedule; `ddreport audit schedules` shows which run what",
        )
    elif several:
        yield Verdict("schedule", "coverage", Status.OK, f"all are run; by several: {', '.join(several)}")
    else:
        yield Verdict("schedule", "coverage", Status.OK, "every check that is on is run by one schedule")


def _role(role: RoleFound) -> Verdict:
    name = role.arn.rpartition("/")[2]
    of = f"it {role.purpose}"
    if not role.exists:
        return Verdict("role", name, Status.FAIL, f"there is no role {role.arn}; {of}", SET_UP)
    if role.distrusts:
        return Verdict(
            "role",
            name,
            Status.FAIL,
            f"it does not let AWS IoT take it on for {', '.join(role.distrusts)}; {of}",
            "correct its trust policy: sts:AssumeRole for iot.amazonaws.com; docs/mitigation-actions.md has one",
        )
    if role.unread:
        return Verdict(
            "role",
            name,
            Status.UNKNOWN,
            f"it could not be looked at: {'; '.join(role.unread)}",
            "`ddreport doctor --print-policy auditor` has the permission",
        )
    if role.lacks:
        return Verdict(
            "role", name, Status.FAIL, f"{'; '.join(role.lacks)}; {of}", "attach the policy that AWS prescribes for it"
        )
    return Verdict("role", name, Status.OK, f"AWS IoT can take it on, and it may do what it has to; {of}")


def _topic(facts: Facts) -> Iterator[Verdict]:
    audit = facts.audit
    if isinstance(audit, Unknown) or audit.role_arn is None:
        return
    if facts.topic is None or not audit.notification.get("enabled"):
        yield Verdict("notification", "SNS", Status.WARN, "nobody is told when an audit has ended", SET_UP)
        return
    yield from _topic_state(facts.topic)


def _topic_state(topic: TopicFound) -> Iterator[Verdict]:
    if isinstance(topic.state, Unknown):
        yield _unknown("notification", "topic", topic.state)
    elif topic.state is None:
        yield Verdict(
            "notification", "topic", Status.FAIL, f"there is no topic {topic.arn}: messages go nowhere", SET_UP
        )
        return
    else:
        yield Verdict("notification", "topic", Status.OK, f"{topic.arn} is there")
    if isinstance(topic.subscriptions, Unknown):
        yield _unknown("notification", "subscribers", topic.subscriptions)
        return
    confirmed = [s for s in topic.subscriptions if not s.pending]
    waiting = [s.endpoint for s in topic.subscriptions if s.pending]
    found = f"{len(confirmed)} confirmed" + (f", not confirmed: {', '.join(waiting)}" if waiting else "")
    if waiting:
        advice = "open AWS's message to them and confirm it; an unconfirmed subscription goes away after some days"
        yield Verdict("notification", "subscribers", Status.WARN, found, advice)
    elif not confirmed:
        yield Verdict(
            "notification", "subscribers", Status.WARN, "nobody has subscribed", "name `subscribers` in ddreport.toml"
        )
    else:
        yield Verdict("notification", "subscribers", Status.OK, found)


def _logging(facts: Facts) -> Verdict:
    state = facts.logging
    if isinstance(state, Unknown):
        return _unknown("logging", "V2 logging", state)
    if not isinstance(state, LoggingState) or not state.role_arn:
        return Verdict("logging", "V2 logging", Status.WARN, "it was never set up", SET_UP)
    if state.disabled or state.level == "DISABLED":
        return Verdict("logging", "V2 logging", Status.WARN, "it is switched off: LOGGING_DISABLED_CHECK fails", SET_UP)
    return Verdict("logging", "V2 logging", Status.OK, f"on, at level {state.level}")


def _alarms(facts: Facts) -> Iterator[Verdict]:
    if isinstance(facts.alarms, Unknown):
        yield _unknown("alarm", "alarms", facts.alarms)
        return
    if not facts.alarms:
        yield Verdict("alarm", "alarms", Status.WARN, "there is none of set-up's names (ddreport-…)", SET_UP)
        return
    mute = sorted(n for n, a in facts.alarms.items() if not a.settings.get("ActionsEnabled", True))
    ringing = sorted(name for name, alarm in facts.alarms.items() if alarm.state == "ALARM")
    if ringing:
        advice = "`ddreport problems` shows what is open, `ddreport audit list` what ran"
        yield Verdict("alarm", "alarms", Status.WARN, f"in alarm: {', '.join(ringing)}", advice)
    if mute:
        yield Verdict(
            "alarm", "alarms", Status.WARN, f"their actions are off: {', '.join(mute)}", "nobody hears of them"
        )
    if not (ringing or mute):
        yield Verdict("alarm", "alarms", Status.OK, f"{len(facts.alarms)} there, none in alarm")


def _archive(facts: Facts) -> Iterator[Verdict]:
    archive = facts.archive
    if isinstance(archive, Unknown):
        yield Verdict("archive", "archive", Status.UNKNOWN, archive.why, "`ddreport verify` looks into it")
        return
    pull = f"run `ddreport pull -t {facts.target}`"
    if archive is None or archive.last_pull_time is None:
        where = f" in {archive.place}" if archive is not None else ""
        yield Verdict("archive", "newest pull", Status.WARN, f"never pulled{where}: AWS forgets after 90 days", pull)
        return
    age = (facts.as_of - archive.last_pull_time).total_seconds() / 86400
    old = age > OLD_PULL_DAYS
    found = f"{archive.last_pull_time:%Y-%m-%d %H:%M} UTC, {max(age, 0):.1f} days ago"
    yield Verdict("archive", "newest pull", Status.WARN if old else Status.OK, found, pull if old else "")
    if archive.last_audit_time is None:
        yield Verdict(
            "archive", "newest audit", Status.WARN, "no audit in it yet", "`ddreport audit start --wait`, then pull"
        )
    else:
        age = (facts.as_of - archive.last_audit_time).total_seconds() / 86400
        stale = age > _usual_days(facts)
        yield Verdict(
            "archive",
            "newest audit",
            Status.WARN if stale else Status.OK,
            f"{archive.last_audit_time:%Y-%m-%d %H:%M} UTC, {max(age, 0):.1f} days ago",
            "`ddreport audit schedules` shows when the next one is due" if stale else "",
        )
    if archive.lost_days > 0:
        yield Verdict(
            "archive",
            "lost",
            Status.WARN,
            f"audits of {archive.lost_days:.1f} days were never had, and AWS has forgotten them",
            "pull at least once in 90 days, better every day",
        )


def _usual_days(facts: Facts) -> int:
    """Return after how many days an audit is old: schedules may be rarer than pulls."""
    schedules = () if isinstance(facts.schedules, Unknown) else facts.schedules
    periods = [PERIOD_DAYS.get(row["frequency"], OLD_PULL_DAYS) for row in schedules]
    return max(OLD_PULL_DAYS, min(periods, default=0) + 2)


def _quotas(facts: Facts) -> Iterator[Verdict]:
    if not isinstance(facts.schedules, Unknown):
        yield _quota("scheduled audits", len(facts.schedules), MOST_SCHEDULES, near=MOST_SCHEDULES)
    if not isinstance(facts.actions, Unknown):
        yield _quota("mitigation actions", len(facts.actions), MOST_ACTIONS, near=int(NEAR * MOST_ACTIONS))
    if isinstance(facts.archive, ArchiveFound) and facts.archive.full_policies is not None:
        full = facts.archive.full_policies
        if full:
            shown = ", ".join(full[:5]) + (f" and {len(full) - 5} more" if len(full) > 5 else "")
            yield Verdict(
                "quota",
                "policy versions",
                Status.WARN,
                f"{len(full)} policies hold {MOST_VERSIONS} of {MOST_VERSIONS} versions: {shown}",
                "REPLACE_DEFAULT_POLICY_VERSION fails for them; delete old versions first",
            )
        else:
            yield Verdict("quota", "policy versions", Status.OK, f"no policy holds {MOST_VERSIONS} versions")


def _quota(what: str, used: int, most: int, *, near: int) -> Verdict:
    found = f"{used} of {most}"
    if used >= near:
        return Verdict("quota", what, Status.WARN, found, "AWS does not raise it; remove what nobody needs")
    return Verdict("quota", what, Status.OK, found)
