"""Weakened controls: each kind of change between two looks, and its opposite the other way round."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from ddreport import history
from ddreport.errors import ParameterError, WindowError
from ddreport.metrics import ControlChange, Direction, weakened_controls
from ddreport.metrics.results_controls import WEAKENED_CONTROLS
from ddreport.schemas import ACCOUNT_CONFIGURATIONS, CHECK_CONFIGURATIONS, SCHEDULED_AUDITS, SUPPRESSIONS, Schema

EXPIRING = "DEVICE_CERTIFICATE_EXPIRING_CHECK"
AGE = "DEVICE_CERTIFICATE_AGE_CHECK"
LOGGING = "LOGGING_DISABLED_CHECK"
ROLE = "arn:aws:iam::012345678901:role/Audit"
TOPIC = "arn:aws:sns:eu-west-1:012345678901:audits"


def state(**changes: Any) -> dict[str, Any]:
    """Make one look at an account with everything on; `changes` replaces parts of it."""
    return {
        "account": "012345678901",
        "role": ROLE,
        "topic": TOPIC,
        "sns": True,
        "checks": {EXPIRING: (True, 60), AGE: (True, None), LOGGING: (True, None)},
        "schedules": {"daily": ("DAILY", [EXPIRING, AGE, LOGGING])},
        "suppressions": {},
        **changes,
    }


def tables(states: Iterable[tuple[datetime, dict[str, Any]]]) -> list[pd.DataFrame]:
    """Return the four tables of states, in the order of the arguments of `weakened_controls`."""
    rows: dict[str, list[dict[str, Any]]] = {s.name: [] for s in SCHEMAS}
    for time, seen in states:
        place = {"account": seen["account"], "region": "eu-west-1", "observed_time": time}
        rows["account_configurations"].append(
            {**place, "configured": seen["role"] is not None, "role_arn": seen["role"], "sns_enabled": seen["sns"]}
            | {"sns_target_arn": seen["topic"]}
        )
        for name, (on, days) in seen["checks"].items():
            rows["check_configurations"].append({**place, "check_name": name, "enabled": on, "threshold_days": days})
        for name, (frequency, checks) in seen["schedules"].items():
            facts = {"frequency": frequency, "target_check_names": json.dumps(sorted(checks))}
            rows["scheduled_audits"].append(
                {**place, "scheduled_audit_name": name, "scheduled_audit_arn": f"arn:{name}", **facts}
            )
        for (check, resource), ends in seen["suppressions"].items():
            facts = {"check_name": check, "resource_type": "DEVICE_CERTIFICATE", "resource_id": resource}
            facts |= {"resource_identifier": json.dumps(resource), "expiration_time": ends}
            rows["suppressions"].append({**place, **facts, "suppress_indefinitely": ends is None})
    return [frame(s, rows[s.name]) for s in SCHEMAS]


SCHEMAS = (CHECK_CONFIGURATIONS, SCHEDULED_AUDITS, SUPPRESSIONS, ACCOUNT_CONFIGURATIONS)


def frame(schema: Schema, rows: list[dict[str, Any]]) -> pd.DataFrame:
    if not rows:
        return schema.empty()
    return schema.conform(pd.DataFrame([{n: row.get(n) for n in schema.column_names} for row in rows]))


def changes(make: Any, before: dict[str, Any], after: dict[str, Any], **options: Any) -> pd.DataFrame:
    """Return what changed from a look on day 0 to one on day 1."""
    window = {"start": make.day(-10), "end": make.day(10)}
    looks = [(make.day(0), before), (make.day(1), after)]
    audits = options.pop("audits", make.audits())
    return weakened_controls(*tables(looks), audits, **window | options)


FEW = {EXPIRING: (True, 60), AGE: (True, None), LOGGING: (False, None)}
CASES: list[tuple[dict[str, Any], str, str, str, str]] = [
    # changed part, kind, its opposite, before, after
    ({"checks": FEW}, "CHECK_DISABLED", "CHECK_ENABLED", "on", "off"),
    (
        {"checks": state()["checks"] | {EXPIRING: (True, 10)}},
        "THRESHOLD_LAXER",
        "THRESHOLD_STRICTER",
        "60 days",
        "10 days",
    ),
    (
        {"checks": state()["checks"] | {EXPIRING: (True, None)}},
        "THRESHOLD_LAXER",
        "THRESHOLD_STRICTER",
        "60 days",
        "30 days",
    ),
    (
        {"checks": state()["checks"] | {AGE: (True, 700)}},
        "THRESHOLD_LAXER",
        "THRESHOLD_STRICTER",
        "365 days",
        "700 days",
    ),
    (
        {"schedules": {}},
        "SCHEDULE_DELETED",
        "SCHEDULE_CREATED",
        json.dumps(sorted([AGE, EXPIRING, LOGGING])),
        "",
    ),
    (
        {"schedules": {"daily": ("DAILY", [EXPIRING])}},
        "SCHEDULE_NARROWED",
        "SCHEDULE_WIDENED",
        json.dumps(sorted([AGE, EXPIRING, LOGGING])),
        json.dumps([EXPIRING]),
    ),
    (
        {"schedules": {"daily": ("BIWEEKLY", [EXPIRING, AGE, LOGGING])}},
        "SCHEDULE_RARER",
        "SCHEDULE_MORE_OFTEN",
        "DAILY",
        "BIWEEKLY",
    ),
    (
        {"schedules": {"daily": ("HOURLY", [EXPIRING, AGE, LOGGING])}},
        "SCHEDULE_FREQUENCY_CHANGED",
        "SCHEDULE_FREQUENCY_CHANGED",
        "DAILY",
        "HOURLY",
    ),
    ({"role": None}, "AUDIT_SWITCHED_OFF", "AUDIT_SWITCHED_ON", ROLE, ""),
    ({"role": "arn:other"}, "AUDIT_ROLE_CHANGED", "AUDIT_ROLE_CHANGED", ROLE, "arn:other"),
    ({"sns": False}, "NOTIFICATION_OFF", "NOTIFICATION_ON", TOPIC, TOPIC),
    ({"topic": "arn:other"}, "NOTIFICATION_REDIRECTED", "NOTIFICATION_REDIRECTED", TOPIC, "arn:other"),
]


@pytest.mark.parametrize(("part", "kind", "opposite", "before", "after"), CASES, ids=[c[1] for c in CASES])
def test_every_change_is_told_and_its_way_back_too(
    make: Any, part: dict[str, Any], kind: str, opposite: str, before: str, after: str
) -> None:
    for first, second, expected, texts in (
        (state(), state(**part), kind, (before, after)),
        (state(**part), state(), opposite, (after, before)),
    ):
        table = changes(make, first, second)
        assert table["kind"].tolist() == [expected]
        row = table.iloc[0]
        assert tuple("" if pd.isna(row[n]) else row[n] for n in ("before", "after")) == texts
        assert row["direction"] == ControlChange(expected).direction
        assert (row["not_before_time"], row["observed_time"]) == (make.day(0), make.day(1))
        assert len(row["message"]) > 20


def test_every_kind_has_a_direction() -> None:
    weakened = {k for k in ControlChange if k.direction is Direction.WEAKENED}
    assert {k.value for k in weakened} == {
        "AUDIT_SWITCHED_OFF",
        "NOTIFICATION_OFF",
        "CHECK_DISABLED",
        "THRESHOLD_LAXER",
        "SCHEDULE_DELETED",
        "SCHEDULE_NARROWED",
        "SCHEDULE_RARER",
        "MASS_SUPPRESSION",
        "INDEFINITE_SUPPRESSION",
    }


def test_setting_the_default_threshold_and_looking_again_are_no_changes(make: Any) -> None:
    assert changes(make, state(), state(checks=state()["checks"] | {AGE: (True, 365)})).empty
    assert changes(make, state(), state()).empty


def test_a_threshold_of_a_check_that_the_catalogue_lacks_is_a_change_of_unknown_direction(make: Any) -> None:
    row = changes(make, state(checks={"NEW_CHECK": (True, 5)}), state(checks={"NEW_CHECK": (True, None)})).iloc[0]
    assert (row["kind"], row["before"], row["after"]) == ("THRESHOLD_CHANGED", "5 days", "AWS's default")


def test_a_check_that_is_not_listed_any_more_is_off(make: Any) -> None:
    table = changes(make, state(), state(role=None, checks={}, schedules={}, sns=None, topic=None))
    kinds = ["AUDIT_SWITCHED_OFF", "NOTIFICATION_OFF", *["CHECK_DISABLED"] * 3, "SCHEDULE_DELETED"]
    assert table["kind"].tolist() == kinds


def test_a_narrowed_schedule_says_which_checks_nothing_runs_any_more(make: Any) -> None:
    before = {"daily": ("DAILY", [EXPIRING, AGE, LOGGING]), "weekly": ("WEEKLY", [AGE])}
    after = {"daily": ("DAILY", [EXPIRING]), "weekly": ("WEEKLY", [AGE])}
    row = changes(make, state(schedules=before), state(schedules=after)).iloc[0]
    assert row["changed_count"] == 2
    assert row["message"] == (
        f"The schedule 'daily' does not run {AGE}, {LOGGING} any more. No schedule runs {LOGGING} any more."
    )


def silenced(make: Any, count: int, *, ends: float | None = 90, check: str = EXPIRING) -> dict[Any, Any]:
    end = None if ends is None else make.day(ends)
    return {(check, f"c{n:03}"): end for n in range(count)}


@pytest.mark.parametrize(("count", "told"), [(9, []), (10, ["MASS_SUPPRESSION"])])
def test_many_new_suppressions_of_one_check_are_a_mass_suppression(make: Any, count: int, told: list[str]) -> None:
    table = changes(make, state(suppressions=silenced(make, 2)), state(suppressions=silenced(make, 2 + count)))
    assert table["kind"].tolist() == told
    assert table["changed_count"].tolist() == [count] * len(told)
    assert table["before"].tolist() == ["2 suppressions"] * len(told)


def test_few_suppressions_are_a_mass_where_they_silence_much_of_a_check(make: Any) -> None:
    check = make.a_check(0, EXPIRING, "bad", non_compliant_resources_count=9, total_resources_count=40)
    check["suppressed_non_compliant_resources_count"] = 1
    findings = make.findings(*(make.a_finding(0, EXPIRING, f"c{n}") for n in range(9)))
    runs = history.check_runs(make.audits(make.an_audit(0)), make.checks(check), findings)
    one = changes(make, state(), state(suppressions=silenced(make, 1)), runs=runs)
    assert one.empty
    two = changes(make, state(), state(suppressions=silenced(make, 2)), runs=runs).iloc[0]
    assert (two["kind"], two["changed_count"], two["open_resources_count"]) == ("MASS_SUPPRESSION", 2, 10)
    assert "2 new suppressions, of 10 resources" in two["message"]
    assert changes(make, state(), state(suppressions=silenced(make, 2)), runs=runs, mass_share=0.5).empty


@pytest.mark.parametrize(
    ("audit_day", "before_audit"), [(-0.1, False), (0, False), (0.5, True), (1.5, True), (2, True), (2.1, False)]
)
def test_a_mass_suppression_tells_of_the_audit_that_followed_within_a_day(
    make: Any, audit_day: float, before_audit: bool
) -> None:
    audits = make.audits(make.an_audit(audit_day), make.an_audit(1.2, account="2", audit_task_id="other"))
    row = changes(make, state(), state(suppressions=silenced(make, 12)), audits=audits).iloc[0]
    assert row["before_audit"] == before_audit
    assert (row["audit_task_id"] == f"a{audit_day:g}") is before_audit
    assert ("An audit began" in row["message"]) is before_audit


def test_looks_that_found_nothing_new_narrow_the_time_of_the_change(make: Any) -> None:
    looks = pd.DataFrame({"account": "012345678901", "region": "eu-west-1", "observed_time": [make.day(0.9)]})
    looks["observed_time"] = looks["observed_time"].astype("datetime64[us, UTC]")
    audits = make.audits(make.an_audit(0.5))
    row = changes(make, state(), state(suppressions=silenced(make, 12)), audits=audits, observations=looks).iloc[0]
    assert row["not_before_time"] == make.day(0.9)
    assert not row["before_audit"]


def test_endless_suppressions_are_told_new_or_made_endless(make: Any) -> None:
    before = silenced(make, 2) | {(LOGGING, "old"): None}
    after = silenced(make, 4, ends=None) | {(LOGGING, "old"): None}
    row = changes(make, state(suppressions=before), state(suppressions=after)).iloc[0]
    assert (row["kind"], row["check_name"], row["changed_count"]) == ("INDEFINITE_SUPPRESSION", EXPIRING, 4)
    assert (row["before"], row["after"]) == ("0 without end", "4 without end")
    assert row["message"].endswith("4 suppressions without end: c000, c001, c002 and 1 more.")


def test_a_suppression_that_ended_was_not_lifted(make: Any) -> None:
    assert changes(make, state(suppressions=silenced(make, 1, ends=0.5)), state()).empty
    assert changes(make, state(suppressions=silenced(make, 1)), state())["kind"].tolist() == ["SUPPRESSIONS_LIFTED"]
    endless = changes(make, state(suppressions=silenced(make, 1, ends=None)), state())
    assert endless["kind"].tolist() == ["SUPPRESSIONS_LIFTED"]


def test_the_window_is_by_the_look_that_found_the_change_and_reaches_back_for_the_state_before(make: Any) -> None:
    looks = [(make.day(0), state()), (make.day(5), state(checks=FEW)), (make.day(9), state())]
    found = weakened_controls(*tables(looks), make.audits(), start=make.day(5), end=make.day(9))
    assert found["kind"].tolist() == ["CHECK_DISABLED"]
    assert found["not_before_time"].tolist() == [make.day(0)]


def test_accounts_are_not_compared_with_each_other_and_a_first_look_tells_nothing(make: Any) -> None:
    looks = [(make.day(0), state()), (make.day(1), state(account="2", checks=FEW, schedules={}))]
    assert weakened_controls(*tables(looks), make.audits(), start=make.day(-1), end=make.day(9)).empty


def test_rows_come_in_order_whatever_the_order_of_the_tables(make: Any) -> None:
    looks = [
        (make.day(d), state(account=a, suppressions=silenced(make, n), checks=c, schedules=s))
        for a in ("2", "1")
        for d, n, c, s in ((0, 0, FEW, {}), (1, 15, state()["checks"], {"x": ("DAILY", [AGE])}), (2, 30, FEW, {}))
    ]
    window = {"start": make.day(-1), "end": make.day(9)}
    given = tables(looks)
    found = weakened_controls(*given, make.audits(), **window)
    shuffled = [t.sample(frac=1, random_state=3) for t in given]
    pd.testing.assert_frame_equal(found, weakened_controls(*shuffled, make.audits(), **window))
    kinds = ["MASS_SUPPRESSION", "CHECK_ENABLED", "SCHEDULE_CREATED"]
    assert found["kind"].tolist() == 2 * [*kinds, "CHECK_DISABLED", "SCHEDULE_DELETED", "MASS_SUPPRESSION"]


def test_nothing_gives_the_empty_table_and_wrong_input_is_refused(make: Any) -> None:
    empty = [*(s.empty() for s in SCHEMAS), make.audits()]
    window = {"start": make.day(0), "end": make.day(1)}
    assert list(weakened_controls(*empty, **window).columns) == WEAKENED_CONTROLS.column_names
    with pytest.raises(WindowError, match="start"):
        weakened_controls(*empty, start=datetime(2026, 3, 2), end=make.day(1))
    with pytest.raises(ParameterError, match="mass"):
        weakened_controls(*empty, **window, mass=0)


def test_suppressions_that_grow_day_by_day_are_told_day_by_day(make: Any) -> None:
    looks = [(make.day(d), state(suppressions=silenced(make, 2 * d))) for d in range(60)]
    found = weakened_controls(*tables(looks), make.audits(), start=make.day(0), end=make.day(400), mass=2)
    assert found["changed_count"].tolist() == [2] * 59
    assert (found["observed_time"] - found["not_before_time"] == timedelta(days=1)).all()
