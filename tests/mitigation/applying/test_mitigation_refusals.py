"""What is refused before anything is done: nothing is sent, and no campaign begins."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from ddreport.archive import Archive
from ddreport.archive.campaigns import campaign_digests
from ddreport.errors import ArchiveError, InputError, MitigationError, PlanError
from ddreport.mitigation.approval import approve
from ddreport.mitigation.plan import ApprovalRule, Rollout, seal
from ddreport.targets import Target
from ddreport.workflows.mitigating.approve import give_approval

BOB = "arn:aws:iam::123456789012:user/bob"


@pytest.fixture
def refused(site):
    """Apply a plan, expect the error, and see that nothing was sent or begun."""

    def check(plan, error, match, **options):
        with pytest.raises(error, match=match):
            site.apply(plan, **options)
        assert site.watch.count("StartAuditMitigationActionsTask") == 0
        assert campaign_digests(site.archive.path) == []

    return check


def test_an_edited_plan_is_refused(site, refused):
    plan = site.expiring_plan(2)
    edited = msgspec.structs.replace(plan, findings=plan.findings[:1])
    refused(edited, PlanError, "was changed after it was made")


def test_the_plan_of_another_account_or_kind_of_account_is_refused(site, refused):
    plan = site.expiring_plan(1)
    refused(seal(msgspec.structs.replace(plan, account="999999999999")), PlanError, "account 999999999999")
    refused(seal(msgspec.structs.replace(plan, region="us-east-1")), PlanError, "in us-east-1")
    refused(seal(msgspec.structs.replace(plan, emulated=False)), PlanError, "is for the real account")


def test_nothing_is_done_unless_somebody_agreed(site, refused):
    plan = site.expiring_plan(1)
    refused(plan, MitigationError, "neither approved nor confirmed", confirmed=False)
    refused(plan, MitigationError, "neither approved nor confirmed", confirmed=False, ask=lambda: False)


def test_a_plan_that_needs_an_approval_is_not_applied_by_saying_yes(site, refused):
    plan = site.expiring_plan(1, approval=ApprovalRule(required=True, second_person=True))
    refused(plan, PlanError, "needs the approval of a second person", confirmed=True)


def test_a_foreign_expired_or_edited_approval_is_refused(site, refused):
    rule = ApprovalRule(required=True, second_person=True)
    plan, other = site.expiring_plan(1, approval=rule), None
    other = seal(msgspec.structs.replace(plan, made_with="another"))
    given = approve(plan, by=BOB, time=site.now())
    refused(plan, PlanError, "is of plan", approval=approve(other, by=BOB, time=site.now()))
    refused(plan, PlanError, "expired", approval=approve(plan, by=BOB, time=site.now() - timedelta(hours=100)))
    refused(plan, PlanError, "was changed", approval=msgspec.structs.replace(given, approved_by="somebody"))
    assert site.apply(plan, approval=given, confirmed=False).state.runs[0].approval == given


def test_a_deleted_or_changed_action_is_named(site, refused):
    plan = site.expiring_plan(1)
    role = site.world.emulator.create_service_role("Other")
    site.iot.update_mitigation_action(actionName="Deactivate", roleArn=role)
    refused(plan, PlanError, "the role of action 'Deactivate' was .*RoleDeactivate and is now .*Other")
    site.iot.delete_mitigation_action(actionName="Deactivate")
    refused(plan, PlanError, "the action 'Deactivate' was deleted")


def test_findings_older_than_aws_keeps_them_are_refused(site, refused):
    plan = site.expiring_plan(2)
    site.world.emulator.advance(timedelta(days=91))
    refused(plan, PlanError, "AWS no longer knows 2 of the 2 findings")


def test_an_alarm_that_is_not_there_is_refused(site, refused):
    plan = site.expiring_plan(1, rollout=Rollout(alarms=("fleet-down",)))
    refused(plan, InputError, "no CloudWatch alarm fleet-down")


def test_a_read_only_target_and_an_archive_of_the_other_kind_are_refused(site, refused, tmp_path):
    plan = site.expiring_plan(1)
    usual = site.session.target
    site.session.target = Target("x", region="eu-west-1", endpoint_url=usual.endpoint_url, mitigation="read-only")
    refused(plan, MitigationError, "for looking only")
    site.session.target = usual
    site.archive = Archive.open(tmp_path / "real", create=True)
    from ddreport.archive.marker import settle_emulated

    settle_emulated(site.archive.path, emulated=False)
    refused(plan, ArchiveError, "holds real accounts")


def test_a_sixth_action_is_refused(site, refused):
    site.certificates(1)
    names = [f"Deactivate{n}" for n in range(6)]
    actions = site.define(*names)
    plan = site.plan(site.planned(site.audit("DEVICE_CERTIFICATE_EXPIRING_CHECK"), *names), actions)
    refused(plan, PlanError, "has 6 actions; AWS allows 5")


def test_a_target_that_became_strict_after_the_plan_was_made_is_obeyed(site, refused):
    plan = site.expiring_plan(1)
    usual = site.session.target
    site.session.target = Target("x", region="eu-west-1", endpoint_url=usual.endpoint_url, mitigation="second-person")
    refused(plan, PlanError, "needs the approval of a second person")
    own = approve(plan, by=str(plan.made_by), time=site.now())
    refused(plan, PlanError, "somebody else must approve", approval=own)


def test_nobody_approves_the_plan_of_a_real_account_through_an_emulator(site, tmp_path):
    plan = site.expiring_plan(1)
    real = seal(msgspec.structs.replace(plan, emulated=False))
    with pytest.raises(PlanError, match=r"of the real account .* of the emulated account"):
        give_approval(real, site.session, tmp_path / "approval.yaml")
    assert not (tmp_path / "approval.yaml").exists()
    assert give_approval(plan, site.session, tmp_path / "approval.yaml").plan == plan.digest
