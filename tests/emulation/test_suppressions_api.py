"""Suppressions over HTTP, and what they do to audits."""

from __future__ import annotations

from datetime import timedelta

import pytest

LOGGING = "LOGGING_DISABLED_CHECK"
EXPIRING = "DEVICE_CERTIFICATE_EXPIRING_CHECK"
POLICY = "IOT_POLICY_OVERLY_PERMISSIVE_CHECK"
ACCOUNT = {"account": "123456789012"}


@pytest.fixture
def suppress(account):
    def create(check=LOGGING, resource=None, **members):
        members = members or {"suppressIndefinitely": True}
        return account.iot.create_audit_suppression(checkName=check, resourceIdentifier=resource or ACCOUNT, **members)

    return create


def test_a_suppressed_resource_is_reported_but_does_not_count(account, suppress):
    account.enable(EXPIRING)
    first, second = account.certificate(days=5), account.certificate(days=5)
    account.certificate(days=500)
    suppress(EXPIRING, {"deviceCertificateId": first})
    task_id = account.audit(EXPIRING)
    check = account.details(task_id)[EXPIRING]
    assert check["checkRunStatus"] == "COMPLETED_NON_COMPLIANT"
    assert check["totalResourcesCount"] == 3
    assert check["nonCompliantResourcesCount"] == 1
    assert check["suppressedNonCompliantResourcesCount"] == 1
    by_flag = {
        flag: [f["nonCompliantResource"]["resourceIdentifier"]["deviceCertificateId"] for f in found]
        for flag in (True, False)
        if (found := account.findings(task_id, listSuppressedFindings=flag))
    }
    assert by_flag == {True: [first], False: [second]}


def test_a_check_with_only_suppressed_findings_is_compliant(account, suppress):
    account.enable(LOGGING)
    suppress()
    task_id = account.audit(LOGGING)
    check = account.details(task_id)[LOGGING]
    assert check["checkRunStatus"] == "COMPLETED_COMPLIANT"
    assert check["checkCompliant"] is True
    assert account.findings(task_id)[0]["isSuppressed"] is True


def test_what_was_suppressed_when_the_audit_ran_stays_so(account, suppress):
    account.enable(LOGGING)
    suppress()
    task_id = account.audit(LOGGING)
    account.iot.delete_audit_suppression(checkName=LOGGING, resourceIdentifier=ACCOUNT)
    assert account.findings(task_id)[0]["isSuppressed"] is True
    assert account.findings(account.audit(LOGGING))[0]["isSuppressed"] is False


def test_an_expired_suppression_is_gone_and_may_be_made_again(account, suppress, refused):
    suppress(expirationDate=account.now() + timedelta(days=7))
    account.advance(days=8)
    assert account.iot.list_audit_suppressions()["suppressions"] == []
    find = {"checkName": LOGGING, "resourceIdentifier": ACCOUNT}
    assert refused(lambda: account.iot.describe_audit_suppression(**find))[1] == 404
    suppress()


def test_a_new_default_version_brings_the_finding_of_a_policy_back(account, suppress):
    account.enable(POLICY)
    allow = {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}
    account.policy("wide", allow)
    suppress(POLICY, {"policyVersionIdentifier": {"policyName": "wide", "policyVersionId": "1"}})
    assert account.details(account.audit(POLICY))[POLICY]["checkCompliant"]
    document = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iot:Publish","Resource":"*"}}'
    account.iot.create_policy_version(policyName="wide", policyDocument=document, setAsDefault=True)
    assert not account.details(account.audit(POLICY))[POLICY]["checkCompliant"]


@pytest.mark.parametrize(
    ("check", "resource", "members"),
    [
        (LOGGING, ACCOUNT, {"description": "no end"}),
        (LOGGING, ACCOUNT, {"suppressIndefinitely": False}),
        (LOGGING, ACCOUNT, {"suppressIndefinitely": True, "expirationDate": 1}),
        (LOGGING, ACCOUNT, {"expirationDate": -1}),
        (LOGGING, {"clientId": "c"}, {"suppressIndefinitely": True}),
        (LOGGING, ACCOUNT | {"clientId": "c"}, {"suppressIndefinitely": True}),
        (LOGGING, {"account": "1234567890123"}, {"suppressIndefinitely": True}),
        ("NO_SUCH_CHECK", ACCOUNT, {"suppressIndefinitely": True}),
        (POLICY, {"policyVersionIdentifier": {"policyName": "p"}}, {"suppressIndefinitely": True}),
        (LOGGING, ACCOUNT, {"suppressIndefinitely": True, "description": "two\nlines"}),
        (LOGGING, ACCOUNT, {"suppressIndefinitely": True, "description": "x" * 1001}),
        (LOGGING, ACCOUNT, {"suppressIndefinitely": True, "clientRequestToken": "not/allowed"}),
    ],
)
def test_a_suppression_without_a_clear_end_or_resource_is_refused(account, suppress, refused, check, resource, members):
    if "expirationDate" in members:
        members = members | {"expirationDate": account.now() + timedelta(days=members["expirationDate"])}
    assert refused(lambda: suppress(check, resource, **members))[:2] == ("InvalidRequestException", 400)


def test_the_same_check_and_resource_again_exists_already(suppress, refused):
    suppress()
    assert refused(suppress)[:2] == ("ResourceAlreadyExistsException", 409)


def test_a_token_repeats_its_own_call_and_no_other(suppress, refused):
    suppress(suppressIndefinitely=True, clientRequestToken="t1")
    suppress(suppressIndefinitely=True, clientRequestToken="t1")
    code, _, _ = refused(
        lambda: suppress(
            EXPIRING, {"deviceCertificateId": "a" * 64}, suppressIndefinitely=True, clientRequestToken="t1"
        )
    )
    assert code == "InvalidRequestException"


def test_an_update_changes_the_end_or_the_description(account, suppress, refused):
    suppress(suppressIndefinitely=True, description="accepted")
    key = {"checkName": LOGGING, "resourceIdentifier": ACCOUNT}
    end = account.now() + timedelta(days=30)
    account.iot.update_audit_suppression(**key, expirationDate=end)
    described = account.iot.describe_audit_suppression(**key)
    assert (described["expirationDate"], described["suppressIndefinitely"]) == (end, False)
    account.iot.update_audit_suppression(**key, description="still accepted")
    assert account.iot.describe_audit_suppression(**key)["description"] == "still accepted"
    account.iot.update_audit_suppression(**key, suppressIndefinitely=True)
    assert "expirationDate" not in account.iot.describe_audit_suppression(**key)
    code, _, _ = refused(lambda: account.iot.update_audit_suppression(**key, suppressIndefinitely=False))
    assert code == "InvalidRequestException"


def test_deleting_what_does_not_exist_succeeds_but_updating_does_not(account, refused):
    key = {"checkName": LOGGING, "resourceIdentifier": ACCOUNT}
    account.iot.delete_audit_suppression(**key)
    assert refused(lambda: account.iot.update_audit_suppression(**key, description="x"))[1] == 404


@pytest.mark.parametrize(("ascending", "expected"), [(None, "a b c z"), (True, "a b c z"), (False, "z c b a")])
def test_suppressions_are_listed_by_expiry_with_the_indefinite_ones_last(account, suppress, ascending, expected):
    for name, days in (("b", 2), ("z", None), ("a", 1), ("c", 3)):
        end = {"expirationDate": account.now() + timedelta(days=days)} if days else {"suppressIndefinitely": True}
        suppress("CONFLICTING_CLIENT_IDS_CHECK", {"clientId": name}, **end)
    order = {} if ascending is None else {"ascendingOrder": ascending}
    pages = account.iot.get_paginator("list_audit_suppressions").paginate(**order, PaginationConfig={"PageSize": 3})
    listed = [s["resourceIdentifier"]["clientId"] for page in pages for s in page["suppressions"]]
    assert " ".join(listed) == expected


def test_suppressions_are_filtered_by_check_and_resource(account, suppress):
    suppress()
    suppress("CONFLICTING_CLIENT_IDS_CHECK", {"clientId": "c"})
    by_check = account.iot.list_audit_suppressions(checkName=LOGGING)["suppressions"]
    by_resource = account.iot.list_audit_suppressions(resourceIdentifier={"clientId": "c"})["suppressions"]
    assert [s["checkName"] for s in by_check + by_resource] == [LOGGING, "CONFLICTING_CLIENT_IDS_CHECK"]
