"""The life of audits and mitigations as a machine: whatever is asked in whatever order, only legal steps are seen."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, precondition, rule

from ddreport.emulation import Emulator, ManualClock
from ddreport.emulation.service_errors import (
    AlreadyExistsError,
    InvalidRequestError,
    LimitExceededError,
    NotFoundError,
    TaskAlreadyExistsError,
)

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LOGGING, POLICY = "LOGGING_DISABLED_CHECK", "IOT_POLICY_OVERLY_PERMISSIVE_CHECK"
CHECKS = (LOGGING, POLICY, "DEVICE_CERTIFICATE_EXPIRING_CHECK", "CONFLICTING_CLIENT_IDS_CHECK")
WIDE = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}})

# What may be seen after what; to stay is always allowed.
OPEN_CHECK = ("WAITING_FOR_DATA_COLLECTION", "IN_PROGRESS")
ENDED_CHECK = ("COMPLETED_COMPLIANT", "COMPLETED_NON_COMPLIANT", "FAILED", "CANCELED")
CHECK_STEPS = {"WAITING_FOR_DATA_COLLECTION": ("IN_PROGRESS", *ENDED_CHECK), "IN_PROGRESS": ENDED_CHECK}
TASK_STEPS = {"IN_PROGRESS": ("COMPLETED", "FAILED", "CANCELED")}
EXECUTION_STEPS = {
    "PENDING": ("IN_PROGRESS", "COMPLETED", "FAILED", "SKIPPED", "CANCELED"),
    "IN_PROGRESS": ("COMPLETED", "FAILED", "CANCELED"),
}

COUNTERS = {
    "IN_PROGRESS": "inProgressChecks",
    "WAITING_FOR_DATA_COLLECTION": "waitingForDataCollectionChecks",
    "COMPLETED_COMPLIANT": "compliantChecks",
    "COMPLETED_NON_COMPLIANT": "nonCompliantChecks",
    "FAILED": "failedChecks",
    "CANCELED": "canceledChecks",
}

checks_of_an_audit = st.lists(st.sampled_from(CHECKS), min_size=1, max_size=4, unique=True)
spans = st.integers(0, 1500).map(lambda milliseconds: timedelta(milliseconds=milliseconds))


class Life(RuleBasedStateMachine):
    """An emulated account with an audit role, a broad policy and no logging; audits take a second."""

    def __init__(self):
        super().__init__()
        self.emulator = Emulator(ManualClock(NOW), seed=9)
        self.emulator.iot().create_policy("Wide", WIDE)
        self.role = self.emulator.create_service_role("Audit", "AWSIoTDeviceDefenderAudit")
        self.enabled = dict.fromkeys(CHECKS, True)
        self.configure()
        self.seen = {}

    def teardown(self):
        self.emulator.close()

    def call(self, operation, **parameters):
        return self.emulator.call(operation, **parameters)

    def configure(self):
        states = {name: {"enabled": enabled} for name, enabled in self.enabled.items()}
        self.call("UpdateAccountAuditConfiguration", roleArn=self.role, auditCheckConfigurations=states)

    def span(self):
        return {"startTime": NOW - timedelta(days=1), "endTime": self.emulator.now() + timedelta(days=1)}

    def step(self, key, status, steps):
        """Note a status and hold it against the one seen before."""
        before = self.seen.get(key, status)
        assert status == before or status in steps.get(before, ()), f"{key}: from {before} to {status}"
        self.seen[key] = status

    @rule(by=spans)
    def time_passes(self, by):
        self.emulator.advance(by)


class AuditLife(Life):
    audits = Bundle("audits")

    def __init__(self):
        super().__init__()
        self.tasks = {}

    @rule(target=audits, names=checks_of_an_audit)
    def start(self, names):
        running = sum(status == "IN_PROGRESS" for status in self.statuses().values())
        if not all(self.enabled[name] for name in names):
            with pytest.raises(InvalidRequestError):
                self.call("StartOnDemandAuditTask", targetCheckNames=names)
            return multiple()
        if running >= 10:
            with pytest.raises(LimitExceededError):
                self.call("StartOnDemandAuditTask", targetCheckNames=names)
            return multiple()
        task_id = self.call("StartOnDemandAuditTask", targetCheckNames=names)["taskId"]
        assert task_id not in self.tasks
        self.tasks[task_id] = names
        return task_id

    @rule(task_id=audits)
    def cancel(self, task_id):
        before = self.call("DescribeAuditTask", taskId=task_id)
        if before["taskStatus"] != "IN_PROGRESS":
            with pytest.raises(InvalidRequestError):
                self.call("CancelAuditTask", taskId=task_id)
            assert self.call("DescribeAuditTask", taskId=task_id) == before
            return
        self.call("CancelAuditTask", taskId=task_id)
        after = self.call("DescribeAuditTask", taskId=task_id)
        assert after["taskStatus"] == "CANCELED"
        for name, check in before["auditDetails"].items():
            if check["checkRunStatus"] in OPEN_CHECK:
                assert after["auditDetails"][name]["checkRunStatus"] == "CANCELED"
            else:
                assert after["auditDetails"][name] == check

    @rule(name=st.sampled_from(CHECKS))
    def switch_a_check(self, name):
        if sum(self.enabled.values()) > 1 or not self.enabled[name]:
            self.enabled[name] = not self.enabled[name]
            self.configure()

    @rule(name=st.sampled_from(CHECKS), broken=st.booleans())
    def break_or_repair_a_check(self, name, broken):
        if broken:
            self.emulator.fail_check(name)
        else:
            self.emulator.restore_check(name)

    @rule(level=st.sampled_from(["ERROR", "DISABLED"]))
    def switch_logging(self, level):
        self.call("SetV2LoggingOptions", roleArn=self.role, defaultLogLevel=level)

    @rule(suppressed=st.booleans())
    def suppress_or_not(self, suppressed):
        which = {"checkName": LOGGING, "resourceIdentifier": {"account": self.emulator.account}}
        if not suppressed:
            self.call("DeleteAuditSuppression", **which)
            return
        try:
            self.call("CreateAuditSuppression", clientRequestToken="t", suppressIndefinitely=True, **which)
        except AlreadyExistsError:
            assert self.call("DescribeAuditSuppression", **which)["suppressIndefinitely"]

    @rule(unknown=st.text("0123456789abcdef", min_size=32, max_size=32))
    def ask_for_what_is_not_there(self, unknown):
        for operation in ("DescribeAuditTask", "CancelAuditTask"):
            with pytest.raises(NotFoundError):
                self.call(operation, taskId=unknown)

    def statuses(self):
        tasks = self.call("ListAuditTasks", maxResults=250, **self.span())["tasks"]
        return {task["taskId"]: task["taskStatus"] for task in tasks}

    @invariant()
    def only_legal_steps_and_counters_that_add_up(self):
        statuses = self.statuses()
        assert set(statuses) == set(self.tasks)
        for task_id, names in self.tasks.items():
            audit = self.call("DescribeAuditTask", taskId=task_id)
            details, status = audit["auditDetails"], audit["taskStatus"]
            assert status == statuses[task_id]
            self.step(task_id, status, TASK_STEPS)
            assert set(details) == set(names)
            statistics = dict(audit["taskStatistics"])
            assert statistics.pop("totalChecks") == sum(statistics.values()) == len(names)
            counted = dict.fromkeys(COUNTERS.values(), 0)
            for name, check in details.items():
                self.step((task_id, name), check["checkRunStatus"], CHECK_STEPS)
                counted[COUNTERS[check["checkRunStatus"]]] += 1
                self.check_is_consistent(task_id, name, check)
            assert statistics == counted
            ends = {check["checkRunStatus"] for check in details.values()}
            assert (status == "IN_PROGRESS") == bool(ends & set(OPEN_CHECK))
            assert (status == "CANCELED") == ("CANCELED" in ends)
            assert (status == "FAILED") == (ends == {"FAILED"})

    def check_is_consistent(self, task_id, name, check):
        status = check["checkRunStatus"]
        findings = self.call("ListAuditFindings", taskId=task_id, checkName=name)["findings"]
        assert check["checkCompliant"] == (status == "COMPLETED_COMPLIANT")
        assert ("errorCode" in check) == ("message" in check) == (status == "FAILED")
        if not status.startswith("COMPLETED"):
            assert findings == []
            return
        suppressed = sum(finding["isSuppressed"] for finding in findings)
        assert check["suppressedNonCompliantResourcesCount"] == suppressed
        assert check["nonCompliantResourcesCount"] == len(findings) - suppressed
        assert check["totalResourcesCount"] >= len(findings)
        assert (status == "COMPLETED_NON_COMPLIANT") == (check["nonCompliantResourcesCount"] > 0)

    def teardown(self):
        self.emulator.advance(timedelta(hours=1))
        assert "IN_PROGRESS" not in self.statuses().values()
        self.only_legal_steps_and_counters_that_add_up()
        super().teardown()


# Each action with the error of its executions, None where it succeeds.
ACTIONS = {
    "log": ({"enableIoTLoggingParams": {"roleArnForLogging": "", "logLevel": "ERROR"}}, "Logging", None),
    "log-without-right": (
        {"enableIoTLoggingParams": {"roleArnForLogging": "", "logLevel": "ERROR"}},
        "Audit",
        "INSUFFICIENT_PERMISSIONS",
    ),
    "tell-nobody": (
        {"publishFindingToSnsParams": {"topicArn": "arn:aws:sns:eu-west-1:123456789012:Nobody"}},
        "Telling",
        "INVALID_STATE_OF_RESOURCE",
    ),
}
FINDINGS = 3


class MitigationLife(Life):
    """Three findings, one of them suppressed, and actions that succeed or fail."""

    launches = Bundle("launches")
    tokens = st.sampled_from([f"token-{number}" for number in range(40)])

    def __init__(self):
        super().__init__()
        self.started = {}
        roles = {
            "Audit": self.role,
            "Logging": self.new_role("Logging", "AWSIoTDeviceDefenderEnableIoTLoggingMitigationAction"),
            "Telling": self.new_role("Telling", "AWSIoTDeviceDefenderPublishFindingsToSNSMitigationAction"),
        }
        for name, (parameters, role, _) in ACTIONS.items():
            text = json.dumps(parameters).replace('"roleArnForLogging": ""', f'"roleArnForLogging": "{self.role}"')
            self.call("CreateMitigationAction", actionName=name, roleArn=roles[role], actionParams=json.loads(text))
        self.audits = []
        for number in range(FINDINGS):
            if number == FINDINGS - 1:
                which = {"checkName": LOGGING, "resourceIdentifier": {"account": self.emulator.account}}
                self.call("CreateAuditSuppression", clientRequestToken="s", suppressIndefinitely=True, **which)
            self.audits.append(self.call("StartOnDemandAuditTask", targetCheckNames=[LOGGING])["taskId"])
            self.emulator.advance(self.emulator.audit_duration)
        self.findings = [
            self.call("ListAuditFindings", taskId=audit)["findings"][0]["findingId"] for audit in self.audits
        ]

    def new_role(self, name, policy):
        return self.emulator.create_service_role(name, policy)

    @rule(
        target=launches,
        token=tokens,
        actions=st.lists(st.sampled_from([*ACTIONS]), min_size=1, max_size=5),
        which=st.lists(st.integers(0, FINDINGS - 1), min_size=1, max_size=FINDINGS, unique=True),
    )
    def launch(self, token, actions, which):
        request = {
            "target": {"findingIds": [self.findings[number] for number in which]},
            "auditCheckToActionsMapping": {LOGGING: actions},
        }
        start = {"taskId": f"launch-{len(self.started)}", "clientRequestToken": token, **request}
        if token in {used for used, _, _ in self.started.values()}:
            with pytest.raises(InvalidRequestError):
                self.call("StartAuditMitigationActionsTask", **start)
            return multiple()
        if sum(self.describe(task)["taskStatus"] == "IN_PROGRESS" for task in self.started) >= 10:
            with pytest.raises(LimitExceededError):
                self.call("StartAuditMitigationActionsTask", **start)
            return multiple()
        task_id = self.call("StartAuditMitigationActionsTask", **start)["taskId"]
        self.started[task_id] = (token, actions, which)
        # The same call again is the same task; another token is a conflict.
        before = self.describe(task_id)
        assert self.call("StartAuditMitigationActionsTask", **start) == {"taskId": task_id}
        with pytest.raises(TaskAlreadyExistsError):
            self.call("StartAuditMitigationActionsTask", **start | {"clientRequestToken": "another"})
        assert self.describe(task_id) == before
        return task_id

    def describe(self, task_id):
        return self.call("DescribeAuditMitigationActionsTask", taskId=task_id)

    @rule(by=st.integers(0, 400))
    def a_moment_passes(self, by):
        self.emulator.advance(timedelta(milliseconds=by))

    @precondition(lambda self: self.started)
    @rule(task_id=consumes(launches))
    def cancel(self, task_id):
        if self.describe(task_id)["taskStatus"] == "IN_PROGRESS":
            self.call("CancelAuditMitigationActionsTask", taskId=task_id)
            assert self.describe(task_id)["taskStatus"] == "CANCELED"
        with pytest.raises(InvalidRequestError):
            self.call("CancelAuditMitigationActionsTask", taskId=task_id)

    @invariant()
    def only_legal_steps_and_statistics_of_what_was_done(self):
        listed = self.call("ListAuditMitigationActionsTasks", maxResults=250, **self.span())["tasks"]
        assert {task["taskId"] for task in listed} == set(self.started)
        for task_id, (_, actions, which) in self.started.items():
            task = self.describe(task_id)
            self.step(task_id, task["taskStatus"], TASK_STEPS)
            assert ("endTime" in task) == (task["taskStatus"] != "IN_PROGRESS")
            outcomes = [self.outcome(task_id, number, actions) for number in which]
            counts = task["taskStatistics"][LOGGING]
            assert counts == {
                "totalFindingsCount": len(which),
                "succeededFindingsCount": outcomes.count("succeeded"),
                "failedFindingsCount": outcomes.count("failed"),
                "skippedFindingsCount": outcomes.count("left out"),
                "canceledFindingsCount": outcomes.count("canceled"),
            }
            assert (task["taskStatus"] == "IN_PROGRESS") == ("open" in outcomes)
            if task["taskStatus"] in ("COMPLETED", "FAILED"):
                assert (task["taskStatus"] == "FAILED") == ("failed" in outcomes)
                assert "canceled" not in outcomes

    def outcome(self, task_id, number, actions):
        """Return how a finding has fared, by its executions, each held against what its action can do."""
        finding = self.findings[number]
        rows = self.call("ListAuditMitigationActionsExecutions", taskId=task_id, findingId=finding)["actionsExecutions"]
        if number == FINDINGS - 1:
            assert rows == []  # suppressed findings are not touched
            return "left out"
        assert [row["actionName"] for row in rows] == actions
        for position, row in enumerate(rows):
            self.step((task_id, finding, position), row["status"], EXECUTION_STEPS)
            assert ("endTime" in row) <= ("startTime" in row)
            if row["status"] in ("COMPLETED", "FAILED"):
                assert row.get("errorCode") == ACTIONS[row["actionName"]][2]
        statuses = [row["status"] for row in rows]
        assert_in_order(statuses)
        if "FAILED" in statuses:
            return "failed"
        if "CANCELED" in statuses:
            return "canceled"
        return "succeeded" if set(statuses) == {"COMPLETED"} else "open"

    def teardown(self):
        self.emulator.advance(timedelta(hours=1))
        assert all(self.describe(task_id)["taskStatus"] != "IN_PROGRESS" for task_id in self.started)
        self.only_legal_steps_and_statistics_of_what_was_done()
        super().teardown()


def assert_in_order(statuses):
    """Hold the executions of one finding against the order: done, then one at work or ended badly, then the rest."""
    rest = statuses[sum(status == "COMPLETED" for status in statuses) :]
    assert "COMPLETED" not in rest
    if rest:
        after = {"FAILED": {"SKIPPED"}, "IN_PROGRESS": {"PENDING"}, "PENDING": {"PENDING"}, "CANCELED": {"CANCELED"}}
        assert set(rest[1:]) <= after[rest[0]]


TestAuditLife = AuditLife.TestCase
TestAuditLife.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestMitigationLife = MitigationLife.TestCase
TestMitigationLife.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
