"""AWS's documented compliant and non-compliant policies, one row per statement, and the readings where it is silent."""

from __future__ import annotations

import json

import pytest

from ddreport.emulation.policy_breadth import broad_data_plane_actions, misconfigurations

ARN = "arn:aws:iot:eu-west-1:123456789012:"
THING = "${iot:Connection.Thing.ThingName}"
ATTACHED = {"Bool": {"iot:Connection.Thing.IsAttached": "true"}}

CONNECT, PUBLISH, SUBSCRIBE = "iot:Connect", "iot:Publish", "iot:Subscribe"
SHADOWS = ("iot:GetThingShadow", "iot:UpdateThingShadow", "iot:DeleteThingShadow")
JOBS = ("DescribeJobExecution", "GetPendingJobExecutions", "StartNextPendingJobExecution", "UpdateJobExecution")
ON_THINGS = (*SHADOWS, *(f"{prefix}:{job}" for prefix in ("iot", "iotjobsdata") for job in JOBS))


def statement(effect, action, resource, condition=None):
    resources = [r if r == "*" else ARN + r for r in ([resource] if isinstance(resource, str) else resource)]
    return {"Effect": effect, "Action": action, "Resource": resources} | ({"Condition": condition} if condition else {})


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def broad(*statements):
    return list(broad_data_plane_actions(document(*statements), ARN))


@pytest.mark.parametrize(
    ("action", "resource", "condition"),
    [
        (CONNECT, "client/*", None),
        (CONNECT, "client/${iot:ClientId}", None),
        (CONNECT, "client/*", ATTACHED),
        (CONNECT, "*", None),
        (PUBLISH, "topic/$aws/things/*/shadow/update", None),
        (PUBLISH, "topic/$aws/things/*", None),
        (PUBLISH, "topic/*", None),
        (PUBLISH, "*", None),
        (SUBSCRIBE, "topicfilter/$aws/things/*", None),
        (SUBSCRIBE, "topicfilter/$aws/things/#", None),
        (SUBSCRIBE, "topicfilter/$aws/things/+/shadow/update", None),
        (SUBSCRIBE, "topicfilter/#", None),
        (SUBSCRIBE, "topicfilter/*", None),
        (SUBSCRIBE, "*", None),
        *((action, resource, None) for action in ON_THINGS for resource in ("thing/*", "*")),
    ],
)
def test_broad_grants(action, resource, condition):
    assert broad(statement("Allow", action, resource, condition)) == [action]


@pytest.mark.parametrize(
    ("action", "resource", "condition"),
    [
        (CONNECT, f"client/{THING}", ATTACHED),
        (CONNECT, f"client/{THING}", None),
        (CONNECT, "client/${iot:ClientId}", ATTACHED),
        (CONNECT, "client/pump-1", None),
        (CONNECT, "client/pump-*", None),
        (PUBLISH, f"topic/$aws/things/{THING}/shadow/*", None),
        (PUBLISH, f"topic/$aws/rules/route/things/{THING}", None),
        (PUBLISH, "topic/telemetry/*", None),
        (PUBLISH, "topic/$aws/things/pump-*/shadow/update", None),
        (SUBSCRIBE, f"topicfilter/$aws/things/{THING}/shadow/*", None),
        (SUBSCRIBE, f"topicfilter/$aws/things/{THING}/jobs/*", None),
        (SUBSCRIBE, "topicfilter/telemetry/#", None),
        ("iot:Receive", "topic/$aws/things/*", None),
        ("iot:Receive", "*", None),
        *((action, f"thing/{name}", None) for action in ON_THINGS for name in ("pump-1", "pump*", THING)),
        # Not of the data plane, or not named among its actions.
        ("iot:CreateThing", "*", None),
        ("iot:DescribeThing", "thing/*", None),
        ("iot:RetainPublish", "*", None),
    ],
)
def test_narrow_grants(action, resource, condition):
    assert broad(statement("Allow", action, resource, condition)) == []


@pytest.mark.parametrize("value", ["true", ["true"], True])
def test_the_condition_for_an_attached_thing_may_be_written_in_three_ways(value):
    attached = {"Bool": {"iot:Connection.Thing.IsAttached": value}}
    assert broad(statement("Allow", CONNECT, "client/${iot:ClientId}", attached)) == []


@pytest.mark.parametrize(
    "condition",
    [
        {"Bool": {"iot:Connection.Thing.IsAttached": "false"}},
        {"Bool": {"iot:Connection.Thing.IsAttached": ["true", "false"]}},
        {"BoolIfExists": {"iot:Connection.Thing.IsAttached": "true"}},
    ],
)
def test_a_condition_that_lets_unattached_clients_in_does_not_narrow_a_grant(condition):
    assert broad(statement("Allow", CONNECT, "client/${iot:ClientId}", condition)) == [CONNECT]


def test_connecting_and_publishing_on_everything_is_broad():
    assert broad(statement("Allow", [CONNECT, PUBLISH], "*")) == [CONNECT, PUBLISH]


def test_a_policy_for_nothing_but_the_own_thing_is_compliant():
    own = [
        statement("Allow", CONNECT, f"client/{THING}", ATTACHED),
        statement("Allow", [PUBLISH, "iot:Receive"], f"topic/$aws/things/{THING}/shadow/*"),
        statement("Allow", SUBSCRIBE, f"topicfilter/$aws/things/{THING}/shadow/*"),
    ]
    assert broad(*own) == []


def test_the_finding_names_every_offending_action_but_never_receive():
    greengrass = [SUBSCRIBE, CONNECT, "iot:GetThingShadow", "iot:DeleteThingShadow", "iot:UpdateThingShadow", PUBLISH]
    assert broad(statement("Allow", [*greengrass, "iot:Receive", "greengrass:*"], "*")) == greengrass


def test_a_wildcard_action_is_spelled_out_and_jobs_are_named_once():
    found = broad(statement("Allow", "*", "*"))
    assert found == broad(statement("Allow", "iot:*", "*"))
    assert len(found) == 10
    assert not [action for action in found if action.startswith("iotjobsdata:")]


def test_other_conditions_do_not_narrow_a_grant():
    office = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    assert broad(statement("Allow", CONNECT, "client/*", office)) == [CONNECT]


def test_a_resource_of_another_account_or_region_grants_nothing_here():
    other = statement("Allow", CONNECT, "client/x")
    other["Resource"] = ["arn:aws:iot:us-east-1:123456789012:client/*", "arn:aws:iot:*:999999999999:client/*"]
    assert broad(other) == []


@pytest.mark.parametrize(
    "second",
    [
        statement("Deny", CONNECT, "client/*"),
        statement("Deny", "iot:*", "*"),
        {"Effect": "Deny", "NotAction": "iot:Publish", "Resource": "*"},
        {"Effect": "Deny", "Action": CONNECT, "NotResource": f"{ARN}client/{THING}"},
    ],
)
def test_a_deny_that_covers_the_grant_removes_it(second):
    assert broad(statement("Allow", CONNECT, "client/*"), second) == []


@pytest.mark.parametrize(
    "second",
    [
        statement("Deny", CONNECT, "client/pump-*"),
        statement("Deny", PUBLISH, "*"),
        statement("Deny", CONNECT, "*", ATTACHED),
        {"Effect": "Deny", "Action": CONNECT, "NotResource": f"{ARN}client/*"},
    ],
)
def test_a_deny_that_leaves_a_gap_or_has_conditions_does_not(second):
    assert broad(statement("Allow", CONNECT, "client/*"), second) == [CONNECT]


def test_not_resource_in_an_allow_reads_as_everything():
    assert broad({"Effect": "Allow", "Action": CONNECT, "NotResource": f"{ARN}client/admin"}) == [CONNECT]


def test_not_action_in_an_allow_reads_as_all_other_actions():
    found = broad({"Effect": "Allow", "NotAction": ["iot:Connect", "iot:*Shadow", "*Job*"], "Resource": "*"})
    assert found == [SUBSCRIBE, PUBLISH]


WILDCARDS = "POLICY_CONTAINS_MQTT_WILDCARDS_IN_DENY_STATEMENT"
REACHABLE = "TOPIC_FILTERS_INTENDED_TO_DENY_ALLOWED_USING_WILDCARDS"


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (
            [
                statement("Allow", SUBSCRIBE, "topicfilter/plant/*"),
                statement("Deny", SUBSCRIBE, "topicfilter/plant/boiler/#"),
                statement("Allow", "iot:Receive", "topic/plant/*"),
            ],
            WILDCARDS,
        ),
        (
            [
                statement("Allow", SUBSCRIBE, "topicfilter/plant/*"),
                statement("Deny", SUBSCRIBE, "topicfilter/plant/boiler/*"),
                statement("Allow", "iot:Receive", "topic/plant/*"),
            ],
            REACHABLE,
        ),
        (
            [
                statement("Allow", SUBSCRIBE, "topicfilter/plant/*"),
                statement("Deny", SUBSCRIBE, "topicfilter/plant/boiler/*"),
                statement("Allow", "iot:Receive", "topic/plant/*"),
                statement("Deny", "iot:Receive", "topic/plant/boiler/*"),
            ],
            None,
        ),
        (
            [
                statement("Allow", SUBSCRIBE, "topicfilter/plant/*"),
                statement("Deny", SUBSCRIBE, "topicfilter/plant/boiler/*"),
                statement("Allow", "iot:Receive", "topic/office/*"),
            ],
            None,
        ),
        (
            [
                statement("Allow", SUBSCRIBE, "topicfilter/plant/*"),
                statement("Deny", SUBSCRIBE, "topicfilter/plant/*"),
                statement("Allow", "iot:Receive", "*"),
            ],
            None,
        ),
        (
            [
                statement("Allow", SUBSCRIBE, "topicfilter/plant/cell-2/*"),
                statement("Deny", SUBSCRIBE, "topicfilter/plant/+/boiler"),
                statement("Allow", "iot:Receive", "topic/plant/*"),
            ],
            WILDCARDS,
        ),
        ([statement("Allow", SUBSCRIBE, "topicfilter/plant/+/x")], None),
        ([statement("Deny", PUBLISH, "topic/plant/+")], WILDCARDS),
        ([statement("Deny", "iot:*", "topic/plant/#")], WILDCARDS),
        ([statement("Deny", "iot:DeleteThing", "thing/a#b")], None),
    ],
)
def test_misconfigured_policies(statements, expected):
    found = misconfigurations(document(*statements))
    assert found == ((expected,) if expected else ())
