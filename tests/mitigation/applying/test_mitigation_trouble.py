"""What goes wrong on the way: faults of the line and of AWS, roles, failures, alarms, Ctrl-C, cancelling."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from botocore.config import Config

from ddreport.archive import verify
from ddreport.aws.session import connect_session
from ddreport.errors import MitigationError
from ddreport.mitigation.events import StopReason
from ddreport.mitigation.plan import Rollout
from ddreport.mitigation.results import campaign_table, outcomes_table
from ddreport.progress import NoProgress
from ddreport.targets import Target
from ddreport.workflows.mitigating.account import Pace
from ddreport.workflows.mitigating.apply import cancel_campaign, dry_run
from ddreport.workflows.pulling.threads import Stop

START = "StartAuditMitigationActionsTask"
POLICY = "IOT_POLICY_OVERLY_PERMISSIVE_CHECK"
EXPIRING = "DEVICE_CERTIFICATE_EXPIRING_CHECK"


@pytest.fixture
def impatient(site):
    """Let boto3 try each request once, so that a fault is seen at once."""
    config = Config(retries={"mode": "standard", "total_max_attempts": 1}, read_timeout=10)
    usual = site.session
    site.session = connect_session(
        Target("emulated", region="eu-west-1", endpoint_url=site.world.endpoint), config=config
    )
    yield site
    site.session.close()
    site.session = usual


class Then(NoProgress):
    """Does something when the first batch is done."""

    def __init__(self, act: Any) -> None:
        self.act = act

    def advance(self, steps: int = 1) -> None:
        act, self.act = self.act, lambda: None
        act()


def changes_of(site: Any, plan: Any) -> list[int]:
    return [site.watch.changes[f"update_certificate {f.resource_id}"] for f in plan.findings]


def test_a_start_whose_answer_was_lost_is_sent_again_and_done_once(impatient):
    plan = impatient.expiring_plan(2)
    impatient.world.emulator.faults.drop(START, when="after", times=1)
    with pytest.raises(MitigationError, match="does nothing twice"):
        impatient.apply(plan)
    done = impatient.apply(plan)
    assert done.exit_code == 0
    assert changes_of(impatient, plan) == [1, 1]
    assert impatient.watch.count(START) == 2
    assert len(done.state.runs) == 2
    assert len(impatient.archive.load("mitigation_tasks")) == 1


@pytest.mark.parametrize(
    "operation",
    [
        "DescribeCertificate",
        START,
        "DescribeAuditMitigationActionsTask",
        "ListAuditMitigationActionsExecutions",
    ],
)
def test_a_refusal_or_broken_line_in_the_middle_of_a_wave_loses_nothing(impatient, operation):
    plan = impatient.expiring_plan(3)
    for code, drop in (("InternalFailureException", None), ("AccessDeniedException", None), (None, "before")):
        faults = impatient.world.emulator.faults
        if drop:
            faults.drop(operation, when=drop, times=1)
        else:
            faults.refuse(operation, code=code, times=1)
        with pytest.raises(MitigationError, match=f"plan {plan.short} stopped") as caught:
            impatient.apply(plan)
        assert caught.value.__cause__ is not None
    done = impatient.apply(plan)
    assert done.exit_code == 0
    assert [r.go_on for r in done.state.runs] == [False] * 4
    assert changes_of(impatient, plan) == [1, 1, 1]
    assert verify(impatient.archive.path).problems == []


def test_throttled_calls_and_a_full_limit_of_tasks_are_waited_for(site):
    plan = site.expiring_plan(3)
    for operation in ("DescribeCertificate", START, "ListAuditMitigationActionsExecutions"):
        site.world.emulator.faults.refuse(operation, code="ThrottlingException", times=2)
    site.world.emulator.faults.refuse(START, code="LimitExceededException", times=2)
    assert site.apply(plan).exit_code == 0
    assert changes_of(site, plan) == [1, 1, 1]


def test_more_batches_than_aws_runs_at_once_wait_for_their_turn(site):
    site.world.emulator.execution_duration = timedelta(milliseconds=300)
    site.certificates(12)
    names = [f"Deactivate{n}" for n in range(12)]
    actions = site.define(*names)
    findings = site.planned(site.audit(EXPIRING), "x")
    plan = site.plan([msgspec.structs.replace(f, actions=(n,)) for f, n in zip(findings, names, strict=True)], actions)
    assert site.apply(plan).exit_code == 0
    assert site.watch.count(START) == 12, "AWS was asked for an eleventh task and refused it"


def test_a_role_without_permission_is_told_in_plain_words(site):
    site.certificates(2)
    actions = site.define("Deactivate", policies=False) + site.define("Quarantine")
    site.iot.create_thing_group(thingGroupName="quarantine")
    plan = site.plan(site.planned(site.audit(EXPIRING), "Deactivate", "Quarantine"), actions)
    done = site.apply(plan)
    assert done.exit_code == 4
    table = outcomes_table(done.state)
    assert table["status"].tolist() == ["FAILED", "SKIPPED"] * 2
    first, second = table.iloc[0], table.iloc[1]
    assert first["error_code"] == "INSUFFICIENT_PERMISSIONS"
    assert "RoleDeactivate" in first["explanation"]
    assert "trust" in first["advice"]
    assert "earlier action" in second["explanation"]
    assert first["applied_by"] == done.state.runs[0].by
    assert site.archive.load("mitigation_executions")["status"].value_counts().to_dict() == {"FAILED": 2, "SKIPPED": 2}


def test_a_wave_in_which_too_much_failed_is_the_last_until_somebody_goes_on(site):
    site.certificates(4)
    actions = site.define("Deactivate", policies=False)
    found = site.planned(site.audit(EXPIRING), "Deactivate")
    plan = site.plan([found[0], *(site.in_wave(f, 2) for f in found[1:])], actions, rollout=Rollout())
    done = site.apply(plan)
    assert done.exit_code == 3
    assert done.state.stopped.why is StopReason.FAILED_SHARE
    assert "1 of the 1 findings of wave 1 failed" in done.state.stopped.note
    assert site.apply(plan).exit_code == 3
    assert site.watch.count(START) == 1
    assert campaign_table([site.apply(plan).state])["stop_reason"].tolist() == ["FAILED_SHARE"]
    on = site.apply(plan, go_on=True)
    assert on.exit_code == 4
    assert site.watch.count(START) == 2


def test_an_alarm_stops_the_next_wave_until_it_is_over(site):
    cloudwatch = site.session.cloudwatch
    cloudwatch.put_metric_alarm(
        AlarmName="fleet-down",
        Namespace="n",
        MetricName="m",
        ComparisonOperator="GreaterThanThreshold",
        EvaluationPeriods=1,
        Period=60,
        Statistic="Sum",
        Threshold=1.0,
    )

    def ring(state: str = "ALARM") -> None:
        cloudwatch.set_alarm_state(AlarmName="fleet-down", StateValue=state, StateReason="test")

    plan = site.expiring_plan(3, waves=(1,), rollout=Rollout(alarms=("fleet-down",)))
    done = site.apply(plan, progress=Then(ring))
    assert (done.exit_code, done.state.stopped.why) == (3, StopReason.ALARM)
    assert site.watch.count(START) == 1
    assert site.apply(plan).exit_code == 3
    ring("OK")
    assert site.apply(plan).exit_code == 0


def test_what_is_gone_done_already_or_unknown_is_left_out_and_the_rest_is_done(site):
    plan = site.expiring_plan(5)
    gone, inactive, revoked, unknown, good = plan.findings
    site.iot.update_certificate(certificateId=gone.resource_id, newStatus="INACTIVE")
    for thing in site.iot.list_principal_things(principal=site.arn(gone.resource_id))["things"]:
        site.iot.detach_thing_principal(thingName=thing, principal=site.arn(gone.resource_id))
    site.iot.delete_certificate(certificateId=gone.resource_id)
    site.iot.update_certificate(certificateId=inactive.resource_id, newStatus="INACTIVE")
    site.iot.update_certificate(certificateId=revoked.resource_id, newStatus="REVOKED")
    findings = [gone, inactive, revoked, msgspec.structs.replace(unknown, finding_id="0" * 32), good]
    plan = site.plan(findings, list(plan.actions))
    looked = dry_run(site.session, site.archive, plan, progress=NoProgress())
    assert [asked.finding_ids for _, asked in looked.requests] == [("0" * 32, good.finding_id)]
    assert site.watch.count(START) == 0
    done = site.apply(plan)
    assert done.exit_code == 4
    table = outcomes_table(done.state).set_index("finding_id")
    codes = table["error_code"].fillna("").to_dict()
    assert codes == {
        gone.finding_id: "GONE",
        inactive.finding_id: "ALREADY_DONE",
        revoked.finding_id: "BLOCKED",
        "0" * 32: "GONE",
        good.finding_id: "",
    }
    assert table.loc[good.finding_id, "status"] == "COMPLETED"
    assert table["explanation"].notna().all()


def test_a_policy_with_five_versions_is_left_as_it_is(site):
    statement = {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}
    site.world.policy("wide", statement)
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    for _ in range(4):
        site.iot.create_policy_version(policyName="wide", policyDocument=document, setAsDefault=False)
    before = sum(site.watch.changes.values())
    plan = site.plan(site.planned(site.audit(POLICY), "Blank"), site.define("Blank"))
    done = site.apply(plan)
    (row,) = outcomes_table(done.state).to_dict("records")
    assert (row["status"], row["error_code"]) == ("NOT_SENT", "BLOCKED")
    assert "5 versions" in row["message"]
    assert sum(site.watch.changes.values()) == before
    assert site.watch.count(START) == 0


def test_an_action_that_is_deleted_between_two_waves_stops_the_second(site):
    plan = site.expiring_plan(3, waves=(1,))
    with pytest.raises(MitigationError, match="'Deactivate' was deleted"):
        site.apply(plan, progress=Then(lambda: site.iot.delete_mitigation_action(actionName="Deactivate")))
    assert site.watch.count(START) == 1


def test_interrupted_it_writes_down_what_is_under_way_and_goes_on_later(site):
    plan, stop = site.expiring_plan(4, waves=(1, 1)), Stop()
    done = site.apply(plan, stop=stop, progress=Then(stop.set))
    assert (done.exit_code, done.state.stopped.why) == (130, StopReason.INTERRUPTED)
    assert site.apply(plan).exit_code == 0
    assert changes_of(site, plan) == [1, 1, 1, 1]


def test_cancelling_ends_what_runs_and_sends_nothing_more(site):
    site.world.emulator.execution_duration = timedelta(seconds=60)
    plan, stop = site.expiring_plan(3, waves=(2,)), Stop()
    site.watch.on = ("DescribeAuditMitigationActionsTask", stop.set)
    assert site.apply(plan, stop=stop).exit_code == 130
    done = cancel_campaign(site.session, site.archive, plan, progress=NoProgress())
    assert site.statuses(done) == ["CANCELED", "CANCELED", "NOT_SENT"]
    assert campaign_table([done.state])["campaign_status"].tolist() == ["CANCELED"]
    assert changes_of(site, plan) == [0, 0, 0]
    with pytest.raises(MitigationError, match="was cancelled by"):
        site.apply(plan)
    assert set(site.archive.load("mitigation_executions")["status"]) == {"CANCELED"}


def test_a_run_under_way_ends_when_somebody_else_cancels(site):
    site.world.emulator.execution_duration = timedelta(seconds=60)
    plan = site.expiring_plan(2)

    def cancel() -> None:
        with connect_session(site.session.target) as other:
            told = cancel_campaign(other, site.archive, plan, progress=NoProgress())
        assert told.state.finished is None

    site.watch.on = ("DescribeAuditMitigationActionsTask", cancel)
    done = site.apply(plan)
    assert site.statuses(done) == ["CANCELED", "CANCELED"]
    assert done.state.canceled.by.startswith("arn:aws:")


def test_a_suppressed_finding_is_told_to_be_left_alone_by_aws(site):
    (certificate,) = site.certificates(1)
    site.iot.create_audit_suppression(
        checkName=EXPIRING, resourceIdentifier={"deviceCertificateId": certificate}, suppressIndefinitely=True
    )
    findings = site.planned(site.audit(EXPIRING), "Deactivate", suppressed=True)
    done = site.apply(site.plan(findings, site.define("Deactivate")))
    (row,) = outcomes_table(done.state).to_dict("records")
    assert (row["status"], row["error_code"]) == ("SKIPPED", "NO_RECORD")
    assert "suppress" in row["advice"]
    assert site.status_of(certificate) == "ACTIVE"


def test_a_finding_waits_for_an_earlier_one_of_the_same_resource(site):
    site.iot.create_thing_group(thingGroupName="quarantine")
    site.certificates(1)
    actions = site.define("Deactivate", "Quarantine")
    first = site.planned(site.audit(EXPIRING), "Deactivate")
    second = site.planned(site.audit(EXPIRING), "Quarantine")
    done = site.apply(site.plan(first + second, actions))
    assert done.exit_code == 0
    asked = site.watch.requests
    assert asked.count(START) == 2
    assert asked.index("ListThingGroupsForThing") > asked.index("ListAuditMitigationActionsExecutions")


def test_a_policy_that_got_another_version_while_the_run_was_down_is_left_alone(impatient):
    site = impatient
    site.world.policy("p", {"Effect": "Allow", "Action": "iot:*", "Resource": "*"})
    actions = site.define("Blank")
    plan = site.plan(site.planned(site.audit(POLICY), "Blank"), actions)
    site.world.emulator.faults.refuse(START, code="AccessDeniedException")
    with pytest.raises(MitigationError, match="AccessDenied"):
        site.apply(plan)
    site.world.emulator.faults.clear()
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:Connect", "Resource": "a"}]}
    site.iot.create_policy_version(policyName="p", policyDocument=json.dumps(document), setAsDefault=True)
    done = site.apply(plan)
    assert [(o.status.value, o.why) for *_, o in done.state.outcomes()] == [("NOT_SENT", "CHANGED")]
    assert site.iot.get_policy(policyName="p")["defaultVersionId"] == "2"


def test_a_dry_run_after_a_stop_looks_again(impatient):
    site = impatient
    plan = site.expiring_plan(1)
    site.world.emulator.faults.refuse(START, code="AccessDeniedException")
    with pytest.raises(MitigationError, match="AccessDenied"):
        site.apply(plan)
    site.world.emulator.faults.clear()
    assert len(dry_run(site.session, site.archive, plan, progress=NoProgress()).requests) == 1
    site.iot.update_certificate(certificateId=plan.findings[0].resource_id, newStatus="INACTIVE")
    assert dry_run(site.session, site.archive, plan, progress=NoProgress()).requests == ()


def test_an_action_that_is_changed_while_somebody_thinks_about_it_is_not_used(site):
    plan = site.expiring_plan(1)

    def ask() -> bool:
        site.iot.update_mitigation_action(
            actionName="Deactivate", roleArn=site.world.emulator.create_service_role("Other")
        )
        return True

    with pytest.raises(MitigationError, match="the role of action 'Deactivate' was"):
        site.apply(plan, confirmed=False, ask=ask)
    assert site.watch.count(START) == 0


def test_a_task_that_aws_does_not_end_is_not_waited_for_without_end(site):
    plan = site.expiring_plan(1)
    site.world.emulator.execution_duration = timedelta(days=1)
    with pytest.raises(MitigationError, match=r"AWS has not ended the task ddreport-.* within 0 seconds"):
        site.apply(plan, pace=Pace(poll=0.04, patience=0.2))
    site.world.emulator.advance(timedelta(days=2))
    done = site.apply(plan)
    assert (done.exit_code, site.watch.count(START), changes_of(site, plan)) == (0, 1, [1])
