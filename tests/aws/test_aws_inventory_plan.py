"""What an inventory will take, by arithmetic."""

from __future__ import annotations

import pytest

from ddreport.aws.inventory import InventoryCounts, duration, plan_calls
from ddreport.aws.inventory.plan import planned
from ddreport.errors import InputError


def calls_of(counts: InventoryCounts, **options: bool) -> dict[str, int]:
    return {c.operation: c.calls for c in plan_calls(counts, **options).calls}


def test_one_call_per_new_certificate_thing_and_group_and_two_per_policy() -> None:
    counts = InventoryCounts(
        certificates=12_340, new_certificates=310, ca_certificates=3, policies=7, new_policy_versions=2, things=900,
        thing_groups=11, role_aliases=4,
    )  # fmt: skip
    assert calls_of(counts, lists=False) == {
        "DescribeCertificate": 310,
        "ListThingPrincipals": 900,
        "ListThingsInThingGroup": 11,
        "DescribeThingGroup": 11,
        "ListPolicyVersions": 7,
        "ListTargetsForPolicy": 7,
        "GetPolicyVersion": 2,
        "DescribeCACertificate": 3,
        "DescribeRoleAlias": 4,
    }


def test_lists_take_a_call_per_page_of_250_and_one_when_empty() -> None:
    found = calls_of(InventoryCounts(certificates=12_340, things=251))
    assert (found["ListCertificates"], found["ListThings"], found["ListPolicies"]) == (50, 2, 1)


def test_the_slowest_operation_decides_since_they_are_asked_side_by_side() -> None:
    plan = plan_calls(InventoryCounts(certificates=1240, new_certificates=1240, things=1000, thing_groups=1000))
    assert plan.seconds == 124 + 0.5  # the list of certificates first: five pages
    assert plan.calls[0].operation == "DescribeCertificate"


def test_the_plan_reads_like_a_sentence() -> None:
    plan = planned(InventoryCounts(certificates=12_340, new_certificates=310), {"DescribeCertificate": 1240})
    assert str(plan) == "12,340 certificates, 310 new: 1,240 calls, about 2 min 4 s at AWS's rates"
    more = planned(InventoryCounts(1, 1, things=2_000, thing_groups=3), {"DescribeCertificate": 1})
    assert str(more).startswith("1 certificates, 1 new; 2,000 things; 3 thing groups: 1 calls, about 1 s")


def test_nothing_to_do_takes_no_time() -> None:
    plan = planned(InventoryCounts(), {})
    assert (plan.calls_count, plan.seconds) == (0, 0.0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "1 s"), (0.2, "1 s"), (59.1, "1 min"), (124, "2 min 4 s"), (3599.5, "1 h"), (10_000, "2 h 47 min"),
     (100_000, "27 h 47 min"), (7_200, "2 h")],
)  # fmt: skip
def test_durations_are_for_people_and_round_up(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(InputError, match="allowed: 0 or more"):
        plan_calls(InventoryCounts(things=-1))
    with pytest.raises(InputError, match="2 of 1 certificates"):
        plan_calls(InventoryCounts(certificates=1, new_certificates=2))
