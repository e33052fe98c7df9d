"""Definitions of mitigation actions: AWS's rules, the words for people, defaults, and the roles that they need."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ddreport.catalogue import checks
from ddreport.errors import InputError
from ddreport.mitigation.action_rules import MEMBERS, parse_action_type
from ddreport.mitigation.actions import MitigationAction, fitting_actions, fitting_types, parse_action
from ddreport.mitigation.defaults import DEFAULT_ACTIONS, default_action, make_parameters
from ddreport.mitigation.roles import (
    MANAGED_POLICIES,
    Place,
    logging_permission_policy,
    managed_policy_arn,
    needed_grants,
    permission_policy,
    trust_policy,
)
from ddreport.terms import MitigationActionType as Type

HERE = Place("123456789012", "eu-west-1")
ROLE = HERE.role_arn("Mitigate")
GROUPS = {"addThingsToThingGroupParams": {"thingGroupNames": ["Quarantine"]}}
TOPIC = {"publishFindingToSnsParams": {"topicArn": "arn:aws:sns:eu-west-1:123456789012:findings"}}


def parsed(params: dict[str, Any], *, name: str = "Act", role_arn: str = ROLE) -> MitigationAction:
    return parse_action(name, params, role_arn=role_arn, account=HERE.account, region=HERE.region)


def with_groups(**more: Any) -> dict[str, Any]:
    return {"addThingsToThingGroupParams": {"thingGroupNames": ["Quarantine"]} | more}


def with_logging(**more: Any) -> dict[str, Any]:
    return {"enableIoTLoggingParams": {"roleArnForLogging": ROLE, "logLevel": "ERROR"} | more}


@pytest.mark.parametrize("kind", list(Type))
def test_each_type_has_a_default_that_goes_to_aws_and_comes_back_as_it_was(kind: Type) -> None:
    action = default_action(kind, HERE)
    assert action.action_type == kind
    assert list(action.api_params()) == [MEMBERS[kind]]
    described = {"actionName": action.name, "roleArn": action.role_arn, "actionParams": action.api_params()}
    assert MitigationAction.from_record(described) == action
    row = {"action_name": action.name, "role_arn": action.role_arn, "action_params": json.dumps(action.api_params())}
    assert MitigationAction.from_record(row) == action
    snapshot = {"name": action.name, "roleArn": action.role_arn, "actionParams": action.api_params(), "id": "1"}
    assert MitigationAction.from_record(snapshot) == action


def test_the_default_for_logging_is_that_of_the_tutorial() -> None:
    action = default_action(Type.ENABLE_IOT_LOGGING, HERE)
    assert action.name == "EnableErrorLoggingAction"
    assert action.role_arn == "arn:aws:iam::123456789012:role/IoTMitigationActionErrorLoggingRole"
    assert action.api_params() == {
        "enableIoTLoggingParams": {
            "roleArnForLogging": "arn:aws:iam::123456789012:role/AWSIoTLoggingRole",
            "logLevel": "ERROR",
        }
    }


def test_defaults_follow_the_partition() -> None:
    action = default_action(Type.PUBLISH_FINDING_TO_SNS, Place("123456789012", "cn-north-1", "aws-cn"))
    assert action.role_arn.startswith("arn:aws-cn:iam::")
    assert action.parameters["topicArn"] == "arn:aws-cn:sns:cn-north-1:123456789012:IoTDDNotifications"


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({}, "exactly one set of parameters, here 'nothing'"),
        (GROUPS | TOPIC, "exactly one set of parameters, here 'addThingsToThingGroupParams, publish"),
        ({"rebootParams": {}}, "exactly one set of parameters, here 'rebootParams'"),
        ({"updateDeviceCertificateParams": {"action": "REVOKE"}}, "action is 'REVOKE'; AWS knows only DEACTIVATE"),
        ({"updateCACertificateParams": {}}, "updateCACertificateParams needs action"),
        ({"updateCACertificateParams": {"action": "DEACTIVATE", "x": 1}}, "does not take 'x'"),
        ({"replaceDefaultPolicyVersionParams": {"templateName": "ALLOW"}}, "AWS knows only BLANK_POLICY"),
        (with_groups(thingGroupNames=[]), "needs thingGroupNames"),
        (with_groups(thingGroupNames=[f"g{n}" for n in range(11)]), "11 thing groups; allowed: 1 to 10"),
        (with_groups(thingGroupNames=["a", "a"]), "a thing group twice"),
        (with_groups(thingGroupNames=["a b"]), "the name of a thing group is 'a b'"),
        (with_groups(thingGroupNames="abc"), "the name of a thing group is 'abc'"),
        (with_groups(overrideDynamicGroups="yes"), "overrideDynamicGroups is 'yes'; allowed: true or false"),
        (with_logging(logLevel="DISABLED"), "the log level is 'DISABLED'; allowed: DEBUG, INFO, WARN, ERROR"),
        (with_logging(roleArnForLogging="AWSIoTLoggingRole"), "the role for logging is 'AWSIoTLoggingRole'"),
        ({"publishFindingToSnsParams": {"topicArn": "findings"}}, "the SNS topic is 'findings'"),
        (
            {"publishFindingToSnsParams": {"topicArn": "arn:aws:sns:us-east-1:123456789012:findings"}},
            "is in us-east-1; AWS IoT in eu-west-1",
        ),
    ],
)
def test_parameters_that_break_a_rule_are_refused_with_what_is_allowed(params: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        parsed(params)
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["", "a b", "ä", "x" * 129, "a/b", "rm -rf\x1b[2J"])
def test_a_name_that_aws_would_refuse_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="allowed: 1 to 128 letters"):
        parsed(GROUPS, name=name)


@pytest.mark.parametrize(
    ("role", "said"),
    [
        ("Mitigate", "the ARN of an IAM role"),
        ("arn:aws:iam::123456789012:user/Mitigate", "the ARN of an IAM role"),
        ("arn:aws:iam::210987654321:role/Mitigate", "of account 210987654321; AWS IoT assumes only roles of its own"),
        (f"arn:aws:iam::123456789012:role/{'x' * 2048}", "the ARN of an IAM role"),
    ],
)
def test_a_role_that_aws_iot_cannot_take_on_is_refused(role: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        parsed(GROUPS, role_arn=role)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 500


def test_an_option_of_another_type_is_refused() -> None:
    with pytest.raises(InputError, match="UPDATE_DEVICE_CERTIFICATE has no parameter logLevel; it takes none"):
        make_parameters(Type.UPDATE_DEVICE_CERTIFICATE, log_level="ERROR")


def test_types_are_read_as_people_write_them_and_a_wrong_one_gets_a_suggestion() -> None:
    assert parse_action_type("enable-iot-logging") == Type.ENABLE_IOT_LOGGING
    with pytest.raises(InputError, match="Did you mean 'PUBLISH_FINDING_TO_SNS'"):
        parse_action_type("PUBLISH_FINDINGS_TO_SNS")


def test_parameters_of_no_known_type_are_not_guessed_at() -> None:
    with pytest.raises(InputError, match="a newer version of ddreport may know this type"):
        MitigationAction.from_record({"actionName": "New", "roleArn": ROLE, "actionParams": {"rebootParams": {}}})


def test_only_the_message_cannot_be_taken_back() -> None:
    defaults = {kind: default_action(kind, HERE) for kind in Type}
    assert [k for k, action in defaults.items() if not action.is_reversible] == [Type.PUBLISH_FINDING_TO_SNS]
    assert "cannot be taken back" in defaults[Type.PUBLISH_FINDING_TO_SNS].undo_in_words()
    assert "ACTIVE again" in defaults[Type.UPDATE_DEVICE_CERTIFICATE].undo_in_words()


def test_words_say_what_happens_to_what() -> None:
    assert "within minutes" in default_action(Type.UPDATE_DEVICE_CERTIFICATE, HERE).in_words()
    groups = parsed(with_groups(thingGroupNames=["a", "b"], overrideDynamicGroups=True)).in_words()
    assert "the thing groups a, b" in groups
    assert "leaves dynamic groups" in groups
    assert "at level WARN" in parsed(with_logging(logLevel="WARN")).in_words()


def test_likeness_looks_at_what_is_defined_not_at_how_it_is_written() -> None:
    first = parsed(with_groups(thingGroupNames=["a", "b"]))
    assert first.is_like(parsed(with_groups(thingGroupNames=["b", "a"], overrideDynamicGroups=False)))
    assert not first.is_like(parsed(with_groups(thingGroupNames=["a", "b"], overrideDynamicGroups=True)))
    assert not first.is_like(parsed(with_groups(thingGroupNames=["a", "b"]), role_arn=HERE.role_arn("Other")))


def test_every_check_has_fitting_types_of_the_catalogue_with_the_message_last() -> None:
    for check in checks().values():
        assert set(fitting_types(check.name)) == set(check.mitigation_action_types)
        assert fitting_types(check.name)[-1] == Type.PUBLISH_FINDING_TO_SNS
    assert fitting_types("A_CHECK_OF_TOMORROW") == (Type.PUBLISH_FINDING_TO_SNS,)


def test_fitting_actions_leave_out_what_aws_would_refuse() -> None:
    defined = [default_action(kind, HERE) for kind in Type]
    names = [a.name for a in fitting_actions("LOGGING_DISABLED_CHECK", defined)]
    assert names == ["EnableErrorLoggingAction", "PublishFindingAction"]
    # An outdated name of AWS's older texts means the same check.
    assert [a.action_type for a in fitting_actions("REVOKED_CA_CERT_CHECK", defined)] == [
        Type.UPDATE_CA_CERTIFICATE,
        Type.PUBLISH_FINDING_TO_SNS,
    ]


def test_a_role_trusts_aws_iot_for_one_action_of_one_account_only() -> None:
    (statement,) = trust_policy(HERE, action_name="EnableErrorLoggingAction")["Statement"]
    assert statement["Principal"] == {"Service": "iot.amazonaws.com"}
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "123456789012"},
        "ArnLike": {"aws:SourceArn": "arn:aws:iot:eu-west-1:123456789012:mitigationaction/EnableErrorLoggingAction"},
    }
    (for_logging,) = trust_policy(HERE)["Statement"]
    assert for_logging["Condition"]["ArnLike"] == {"aws:SourceArn": "arn:aws:iot:eu-west-1:123456789012:*"}


def test_permissions_name_what_the_action_needs_and_nothing_else() -> None:
    granted = {
        kind: {statement["Action"]: statement["Resource"] for statement in permission_policy(action, HERE)["Statement"]}
        for kind, action in ((kind, default_action(kind, HERE)) for kind in Type)
    }
    assert granted == {
        Type.UPDATE_DEVICE_CERTIFICATE: {"iot:UpdateCertificate": ["arn:aws:iot:eu-west-1:123456789012:cert/*"]},
        Type.UPDATE_CA_CERTIFICATE: {"iot:UpdateCACertificate": ["arn:aws:iot:eu-west-1:123456789012:cacert/*"]},
        Type.ADD_THINGS_TO_THING_GROUP: {
            "iot:ListPrincipalThings": ["*"],
            "iot:AddThingToThingGroup": [
                "arn:aws:iot:eu-west-1:123456789012:thing/*",
                "arn:aws:iot:eu-west-1:123456789012:thinggroup/Quarantine",
            ],
        },
        Type.REPLACE_DEFAULT_POLICY_VERSION: {
            "iot:CreatePolicyVersion": ["arn:aws:iot:eu-west-1:123456789012:policy/*"]
        },
        Type.ENABLE_IOT_LOGGING: {
            "iot:SetV2LoggingOptions": ["*"],
            "iam:PassRole": ["arn:aws:iam::123456789012:role/AWSIoTLoggingRole"],
        },
        Type.PUBLISH_FINDING_TO_SNS: {"sns:Publish": ["arn:aws:sns:eu-west-1:123456789012:IoTDDNotifications"]},
    }
    passing = permission_policy(default_action(Type.ENABLE_IOT_LOGGING, HERE), HERE)["Statement"][1]
    assert passing["Condition"] == {"StringEquals": {"iam:PassedToService": "iot.amazonaws.com"}}


def test_the_emulator_knows_every_managed_policy_by_the_same_actions() -> None:
    from ddreport.emulation.iam_backend import MANAGED_POLICIES as EMULATED

    for kind, name in MANAGED_POLICIES.items():
        assert {grant.action for grant in needed_grants(default_action(kind, HERE), HERE)} == set(EMULATED[name])
        assert managed_policy_arn(kind).endswith(f":policy/service-role/{name}")


def test_the_role_for_logging_writes_to_the_log_group_of_aws_iot_only() -> None:
    (statement,) = logging_permission_policy(HERE)["Statement"]
    assert statement["Resource"] == ["arn:aws:logs:eu-west-1:123456789012:log-group:AWSIotLogsV2:*"]
    assert "logs:PutLogEvents" in statement["Action"]


def test_default_names_are_names_that_aws_takes() -> None:
    for kind, default in DEFAULT_ACTIONS.items():
        assert default_action(kind, HERE).name == default.name
        assert len(default.role_name) <= 64
