import json

import pytest

from ddreport.catalogue import checks
from ddreport.tables import identify

CERTIFICATE = "AB" * 32


@pytest.mark.parametrize(
    ("identifier", "resource_id", "resource_type"),
    [
        ({"deviceCertificateId": CERTIFICATE}, CERTIFICATE.lower(), "DEVICE_CERTIFICATE"),
        (
            {"deviceCertificateArn": f"arn:aws:iot:eu-west-1:111122223333:cert/{CERTIFICATE}"},
            CERTIFICATE.lower(),
            "DEVICE_CERTIFICATE",
        ),
        ({"deviceCertificateArn": "arn:Else"}, "arn:Else", "DEVICE_CERTIFICATE"),
        ({"caCertificateId": CERTIFICATE}, CERTIFICATE.lower(), "CA_CERTIFICATE"),
        ({"account": "012345678901"}, "012345678901", "ACCOUNT_SETTINGS"),
        ({"clientId": "Pump-7"}, "Pump-7", "CLIENT_ID"),
        ({"cognitoIdentityPoolId": "eu-west-1:Aa"}, "eu-west-1:Aa", "COGNITO_IDENTITY_POOL"),
        ({"roleAliasArn": "arn:aws:iot:r:1:rolealias/A"}, "arn:aws:iot:r:1:rolealias/A", "ROLE_ALIAS"),
        ({"iamRoleArn": "arn:aws:iam::1:role/A"}, "arn:aws:iam::1:role/A", "IAM_ROLE"),
        ({"policyVersionIdentifier": {"policyName": "P", "policyVersionId": "3"}}, "P", "IOT_POLICY"),
        (
            {
                "issuerCertificateIdentifier": {
                    "issuerCertificateSubject": "CN=Root/O=X",
                    "issuerId": "AA",
                    "issuerCertificateSerialNumber": "0A:1B",
                }
            },
            "aa/0a:1b/CN=Root/O=X",
            "ISSUER_CERTIFICATE",
        ),
        ({"issuerCertificateIdentifier": {"issuerId": "aa"}}, "aa//", "ISSUER_CERTIFICATE"),
        ({"thingArn": "arn:x", "b": 1}, '{"b":1,"thingArn":"arn:x"}', None),
        ({"policyVersionIdentifier": {}}, '{"policyVersionIdentifier":{}}', None),
        ({"clientId": 5}, '{"clientId":5}', None),
        ({}, "(no identifier)", None),
        (None, "(no identifier)", None),
        ({"clientId": None}, "(no identifier)", None),
        ({"clientId": ""}, "(no identifier)", "CLIENT_ID"),
    ],
)
def test_identity_by_key(identifier, resource_id, resource_type):
    found = identify(identifier)
    assert (found.resource_id, found.resource_type) == (resource_id, resource_type)


def test_the_version_of_a_policy_is_kept_apart_from_its_identity():
    one, two = (identify({"policyVersionIdentifier": {"policyName": "P", "policyVersionId": v}}) for v in "12")
    assert one.resource_id == two.resource_id
    assert (one.policy_version_id, two.policy_version_id) == ("1", "2")


def test_only_policies_have_a_version():
    assert identify({"clientId": "c"}).policy_version_id is None


def test_the_identifier_is_kept_as_it_came():
    given = {"deviceCertificateId": CERTIFICATE}
    assert json.loads(identify(given).resource_identifier) == given


def test_members_that_are_null_do_not_count():
    assert identify({"clientId": "c", "account": None}) == identify({"clientId": "c"})


def test_of_several_known_keys_the_first_of_the_rules_counts():
    both = {"deviceCertificateArn": "arn:aws:iot:r:1:cert/ff", "deviceCertificateId": "ee", "newer": "x"}
    assert identify(both).resource_id == "ee"


@pytest.mark.parametrize("check", checks().values(), ids=lambda check: check.name)
def test_the_key_of_every_check_leads_to_its_resource_type(check):
    structures = {
        "policyVersionIdentifier": {"policyName": "P"},
        "issuerCertificateIdentifier": {"issuerId": "a"},
    }
    value = structures.get(check.identifier_key, "x")
    assert identify({check.identifier_key: value}).resource_type == check.resource_type
