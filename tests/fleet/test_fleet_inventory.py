"""What the demo fleet consists of, as read over HTTP."""

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

AS_OF = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
LINES = ("lumen", "hydra", "frost", "atrium", "plaza")


def since(text):
    return AS_OF - datetime.fromisoformat(text)


def subject(pem):
    return x509.load_pem_x509_certificate(pem.encode()).subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value


def test_the_summary_counts_what_the_account_holds(account):
    counted = {
        "things": len(account["things"]),
        "thing_types": len(account["thing_types"]),
        "thing_groups": len(account["groups"]),
        "certificates": len(account["certificates"]),
        "ca_certificates": len(account["authorities"]),
        "policies": len(account["policies"]),
        "role_aliases": len(account["role_aliases"]),
    }
    assert account["summary"]["resources"] == counted
    assert account["summary"]["audits"] == len(account.tasks)


def test_there_are_as_many_resources_as_a_company_has(account):
    resources = account["summary"]["resources"]
    assert 1_350 <= resources["things"] <= 1_500
    assert resources["certificates"] >= resources["things"]
    assert 25 <= resources["policies"] <= 40
    assert sum(resources.values()) >= 1_500


def test_every_sampled_thing_has_one_certificate_with_its_name_in_it(account):
    ordinary = [t for t in account["thing_details"] if t["thingName"].count("-") == 2]
    assert len(ordinary) >= 20
    assert [[subject(pem) for pem in thing["pems"]] for thing in ordinary] == [[t["thingName"]] for t in ordinary]


def test_every_product_line_has_a_group_with_three_firmware_rings(account):
    parents = {g["thingGroupName"]: g["thingGroupMetadata"].get("parentGroupName") for g in account["groups"]}
    for line in LINES:
        rings = [name for name, parent in parents.items() if parent == f"line-{line}"]
        assert sorted(rings) == [f"line-{line}-ring-{ring}" for ring in ("broad", "canary", "early")]


def test_sites_are_nested_under_regions(account):
    tampere = next(g for g in account["groups"] if g["thingGroupName"] == "site-tampere")
    ancestors = [g["groupName"] for g in tampere["thingGroupMetadata"]["rootToParentThingGroups"]]
    assert ancestors == ["sites", "region-north"]


def test_every_sampled_thing_is_in_one_site_and_one_ring(account):
    kinds = {tuple(sorted(name.partition("-")[0] for name in t["groups"])) for t in account["thing_details"]}
    assert kinds <= {("line", "site"), ("line", "quarantine", "site")}


def test_certificates_were_registered_over_three_years(account):
    ages = sorted(since(certificate["creationDate"]).days for certificate in account["certificates"])
    assert ages[0] < 30
    assert 1_000 < ages[-1] < 1_200
    assert all(any(low <= age < low + 100 for age in ages) for low in range(0, 1_100, 100))


def test_certificates_are_in_every_state_that_a_company_has(account):
    states = Counter(certificate["status"] for certificate in account["certificates"])
    assert set(states) == {"ACTIVE", "INACTIVE", "REVOKED", "PENDING_TRANSFER"}
    assert states["ACTIVE"] > 1_200


def test_sampled_certificates_tell_their_own_validity(account):
    for described in account["certificate_details"]:
        certificate = x509.load_pem_x509_certificate(described["certificatePem"].encode())
        assert datetime.fromisoformat(described["validity"]["notAfter"]) == certificate.not_valid_after_utc


def test_active_sampled_certificates_have_a_thing_and_policies(account):
    active = [c for c in account["certificate_details"] if c["status"] == "ACTIVE"]
    assert active
    assert all(len(c["things"]) == 1 and "fleet-baseline" in c["policies"] for c in active)


def test_sampled_certificates_were_signed_by_the_authority_they_name(account):
    authorities = {a["certificateId"]: a["certificatePem"] for a in account["authorities"]}
    for described in account["certificate_details"]:
        issuer = x509.load_pem_x509_certificate(authorities[described["caCertificateId"]].encode())
        x509.load_pem_x509_certificate(described["certificatePem"].encode()).verify_directly_issued_by(issuer)


def test_authorities_are_active_inactive_expired_and_about_to_expire(account):
    states = {subject(a["certificatePem"]): (a["status"], a["validity"]["notAfter"]) for a in account["authorities"]}
    expired = [name for name, (_, end) in states.items() if datetime.fromisoformat(end) < AS_OF]
    soon = [
        name
        for name, (status, end) in states.items()
        if status == "ACTIVE" and AS_OF < datetime.fromisoformat(end) < AS_OF + timedelta(days=30)
    ]
    assert sorted(expired) == ["Velmora Frost Device CA G1", "Velmora Hydra Device CA G1"]
    assert soon == ["Velmora Atrium Device CA G1"]
    assert states["Velmora Pilot CA <b>do not use</b>"][0] == "INACTIVE"


def test_policies_have_versions_with_dates_before_and_inside_the_window(account):
    versions = account["policies"]["lumen-telemetry"]["versions"]
    assert [version["versionId"] for version in versions] == ["1", "2", "3", "4"]
    assert since(versions[0]["createDate"]).days > 1_000
    assert [since(version["createDate"]).days for version in versions[1:]] == [60, 52, 19]


def test_policy_documents_name_the_accounts_own_resources(account):
    document = json.loads(account["policies"]["fleet-baseline"]["policyDocument"])
    assert document["Statement"][0]["Resource"] == (
        "arn:aws:iot:eu-west-1:123456789012:client/${iot:Connection.Thing.ThingName}"
    )


def test_role_aliases_lead_to_roles(account):
    roles = {role["Arn"] for role in account["roles"].values()}
    assert len(account["role_aliases"]) == 6
    assert all(alias["roleArn"] in roles for alias in account["role_aliases"])


def test_the_audit_role_trusts_the_service_and_has_the_managed_policy_again(account):
    trust = account["roles"]["AWSIoTDeviceDefenderAudit"]["AssumeRolePolicyDocument"]["Statement"][0]
    assert trust["Principal"] == {"Service": "iot.amazonaws.com"}
    assert "AWSIoTDeviceDefenderAudit" in account["audit_role_policies"]


def test_results_go_to_the_topic(account):
    target = account["configuration"]["auditNotificationTargetConfigurations"]["SNS"]
    assert target["enabled"]
    assert [target["targetArn"]] == account["topics"] == ["arn:aws:sns:eu-west-1:123456789012:IoTDDNotifications"]


def test_the_daily_audit_covers_all_enabled_checks(account):
    (schedule,) = account["schedules"]
    enabled = [name for name, c in account["configuration"]["auditCheckConfigurations"].items() if c["enabled"]]
    assert schedule["scheduledAuditName"] == "AWSIoTDeviceDefenderDailyAudit"
    assert sorted(schedule["targetCheckNames"]) == sorted(enabled)


@pytest.mark.parametrize("name", ["=cmd,calc@v1", "+49,support@velmora", "@here-.=-=.", "-2+3,-partner"])
def test_policy_names_that_a_spreadsheet_would_run_are_there(account, name):
    assert name in account["policies"]


@pytest.mark.parametrize("name", ["__proto__", "constructor", "null", "NaN", "true", "-1", "1e309", "frost:spare::07"])
def test_thing_names_that_a_program_may_misread_are_there(account, name):
    assert name in {thing["thingName"] for thing in account["thing_details"]}


def test_common_names_hold_html_control_characters_and_invisible_ones(account):
    names = "".join(subject(pem) for thing in account["thing_details"] for pem in thing["pems"])
    for part in ("<img src=x onerror=alert(1)>", "=HYPERLINK(", "\u202e", "\x1b[2J", "\u200b", "{{7*7}}"):
        assert part in names


def test_client_ids_hold_html_formulas_and_control_characters(account):
    clients = {
        resource["resourceIdentifier"].get("clientId", "")
        for finding in account["findings"]
        for resource in (finding["nonCompliantResource"], *finding.get("relatedResources", []))
    }
    names = "".join(clients)
    for part in ("<svg/onload=", "=HYPERLINK(", "\u202e", "\x1b]0;", "\u200b", "'; DROP TABLE", "javascript:"):
        assert part in names


def test_names_keep_to_the_patterns_of_aws(account):
    assert all(re.fullmatch(r"[a-zA-Z0-9:_-]{1,128}", thing["thingName"]) for thing in account["things"])
    assert all(re.fullmatch(r"[\w+=,.@-]{1,128}", name, re.ASCII) for name in account["policies"])
    assert all(re.fullmatch(r"[a-zA-Z0-9:_-]{1,128}", group["thingGroupName"]) for group in account["groups"])
