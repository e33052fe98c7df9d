"""Checks of the age and expiry of certificates."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ddreport.catalogue import checks as catalogue
from ddreport.emulation.checks.registry import Candidate, Evaluation, evaluator
from ddreport.emulation.checks.view import aware, milliseconds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ddreport.emulation.checks.view import CertificateState, StateView

_IN_USE = frozenset({"ACTIVE", "PENDING_TRANSFER"})
_CA_IN_USE = frozenset({"ACTIVE"})
_CA_DAYS = 30


@evaluator("DEVICE_CERTIFICATE_EXPIRING_CHECK", needs=("iot:ListCertificates", "iot:DescribeCertificate"))
def device_certificate_expiring(view: StateView) -> Evaluation:
    """Find device certificates in use that expire within the threshold, or have expired."""
    days = _threshold(view, "DEVICE_CERTIFICATE_EXPIRING_CHECK")
    in_use = [c for c in view.certificates if c.status in _IN_USE]
    return _expiring(view, in_use, days, resource_type="DEVICE_CERTIFICATE", key="deviceCertificateId")


@evaluator("CA_CERTIFICATE_EXPIRING_CHECK", needs=("iot:ListCACertificates", "iot:DescribeCACertificate"))
def ca_certificate_expiring(view: StateView) -> Evaluation:
    """Find active CA certificates that expire within 30 days, or have expired."""
    in_use = [c for c in view.ca_certificates if c.status in _CA_IN_USE]
    return _expiring(view, in_use, _CA_DAYS, resource_type="CA_CERTIFICATE", key="caCertificateId")


@evaluator("DEVICE_CERTIFICATE_AGE_CHECK", needs=("iot:ListCertificates", "iot:DescribeCertificate"))
def device_certificate_age(view: StateView) -> Evaluation:
    """Find device certificates in use that were registered the threshold's days ago or earlier."""
    days = _threshold(view, "DEVICE_CERTIFICATE_AGE_CHECK")
    latest = view.as_of - timedelta(days=days)
    in_use = [c for c in view.certificates if c.status in _IN_USE]
    findings = [
        Candidate(
            resource_type="DEVICE_CERTIFICATE",
            identifier={"deviceCertificateId": certificate.certificate_id},
            reason_code="CERTIFICATE_PAST_AGE_THRESHOLD",
            reason=f"Certificate has been active for {days} days or more.",
        )
        for certificate in in_use
        if aware(certificate.creation_date) <= latest
    ]
    return Evaluation(len(in_use), findings)


def _threshold(view: StateView, check_name: str) -> int:
    threshold = catalogue()[check_name].threshold
    assert threshold is not None  # noqa: S101 (the catalogue has one for these checks; a test says so)
    return int(view.thresholds.get(threshold.configuration_key, threshold.default_days))


def _expiring(
    view: StateView, in_use: Iterable[CertificateState], days: int, *, resource_type: str, key: str
) -> Evaluation:
    findings = []
    total = 0
    horizon = view.as_of + timedelta(days=days)
    for certificate in in_use:
        total += 1
        expiry = aware(certificate.validity_not_after)
        if expiry > horizon:
            continue
        if expiry <= view.as_of:
            code, reason = "CERTIFICATE_PAST_EXPIRATION", "Certificate is past its expiration."
        else:
            code = "CERTIFICATE_APPROACHING_EXPIRATION"
            reason = f"Certificate approaching expiration in next {days} days."
        findings.append(
            Candidate(
                resource_type=resource_type,
                identifier={key: certificate.certificate_id},
                reason_code=code,
                reason=reason,
                additional_info={"EXPIRATION_TIME": milliseconds(expiry)},
            )
        )
    return Evaluation(total, findings)
