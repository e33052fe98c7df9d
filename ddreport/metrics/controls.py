"""Weakened controls: what was switched off, loosened or silenced between two looks at an account and Region.

Stored states are whole: the configuration, all schedules and all suppressions of one moment. So what a state does not
have was not there, and each state is compared with the one before it.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd

from ddreport.catalogue import describe_check
from ddreport.engines import check_as_of
from ddreport.errors import ParameterError
from ddreport.metrics.results_controls import WEAKENED_CONTROLS, ControlChange, Direction
from ddreport.metrics.suppression_changes import suppression_changes
from ddreport.terms import Frequency

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

PLACE = ["account", "region"]
_GREATER_IS_LAXER = frozenset({"DEVICE_CERTIFICATE_AGE_CHECK"})
_DAYS_BETWEEN = {
    Frequency.DAILY.value: 1,
    Frequency.WEEKLY.value: 7,
    Frequency.BIWEEKLY.value: 14,
    Frequency.MONTHLY.value: 30,
}
_KINDS = [k.value for k in ControlChange]
_DIRECTIONS = [d.value for d in Direction]


def weakened_controls(
    check_configurations: pd.DataFrame,
    scheduled_audits: pd.DataFrame,
    suppressions: pd.DataFrame,
    account_configurations: pd.DataFrame,
    audit_tasks: pd.DataFrame,
    *,
    start: datetime,
    end: datetime,
    runs: pd.DataFrame | None = None,
    observations: pd.DataFrame | None = None,
    mass: int = 10,
    mass_share: float = 0.2,
    shortly: timedelta = timedelta(hours=24),
) -> pd.DataFrame:
    """List what was changed about the controls, weakened or not, and seen from `start` until before `end`.

    - AUDIT_SWITCHED_OFF: the account's audit configuration was deleted. AUDIT_ROLE_CHANGED: another role.
    - NOTIFICATION_OFF: the end of audits is not published any more. NOTIFICATION_REDIRECTED: to another topic.
    - CHECK_DISABLED: a check was switched off (or is not listed any more).
    - THRESHOLD_LAXER: fewer days for certificates that expire, more days for old ones; AWS's default where none is
      set, so that setting the default is no change.
    - SCHEDULE_DELETED; SCHEDULE_NARROWED: it runs fewer of the checks; SCHEDULE_RARER: less often.
    - MASS_SUPPRESSION: at least `mass` new suppressions of one check, or (with `runs`) at least `mass_share` of the
      resources that its latest full run until then found non-compliant, suppressed or not.
    - INDEFINITE_SUPPRESSION: suppressions of a check that never end, new or made endless.
    - The opposite of each; SUPPRESSIONS_LIFTED: gone before they would have ended.

    When exactly it was done AWS does not say: after `not_before_time`, until `observed_time`. `before_audit` is true
    when it may have been done shortly before an audit: one of the same account and Region began after
    `not_before_time` and at most `shortly` after `observed_time`. The first state of an account and Region has none
    before it and gives no row.

    Parameters
    ----------
    check_configurations, scheduled_audits, suppressions, account_configurations
        Every stored state of these tables (`schemas`), also those before `start`: the last of them is compared with.
        The moments of the four together are the states; a table without rows for a moment was empty then.
    audit_tasks
        Table `schemas.AUDIT_TASKS`.
    start, end
        Aware datetimes; `observed_time` lies in between.
    runs
        `history.CHECK_RUNS`; None: `mass_share` is not looked at.
    observations
        Every look at the configuration, also those that found nothing new and stored no state (`account`, `region`,
        `observed_time`): they narrow the time in which the change was made.
    mass, mass_share
        Bounds of a mass suppression: at least 1; more than 0.
    shortly
        How long before an audit a change counts as shortly before it.

    Returns
    -------
    DataFrame
        `results_controls.WEAKENED_CONTROLS`, sorted by account, region, observed_time, direction (weakened first),
        kind, check_name and scheduled_audit_name.

    Raises
    ------
    WindowError, ParameterError
        A bound has no time zone; `mass` or `mass_share` is too small.
    """
    check_as_of(start, name="start")
    check_as_of(end, name="end")
    if mass < 1 or not mass_share > 0:
        raise ParameterError(f"mass is {mass!r} and mass_share {mass_share!r}; at least 1 and more than 0 are allowed.")
    states = (check_configurations, scheduled_audits, suppressions, account_configurations)
    steps = _steps(states, observations)
    seen = steps["observed_time"]
    steps = steps[(seen >= pd.Timestamp(start)) & (seen < pd.Timestamp(end))].reset_index(drop=True)
    steps["step"] = range(len(steps))
    steps = _with_audits(steps, audit_tasks, shortly)
    events = [
        *_account_changes(pairs(account_configurations, steps, [])),
        *_check_changes(pairs(check_configurations, steps, ["check_name"])),
        *_schedule_changes(pairs(scheduled_audits, steps, ["scheduled_audit_name"])),
        *suppression_changes(
            pairs(suppressions, steps, ["check_name", "resource_identifier"]),
            steps,
            runs,
            mass=mass,
            mass_share=mass_share,
        ),
    ]
    if not events:
        return WEAKENED_CONTROLS.empty()
    listed = [{"check_name": None, "scheduled_audit_name": None, **event} for event in events]
    table = pd.DataFrame(listed).merge(steps, on="step")
    for name in ("changed_count", "open_resources_count"):
        table[name] = table.get(name, pd.Series(pd.NA, index=table.index)).astype("Int64")
    table["direction"] = [ControlChange(k).direction.value for k in table["kind"]]
    table["by_direction"] = table["direction"].map(_DIRECTIONS.index)
    table["by_kind"] = table["kind"].map(_KINDS.index)
    order = [*PLACE, "observed_time", "by_direction", "by_kind", "check_name", "scheduled_audit_name"]
    return WEAKENED_CONTROLS.conform(table.sort_values(order))


def _steps(states: tuple[pd.DataFrame, ...], observations: pd.DataFrame | None) -> pd.DataFrame:
    """Return the moments of stored states, each with that of the state before it and of the latest look before it."""
    key = [*PLACE, "observed_time"]
    moments = pd.concat([s[key] for s in states]).drop_duplicates().sort_values(key, ignore_index=True)
    moments["previous_time"] = moments.groupby(PLACE)["observed_time"].shift()
    moments = moments[moments["previous_time"].notna()]
    moments["not_before_time"] = moments["previous_time"]
    if observations is not None and len(observations) and len(moments):
        looks = observations[key].rename(columns={"observed_time": "look_time"}).sort_values("look_time")
        found = pd.merge_asof(
            moments.sort_values("observed_time"),
            looks,
            left_on="observed_time",
            right_on="look_time",
            by=PLACE,
            allow_exact_matches=False,
        )
        found["not_before_time"] = found[["previous_time", "look_time"]].max(axis=1)
        moments = found.drop(columns="look_time").sort_values(key)
    return moments


def _with_audits(steps: pd.DataFrame, audit_tasks: pd.DataFrame, shortly: timedelta) -> pd.DataFrame:
    """Add `before_audit`, `audit_task_id` and `audit_start_time`."""
    audits = audit_tasks[[*PLACE, "audit_task_id", "task_start_time"]].rename(
        columns={"task_start_time": "audit_start_time"}
    )
    found = pd.merge_asof(
        steps.sort_values("not_before_time"),
        audits.sort_values(["audit_start_time", "audit_task_id"]),
        left_on="not_before_time",
        right_on="audit_start_time",
        by=PLACE,
        direction="forward",
        allow_exact_matches=False,
    )
    found["before_audit"] = found["audit_start_time"] <= found["observed_time"] + shortly
    for name in ("audit_task_id", "audit_start_time"):
        found[name] = found[name].where(found["before_audit"])
    return found.sort_values("step", ignore_index=True)


def pairs(table: pd.DataFrame, steps: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """Return what a table had before and after each step: columns with `_before` and `_after`.

    `where` is `both`, `left_only` (gone) or `right_only` (new).
    """
    once = table.drop_duplicates([*PLACE, "observed_time", *key])
    sides = []
    for time in ("previous_time", "observed_time"):
        own = steps[["step", *PLACE, time]].rename(columns={time: "observed_time"})
        sides.append(own.merge(once, on=[*PLACE, "observed_time"]).drop(columns=[*PLACE, "observed_time"]))
    before, after = sides
    return before.merge(after, on=["step", *key], how="outer", suffixes=("_before", "_after"), indicator="where")


def _account_changes(both: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for row in both[both["where"] == "both"].to_dict("records"):
        was, now = bool(row["configured_before"]), bool(row["configured_after"])
        role = {"step": row["step"], "before": text(row["role_arn_before"]), "after": text(row["role_arn_after"])}
        if was and not now:
            message = "Audit was switched off: the account's audit configuration was deleted."
            yield {**role, "kind": ControlChange.AUDIT_SWITCHED_OFF.value, "message": message}
        elif now and not was:
            yield {**role, "kind": ControlChange.AUDIT_SWITCHED_ON.value, "message": "Audit was switched on."}
        elif role["before"] != role["after"]:
            message = f"Audits run under another role: {role['after']} instead of {role['before']}."
            yield {**role, "kind": ControlChange.AUDIT_ROLE_CHANGED.value, "message": message}
        topic = {
            "step": row["step"],
            "before": text(row["sns_target_arn_before"]),
            "after": text(row["sns_target_arn_after"]),
        }
        was, now = _is_true(row["sns_enabled_before"]), _is_true(row["sns_enabled_after"])
        if was and not now:
            message = f"The end of audits is not published any more (before: to {topic['before']})."
            yield {**topic, "kind": ControlChange.NOTIFICATION_OFF.value, "message": message}
        elif now and not was:
            message = f"The end of audits is published to {topic['after']}."
            yield {**topic, "kind": ControlChange.NOTIFICATION_ON.value, "message": message}
        elif now and topic["before"] != topic["after"]:
            message = f"The end of audits is published to {topic['after']} instead of {topic['before']}."
            yield {**topic, "kind": ControlChange.NOTIFICATION_REDIRECTED.value, "message": message}


def _check_changes(both: pd.DataFrame) -> Iterator[dict[str, Any]]:
    was, now = (both[f"enabled_{side}"].fillna(value=False).astype("bool") for side in ("before", "after"))
    for row in both[was != now].to_dict("records"):
        off = _is_true(row["enabled_before"])
        yield {
            "step": row["step"],
            "kind": (ControlChange.CHECK_DISABLED if off else ControlChange.CHECK_ENABLED).value,
            "check_name": row["check_name"],
            "before": "on" if off else "off",
            "after": "off" if off else "on",
            "message": f"{describe_check(row['check_name']).title}: the check was switched {'off' if off else 'on'}.",
        }
    days = both[["threshold_days_before", "threshold_days_after"]].astype("Int64").fillna(-1)
    differ = (both["where"] == "both") & (days.iloc[:, 0] != days.iloc[:, 1])
    for row in both[differ].to_dict("records"):
        yield from _threshold_change(row)


def _threshold_change(row: dict[Any, Any]) -> Iterator[dict[str, Any]]:
    check = describe_check(row["check_name"])
    default = check.threshold.default_days if check.threshold else None
    told = [None if pd.isna(v) else int(v) for v in (row["threshold_days_before"], row["threshold_days_after"])]
    was, now = (default if days is None else days for days in told)
    if was == now:
        return
    kind = ControlChange.THRESHOLD_CHANGED
    if check.threshold is not None and was is not None and now is not None:
        laxer = (now > was) if check.name in _GREATER_IS_LAXER else (now < was)
        kind = ControlChange.THRESHOLD_LAXER if laxer else ControlChange.THRESHOLD_STRICTER
    effect = {
        ControlChange.THRESHOLD_LAXER: "less is reported",
        ControlChange.THRESHOLD_STRICTER: "more is reported",
    }.get(kind, "whether more or less is reported is not known")
    texts = ["AWS's default" if d is None else f"{d} days" for d in (was, now)]
    yield {
        "step": row["step"],
        "kind": kind.value,
        "check_name": row["check_name"],
        "before": texts[0],
        "after": texts[1],
        "message": f"{check.title}: the threshold went from {texts[0]} to {texts[1]}, so {effect}.",
    }


def _schedule_changes(both: pd.DataFrame) -> Iterator[dict[str, Any]]:
    rows = both.to_dict("records")
    for row in rows:
        row["was"], row["now"] = (_names(row[f"target_check_names_{side}"]) for side in ("before", "after"))
    run: dict[int, set[str]] = {}
    for row in rows:
        run.setdefault(row["step"], set()).update(row["now"])
    for row in rows:
        name, was, now = row["scheduled_audit_name"], row["was"], row["now"]
        told = {"step": row["step"], "scheduled_audit_name": name}
        told |= {"before": text(row["target_check_names_before"]), "after": text(row["target_check_names_after"])}
        removed, added = was - now, now - was
        lost = _listed(removed - run[row["step"]])
        rest = f" No schedule runs {lost} any more." if lost else ""
        if row["where"] == "left_only":
            message = f"The schedule {name!r} ({row['frequency_before']}) was deleted.{rest}"
            kind = ControlChange.SCHEDULE_DELETED
            yield {**told, "kind": kind.value, "changed_count": len(removed), "message": message}
            continue
        if row["where"] == "right_only":
            message = f"The schedule {name!r} ({row['frequency_after']}) was made, with {len(added)} checks."
            kind = ControlChange.SCHEDULE_CREATED
            yield {**told, "kind": kind.value, "changed_count": len(added), "message": message}
            continue
        if removed:
            message = f"The schedule {name!r} does not run {_listed(removed)} any more.{rest}"
            kind = ControlChange.SCHEDULE_NARROWED
            yield {**told, "kind": kind.value, "changed_count": len(removed), "message": message}
        if added:
            message = f"The schedule {name!r} now also runs {_listed(added)}."
            kind = ControlChange.SCHEDULE_WIDENED
            yield {**told, "kind": kind.value, "changed_count": len(added), "message": message}
        often, rarely = row["frequency_before"], row["frequency_after"]
        if often != rarely:
            message = f"The schedule {name!r} runs {rarely} instead of {often}."
            kind = _frequency_change(often, rarely)
            yield {**told, "kind": kind.value, "before": text(often), "after": text(rarely), "message": message}


def _frequency_change(before: Any, after: Any) -> ControlChange:
    was, now = _DAYS_BETWEEN.get(before), _DAYS_BETWEEN.get(after)
    if was is None or now is None:
        return ControlChange.SCHEDULE_FREQUENCY_CHANGED
    return ControlChange.SCHEDULE_RARER if now > was else ControlChange.SCHEDULE_MORE_OFTEN


def _names(value: Any) -> set[str]:
    return set() if pd.isna(value) else set(json.loads(value))


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))


def _is_true(value: Any) -> bool:
    return not pd.isna(value) and bool(value)


def text(value: Any) -> str | None:
    """Return a text; None for a missing one."""
    return None if pd.isna(value) else str(value)
