"""`[setup]` of a `ddreport.toml`: read into what is wanted, with every rule that can be checked without an account.

    [setup]
    checks = "all"
    [setup.thresholds]
    DEVICE_CERTIFICATE_EXPIRING_CHECK = 60
    [setup.notifications]
    subscribers = ["iot-security@example.com"]

    [setup.prod-eu]                 # what is different for the target prod-eu
    logging = "none"

What is not said is as in AWS's tutorial. `docs/setup.md` has all keys.
"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ddreport.catalogue import checks as catalogue
from ddreport.catalogue import normalise_check_name
from ddreport.errors import InputError, SettingsError, did_you_mean
from ddreport.mitigation.action_rules import LOG_LEVELS as ACTION_LOG_LEVELS
from ddreport.mitigation.action_rules import check_action_name, shown
from ddreport.mitigation.defaults import DEFAULT_ACTIONS, QUARANTINE_GROUP, TOPIC
from ddreport.setup import forms
from ddreport.setup.desired import (
    LOG_LEVELS,
    MOST_ACTIONS,
    MOST_SCHEDULES,
    AlarmsPer,
    Desired,
    WantedAction,
    WantedAlarms,
    WantedRoles,
    WantedSchedule,
    default_thresholds,
)
from ddreport.setup.forms import NONE, a_choice, a_flag, a_table, refuse_unknown
from ddreport.terms import MitigationActionType, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

KEYS = (
    "checks",
    "disable_other_checks",
    "thresholds",
    "roles",
    "schedules",
    "notifications",
    "logging",
    "mitigation_actions",
    "alarms",
    "tags",
)
"""Keys of `[setup]`, and of `[setup.TARGET]`."""

_MERGED = ("thresholds", "roles", "notifications", "alarms", "tags")
"""Tables of which a target may say a part; any other key of a target takes the place of the general one."""

_DAY_MEMBER = {"DAILY": None, "WEEKLY": "day_of_week", "BIWEEKLY": "day_of_week", "MONTHLY": "day_of_month"}
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")

_ACTION_KEYS: Mapping[MitigationActionType, tuple[str, ...]] = {
    MitigationActionType.ADD_THINGS_TO_THING_GROUP: ("thing_groups", "override_dynamic_groups"),
    MitigationActionType.ENABLE_IOT_LOGGING: ("log_level",),
    MitigationActionType.PUBLISH_FINDING_TO_SNS: ("topic",),
}
_ALL_ACTION_KEYS = ("type", "role", "log_level", "thing_groups", "override_dynamic_groups", "topic")


def parse_setup(text: str, *, source: str, target: str, targets: Iterable[str] = ()) -> Desired:
    """Read what is wanted of a target.

    Parameters
    ----------
    text, source
        A `ddreport.toml` and how messages call it.
    target
        Whose table `[setup.TARGET]` counts besides `[setup]`.
    targets
        Names of all targets, which may have tables.

    Raises
    ------
    SettingsError
        Not TOML, an unknown key, a value of the wrong form, or values that contradict each other.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise SettingsError(f"{source} is not valid TOML: {exc}.") from exc
    setup = document.get("setup", {})
    if not isinstance(setup, dict):
        raise SettingsError(f"{source}: `setup` must be a table, [setup].")
    names = [name for name in dict.fromkeys([*targets, target]) if name not in KEYS]
    refuse_unknown(setup, (*KEYS, *names), f"{source}: [setup]")
    general = {key: value for key, value in setup.items() if key in KEYS}
    where = f"{source}: [setup]"
    for name in names:
        own = a_table(setup.get(name, {}), f"{source}: [setup.{name}]", 'logging = "ERROR"')
        refuse_unknown(own, KEYS, f"{source}: [setup.{name}]")
        if name == target and own:
            general = _merged(general, own)
            where = f"{source}: [setup] with [setup.{target}]"
    return _desired(general, where=where, source=source if setup else f"the defaults ({source} has no [setup])")


def _merged(general: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(general)
    for key, value in own.items():
        before = merged.get(key)
        both = key in _MERGED and isinstance(before, dict) and isinstance(value, dict)
        merged[key] = {**before, **value} if both and before is not None else value
    return merged


def _desired(table: Mapping[str, Any], *, where: str, source: str) -> Desired:
    plain = Desired()
    checks = _checks(table.get("checks", "all"), f"{where} checks")
    subject = _notifications(table.get("notifications", {}), f"{where} notifications")
    wanted = replace(
        plain,
        source=source,
        checks=checks,
        disable_other_checks=a_flag(table.get("disable_other_checks", False), f"{where} disable_other_checks"),
        thresholds=_thresholds(table.get("thresholds", {}), checks, f"{where} thresholds"),
        roles=_roles(table.get("roles", {}), f"{where} roles"),
        topic=subject[0],
        subscribers=subject[1],
        log_level=_log_level(table.get("logging", plain.log_level), f"{where} logging"),
        tags=forms.tags(table.get("tags", {}), f"{where} tags"),
    )
    if "schedules" in table:
        wanted = replace(wanted, schedules=_schedules(table["schedules"], wanted, f"{where} schedules"))
    if "mitigation_actions" in table:
        wanted = replace(wanted, actions=_actions(table["mitigation_actions"], f"{where} mitigation_actions"))
    if "alarms" in table:
        wanted = replace(wanted, alarms=_alarms(table["alarms"], f"{where} alarms"))
    return _without_contradiction(wanted, given=table, where=where)


def _checks(value: Any, where: str) -> tuple[str, ...]:
    if value == "all":
        return tuple(catalogue())
    if isinstance(value, str):
        raise SettingsError(f"{where} is {shown(value)}; allowed: 'all', or a list of check names.")
    names = tuple(_check(name, where) for name in forms.texts(value, where))
    if not names:
        raise SettingsError(f"{where} is empty; AWS wants at least one check enabled.")
    return names


def _check(name: str, where: str) -> str:
    found = normalise_check_name(name)
    if found not in catalogue():
        raise SettingsError(
            f"{where}: there is no check {shown(name)}.{did_you_mean(name.upper(), catalogue())}",
            hint="docs/checks.md lists all checks.",
        )
    return found


def _thresholds(value: Any, checks: tuple[str, ...], where: str) -> dict[str, int]:
    table = a_table(value, where, "DEVICE_CERTIFICATE_EXPIRING_CHECK = 60")
    found = {name: days for name, days in default_thresholds().items() if name in checks}
    for given, days in table.items():
        name = _check(given, where)
        threshold = catalogue()[name].threshold
        if threshold is None:
            having = ", ".join(default_thresholds())
            raise SettingsError(f"{where}: {name} has no threshold; those that have one: {having}.")
        if isinstance(days, bool) or not isinstance(days, int) or not threshold.min_days <= days <= threshold.max_days:
            raise SettingsError(
                f"{where}: {name} is {shown(days)}; allowed: a whole number of days from {threshold.min_days} to "
                f"{threshold.max_days}."
            )
        if name not in checks:
            raise SettingsError(
                f"{where}: {name} has a threshold but is not among `checks`.",
                hint="name it in checks, or take its threshold away.",
            )
        found[name] = days
    return found


def _roles(value: Any, where: str) -> WantedRoles:
    table = a_table(value, where, f'audit = "{WantedRoles.audit}"')
    refuse_unknown(table, ("audit", "logging", "notifications"), where)
    return WantedRoles(**{key: forms.a_role(role, f"{where}.{key}") for key, role in table.items()})


def _notifications(value: Any, where: str) -> tuple[str | None, tuple[Any, ...]]:
    if value == NONE:
        return None, ()
    table = a_table(value, where, f'topic = "{TOPIC}"')
    refuse_unknown(table, ("topic", "subscribers"), where)
    topic = forms.a_topic(table.get("topic", TOPIC), f"{where}.topic")
    given = forms.texts(table.get("subscribers", []), f"{where}.subscribers")
    return topic, tuple(dict.fromkeys(forms.a_subscriber(item, f"{where}.subscribers") for item in given))


def _log_level(value: Any, where: str) -> str | None:
    return None if value in (NONE, None) else a_choice(value, LOG_LEVELS, where)


def _schedules(value: Any, wanted: Desired, where: str) -> tuple[WantedSchedule, ...] | None:
    if value == NONE:
        return None
    table = a_table(value, where, '[setup.schedules.Daily] with frequency = "DAILY"')
    found = tuple(_schedule(name, item, wanted, f"{where}.{name}") for name, item in table.items())
    if len(found) > MOST_SCHEDULES:
        raise SettingsError(f"{where} has {len(found)} scheduled audits; AWS allows {MOST_SCHEDULES}.")
    return found


def _schedule(name: str, value: Any, wanted: Desired, where: str) -> WantedSchedule:
    forms.a_schedule_name(name, where)
    table = a_table(value, where, 'frequency = "DAILY"')
    refuse_unknown(table, ("frequency", "day_of_week", "day_of_month", "checks"), where)
    frequency = a_choice(table.get("frequency", "DAILY"), _DAY_MEMBER, f"{where}.frequency")
    needed = _DAY_MEMBER[frequency]
    for member in ("day_of_week", "day_of_month"):
        if member == needed and member not in table:
            example = '"MON"' if member == "day_of_week" else '1, 31 or "LAST"'
            raise SettingsError(f"{where}: a {frequency} audit needs {member}, such as {example}.")
        if member != needed and member in table:
            raise SettingsError(f"{where}: {member} does not fit the frequency {frequency}.")
    names = table.get("checks", "all")
    return WantedSchedule(
        name,
        frequency,
        a_choice(table["day_of_week"], _DAYS, f"{where}.day_of_week") if needed == "day_of_week" else None,
        _day_of_month(table["day_of_month"], f"{where}.day_of_month") if needed == "day_of_month" else None,
        None if names == "all" else _scheduled_checks(names, wanted, f"{where}.checks"),
    )


def _day_of_month(value: Any, where: str) -> str:
    text = str(value).upper() if not isinstance(value, bool) else ""
    if text == "LAST" or (text.isascii() and text.isdigit() and str(int(text)) == text and 1 <= int(text) <= 31):
        return text
    raise SettingsError(f"{where} is {shown(value)}; allowed: 1 to 31, or LAST.")


def _scheduled_checks(value: Any, wanted: Desired, where: str) -> tuple[str, ...]:
    names = _checks(value, where)
    off = [name for name in names if name not in wanted.checks]
    if off:
        raise SettingsError(
            f"{where}: {off[0]} is not among `checks`, and AWS runs only enabled checks.",
            hint="name it in checks, or leave it out of the schedule.",
        )
    return names


def _actions(value: Any, where: str) -> tuple[WantedAction, ...] | None:
    if value == NONE:
        return None
    table = a_table(value, where, '[setup.mitigation_actions.Quarantine] with type = "ADD_THINGS_TO_THING_GROUP"')
    if len(table) > MOST_ACTIONS:
        raise SettingsError(f"{where} has {len(table)} mitigation actions; AWS allows {MOST_ACTIONS}.")
    return tuple(_action(name, item, f"{where}.{name}") for name, item in table.items())


def _action(name: str, value: Any, where: str) -> WantedAction:
    try:
        check_action_name(name)
    except InputError as exc:
        raise SettingsError(f"{where}: {exc.message}") from exc
    table = a_table(value, where, 'type = "ENABLE_IOT_LOGGING"')
    refuse_unknown(table, _ALL_ACTION_KEYS, where)
    if "type" not in table:
        raise SettingsError(f"{where} has no type; allowed: {', '.join(MitigationActionType)}.")
    kind = a_choice(table["type"], MitigationActionType, f"{where}.type")
    own = _ACTION_KEYS.get(kind, ())
    wrong = [key for key in table if key not in ("type", "role", *own)]
    if wrong:
        takes = f"it takes {', '.join(own)}" if own else "it takes none"
        raise SettingsError(f"{where}: an action of type {kind} has no parameter {wrong[0]}; {takes}.")
    logs, groups = (
        kind is MitigationActionType.ENABLE_IOT_LOGGING,
        kind is MitigationActionType.ADD_THINGS_TO_THING_GROUP,
    )
    return WantedAction(
        name,
        kind,
        forms.a_role(table.get("role", DEFAULT_ACTIONS[kind].role_name), f"{where}.role"),
        log_level=a_choice(table.get("log_level", "ERROR"), ACTION_LOG_LEVELS, f"{where}.log_level") if logs else None,
        thing_groups=forms.texts(table.get("thing_groups", [QUARANTINE_GROUP]), f"{where}.thing_groups")
        if groups
        else None,
        override_dynamic_groups=a_flag(table["override_dynamic_groups"], f"{where}.override_dynamic_groups")
        if "override_dynamic_groups" in table
        else None,
        topic=forms.a_topic(table["topic"], f"{where}.topic") if "topic" in table else None,
    )


def _alarms(value: Any, where: str) -> WantedAlarms | None:
    if value == NONE:
        return None
    table = a_table(value, where, 'per = "check"')
    refuse_unknown(table, ("per", "severities", "dead_man"), where)
    plain = WantedAlarms()
    severities = plain.severities
    if "severities" in table:
        severities = tuple(
            a_choice(word, Severity, f"{where}.severities")
            for word in forms.texts(table["severities"], f"{where}.severities")
        )
    return WantedAlarms(
        a_choice(table.get("per", plain.per), AlarmsPer, f"{where}.per"),
        severities,
        a_flag(table.get("dead_man", plain.dead_man), f"{where}.dead_man"),
    )


def _without_contradiction(wanted: Desired, *, given: Mapping[str, Any], where: str) -> Desired:
    """Refuse what contradicts itself; defaults that make no sense without a part that is left alone are dropped."""
    if wanted.topic is None:
        if wanted.alarms is not None and "alarms" in given:
            raise SettingsError(
                f"{where}: alarms are wanted, but notifications = {NONE!r} leaves them nobody to tell.",
                hint="name notifications.topic, or set alarms to 'none' as well.",
            )
        needing = [a.name for a in wanted.actions or () if a.action_type is _SNS and a.topic is None]
        if needing and "mitigation_actions" in given:
            raise SettingsError(
                f"{where} mitigation_actions.{needing[0]} publishes to the topic of the notifications, which are "
                f"{NONE!r}.",
                hint="give it a topic of its own.",
            )
        wanted = replace(
            wanted,
            alarms=None,
            actions=None if wanted.actions is None else tuple(a for a in wanted.actions if a.name not in needing),
        )
    if wanted.disable_other_checks and set(wanted.checks) == set(catalogue()):
        raise SettingsError(
            f"{where}: disable_other_checks is true, but `checks` names all checks, so there are no others.",
            hint="leave disable_other_checks out, or list the checks that are wanted.",
        )
    if wanted.alarms is not None and wanted.schedules is None and "alarms" in given:
        raise SettingsError(
            f"{where}: alarms watch the audits of the schedules, which are {NONE!r}.",
            hint="declare the schedules, or set alarms to 'none' as well.",
        )
    return wanted if wanted.schedules is not None else replace(wanted, alarms=None)


_SNS = MitigationActionType.PUBLISH_FINDING_TO_SNS
