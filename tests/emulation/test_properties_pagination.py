"""Properties of lists in pages: whatever the sizes and whatever ends meanwhile, nothing is repeated or left out."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddreport.emulation import Emulator, ManualClock

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SPAN = {"startTime": NOW - timedelta(days=1), "endTime": NOW + timedelta(days=1)}
POLICY, LOGGING = "IOT_POLICY_OVERLY_PERMISSIVE_CHECK", "LOGGING_DISABLED_CHECK"
CLIENT_IDS = "CONFLICTING_CLIENT_IDS_CHECK"
WIDE = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}})

page_sizes = st.lists(st.one_of(st.integers(1, 30), st.integers(1, 250)), min_size=1, max_size=6)


def new_account(policies):
    emulator = Emulator(ManualClock(NOW), seed=5)
    for number in range(policies):
        emulator.iot().create_policy(f"policy-{number}", WIDE)
    role = emulator.create_service_role("Audit", "AWSIoTDeviceDefenderAudit")
    checks = {name: {"enabled": True} for name in (POLICY, LOGGING, CLIENT_IDS)}
    emulator.call("UpdateAccountAuditConfiguration", roleArn=role, auditCheckConfigurations=checks)
    return emulator, role


def start_audit(emulator, *checks):
    return emulator.call("StartOnDemandAuditTask", targetCheckNames=list(checks))["taskId"]


def pages(emulator, operation, member, parameters, sizes):
    """Yield page after page, each of the next size; what happens between two pages is up to the caller."""
    token = {}
    for size in itertools.cycle(sizes):
        answer = emulator.call(operation, maxResults=size, **parameters, **token)
        assert len(answer[member]) <= size
        yield answer[member]
        if "nextToken" not in answer:
            return
        assert answer[member], "a page without items that is not the last one"
        token = {"nextToken": answer["nextToken"]}


@pytest.fixture(scope="module")
def crowded():
    """An account with much of everything, and for each list what it must hold."""
    emulator, role = new_account(policies=55)
    with emulator:
        audits = [start_audit(emulator, *checks) for checks in ((POLICY, LOGGING),) * 4 + ((LOGGING,),) * 5]
        emulator.advance(timedelta(minutes=1))
        for _ in range(4):
            audits += [start_audit(emulator, CLIENT_IDS) for _ in range(10)]
            emulator.advance(timedelta(minutes=1))
        names = [f"action-{number}" for number in range(60)]
        parameters = {"replaceDefaultPolicyVersionParams": {"templateName": "BLANK_POLICY"}}
        for name in names:
            emulator.call("CreateMitigationAction", actionName=name, roleArn=role, actionParams=parameters)
        identifiers = [
            {"policyVersionIdentifier": {"policyName": f"policy-{number}", "policyVersionId": "1"}}
            for number in range(55)
        ]
        for number, identifier in enumerate(identifiers):
            # Some end at the same moment and some never.
            ends = {"expirationDate": NOW + timedelta(days=1 + number % 7)} if number % 5 else {}
            emulator.call(
                "CreateAuditSuppression",
                checkName=POLICY,
                resourceIdentifier=identifier,
                clientRequestToken=str(number),
                suppressIndefinitely=not ends,
                **ends,
            )
        finding = emulator.call("ListAuditFindings", taskId=audits[0], checkName=LOGGING)["findings"][0]
        launches = [f"launch-{number}" for number in range(30)]
        for task_id in launches:
            emulator.call(
                "StartAuditMitigationActionsTask",
                taskId=task_id,
                clientRequestToken=task_id,
                target={"findingIds": [finding["findingId"]]},
                auditCheckToActionsMapping={POLICY: ["action-0"]},  # nothing to do: ends at once
            )
        policy_findings = {(task_id, json.dumps(one, sort_keys=True)) for task_id in audits[:4] for one in identifiers}
        account = json.dumps({"account": emulator.account})
        yield (
            emulator,
            {
                "ListAuditTasks": set(audits),
                "ListAuditFindings": policy_findings | {(task_id, account) for task_id in audits[:9]},
                "ListMitigationActions": set(names),
                "ListAuditSuppressions": {json.dumps(one, sort_keys=True) for one in identifiers},
                "ListAuditMitigationActionsTasks": set(launches),
            },
        )


def resource_of(finding):
    return json.dumps(finding["nonCompliantResource"]["resourceIdentifier"], sort_keys=True)


LISTS = {
    "ListAuditTasks": ("tasks", SPAN, lambda item: item["taskId"]),
    "ListAuditFindings": ("findings", SPAN, lambda item: (item["taskId"], resource_of(item))),
    "ListMitigationActions": ("actionIdentifiers", {}, lambda item: item["actionName"]),
    "ListAuditSuppressions": (
        "suppressions",
        {"ascendingOrder": False},
        lambda item: json.dumps(item["resourceIdentifier"], sort_keys=True),
    ),
    "ListAuditMitigationActionsTasks": ("tasks", SPAN, lambda item: item["taskId"]),
}


@pytest.mark.parametrize("operation", LISTS)
@given(sizes=page_sizes)
@settings(max_examples=25, deadline=None)
def test_any_page_sizes_give_the_whole_list_once(crowded, operation, sizes):
    emulator, expected = crowded
    member, parameters, key = LISTS[operation]
    listed = [key(item) for page in pages(emulator, operation, member, parameters, sizes) for item in page]
    assert len(listed) == len(set(listed))
    assert set(listed) == expected[operation]


@pytest.mark.parametrize("operation", LISTS)
@given(sizes=page_sizes)
@settings(max_examples=10, deadline=None)
def test_the_order_does_not_depend_on_page_sizes(crowded, operation, sizes):
    emulator, _ = crowded
    member, parameters, _ = LISTS[operation]
    in_these = [item for page in pages(emulator, operation, member, parameters, sizes) for item in page]
    in_largest = [item for page in pages(emulator, operation, member, parameters, [250]) for item in page]
    assert in_these == in_largest


def cancel_last(emulator):
    running = emulator.call("ListAuditTasks", taskStatus="IN_PROGRESS", **SPAN)["tasks"]
    if running:
        emulator.cancel_audit(running[0]["taskId"])


EVENTS = {
    "an audit starts": lambda emulator: start_audit(emulator, POLICY, LOGGING),
    "a check ends": lambda emulator: emulator.advance(emulator.audit_duration / 2),
    "all audits end": lambda emulator: emulator.advance(emulator.audit_duration),
    "nothing": lambda emulator: None,
    "a policy comes": lambda emulator: emulator.iot().create_policy(f"new-{len(emulator.iot().policies)}", WIDE),
    "the last audit is cancelled": cancel_last,
}


@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    happening=st.lists(st.sampled_from([*EVENTS]), min_size=1, max_size=8),
    which=st.sampled_from(["findings of a span", "findings of a running audit", "audits"]),
)
@settings(max_examples=120, deadline=None)
def test_what_happens_between_two_pages_neither_repeats_nor_hides(sizes, happening, which):
    emulator, _ = new_account(policies=4)
    with emulator:
        for _ in range(3):
            start_audit(emulator, POLICY, LOGGING)
            emulator.advance(emulator.audit_duration)
        running = start_audit(emulator, POLICY, LOGGING)
        emulator.advance(emulator.audit_duration / 2)  # its first check has ended
        operation, member, parameters, key = {
            "findings of a span": ("ListAuditFindings", "findings", SPAN, "findingId"),
            "findings of a running audit": ("ListAuditFindings", "findings", {"taskId": running}, "findingId"),
            "audits": ("ListAuditTasks", "tasks", SPAN, "taskId"),
        }[which]

        def everything():
            return {item[key] for page in pages(emulator, operation, member, parameters, [250]) for item in page}

        before = everything()
        assert before
        listed = []
        events = itertools.chain(happening, itertools.repeat("nothing"))
        for page in pages(emulator, operation, member, parameters, sizes):
            listed += [item[key] for item in page]
            event = next(events)
            if event != "an audit starts" or len(emulator.call("ListAuditTasks", **SPAN)["tasks"]) < 10:
                EVENTS[event](emulator)
        assert len(listed) == len(set(listed))
        assert before <= set(listed) <= everything()
