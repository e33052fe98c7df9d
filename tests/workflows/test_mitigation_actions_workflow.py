"""Mitigation actions and their roles over HTTP, on an emulated account: made, found again, refused, deleted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from ddreport.aws import AwsSession, connect_session
from ddreport.aws.iam_roles import MADE_BY, create_role, fetch_role
from ddreport.aws.mitigation_actions import create_action, delete_action, fetch_action, update_action
from ddreport.emulation import Emulator, EmulatorServer, ManualClock
from ddreport.emulation.roles import assume
from ddreport.errors import AwsCallError, EndpointError, InputError
from ddreport.mitigation.actions import parse_action
from ddreport.mitigation.roles import Place, permission_policy, trust_policy
from ddreport.targets import Target
from ddreport.terms import MitigationActionType as Type
from ddreport.workflows.action_roles import check_role, make_role
from ddreport.workflows.mitigation_actions import (
    change_action,
    define_action,
    define_defaults,
    find_action,
    list_actions,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HERE = Place("123456789012", "eu-west-1")
DEACTIVATE = {"updateDeviceCertificateParams": {"action": "DEACTIVATE"}}
QUARANTINE = {"addThingsToThingGroupParams": {"thingGroupNames": ["Quarantine"]}}


@dataclass
class Account:
    emulator: Emulator
    session: AwsSession
    waited: list[float]

    def role(self, name: str, trust: dict[str, Any] | None = None, *statements: dict[str, Any]) -> str:
        """Make a role by hand; without a trust policy it trusts another service."""
        ec2 = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
        document = trust or {"Version": "2012-10-17", "Statement": [ec2]}
        iam: Any = self.session.iam
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(document))["Role"]["Arn"]
        if statements:
            policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
            iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy)
        return str(arn)

    def names(self) -> list[str]:
        return [action.name for action in list_actions(self.session)]


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Emulator, AwsSession]]:
    with Emulator(ManualClock(NOW), seed=1) as emulator, EmulatorServer(emulator) as server:
        target = Target("emulated", region="eu-west-1", endpoint_url=server.endpoint)
        with connect_session(target) as session:
            yield emulator, session


@pytest.fixture
def account(served: tuple[Emulator, AwsSession], monkeypatch: pytest.MonkeyPatch) -> Account:
    emulator, session = served
    emulator.reset(ManualClock(NOW))
    emulator.faults.clear()
    waited: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=waited.append))
    return Account(emulator, session, waited)


def an_action(name: str = "Act", params: dict[str, Any] = DEACTIVATE, role: str = "Mitigate") -> Any:
    return parse_action(name, params, role_arn=HERE.role_arn(role), account=HERE.account, region=HERE.region)


def test_an_action_is_created_once_and_found_unchanged_after_that(account: Account) -> None:
    made = create_action(account.session.iot, an_action())
    again = create_action(account.session.iot, an_action())
    assert (made.changed, again.changed) == (True, False)
    assert made.action_id == again.action_id
    assert fetch_action(account.session.iot, "Act") == again


def test_another_definition_of_the_same_name_is_refused_with_the_differences(account: Account) -> None:
    create_action(account.session.iot, an_action())
    with pytest.raises(InputError) as caught:
        create_action(account.session.iot, an_action(params=QUARANTINE, role="Other"))
    assert "type is UPDATE_DEVICE_CERTIFICATE, asked for: ADD_THINGS_TO_THING_GROUP" in str(caught.value)
    assert "role is arn:aws:iam::123456789012:role/Mitigate, asked for: arn:aws:iam::123456789012:role/Other" in str(
        caught.value
    )
    found = fetch_action(account.session.iot, "Act")
    assert found
    assert found.action == an_action()


def test_an_answer_lost_on_the_way_does_not_make_a_second_one_or_a_failure(account: Account) -> None:
    account.emulator.faults.drop("CreateMitigationAction", when="after", times=1)
    made = create_action(account.session.iot, an_action())
    assert made.action == an_action()
    assert account.names() == ["Act"]


def test_when_no_answer_comes_at_all_running_it_again_finds_what_was_made(account: Account) -> None:
    account.emulator.faults.drop("CreateMitigationAction", when="after")
    with pytest.raises(EndpointError):
        create_action(account.session.iot, an_action())
    account.emulator.faults.clear()
    assert create_action(account.session.iot, an_action()).changed is False
    assert account.names() == ["Act"]


def test_throttling_is_lived_with(account: Account) -> None:
    account.emulator.faults.refuse("CreateMitigationAction", code="ThrottlingException", times=3)
    assert create_action(account.session.iot, an_action()).changed
    assert len(account.waited) == 3


def test_a_refusal_names_both_permissions_that_it_can_be_about(account: Account) -> None:
    account.emulator.faults.refuse("CreateMitigationAction", code="AccessDeniedException")
    with pytest.raises(AwsCallError) as caught:
        create_action(account.session.iot, an_action())
    assert "iot:CreateMitigationAction, and iam:PassRole on arn:aws:iam::123456789012:role/Mitigate" in str(
        caught.value
    )


def test_the_hundred_and_first_action_is_refused_in_plain_words(account: Account) -> None:
    for number in range(100):
        account.session.iot.create_mitigation_action(
            actionName=f"a{number}", roleArn=HERE.role_arn("Mitigate"), actionParams=DEACTIVATE
        )
    with pytest.raises(InputError, match="AWS allows 100 in an account and Region"):
        create_action(account.session.iot, an_action())


def test_an_update_keeps_the_id_and_refuses_another_type_or_an_unknown_name(account: Account) -> None:
    made = create_action(account.session.iot, an_action())
    changed = update_action(account.session.iot, an_action(role="Other"))
    assert changed.changed
    assert changed.action_id == made.action_id
    assert update_action(account.session.iot, an_action(role="Other")).changed is False
    with pytest.raises(InputError, match="is of type UPDATE_DEVICE_CERTIFICATE and stays so"):
        update_action(account.session.iot, an_action(params=QUARANTINE))
    with pytest.raises(InputError, match=r"there is no mitigation action 'Akt'; there are: Act\. Did you mean 'Act'"):
        update_action(account.session.iot, an_action("Akt"))


def test_deleting_twice_is_fine_and_says_so(account: Account) -> None:
    create_action(account.session.iot, an_action())
    assert delete_action(account.session.iot, "Act") is True
    assert delete_action(account.session.iot, "Act") is False
    assert account.names() == []


def test_a_role_is_made_that_aws_iot_takes_on_for_this_action_only(account: Account) -> None:
    result = define_action(
        account.session,
        "EnableErrorLoggingAction",
        Type.ENABLE_IOT_LOGGING,
        create_role=True,
        options={"log_level": "ERROR", "logging_role_arn": "AWSIoTLoggingRole"},
    )
    assert (result.status, result.role_made, result.notes) == ("created", True, ())
    role = "arn:aws:iam::123456789012:role/IoTMitigationActionErrorLoggingRole"
    assert result.action.role_arn == role
    taken = assume(role, HERE.account, source_arn=result.arn)
    assert taken
    logging_role = HERE.role_arn("AWSIoTLoggingRole")
    assert taken.allows("iot:SetV2LoggingOptions", "*")
    assert taken.allows("iam:PassRole", logging_role, iam__PassedToService="iot.amazonaws.com")
    assert not taken.allows("iam:PassRole", HERE.role_arn("Admin"), iam__PassedToService="iot.amazonaws.com")
    assert not taken.allows("iot:UpdateCertificate", "*")
    assert assume(role, HERE.account, source_arn=HERE.arn("iot", "mitigationaction/Other")) is None
    # The role that AWS IoT writes its logs as was made, too.
    writer = assume(logging_role, HERE.account, source_arn=HERE.arn("iot", "logging"))
    assert writer
    assert writer.allows("logs:PutLogEvents", HERE.arn("logs", "log-group:AWSIotLogsV2:log-stream:x"))


def test_all_defaults_are_made_with_roles_and_then_found_again(account: Account) -> None:
    first = define_defaults(account.session, [], create_role=True)
    assert [r.status for r in first] == ["created"] * 6
    assert all(r.role_made and r.notes == () for r in first)
    again = define_defaults(account.session, [], create_role=True)
    assert [r.status for r in again] == ["unchanged"] * 6
    assert not any(r.role_made for r in again)
    assert sorted(account.names()) == sorted(r.action.name for r in first)


def test_a_default_name_that_is_defined_otherwise_is_kept_and_the_others_are_made(account: Account) -> None:
    create_action(account.session.iot, an_action("BlankPolicyAction"))
    results = define_defaults(account.session, [], create_role=True)
    kept = [r for r in results if r.status == "kept"]
    assert [r.action for r in kept] == [an_action("BlankPolicyAction")]
    assert "type is UPDATE_DEVICE_CERTIFICATE, asked for: REPLACE_DEFAULT_POLICY_VERSION" in kept[0].notes[0]
    assert len(account.names()) == 6


def test_defaults_of_one_type_with_a_parameter_of_ones_own(account: Account) -> None:
    (made,) = define_defaults(
        account.session,
        [Type.ADD_THINGS_TO_THING_GROUP],
        create_role=True,
        options={"thing_group_names": ["Hospital"]},
    )
    assert made.action.parameters["thingGroupNames"] == ["Hospital"]
    assert account.names() == ["QuarantineThingsAction"]


def test_a_role_that_does_not_trust_aws_iot_is_refused_before_anything_is_defined(account: Account) -> None:
    account.role("Mitigate")
    with pytest.raises(InputError, match="does not let AWS IoT take it on") as caught:
        define_action(account.session, "Act", Type.UPDATE_DEVICE_CERTIFICATE, role="Mitigate")
    assert "mitigationaction/Act" in str(caught.value)
    assert account.names() == []


def test_a_trust_policy_copied_with_the_documentations_mistake_is_refused(account: Account) -> None:
    trust = trust_policy(HERE)
    trust["Statement"][0]["Condition"]["StringEquals"]["aws:SourceAccount"] = f"{HERE.account}:"
    account.role("Mitigate", trust)
    with pytest.raises(InputError, match="aws:SourceAccount 123456789012"):
        check_role(account.session.iam, an_action(), HERE)


@pytest.mark.parametrize("make", [False, True])
def test_a_role_made_for_another_action_is_refused_for_this_one(account: Account, make: bool) -> None:
    account.role("Mitigate", trust_policy(HERE, action_name="Other"))
    with pytest.raises(InputError, match="does not let AWS IoT take it on"):
        define_action(account.session, "Act", Type.UPDATE_DEVICE_CERTIFICATE, role="Mitigate", create_role=make)
    assert account.names() == []


def test_a_role_that_may_do_too_little_is_taken_with_a_note(account: Account) -> None:
    account.role("Mitigate", trust_policy(HERE), {"Effect": "Allow", "Action": "iot:ListThings", "Resource": "*"})
    result = define_action(account.session, "Act", Type.UPDATE_DEVICE_CERTIFICATE, role="Mitigate")
    assert result.status == "created"
    (note,) = result.notes
    assert "do not allow iot:UpdateCertificate on arn:aws:iot:eu-west-1:123456789012:cert/*" in note


def test_a_role_with_awss_own_policy_has_all_that_it_needs(account: Account) -> None:
    arn = account.role("Mitigate", trust_policy(HERE))
    iam: Any = account.session.iam
    policy = "arn:aws:iam::aws:policy/service-role/AWSIoTDeviceDefenderUpdateDeviceCertMitigationAction"
    iam.attach_role_policy(RoleName="Mitigate", PolicyArn=policy)
    result = define_action(account.session, "Act", Type.UPDATE_DEVICE_CERTIFICATE, role=arn)
    assert result.notes == ()


def test_a_role_that_is_not_there_is_refused(account: Account) -> None:
    with pytest.raises(InputError, match="there is no IAM role arn:aws:iam::123456789012:role/Mitigate"):
        define_action(account.session, "Act", Type.UPDATE_DEVICE_CERTIFICATE, role="Mitigate")
    with pytest.raises(InputError, match="needs a role to run as"):
        define_action(account.session, "Act", Type.UPDATE_DEVICE_CERTIFICATE)
    assert account.names() == []


def test_a_role_that_may_not_be_read_holds_nothing_up_and_is_told(account: Account) -> None:
    class Refusing:
        """The client of a caller without rights in IAM."""

        meta = account.session.iam.meta

        def get_role(self, **asked: Any) -> None:
            from botocore.exceptions import ClientError

            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetRole")

    report = check_role(Refusing(), an_action(), HERE)  # type: ignore[arg-type]  # stands for a client
    assert report.notes == (
        f"the role {HERE.role_arn('Mitigate')} could not be checked: iam:GetRole was refused (AccessDenied).",
    )


def test_a_role_whose_making_was_interrupted_is_completed_and_a_strangers_is_left_alone(account: Account) -> None:
    iam: Any = account.session.iam
    action = an_action()
    trust = trust_policy(HERE, action_name="Act")
    iam.create_role(RoleName="Mitigate", AssumeRolePolicyDocument=json.dumps(trust), Tags=[MADE_BY])
    report = make_role(iam, action, HERE, emulated=True)
    assert report.made
    assert report.notes == ()
    account.role("Strange", trust)
    with pytest.raises(AwsCallError, match="EntityAlreadyExists"):
        create_role(iam, "Strange", trust=trust, permissions=permission_policy(action, HERE), description="x")
    facts = fetch_role(iam, "Strange")
    assert facts
    assert facts.policies == ()


def test_iam_is_given_the_time_that_it_takes_only_where_it_is_iam(account: Account) -> None:
    slept: list[float] = []
    make_role(account.session.iam, an_action(role="One"), HERE, emulated=True, sleep=slept.append)
    assert slept == []
    make_role(account.session.iam, an_action(role="Two"), HERE, emulated=False, sleep=slept.append)
    assert slept == [10.0]
    make_role(account.session.iam, an_action(role="Two"), HERE, emulated=False, sleep=slept.append)
    assert slept == [10.0]  # it was there already


def test_no_role_is_made_for_an_action_that_is_refused(account: Account) -> None:
    create_action(account.session.iot, an_action())
    with pytest.raises(InputError, match="is defined already, and differently"):
        define_action(account.session, "Act", Type.UPDATE_CA_CERTIFICATE, create_role=True)
    assert fetch_role(account.session.iam, "IoTMitigationAction-Act") is None


def test_a_change_keeps_what_is_not_given(account: Account) -> None:
    account.role("Mitigate", trust_policy(HERE))
    options = {"thing_group_names": ["a", "b"], "override_dynamic_groups": True}
    define_action(account.session, "Act", Type.ADD_THINGS_TO_THING_GROUP, role="Mitigate", options=options)
    changed = change_action(account.session, "Act", options={"thing_group_names": ["c"]})
    assert changed.status == "updated"
    assert changed.action.parameters == {"thingGroupNames": ["c"], "overrideDynamicGroups": True}
    assert change_action(account.session, "Act", options={"thing_group_names": ["c"]}).status == "unchanged"
    with pytest.raises(InputError, match="nothing to change is given"):
        change_action(account.session, "Act")
    with pytest.raises(InputError, match="has no parameter logLevel"):
        change_action(account.session, "Act", options={"log_level": "INFO"})


def test_a_definition_is_shown_with_what_is_wrong_about_its_role(account: Account) -> None:
    create_action(account.session.iot, an_action())
    found = find_action(account.session, "Act")
    assert found.status == "defined"
    assert "there is no IAM role" in found.notes[0]


def test_only_fitting_actions_are_listed_for_a_check(account: Account) -> None:
    define_defaults(account.session, [], create_role=True)
    names = [a.name for a in list_actions(account.session, check_name="LOGGING_DISABLED_CHECK")]
    assert names == ["EnableErrorLoggingAction", "PublishFindingAction"]
