"""The two checks of role aliases: one row per statement of the documentation, and the whole way through the wire."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from ddreport.emulation.checks import StateView, Window, evaluate
from ddreport.emulation.policy import parse_policy
from ddreport.errors import InputError

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
ARN = "arn:aws:iot:eu-west-1:123456789012:"
BROAD = "IOT_ROLE_ALIAS_OVERLY_PERMISSIVE_CHECK"
UNUSED = "IOT_ROLE_ALIAS_ALLOWS_ACCESS_TO_UNUSED_SERVICES_CHECK"

USED_SERVICE = "ALLOWS_BROAD_ACCESS_TO_USED_SERVICES"
AUDITING = "ALLOWS_ACCESS_TO_SECURITY_AUDITING_SERVICES"
READS = "ALLOWS_BROAD_ACCESS_TO_IOT_THING_ADMIN_READ_ACTIONS"
OTHER = "ALLOWS_ACCESS_TO_IOT_NON_THING_ADMIN_ACTIONS"
WRITES = "ALLOWS_ACCESS_TO_IOT_THING_ADMIN_WRITE_ACTIONS"
DATA = "ALLOWS_BROAD_ACCESS_TO_IOT_DATA_PLANE_ACTIONS"
UNUSED_SERVICES = "ALLOWS_ACCESS_TO_UNUSED_SERVICES"


@dataclass
class Alias:
    arn: str = f"{ARN}rolealias/a"
    role_arn: str = "arn:aws:iam::123456789012:role/r"


@dataclass
class Role:
    """IAM with one role."""

    statement: dict | None
    used: dict

    def policies_of(self, role_arn):
        if self.statement is None:
            return None
        return (parse_policy({"Version": "2012-10-17", "Statement": self.statement}),)

    def last_used(self, role_arn):
        return self.used


def judged(check, statement, used=None):
    view = StateView(
        as_of=NOW,
        account="123456789012",
        region="eu-west-1",
        arn_start=ARN,
        window=Window(NOW - 31 * DAY, NOW),
        role_aliases=[Alias()],
        iam=Role(statement, used or {}),
    )
    return evaluate(check, view)


def allow(action, resource="*"):
    return {"Effect": "Allow", "Action": action, "Resource": resource}


@pytest.mark.parametrize(
    ("action", "resource", "used", "codes"),
    [
        ("dynamodb:*", "*", ["dynamodb"], [USED_SERVICE]),
        ("dynamodb:*", "*", [], []),
        ("dynamodb:*", "*", ["s3"], []),
        ("dynamodb:PutItem", "*", ["dynamodb"], []),
        ("s3:Put*", "*", ["s3"], []),
        ("iam:*", "*", ["iam"], [USED_SERVICE, AUDITING]),
        ("iam:GetRole", "*", [], [AUDITING]),
        ("cloudtrail:LookupEvents", "*", [], [AUDITING]),
        ("guardduty:ListDetectors", "*", [], [AUDITING]),
        ("inspector:ListFindings", "*", [], [AUDITING]),
        ("inspector2:ListFindings", "*", [], [AUDITING]),
        ("trustedadvisor:Describe*", "*", [], [AUDITING]),
        ("iot:DescribeThing", f"{ARN}thing/*", [], [READS]),
        ("iot:DescribeThing", f"{ARN}thing/${{credentials-iot:ThingName}}", [], []),
        ("iot:DescribeThing", f"{ARN}thing/pump*", [], []),
        ("iot:CreateTopicRule", "*", [], [OTHER]),
        ("iot:UpdateThing", f"{ARN}thing/${{credentials-iot:ThingName}}", [], [WRITES]),
        ("iot:Publish", f"{ARN}topic/$aws/things/*", [], [DATA]),
        ("iot:Publish", f"{ARN}topic/$aws/things/${{credentials-iot:ThingName}}/shadow/*", [], []),
        ("iot:*", "*", ["iot"], [USED_SERVICE, READS, OTHER, WRITES, DATA]),
        ("*", "*", ["s3"], [USED_SERVICE, AUDITING, READS, OTHER, WRITES, DATA]),
        ("kinesisvideo:PutMedia", "*", ["kinesisvideo"], []),
    ],
)
def test_a_role_alias_is_judged_by_three_triggers(action, resource, used, codes):
    evaluation = judged(BROAD, allow(action, resource), dict.fromkeys(used, NOW - DAY))
    assert [c.reason_code for c in evaluation.candidates] == codes
    assert evaluation.total == 1
    for candidate in evaluation.candidates:
        assert (candidate.resource_type, candidate.identifier) == ("ROLE_ALIAS", {"roleAliasArn": Alias.arn})
        assert candidate.related == (
            {"resourceType": "IAM_ROLE", "resourceIdentifier": {"iamRoleArn": Alias.role_arn}},
        )


@pytest.mark.parametrize(
    ("actions", "used", "unused"),
    [
        (["iot:Publish", "iam:GetRole", "dynamodb:PutItem"], {"iot": NOW}, "[dynamodb, iam]"),
        (["iot:Publish", "s3:PutObject"], {"iot": NOW, "s3": NOW - 365 * DAY}, None),
        (["s3:PutObject"], {"s3": NOW - 366 * DAY}, "[s3]"),
        (["s3:PutObject"], {"s3": NOW + DAY}, "[s3]"),
        (["s3:PutObject"], {}, "[s3]"),
        (["s3:PutObject"], {"s3": NOW, "sqs": NOW}, None),
    ],
)
def test_services_without_use_in_a_year_are_unused(actions, used, unused):
    evaluation = judged(UNUSED, allow(actions), used)
    assert evaluation.total == 1
    assert [c.reason_code for c in evaluation.candidates] == ([UNUSED_SERVICES] if unused else [])
    assert all(unused in c.reason for c in evaluation.candidates)


def test_a_star_reaches_every_service_and_the_text_is_cut():
    (candidate,) = judged(UNUSED, allow("*"), {"s3": NOW}).candidates
    assert "more]" in candidate.reason
    assert len(candidate.reason) < 400


@pytest.mark.parametrize("check", [BROAD, UNUSED])
def test_an_alias_of_a_role_that_is_gone_is_compliant(check):
    evaluation = judged(check, None)
    assert (evaluation.total, evaluation.candidates) == (1, [])


# Through the wire


@pytest.fixture
def iam(account):
    return account.client("iam")


@pytest.fixture
def role(account, iam):
    """Make a role alias whose role may do everything on DynamoDB and put objects into S3; return the role's ARN."""
    arn = iam.create_role(RoleName="devices", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    document = {"Version": "2012-10-17", "Statement": allow(["dynamodb:*", "s3:PutObject"])}
    iam.put_role_policy(RoleName="devices", PolicyName="p", PolicyDocument=json.dumps(document))
    account.iot.create_role_alias(roleAlias="uploads", roleArn=arn)
    return arn


def test_an_audit_goes_by_what_was_used(account, role):
    account.enable(BROAD, UNUSED)
    before = account.findings(account.audit(BROAD, UNUSED))
    account.emulator.use_service(role, "s3")
    account.emulator.use_service(role, "dynamodb", account.now() - 10 * DAY)
    after = account.findings(account.audit(BROAD, UNUSED))
    assert [f["reasonForNonComplianceCode"] for f in before] == [UNUSED_SERVICES]
    assert [f["reasonForNonComplianceCode"] for f in after] == [USED_SERVICE]
    assert after[0]["relatedResources"][0]["resourceIdentifier"] == {"iamRoleArn": role}
    account.advance(days=360)
    assert [f["reasonForNonComplianceCode"] for f in account.findings(account.audit(BROAD, UNUSED))] == [
        UNUSED_SERVICES
    ]


def test_attached_policies_count_like_inline_ones(account, iam, role):
    document = {"Version": "2012-10-17", "Statement": allow("iam:ListRoles")}
    policy = iam.create_policy(PolicyName="extra", PolicyDocument=json.dumps(document))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="devices", PolicyArn=policy)
    account.enable(BROAD)
    assert [f["reasonForNonComplianceCode"] for f in account.findings(account.audit(BROAD))] == [AUDITING]


@pytest.mark.parametrize(
    "missing", ["iot:ListRoleAliases", "iot:DescribeRoleAlias", "iam:GetServiceLastAccessedDetails"]
)
def test_the_checks_fail_when_the_audit_role_may_not_read(account, iam, role, missing):
    account.enable(BROAD, UNUSED)
    document = {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": missing, "Resource": "*"}}
    iam.put_role_policy(RoleName="Audit", PolicyName="no", PolicyDocument=json.dumps(document))
    details = account.details(account.audit(BROAD, UNUSED))
    assert {d["errorCode"] for d in details.values()} == {"INSUFFICIENT_PERMISSIONS"}


def test_last_accessed_data_tells_services_with_and_without_use(account, iam, role):
    when = account.now() - 3 * DAY
    account.emulator.use_service(role, "s3", when)
    job = iam.generate_service_last_accessed_details(Arn=role)["JobId"]
    answer = iam.get_service_last_accessed_details(JobId=job)
    rows = {row["ServiceNamespace"]: row for row in answer["ServicesLastAccessed"]}
    assert (answer["JobStatus"], answer["IsTruncated"]) == ("COMPLETED", False)
    assert set(rows) == {"dynamodb", "s3"}
    assert rows["s3"]["LastAuthenticated"] == when
    assert "LastAuthenticated" not in rows["dynamodb"]
    assert rows["dynamodb"]["TotalAuthenticatedEntities"] == 0


def test_last_accessed_data_comes_by_pages(iam, role):
    job = iam.generate_service_last_accessed_details(Arn=role)["JobId"]
    first = iam.get_service_last_accessed_details(JobId=job, MaxItems=1)
    second = iam.get_service_last_accessed_details(JobId=job, MaxItems=1, Marker=first["Marker"])
    names = [row["ServiceNamespace"] for page in (first, second) for row in page["ServicesLastAccessed"]]
    assert names == ["dynamodb", "s3"]
    assert (first["IsTruncated"], second["IsTruncated"]) == (True, False)


@pytest.mark.parametrize(
    ("call", "arguments", "code"),
    [
        ("generate_service_last_accessed_details", {"Arn": "arn:aws:iam::123456789012:role/nobody"}, "NoSuchEntity"),
        ("generate_service_last_accessed_details", {"Arn": "arn:aws:iam::123456789012:user/me"}, "InvalidInput"),
        ("get_service_last_accessed_details", {"JobId": "0" * 36}, "NoSuchEntity"),
    ],
)
def test_last_accessed_data_of_nothing_is_refused(iam, call, arguments, code):
    with pytest.raises(ClientError) as caught:
        getattr(iam, call)(**arguments)
    assert caught.value.response["Error"]["Code"] == code


@pytest.mark.parametrize(
    ("arn", "service", "message"),
    [
        ("arn:aws:iam::123456789012:role/nobody", "s3", "there is no role"),
        ("nonsense", "s3", "not the ARN of a role"),
        ("arn:mars:iam::123456789012:role/r", "s3", "not the ARN of a role"),
        ("arn:aws:iam::123456789012:role/devices", "S3:*", "allowed: a namespace"),
    ],
)
def test_use_of_nothing_is_refused(account, role, arn, service, message):
    with pytest.raises(InputError, match=message):
        account.emulator.use_service(arn, service)
