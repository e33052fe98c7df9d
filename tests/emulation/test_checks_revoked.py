"""The three checks of certificates that their issuers have revoked, with real lists and chains."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ddreport.emulation.checks import StateView, Window, evaluate
from ddreport.emulation.revocations import Revocations, RevocationStore
from ddreport.emulation.x509 import parse_certificate
from ddreport.errors import InputError

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
INTERMEDIATE = "INTERMEDIATE_CA_REVOKED_FOR_ACTIVE_DEVICE_CERTIFICATES_CHECK"
CA = "REVOKED_CA_CERTIFICATE_STILL_ACTIVE_CHECK"
DEVICE = "REVOKED_DEVICE_CERTIFICATE_STILL_ACTIVE_CHECK"


@dataclass
class Registered:
    certificate_pem: str
    status: str = "ACTIVE"

    @property
    def certificate_id(self):
        return parse_certificate(self.certificate_pem).certificate_id


@pytest.fixture
def store():
    return RevocationStore()


@pytest.fixture
def look(store):
    """Evaluate a check on certificates with what the store knows now."""

    def evaluated(check, *certificates, cas=(), at=NOW):
        view = StateView(
            as_of=at,
            account="123456789012",
            region="eu-west-1",
            arn_start="arn:aws:iot:eu-west-1:123456789012:",
            window=Window(at - timedelta(days=31), at),
            certificates=certificates,
            ca_certificates=cas,
            revocations=Revocations(store, cas, at),
        )
        return evaluate(check, view)

    return evaluated


# Device and CA certificates


@pytest.mark.parametrize(
    ("status", "serials", "judged", "found"),
    [
        ("ACTIVE", [7], 1, 1),
        ("PENDING_TRANSFER", [7], 1, 1),
        ("ACTIVE", [8, 9], 1, 0),
        ("ACTIVE", [], 1, 0),
        ("INACTIVE", [7], 0, 0),
        ("REVOKED", [7], 0, 0),
    ],
)
def test_a_device_certificate_in_use_that_the_list_names_is_found(
    store, look, authority, status, serials, judged, found
):
    root = authority("Root")
    store.publish_crls([root.crl(*serials)])
    device = Registered(root.issue("d", serial=7), status)
    evaluation = look(DEVICE, device)
    assert (evaluation.total, len(evaluation.candidates)) == (judged, found)
    assert all(
        (c.resource_type, c.identifier, c.reason_code)
        == ("DEVICE_CERTIFICATE", {"deviceCertificateId": device.certificate_id}, "CERTIFICATE_REVOKED_BY_ISSUER")
        for c in evaluation.candidates
    )


@pytest.mark.parametrize(("status", "judged", "found"), [("ACTIVE", 1, 1), ("INACTIVE", 0, 0)])
def test_an_active_ca_that_the_authority_above_it_revoked_is_found(store, look, authority, status, judged, found):
    root = authority("Root")
    sub = root.subordinate("Sub", serial=50)
    store.publish_crls([root.crl(50)])
    ca = Registered(sub.pem, status)
    evaluation = look(CA, cas=[ca])
    assert (evaluation.total, len(evaluation.candidates)) == (judged, found)
    assert [c.identifier for c in evaluation.candidates] == [{"caCertificateId": ca.certificate_id}] * found


def test_a_self_signed_root_has_nobody_who_revokes_it(look, authority, caplog):
    evaluation = look(CA, cas=[Registered(authority("Root").pem)])
    assert (evaluation.total, evaluation.candidates) == (1, [])
    assert caplog.records == []


def test_a_revocation_counts_from_its_time_on(store, look, authority):
    root = authority("Root")
    store.publish_crls([root.crl(7, revoked_on=3)])
    device = Registered(root.issue("d", serial=7))
    assert look(DEVICE, device).candidates == []
    assert len(look(DEVICE, device, at=NOW + timedelta(days=3)).candidates) == 1


def test_without_a_list_nothing_is_found_and_the_log_says_so_once(look, authority, caplog):
    root = authority("Root\u202e\x1b[2J")
    device = Registered(root.issue("d", serial=7))
    with caplog.at_level(logging.WARNING, logger="ddreport"):
        evaluations = [look(DEVICE, device) for _ in range(2)]
    assert [(e.total, e.candidates) for e in evaluations] == [(1, [])] * 2
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "CN=Root" in record.getMessage()
    assert record.getMessage().isascii()
    assert record.getMessage().isprintable()


def test_a_list_of_another_authority_of_the_same_name_is_not_believed(store, look, authority):
    ours, theirs = authority("Root"), authority("Root")
    store.publish_crls([theirs.crl(7)])
    assert look(DEVICE, Registered(ours.issue("d", serial=7)), cas=[Registered(ours.pem)]).candidates == []


@pytest.mark.parametrize("with_key_ids", [True, False])
def test_two_authorities_of_one_name_are_told_apart(store, look, authority, with_key_ids):
    ours, theirs = authority("Root"), authority("Root")
    store.publish_certificates([ours.pem, theirs.pem])
    key_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(theirs.key.public_key())
    store.publish_crls([theirs.crl(7, extensions=[key_id] if with_key_ids else [])])
    mine, other = (Registered(a.issue("d", serial=7, with_key_ids=with_key_ids)) for a in (ours, theirs))
    found = [c.identifier["deviceCertificateId"] for c in look(DEVICE, mine, other).candidates]
    assert found == [other.certificate_id]


def test_the_newer_list_of_an_issuer_takes_the_place_of_the_older(store, look, authority):
    root = authority("Root")
    device = Registered(root.issue("d", serial=7))
    store.publish_crls([root.crl(7, day=-5)])
    store.publish_crls([root.crl(8, day=-1)])
    assert look(DEVICE, device).candidates == []


# What is no list


def test_an_older_list_is_refused(store, authority):
    root = authority("Root")
    store.publish_crls([root.crl(7, day=-1)])
    with pytest.raises(InputError, match="a newer one"):
        store.publish_crls([root.crl(day=-5)])


def test_a_list_with_another_signature_than_the_known_authoritys_is_refused(store, authority):
    root = authority("Root")
    store.publish_certificates([root.pem])
    with pytest.raises(InputError, match="not signed by the authority that it names"):
        store.publish_crls([root.crl(7, key=ec.generate_private_key(ec.SECP256R1()))])


def test_one_bad_list_of_several_leaves_everything_as_it_was(store, look, authority):
    root = authority("Root")
    with pytest.raises(InputError, match=r"not an X\.509 revocation list"):
        store.publish_crls([root.crl(7), "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"])
    assert look(DEVICE, Registered(root.issue("d", serial=7))).candidates == []


@pytest.mark.parametrize(
    ("extension", "message"),
    [
        (x509.DeltaCRLIndicator(1), "delta CRL"),
        (
            x509.IssuingDistributionPoint(
                full_name=None,
                relative_name=None,
                only_contains_user_certs=False,
                only_contains_ca_certs=False,
                only_some_reasons=None,
                indirect_crl=True,
                only_contains_attribute_certs=False,
            ),
            "indirect CRL",
        ),
    ],
)
def test_lists_that_cannot_be_judged_by_themselves_are_refused(store, authority, extension, message):
    with pytest.raises(InputError, match=message):
        store.publish_crls([authority("Root").crl(7, extensions=[extension])])


@pytest.mark.parametrize("data", ["", "no list", b"\x30\x03\x02\x01\x01", "\ud800", b"\xff" * 50])
def test_what_is_no_list_or_certificate_is_refused(store, data):
    with pytest.raises(InputError, match=r"not an X\.509 revocation list"):
        store.publish_crls([data])
    with pytest.raises(InputError, match=r"not an X\.509 certificate"):
        store.publish_certificates([data])


def test_der_is_taken_as_well(store, look, authority):
    root = authority("Root")
    crl = x509.load_pem_x509_crl(root.crl(7).encode()).public_bytes(serialization.Encoding.DER)
    store.publish_certificates([root.certificate.public_bytes(serialization.Encoding.DER)])
    store.publish_crls([crl])
    assert len(look(DEVICE, Registered(root.issue("d", serial=7))).candidates) == 1


# Intermediates


@pytest.mark.parametrize("with_key_ids", [True, False])
@pytest.mark.parametrize("registered", [True, False])
def test_a_revoked_intermediate_is_found_with_the_active_devices_below_it(
    store, look, authority, registered, with_key_ids
):
    root = authority("Root")
    sub = root.subordinate("Sub", serial=0xABC, with_key_ids=with_key_ids)
    other = root.subordinate("Other", serial=51, with_key_ids=with_key_ids)
    store.publish_certificates([root.pem, other.pem] + ([] if registered else [sub.pem]))
    store.publish_crls([root.crl(0xABC)])
    below = [Registered(sub.issue(f"d{i}", serial=i, with_key_ids=with_key_ids)) for i in (1, 2)]
    off = Registered(sub.issue("off", serial=3, with_key_ids=with_key_ids), "INACTIVE")
    beside = Registered(other.issue("d9", serial=9, with_key_ids=with_key_ids))
    evaluation = look(INTERMEDIATE, *below, off, beside, cas=[Registered(sub.pem)] if registered else [])
    (candidate,) = evaluation.candidates
    assert evaluation.total == 2
    assert candidate.resource_type == "ISSUER_CERTIFICATE"
    assert candidate.reason_code == "INTERMEDIATE_CA_REVOKED_BY_ISSUER"
    assert candidate.identifier == {
        "issuerCertificateIdentifier": {
            "issuerCertificateSubject": "CN=Sub",
            "issuerId": sub.certificate.fingerprint(hashes.SHA256()).hex(),
            "issuerCertificateSerialNumber": "abc",
        }
    }
    assert [r["resourceIdentifier"]["deviceCertificateId"] for r in candidate.related] == [
        c.certificate_id for c in below
    ]


def test_an_intermediate_higher_up_counts_too(store, look, authority):
    root = authority("Root")
    middle = root.subordinate("Middle", serial=60)
    lower = middle.subordinate("Lower", serial=61)
    store.publish_certificates([root.pem + middle.pem + lower.pem])
    store.publish_crls([root.crl(60)])
    evaluation = look(INTERMEDIATE, Registered(lower.issue("d", serial=1)))
    subjects = [c.identifier["issuerCertificateIdentifier"]["issuerCertificateSubject"] for c in evaluation.candidates]
    assert (evaluation.total, subjects) == (2, ["CN=Middle"])


def test_a_revoked_device_is_no_revoked_intermediate(store, look, authority):
    root = authority("Root")
    store.publish_certificates([root.pem])
    store.publish_crls([root.crl(7)])
    evaluation = look(INTERMEDIATE, Registered(root.issue("d", serial=7)))
    assert (evaluation.total, evaluation.candidates) == (0, [])


def test_an_authority_that_only_bears_the_issuers_name_is_not_taken_for_it(store, look, authority):
    root = authority("Root")
    real, false = (root.subordinate("Sub", serial=serial, with_key_ids=False) for serial in (70, 71))
    store.publish_certificates([root.pem, false.pem])
    store.publish_crls([root.crl(71)])
    assert look(INTERMEDIATE, Registered(real.issue("d", serial=1, with_key_ids=False))).candidates == []


def test_authorities_that_signed_each_other_end_somewhere(store, look, authority):
    one, two = authority("One"), authority("Two")
    crossed = [
        two.issue("One", serial=80, key=one.key.public_key(), is_ca=True),
        one.issue("Two", serial=81, key=two.key.public_key(), is_ca=True),
    ]
    store.publish_certificates(crossed)
    store.publish_crls([two.crl(80)])
    evaluation = look(INTERMEDIATE, Registered(one.issue("d", serial=1)))
    assert len(evaluation.candidates) == 1


def test_a_long_serial_number_and_a_strange_subject_keep_to_the_model(store, look, authority):
    root = authority("Root")
    sub = root.subordinate("Zwischen\u202estelle é", serial=1 << 120)
    store.publish_certificates([root.pem, sub.pem])
    store.publish_crls([root.crl(1 << 120)])
    (candidate,) = look(INTERMEDIATE, Registered(sub.issue("d", serial=1))).candidates
    identifier = candidate.identifier["issuerCertificateIdentifier"]
    assert identifier["issuerCertificateSubject"] == "CN=Zwischen\\E2\\80\\AEstelle \\C3\\A9"
    assert "issuerCertificateSerialNumber" not in identifier


# Through the wire


@pytest.fixture
def below_a_revoked_intermediate(account, authority):
    """Register twelve devices below an intermediate that was revoked; return their ids."""
    root = authority("Root")
    sub = root.subordinate("Sub", serial=0xABC)
    account.emulator.publish_certificate(root.pem, sub.pem)
    account.emulator.publish_crl(root.crl(0xABC))
    iot = account.emulator.iot()
    return [
        iot.register_certificate_without_ca(sub.issue(f"d{i}", serial=i), "ACTIVE").certificate_id for i in range(1, 13)
    ]


def test_the_related_devices_are_listed_but_not_described(account, below_a_revoked_intermediate):
    account.enable(INTERMEDIATE)
    (finding,) = account.findings(account.audit(INTERMEDIATE))
    described = account.iot.describe_audit_finding(findingId=finding["findingId"])["finding"]
    pages = account.iot.get_paginator("list_related_resources_for_audit_finding").paginate(
        findingId=finding["findingId"], PaginationConfig={"PageSize": 5}
    )
    related = [r["resourceIdentifier"]["deviceCertificateId"] for page in pages for r in page["relatedResources"]]
    assert "relatedResources" not in described
    assert related == below_a_revoked_intermediate
    assert finding["severity"] == "CRITICAL"


def test_mitigation_deactivates_the_related_devices(account, below_a_revoked_intermediate):
    account.enable(INTERMEDIATE)
    (finding,) = account.findings(account.audit(INTERMEDIATE))
    role = account.emulator.create_service_role("Off", "AWSIoTDeviceDefenderUpdateDeviceCertMitigationAction")
    account.iot.create_mitigation_action(
        actionName="Off", roleArn=role, actionParams={"updateDeviceCertificateParams": {"action": "DEACTIVATE"}}
    )
    account.iot.start_audit_mitigation_actions_task(
        taskId="t",
        target={"findingIds": [finding["findingId"]]},
        auditCheckToActionsMapping={INTERMEDIATE: ["Off"]},
    )
    account.advance(minutes=1)
    states = {account.emulator.iot().certificates[i].status for i in below_a_revoked_intermediate}
    assert states == {"INACTIVE"}
    assert account.details(account.audit(INTERMEDIATE))[INTERMEDIATE]["checkCompliant"]


def test_a_finding_of_an_intermediate_can_be_suppressed(account, below_a_revoked_intermediate):
    account.enable(INTERMEDIATE)
    (finding,) = account.findings(account.audit(INTERMEDIATE))
    account.iot.create_audit_suppression(
        checkName=INTERMEDIATE,
        resourceIdentifier=finding["nonCompliantResource"]["resourceIdentifier"],
        suppressIndefinitely=True,
    )
    details = account.details(account.audit(INTERMEDIATE))[INTERMEDIATE]
    assert (details["checkCompliant"], details["suppressedNonCompliantResourcesCount"]) == (True, 1)
