"""What changed between the quarters, and which controls were weakened: worked out by hand from the script."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

import pandas as pd
import pytest

from ddreport import history as hs
from ddreport import metrics

SCRIPT = sys.modules["story_script"]
LOGGING, EXPIRING, POLICY, SHARED = SCRIPT.LOGGING, SCRIPT.EXPIRING, SCRIPT.POLICY, SCRIPT.SHARED
at = SCRIPT.at

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("first", "second", "changes", "still_resolved"),
    [
        (
            182.5,
            273.5,
            {
                ("home", POLICY, "fleet"): "RESOLVED",
                ("home", POLICY, "legacy"): "STILL_SUPPRESSED",
                ("home", SHARED, "pump3"): "CAME_AND_WENT",  # seen again by the longer look of an audit on demand
                ("home", EXPIRING, "pump4"): "APPEARED",
                ("home", EXPIRING, "pump5"): "APPEARED",
                ("west", POLICY, "west-all"): "STILL_OPEN",
                ("other", EXPIRING, "valve3"): "CAME_AND_WENT",
            },
            7,
        ),
        (
            364.5,
            455.5,
            {
                ("home", POLICY, "legacy"): "BECAME_UNKNOWN",  # no schedule any more
                ("west", POLICY, "west-all"): "BECAME_UNKNOWN",  # nobody asks the Region any more
                ("home", EXPIRING, "pump2"): "CAME_AND_WENT",
                ("home", EXPIRING, "pump5"): "STILL_OUT_OF_SCOPE",
            },
            13,
        ),
        (
            455.5,
            546.5,
            {
                ("home", POLICY, "legacy"): "RESOLVED",
                ("home", LOGGING, SCRIPT.HOME.account): "CAME_AND_WENT",
                ("home", POLICY, "contractor"): "APPEARED",
                ("home", EXPIRING, "pump5"): "STILL_OUT_OF_SCOPE",
                ("west", POLICY, "west-all"): "STILL_UNKNOWN",
            },
            13,
        ),
        (
            546.5,
            637.5,
            {
                ("home", POLICY, "contractor"): "WENT_OUT_OF_SCOPE",
                ("home", EXPIRING, "pump5"): "STILL_OUT_OF_SCOPE",
                ("west", POLICY, "west-all"): "STILL_UNKNOWN",
            },
            15,
        ),
        (
            637.5,
            670.5,
            {
                ("home", POLICY, "contractor"): "BACK_IN_SCOPE",
                ("home", EXPIRING, "pump5"): "RESOLVED",
                ("west", POLICY, "west-all"): "STILL_UNKNOWN",
            },
            15,
        ),
    ],
)
def test_between_two_days_every_problem_changed_as_the_script_says(
    told: Any, named: Any, first: float, second: float, changes: Any, still_resolved: int
) -> None:
    before, after = (
        hs.problems(told.spans, told.runs, as_of=at(day), check_configurations=told.check_configurations)
        for day in (first, second)
    )
    table = metrics.difference(before, after)
    found = Counter(zip((p[:3] for p in named(table)), table["change"], strict=True))
    quiet = {key: count for key, count in found.items() if key[1] == "STILL_RESOLVED"}
    assert sum(quiet.values()) == still_resolved
    assert dict(key for key in found if key not in quiet) == changes


def test_every_weakening_and_strengthening_is_told_between_the_pulls_that_saw_it(told: Any) -> None:
    table = metrics.weakened_controls(
        told.check_configurations,
        told.scheduled_audits,
        told.suppressions,
        told.account_configurations,
        told.audit_tasks,
        start=at(0),
        end=at(729),
        runs=told.runs,
        observations=told.observations,
    )
    names = {(p.account, p.region): p.name for p in SCRIPT.STORY.places}
    columns = ["account", "region", "not_before_time", "observed_time", "kind", "check_name", "before_audit"]
    found = [
        (names[account, region], since, until, kind, None if pd.isna(check) else check, bool(audit))
        for account, region, since, until, kind, check, audit in table[columns].itertuples(index=False)
    ]
    expected = [
        ("home", 3.5, 38.5, "MASS_SUPPRESSION", POLICY, True),  # one of two policies
        ("home", 178.5, 213.5, "THRESHOLD_STRICTER", EXPIRING, True),
        ("home", 248.5, 283.5, "THRESHOLD_LAXER", EXPIRING, True),
        # The suppression that ended by itself on day 365 is no change that anybody made.
        ("home", 388.5, 423.5, "SCHEDULE_DELETED", None, True),
        ("home", 388.5, 423.5, "MASS_SUPPRESSION", POLICY, True),
        ("home", 388.5, 423.5, "INDEFINITE_SUPPRESSION", POLICY, True),
        ("home", 423.5, 458.5, "SUPPRESSIONS_LIFTED", POLICY, False),  # there was no audit any more
        ("home", 458.5, 493.5, "SCHEDULE_CREATED", None, True),
        ("home", 528.5, 563.5, "CHECK_DISABLED", POLICY, True),
        ("home", 528.5, 563.5, "SCHEDULE_NARROWED", None, True),
        ("home", 563.5, 647.5, "THRESHOLD_STRICTER", EXPIRING, True),
        ("home", 647.5, 668.5, "CHECK_ENABLED", POLICY, True),
        ("home", 647.5, 668.5, "SCHEDULE_WIDENED", None, True),
        ("other", 3.5, 38.5, "SCHEDULE_RARER", None, True),
    ]
    assert sorted(found, key=str) == sorted(
        ((place, pd.Timestamp(at(since)), pd.Timestamp(at(until)), *rest) for place, since, until, *rest in expected),
        key=str,
    )
