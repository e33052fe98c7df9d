"""Logging options and certificates over HTTP."""

from __future__ import annotations

from datetime import timedelta

import pytest

ROLE = "arn:aws:iam::123456789012:role/logs"


def test_v2_logging_that_was_never_set_is_not_configured(account, refused):
    assert refused(account.iot.get_v2_logging_options)[:2] == ("NotConfiguredException", 404)
    assert refused(account.iot.list_v2_logging_levels)[0] == "NotConfiguredException"
    target = {"targetType": "CLIENT_ID", "targetName": "c"}
    set_level = account.iot.set_v2_logging_level
    assert refused(lambda: set_level(logTarget=target, logLevel="INFO"))[0] == "NotConfiguredException"


def test_the_first_v2_options_need_role_and_level(account, refused):
    assert refused(lambda: account.iot.set_v2_logging_options(disableAllLogs=True))[0] == "InvalidRequestException"


def test_disabled_v2_options_still_answer(account):
    account.iot.set_v2_logging_options(roleArn=ROLE, defaultLogLevel="WARN")
    account.iot.set_v2_logging_options(disableAllLogs=True)
    options = account.iot.get_v2_logging_options(verbose=True)
    assert (options["disableAllLogs"], options["defaultLogLevel"]) == (True, "WARN")


def test_levels_by_target_include_the_default(account, refused):
    account.iot.set_v2_logging_options(roleArn=ROLE, defaultLogLevel="WARN")
    set_level = account.iot.set_v2_logging_level
    set_level(logTarget={"targetType": "THING_GROUP", "targetName": "g"}, logLevel="DEBUG")
    set_level(logTarget={"targetType": "DEFAULT"}, logLevel="ERROR")
    levels = account.iot.list_v2_logging_levels()["logTargetConfigurations"]
    assert levels == [
        {"logTarget": {"targetType": "DEFAULT"}, "logLevel": "ERROR"},
        {"logTarget": {"targetType": "THING_GROUP", "targetName": "g"}, "logLevel": "DEBUG"},
    ]
    account.iot.delete_v2_logging_level(targetType="THING_GROUP", targetName="g")
    assert len(account.iot.list_v2_logging_levels()["logTargetConfigurations"]) == 1
    delete = account.iot.delete_v2_logging_level
    assert refused(lambda: delete(targetType="DEFAULT", targetName="x"))[0] == "InvalidRequestException"
    assert refused(lambda: set_level(logTarget={"targetType": "CLIENT_ID"}, logLevel="INFO"))[1] == 400


def test_v1_options_are_disabled_until_set(account):
    assert account.iot.get_logging_options()["logLevel"] == "DISABLED"
    account.iot.set_logging_options(loggingOptionsPayload={"roleArn": ROLE, "logLevel": "INFO"})
    options = account.iot.get_logging_options()
    assert (options["roleArn"], options["logLevel"]) == (ROLE, "INFO")


def test_a_certificate_tells_its_own_validity_and_the_emulated_creation_date(account, start):
    account.advance(days=3)
    pem = account.pem(days=100)
    made = account.iot.register_certificate_without_ca(certificatePem=pem, status="ACTIVE")
    description = account.iot.describe_certificate(certificateId=made["certificateId"])["certificateDescription"]
    assert description["creationDate"] == start + timedelta(days=3)
    assert description["validity"]["notAfter"] == start + timedelta(days=103)
    assert description["certificatePem"] == pem


def test_the_id_of_a_certificate_is_the_hash_of_its_der_bytes(account):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    pem = account.pem()
    made = account.iot.register_certificate_without_ca(certificatePem=pem, status="ACTIVE")
    assert made["certificateId"] == x509.load_pem_x509_certificate(pem.encode()).fingerprint(hashes.SHA256()).hex()


@pytest.mark.parametrize("pem", ["no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_refused(account, refused, pem):
    register = account.iot.register_certificate_without_ca
    assert refused(lambda: register(certificatePem=pem))[:2] == ("CertificateValidationException", 400)
    assert refused(lambda: account.iot.register_ca_certificate(caCertificate=pem))[1] == 400


def test_certificates_are_listed_by_pages_newest_first(account):
    ids = []
    for _ in range(5):
        ids.append(account.certificate())
        account.advance(minutes=1)
    pages = account.iot.get_paginator("list_certificates").paginate(PaginationConfig={"PageSize": 2})
    assert [c["certificateId"] for page in pages for c in page["certificates"]] == ids[::-1]
    ascending = account.iot.list_certificates(ascendingOrder=True, pageSize=250)["certificates"]
    assert [c["certificateId"] for c in ascending] == ids


def test_a_ca_certificate_lives_through_its_states(account, refused):
    pem = account.pem(days=50, name="CA")
    made = account.iot.register_ca_certificate(caCertificate=pem, setAsActive=True, allowAutoRegistration=True)
    ca = {"certificateId": made["certificateId"]}
    assert refused(lambda: account.iot.register_ca_certificate(caCertificate=pem))[1] == 409
    description = account.iot.describe_ca_certificate(**ca)["certificateDescription"]
    assert (description["status"], description["autoRegistrationStatus"]) == ("ACTIVE", "ENABLE")
    assert description["certificateArn"].endswith(f":cacert/{made['certificateId']}")
    account.iot.update_ca_certificate(**ca, newStatus="INACTIVE", newAutoRegistrationStatus="DISABLE")
    description = account.iot.describe_ca_certificate(**ca)["certificateDescription"]
    assert (description["status"], description["autoRegistrationStatus"]) == ("INACTIVE", "DISABLE")
    listed = account.iot.list_ca_certificates()["certificates"]
    assert [c["certificateId"] for c in listed] == [made["certificateId"]]
    assert refused(lambda: account.iot.describe_ca_certificate(certificateId="0" * 64))[1] == 404


def test_device_certificates_know_their_ca(account):
    ca_pem = account.pem(name="CA")
    ca = account.iot.register_ca_certificate(caCertificate=ca_pem, setAsActive=True)["certificateId"]
    device = account.iot.register_certificate(certificatePem=account.pem(), caCertificatePem=ca_pem, setAsActive=True)
    listed = account.iot.list_certificates_by_ca(caCertificateId=ca)["certificates"]
    assert [c["certificateId"] for c in listed] == [device["certificateId"]]


def test_an_unknown_state_is_refused(account, refused):
    certificate_id = account.certificate()
    update = account.iot.update_certificate
    assert refused(lambda: update(certificateId=certificate_id, newStatus="BROKEN"))[0] == "InvalidRequestException"


@pytest.mark.parametrize("document", ["{", "[]", '{"Version": "2012-10-17"}', '{"Statement": [{"Effect": "Maybe"}]}'])
def test_a_malformed_policy_is_refused(account, refused, document):
    create = account.iot.create_policy
    code, status, _ = refused(lambda: create(policyName="p", policyDocument=document))
    assert (code, status) == ("MalformedPolicyException", 400)


def test_a_certificate_is_deleted_only_when_nothing_holds_it(account, refused):
    iot = account.iot
    made = iot.create_keys_and_certificate(setAsActive=True)
    arn, certificate_id = made["certificateArn"], made["certificateId"]
    iot.create_policy(policyName="p", policyDocument='{"Version": "2012-10-17", "Statement": []}')
    group = iot.create_thing_group(thingGroupName="g")["thingGroupArn"]
    iot.create_thing(thingName="t")
    for target in (group, arn):
        iot.attach_policy(policyName="p", target=target)
    iot.attach_thing_principal(thingName="t", principal=arn)
    assert refused(lambda: iot.delete_certificate(certificateId=certificate_id))[0] == "CertificateStateException"
    iot.update_certificate(certificateId=certificate_id, newStatus="INACTIVE")
    assert refused(lambda: iot.delete_certificate(certificateId=certificate_id))[0] == "DeleteConflictException"
    iot.detach_thing_principal(thingName="t", principal=arn)
    assert refused(lambda: iot.delete_certificate(certificateId=certificate_id))[0] == "DeleteConflictException"
    iot.delete_certificate(certificateId=certificate_id, forceDelete=True)
    assert refused(lambda: iot.describe_certificate(certificateId=certificate_id))[0] == "ResourceNotFoundException"
