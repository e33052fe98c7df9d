"""How wide IAM policies reach, as pure functions of documents."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddreport.emulation.iam_analysis import (
    SECURITY_AUDITING_SERVICES,
    THING_READS,
    THING_WRITES,
    administered_services,
    granted_services,
    iot_grants,
    service_namespaces,
)
from ddreport.emulation.policy import parse_policy
from ddreport.emulation.policy_breadth import DATA_PLANE_ACTIONS

ARN = "arn:aws:iot:eu-west-1:123456789012:"


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource} | more


def deny(action, resource="*", **more):
    return {"Effect": "Deny", "Action": action, "Resource": resource} | more


def policies(*statements):
    return (parse_policy({"Version": "2012-10-17", "Statement": list(statements)}),)


def grants(*statements):
    return iot_grants(policies(*statements), ARN)


def thing(name):
    return f"{ARN}thing/{name}"


# Classes


@pytest.mark.parametrize("action", sorted(THING_READS))
def test_a_thing_read_is_granted_on_any_resource_and_broad_on_all_things(action):
    assert grants(allow(action, thing("pump-1"))).thing_reads == (action,)
    assert grants(allow(action, thing("pump-1"))).broad_thing_reads == ()
    assert grants(allow(action, thing("*"))).broad_thing_reads == (action,)


@pytest.mark.parametrize(
    ("resource", "broad"),
    [
        ("*", True),
        (thing("*"), True),
        ("arn:aws:iot:*:*:thing/*", True),
        (thing("pump-1"), False),
        (thing("pump*"), False),
        (thing("${credentials-iot:ThingName}"), False),
        (thing("${cognito-identity.amazonaws.com:sub}"), False),
        (["arn:aws:s3:::bucket", thing("pump-1")], False),
    ],
)
def test_reads_are_broad_when_they_reach_unrelated_things(resource, broad):
    assert bool(grants(allow("iot:DescribeThing", resource)).broad_thing_reads) == broad


@pytest.mark.parametrize("action", sorted(THING_WRITES))
def test_a_thing_write_counts_on_a_single_resource(action):
    found = grants(allow(action, thing("pump-1")))
    assert found.thing_writes == (action,)
    assert (found.thing_reads, found.other_administration, found.broad_data_plane) == ((), (), ())


@pytest.mark.parametrize(
    "action", ["iot:AttachPolicy", "iot:CreateTopicRule", "iot:UpdateIndexingConfiguration", "iot:NotYetKnown"]
)
def test_all_other_actions_are_administration_beyond_things(action):
    assert grants(allow(action, f"{ARN}policy/p")).other_administration == (action,)


@pytest.mark.parametrize(
    ("action", "resource", "broad"),
    [
        ("iot:Connect", f"{ARN}client/*", True),
        ("iot:Connect", f"{ARN}client/kiosk-7", False),
        ("iot:Connect", f"{ARN}client/${{cognito-identity.amazonaws.com:sub}}", False),
        ("iot:Publish", f"{ARN}topic/$aws/things/*", True),
        ("iot:Publish", f"{ARN}topic/$aws/things/*/shadow/update", True),
        ("iot:Publish", f"{ARN}topic/$aws/things/kiosk-7/shadow/update", False),
        ("iot:Subscribe", f"{ARN}topicfilter/$aws/things/#", True),
        ("iot:Subscribe", f"{ARN}topicfilter/$aws/things/+/shadow/update", True),
        ("iot:Receive", f"{ARN}topic/$aws/things/*", False),
        ("iot:Receive", "*", False),
        ("iot:GetThingShadow", thing("*"), True),
        ("iot:UpdateThingShadow", thing("pump-1"), False),
        ("iotjobsdata:UpdateJobExecution", thing("*"), True),
        ("iot:StartNextPendingJobExecution", thing("*"), True),
        ("iot:RetainPublish", "*", False),
    ],
)
def test_data_plane_access_is_broad_as_in_policies_of_aws_iot(action, resource, broad):
    found = grants(allow(action, resource))
    assert found.broad_data_plane == ((action,) if broad else ())
    assert (found.thing_reads, found.thing_writes, found.other_administration) == ((), (), ())


@pytest.mark.parametrize("action", ["iot:*", "*", "i*", "IOT:*", "*:*"])
def test_a_wildcard_grants_every_class(action):
    found = grants(allow(action))
    assert set(found.thing_reads) == THING_READS
    assert set(found.thing_writes) == THING_WRITES
    assert len(found.other_administration) > 150
    assert "iot:Connect" in found.broad_data_plane


@pytest.mark.parametrize("action", ["iotanalytics:*", "s3:*", "iot*x:*", "iotwireless:UpdateThing"])
def test_other_services_are_not_aws_iot(action):
    assert grants(allow(action)) == grants()


def test_actions_on_resources_of_other_services_alone_grant_nothing_on_aws_iot():
    assert grants(allow(["s3:PutObject", "iot:UpdateThing"], "arn:aws:s3:::bucket/*")) == grants()


@pytest.mark.parametrize("case", ["iot:updatething", "IoT:UPDATETHING"])
def test_case_does_not_matter(case):
    assert grants(allow(case, thing("a"))).thing_writes == ("iot:UpdateThing",)


# NotAction, NotResource, Deny, conditions


def test_not_action_grants_all_other_actions():
    found = grants({"Effect": "Allow", "NotAction": ["iot:Update*", "iot:Connect"], "Resource": "*"})
    assert "iot:UpdateThing" not in found.thing_writes
    assert "iot:CreateThing" in found.thing_writes
    assert "iot:Connect" not in found.broad_data_plane
    assert "iot:Publish" in found.broad_data_plane


def test_not_resource_counts_as_everything():
    found = grants({"Effect": "Allow", "Action": "iot:DescribeThing", "NotResource": thing("pump-1")})
    assert found.broad_thing_reads == ("iot:DescribeThing",)


def test_conditions_of_a_grant_are_ignored():
    found = grants(allow("iot:UpdateThing", Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}))
    assert found.thing_writes == ("iot:UpdateThing",)


@pytest.mark.parametrize(
    ("denied", "left"),
    [
        (deny("iot:UpdateThing"), False),
        (deny("iot:*"), False),
        (deny("iot:UpdateThing", thing("*")), False),
        (deny("iot:UpdateThing", thing("pump-1")), False),
        (deny("iot:UpdateThing", thing("pump-2")), True),
        (deny("iot:DeleteThing"), True),
        (deny("iot:UpdateThing", Condition={"Bool": {"aws:SecureTransport": "false"}}), True),
        ({"Effect": "Deny", "NotAction": "iot:Connect", "Resource": "*"}, False),
        ({"Effect": "Deny", "NotAction": "iot:Update*", "Resource": "*"}, True),
        ({"Effect": "Deny", "Action": "*", "NotResource": thing("pump-9")}, False),
        ({"Effect": "Deny", "Action": "*", "NotResource": thing("*")}, True),
    ],
)
def test_a_deny_takes_away_what_it_covers(denied, left):
    assert bool(grants(allow("iot:UpdateThing", thing("pump-1")), denied).thing_writes) == left


def test_a_deny_of_another_policy_of_the_role_counts_too():
    both = policies(allow("iot:UpdateThing")) + policies(deny("iot:*"))
    assert iot_grants(both, ARN) == grants()


@pytest.mark.parametrize(("denied", "left"), [("iot:*", False), ("iot:Describe*", False), ("iot:List*", True)])
def test_a_deny_takes_broad_reads_away(denied, left):
    assert bool(grants(allow("iot:DescribeThing"), deny(denied)).broad_thing_reads) == left


ACTIONS = st.sampled_from(
    sorted(THING_READS | THING_WRITES | set(DATA_PLANE_ACTIONS) | {"iot:AttachPolicy", "iot:*", "*", "iot:List*"})
)
RESOURCES = st.sampled_from(["*", thing("*"), thing("pump-1"), thing("pump*"), f"{ARN}topic/*", f"{ARN}client/*"])


def statements(effect):
    return st.fixed_dictionaries({"Effect": st.just(effect), "Action": ACTIONS, "Resource": RESOURCES})


def everything(found):
    return {
        *found.thing_reads,
        *(("broad", a) for a in found.broad_thing_reads),
        *found.thing_writes,
        *found.other_administration,
        *(("broad", a) for a in found.broad_data_plane),
    }


@given(st.lists(statements("Allow"), min_size=1, max_size=3), statements("Deny"))
def test_a_deny_never_adds_and_an_allow_never_takes_away(allowed, denied):
    without = everything(grants(*allowed))
    assert everything(grants(*allowed, denied)) <= without
    assert everything(grants(allowed[0], denied)) <= everything(grants(*allowed, denied))


@given(st.lists(statements("Allow"), max_size=3))
def test_a_deny_of_everything_leaves_nothing(allowed):
    assert everything(grants(*allowed, deny("*"))) == set()
    assert granted_services(policies(*allowed, deny("*"))) == ()


@given(ACTIONS, RESOURCES)
def test_a_deny_of_the_same_actions_and_resources_removes_the_grant(action, resource):
    assert everything(grants(allow(action, resource), deny(action, resource))) == set()


@given(st.lists(ACTIONS, min_size=1, max_size=4, unique=True))
def test_not_action_grants_what_action_does_not(actions):
    named = everything(grants(allow(actions)))
    others = everything(grants({"Effect": "Allow", "NotAction": actions, "Resource": "*"}))
    assert everything(grants(allow("*"))) <= named | others
    assert not named & others


# Services


@pytest.mark.parametrize(
    ("statement", "services"),
    [
        (allow(["s3:PutObject", "kinesisvideo:PutMedia"]), ("kinesisvideo", "s3")),
        (allow("S3:PutObject"), ("s3",)),
        (allow("s3*:Get*"), tuple(sorted(s for s in service_namespaces() if s.startswith("s3")))),
        (allow("notknown:Do"), ("notknown",)),
        ({"Effect": "Allow", "Action": "sqs:*", "NotResource": "arn:aws:sqs:*:*:q"}, ("sqs",)),
    ],
)
def test_services_are_told_by_the_namespace_of_actions(statement, services):
    assert granted_services(policies(statement)) == services


def test_a_star_reaches_every_known_service():
    assert granted_services(policies(allow("*"))) == tuple(sorted(service_namespaces()))
    assert {"iot", "s3", "dynamodb", *SECURITY_AUDITING_SERVICES} <= set(service_namespaces())


def test_not_action_reaches_every_service_that_it_does_not_close():
    found = granted_services(
        policies({"Effect": "Allow", "NotAction": ["iam:*", "s3:Delete*", "kms*"], "Resource": "*"})
    )
    assert "iam" not in found
    assert "kms" not in found
    assert {"s3", "dynamodb"} <= set(found)


@pytest.mark.parametrize(
    ("denied", "services"),
    [
        (deny("s3:*"), ()),
        (deny("s3:PutObject"), ("s3",)),
        (deny("s3:*", "arn:aws:s3:::a/*"), ("s3",)),
        (deny("s3:*", Condition={"Null": {"aws:x": "true"}}), ("s3",)),
        ({"Effect": "Deny", "NotAction": "iot:*", "Resource": "*"}, ()),
        ({"Effect": "Deny", "NotAction": ["iot:*", "s3:Get*"], "Resource": "*"}, ("s3",)),
    ],
)
def test_a_deny_closes_a_service_when_it_covers_what_is_granted(denied, services):
    assert granted_services(policies(allow(["s3:PutObject", "s3:GetObject"]), denied)) == services


@pytest.mark.parametrize(
    ("statement", "services"),
    [
        (allow("iot:*"), ("iot",)),
        (allow(["dynamodb:*", "s3:Put*"]), ("dynamodb",)),
        (allow("s3:*", "arn:aws:s3:::one-bucket/*"), ("s3",)),
        (allow("s3:Get*"), ()),
        (allow("s3"), ()),
        ({"Effect": "Allow", "NotAction": ["dynamodb:DeleteTable"], "Resource": "*"}, ("iot", "s3")),
        (allow("*"), ("dynamodb", "iot", "s3")),
    ],
)
def test_a_service_is_administered_when_all_its_actions_are_granted(statement, services):
    assert tuple(s for s in administered_services(policies(statement)) if s in ("dynamodb", "iot", "s3")) == services


def test_a_role_without_policies_reaches_nothing():
    assert (granted_services(()), administered_services(()), iot_grants((), ARN)) == ((), (), grants())
