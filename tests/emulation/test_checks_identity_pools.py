"""The two checks of Cognito roles: one row per statement of the documentation, and the whole way through the wire."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from ddreport.emulation.checks import StateView, Window, evaluate
from ddreport.emulation.identities import IdentityConnections, IdentityPool
from ddreport.emulation.policy import parse_policy
from ddreport.errors import InputError

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
ARN = "arn:aws:iot:eu-west-1:123456789012:"
GUEST = "UNAUTHENTICATED_COGNITO_ROLE_OVERLY_PERMISSIVE_CHECK"
USER = "AUTHENTICATED_COGNITO_ROLE_OVERLY_PERMISSIVE_CHECK"
POOL = "eu-west-1:0f0e0d0c-0000-4000-8000-000000000001"

ADMIN, DATA = "ALLOWS_ACCESS_TO_IOT_ADMIN_ACTIONS", "ALLOWS_BROAD_ACCESS_TO_IOT_DATA_PLANE_ACTIONS"
READS = "ALLOWS_BROAD_ACCESS_TO_IOT_THING_ADMIN_READ_ACTIONS"
OTHER = "ALLOWS_ACCESS_TO_IOT_NON_THING_ADMIN_ACTIONS"
WRITES = "ALLOWS_ACCESS_TO_IOT_THING_ADMIN_WRITE_ACTIONS"


class Roles:
    """IAM with one role of the given statements."""

    def __init__(self, *statements):
        self.statements = statements

    def policies_of(self, role_arn):
        if role_arn.endswith("/gone"):
            return None
        return (parse_policy({"Version": "2012-10-17", "Statement": list(self.statements)}),)

    def last_used(self, role_arn):
        return {}


def judged(check, action, resource="*", roles=("authenticated", "unauthenticated"), arn="arn:aws:iam::1:role/r"):
    view = StateView(
        as_of=NOW,
        account="123456789012",
        region="eu-west-1",
        arn_start=ARN,
        window=Window(NOW - 31 * DAY, NOW),
        identity_pools=[IdentityPool(POOL, dict.fromkeys(roles, arn))],
        iam=Roles({"Effect": "Allow", "Action": action, "Resource": resource}),
    )
    return evaluate(check, view)


@pytest.mark.parametrize(
    ("action", "resource", "codes"),
    [
        ("iot:Connect", "client/kiosk-7", []),
        ("iot:Publish", "topic/$aws/things/kiosk-7/shadow/update", []),
        ("iot:GetThingShadow", "thing/kiosk-7", []),
        ("iot:Receive", "topic/$aws/things/*", []),
        ("iot:DescribeThing", "thing/kiosk-7", [ADMIN]),
        ("iot:ListThings", "*", [ADMIN]),
        ("iot:UpdateThing", "thing/kiosk-7", [ADMIN]),
        ("iot:AttachPolicy", "policy/p", [ADMIN]),
        ("iot:*", "*", [ADMIN, DATA]),
        ("iot:Publish", "topic/$aws/things/*", [DATA]),
        ("iot:Connect", "client/*", [DATA]),
        ("iot:Subscribe", "topicfilter/$aws/things/*", [DATA]),
        ("iot:UpdateThingShadow", "thing/*", [DATA]),
        (["iot:DescribeThing", "iot:Publish"], "*", [ADMIN, DATA]),
        ("s3:*", "*", []),
    ],
)
def test_guests_get_no_administration_and_no_broad_data_plane(action, resource, codes):
    evaluation = judged(GUEST, action, resource if resource == "*" else ARN + resource)
    assert [c.reason_code for c in evaluation.candidates] == codes
    assert evaluation.total == 1
    assert all(
        (c.resource_type, c.identifier) == ("COGNITO_IDENTITY_POOL", {"cognitoIdentityPoolId": POOL})
        for c in evaluation.candidates
    )


@pytest.mark.parametrize(
    ("action", "resource", "codes"),
    [
        ("iot:DescribeThing", "thing/pump-1", []),
        ("iot:ListThingPrincipals", "thing/pump*", []),
        ("iot:DescribeThing", "thing/*", [READS]),
        ("iot:ListThingGroupsForThing", "*", [READS]),
        ("iot:UpdateThing", "thing/pump-1", [WRITES]),
        ("iot:ListThings", "*", [WRITES]),
        ("iot:AttachPolicy", "policy/p", [OTHER]),
        ("iot:*", "*", [READS, OTHER, WRITES]),
        # The page calls it too permissive, but has no reason code for it.
        ("iot:Publish", "topic/*", []),
    ],
)
def test_signed_in_identities_get_narrow_reads_at_most(action, resource, codes):
    evaluation = judged(USER, action, resource if resource == "*" else ARN + resource)
    assert [c.reason_code for c in evaluation.candidates] == codes


@pytest.mark.parametrize(("check", "kind"), [(GUEST, "unauthenticated"), (USER, "authenticated")])
def test_each_check_looks_at_its_own_role(check, kind):
    other = {"authenticated": "unauthenticated", "unauthenticated": "authenticated"}[kind]
    assert judged(check, "iot:*", roles=(kind,)).total == 1
    assert judged(check, "iot:*", roles=(other,)).total == 0


def test_a_role_that_is_gone_grants_nothing():
    evaluation = judged(GUEST, "iot:*", arn="arn:aws:iam::1:role/gone")
    assert (evaluation.total, evaluation.candidates) == (1, [])


def test_long_lists_of_actions_are_cut_in_the_reason():
    (candidate, _) = judged(GUEST, "iot:*").candidates
    assert ", and " in candidate.reason
    assert len(candidate.reason) < 600


@pytest.mark.parametrize(("days", "found"), [(0, True), (31, True), (31.1, False), (-0.1, False)])
def test_a_pool_counts_for_thirty_one_days_after_a_connection(days, found):
    log = IdentityConnections()
    log.add(POOL, NOW - days * DAY, authenticated=False)
    assert log.pools_between(NOW - 31 * DAY, NOW) == ([POOL] if found else [])


def test_connections_told_out_of_order_are_found():
    log = IdentityConnections()
    for days in (1, 90, 40, 90):
        log.add(POOL, NOW - days * DAY, authenticated=days == 90)
    assert log.pools_between(NOW - 45 * DAY, NOW - 39 * DAY) == [POOL]
    assert log.pools_between(NOW - 80 * DAY, NOW - 50 * DAY) == []


# Through the wire


@pytest.fixture
def cognito(account):
    return account.client("cognito-identity")


@pytest.fixture
def pool(account, cognito):
    """Make a pool whose guests may do everything on AWS IoT; return its id."""
    iam = account.client("iam")
    role = iam.create_role(RoleName="guests", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}]}
    iam.put_role_policy(RoleName="guests", PolicyName="p", PolicyDocument=json.dumps(document))
    pool_id = cognito.create_identity_pool(IdentityPoolName="kiosks", AllowUnauthenticatedIdentities=True)[
        "IdentityPoolId"
    ]
    cognito.set_identity_pool_roles(IdentityPoolId=pool_id, Roles={"unauthenticated": role})
    return pool_id


def test_roles_of_a_pool_are_given_back(cognito, pool):
    answer = cognito.get_identity_pool_roles(IdentityPoolId=pool)
    assert answer["Roles"] == {"unauthenticated": "arn:aws:iam::123456789012:role/guests"}
    assert "RoleMappings" not in answer


def test_roles_and_mappings_are_replaced_as_a_whole(cognito, pool):
    mappings = {"example.com": {"Type": "Token", "AmbiguousRoleResolution": "Deny"}}
    cognito.set_identity_pool_roles(IdentityPoolId=pool, Roles={}, RoleMappings=mappings)
    answer = cognito.get_identity_pool_roles(IdentityPoolId=pool)
    assert (answer["Roles"], answer["RoleMappings"]) == ({}, mappings)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"IdentityPoolId": "eu-west-1:nothing"}, "ResourceNotFoundException"),
        ({"Roles": {"admin": "arn:aws:iam::123456789012:role/guests"}}, "InvalidParameterException"),
        ({"Roles": {"authenticated": "x" * 30}}, "InvalidParameterException"),
    ],
)
def test_wrong_pools_and_roles_are_refused(cognito, pool, change, code):
    with pytest.raises(ClientError, match=code):
        cognito.set_identity_pool_roles(**{"IdentityPoolId": pool, "Roles": {}} | change)


def test_only_a_pool_that_was_used_is_evaluated(account, pool):
    account.enable(GUEST)
    unused = account.details(account.audit(GUEST))[GUEST]
    account.emulator.connect_identity(pool, authenticated=True)
    used = account.audit(GUEST)
    assert (unused["checkCompliant"], unused["totalResourcesCount"]) == (True, 0)
    assert account.details(used)[GUEST]["nonCompliantResourcesCount"] == 1
    assert sorted(f["reasonForNonComplianceCode"] for f in account.findings(used)) == [ADMIN, DATA]


def test_a_pool_is_forgotten_after_thirty_one_days(account, pool):
    account.enable(GUEST)
    account.emulator.connect_identity(pool, authenticated=False)
    account.advance(days=32)
    assert account.details(account.audit(GUEST))[GUEST]["totalResourcesCount"] == 0


def test_a_pool_that_was_deleted_is_not_evaluated(account, cognito, pool):
    account.enable(GUEST)
    account.emulator.connect_identity(pool, authenticated=False)
    cognito.delete_identity_pool(IdentityPoolId=pool)
    assert account.details(account.audit(GUEST))[GUEST]["totalResourcesCount"] == 0


@pytest.mark.parametrize("pool_id", ["", "eu-west-1:nothing", "nowhere:x", "eu-west-1"])
def test_a_connection_through_no_pool_is_refused(account, pool_id):
    with pytest.raises(InputError, match="there is no identity pool"):
        account.emulator.connect_identity(pool_id, authenticated=False)


@pytest.mark.parametrize(
    "missing", ["cognito-identity:GetIdentityPoolRoles", "iam:GetRolePolicy", "iam:GetPolicyVersion"]
)
def test_the_checks_fail_when_the_audit_role_may_not_read(account, pool, missing):
    account.enable(GUEST, USER)
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": missing, "Resource": "*"}]}
    account.client("iam").put_role_policy(RoleName="Audit", PolicyName="no", PolicyDocument=json.dumps(document))
    details = account.details(account.audit(GUEST, USER))
    for check in (GUEST, USER):
        assert (details[check]["checkRunStatus"], details[check]["errorCode"]) == ("FAILED", "INSUFFICIENT_PERMISSIONS")
        assert missing in details[check]["message"]


def test_reads_granted_for_resources_of_the_account_are_enough(account, pool):
    role = account.enable(GUEST)
    iam = account.client("iam")
    iam.detach_role_policy(RoleName="Audit", PolicyArn="arn:aws:iam::aws:policy/service-role/AWSIoTDeviceDefenderAudit")
    statements = [
        {"Effect": "Allow", "Action": "iam:*Role*", "Resource": "arn:aws:iam::123456789012:role/*"},
        {"Effect": "Allow", "Action": "iam:GetPolicy*", "Resource": "arn:aws:iam::123456789012:policy/*"},
        {"Effect": "Allow", "Action": "cognito-identity:*", "Resource": "arn:aws:cognito-identity:*:*:identitypool/*"},
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_role_policy(RoleName=role.rpartition("/")[2], PolicyName="reads", PolicyDocument=document)
    assert account.details(account.audit(GUEST))[GUEST]["checkRunStatus"] == "COMPLETED_COMPLIANT"
