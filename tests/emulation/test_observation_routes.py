"""Observations through the control API, beside the Python API."""

from __future__ import annotations

import base64
import http.client
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

DEVICE = "REVOKED_DEVICE_CERTIFICATE_STILL_ACTIVE_CHECK"
UNUSED = "IOT_ROLE_ALIAS_ALLOWS_ACCESS_TO_UNUSED_SERVICES_CHECK"


@pytest.fixture
def tell(account):
    """Send a body to a path of the control API; return status and answer."""

    def sent(path, body):
        connection = http.client.HTTPConnection("127.0.0.1", account.server.port, timeout=30)
        try:
            connection.request("POST", f"/_ddreport/{path}", json.dumps(body), {"Content-Type": "application/json"})
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read())
        finally:
            connection.close()

    return sent


@pytest.fixture
def pool(account):
    cognito = account.client("cognito-identity")
    return cognito.create_identity_pool(IdentityPoolName="p", AllowUnauthenticatedIdentities=True)["IdentityPoolId"]


def test_lists_and_certificates_are_published(account, authority, tell):
    root = authority("Root")
    account.emulator.iot().register_certificate_without_ca(root.issue("d", serial=7), "ACTIVE")
    account.enable(DEVICE)
    der = x509.load_pem_x509_crl(root.crl(7).encode()).public_bytes(serialization.Encoding.DER)
    status, chain = tell("certificates", {"certificates": [root.pem]})
    assert (status, len(chain["published"][0])) == (200, 64)
    status, lists = tell("crls", {"crls": [base64.b64encode(der).decode()]})
    assert (status, lists["published"][0]["issuer"], lists["published"][0]["revoked"]) == (200, "CN=Root", 1)
    assert len(account.findings(account.audit(DEVICE))) == 1


def test_another_account_and_region_see_nothing_of_it(account, authority, tell):
    root = authority("Root")
    place = {"account": "210987654321", "region": "us-east-1"}
    assert tell("crls", {"crls": [root.crl(7)]} | place)[0] == 200
    account.emulator.iot().register_certificate_without_ca(root.issue("d", serial=7), "ACTIVE")
    account.enable(DEVICE)
    assert account.findings(account.audit(DEVICE)) == []


def test_use_of_services_is_recorded(account, tell):
    role = account.emulator.create_service_role("Devices", "AWSIoTLogging")
    account.iot.create_role_alias(roleAlias="a", roleArn=role)
    account.enable(UNUSED)
    assert len(account.findings(account.audit(UNUSED))) == 1
    uses = [{"roleArn": role, "service": "logs", "when": account.now().isoformat()}, {"roleArn": role, "service": "s3"}]
    assert tell("service-use", {"uses": uses}) == (200, {"recorded": 2})
    assert account.findings(account.audit(UNUSED)) == []


def test_identities_are_recorded(account, pool, tell):
    rows = [{"identityPoolId": pool, "authenticated": False}]
    assert tell("identities", {"connections": rows}) == (200, {"recorded": 1})
    assert account.emulator.audit().identities.pools_between(account.now(), account.now()) == [pool]


def test_weak_keys_are_added(account, tell):
    body = {"moduli": ["c0:ff:ee"], "fingerprints": ["# list", "0123456789abcdef0123"]}
    assert tell("weak-keys", body) == (200, {"added": 2})
    assert 0xC0FFEE in account.emulator.audit().weak_keys


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("crls", {}, "crls must be a list of texts"),
        ("crls", {"crls": "x"}, "crls must be a list of texts"),
        ("crls", {"crls": [1]}, "crls must be a list of texts"),
        ("crls", {"crls": ["%%%"]}, "PEM, or DER in Base64"),
        ("crls", {"crls": ["AAAA"]}, "not an X.509 revocation list"),
        ("crls", {"crls": [], "region": "mars-1"}, "there is no AWS IoT in Region 'mars-1'"),
        ("crls", {"crls": [], "account": "me"}, "account must have 12 digits"),
        ("crls", {"crls": [], "account": 5}, "account must be a text"),
        ("certificates", {"certificates": ["é"]}, "PEM, or DER in Base64"),
        ("certificates", {"certificates": ["-----BEGIN CERTIFICATE-----"]}, "not an X.509 certificate"),
        ("service-use", {"uses": {}}, "uses must be a list of objects"),
        ("service-use", {"uses": [{"roleArn": "r"}]}, "service must be a text"),
        ("service-use", {"uses": [{"roleArn": "r", "service": "s3", "when": "soon"}]}, "not an ISO 8601 time"),
        ("service-use", {"uses": [{"roleArn": "r", "service": "s3"}]}, "not the ARN of a role"),
        ("identities", {"connections": [{"identityPoolId": "p"}]}, "authenticated must be true or false"),
        ("identities", {"connections": [{"identityPoolId": "p", "authenticated": True}]}, "no identity pool 'p'"),
        ("weak-keys", {"moduli": ["xyz"]}, "written in hex"),
        ("weak-keys", {"moduli": ["-1"]}, "not positive"),
        ("weak-keys", {"fingerprints": ["short"]}, "20 lower-case hex characters"),
    ],
)
def test_a_wrong_body_is_refused_with_a_reason(tell, path, body, message):
    status, answer = tell(path, body)
    assert status == 400
    assert message in answer["message"]


def test_a_time_without_a_zone_is_refused(tell, pool):
    rows = [{"identityPoolId": pool, "authenticated": True, "when": "2026-03-02T09:00:00"}]
    status, answer = tell("identities", {"connections": rows})
    assert (status, "without a time zone" in answer["message"]) == (400, True)
