"""Certificates as far as moto lacks them: lists by pages, CA certificates, the certificate's own validity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ddreport.emulation.checks.view import aware
from ddreport.emulation.paging import page_of
from ddreport.emulation.service.component import Component, Params, Reply, operation, present
from ddreport.emulation.service_errors import NotFoundError
from ddreport.emulation.service_model import epoch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moto.iot.models import FakeCaCertificate, FakeCertificate


class Certificates(Component):
    """Device and CA certificates, held by moto's IoT backend of the same account and Region."""

    @operation("DescribeCertificate")
    def describe(self, params: Params) -> Reply:
        """Describe a device certificate."""
        certificate = self.backend.iot.certificates.get(params["certificateId"])
        if certificate is None:
            raise NotFoundError("The certificate does not exist.")
        description = _description(certificate) | present(
            caCertificateId=certificate.ca_certificate_id, certificateMode="DEFAULT", customerVersion=1
        )
        return {"certificateDescription": description}

    @operation("ListCertificates")
    def list_certificates(self, params: Params) -> Reply:
        """List the device certificates by creation date, newest first unless told otherwise."""
        return self._listed(self.backend.iot.certificates.values(), params, scope="ListCertificates")

    @operation("ListCertificatesByCA")
    def list_by_ca(self, params: Params) -> Reply:
        """List the device certificates that name a CA certificate."""
        certificates = self.backend.iot.list_certificates_by_ca(params["caCertificateId"])
        return self._listed(certificates, params, scope="ListCertificatesByCA")

    @operation("ListCACertificates")
    def list_cas(self, params: Params) -> Reply:
        """List the CA certificates by creation date, newest first unless told otherwise."""
        return self._listed(self.backend.iot.ca_certificates.values(), params, scope="ListCACertificates")

    @operation("RegisterCACertificate")
    def register_ca(self, params: Params) -> Reply:
        """Register a CA certificate; the proof by a verification certificate is not asked for."""
        registered = self.backend.iot.register_ca_certificate(
            params["caCertificate"], params.get("setAsActive", False), params.get("registrationConfig", {})
        )
        self._auto_registration()[registered.certificate_id] = params.get("allowAutoRegistration", False)
        return {"certificateArn": registered.arn, "certificateId": registered.certificate_id}

    @operation("DescribeCACertificate")
    def describe_ca(self, params: Params) -> Reply:
        """Describe a CA certificate."""
        certificate = self._ca(params)
        enabled = self._auto_registration().get(certificate.certificate_id, False)
        return present(
            certificateDescription=_description(certificate)
            | {
                "autoRegistrationStatus": "ENABLE" if enabled else "DISABLE",
                "certificateMode": "DEFAULT",
                "customerVersion": 1,
            },
            registrationConfig=certificate.registration_config or None,
        )

    @operation("UpdateCACertificate")
    def update_ca(self, params: Params) -> Reply:
        """Change the state, the registration template or automatic registration."""
        certificate = self._ca(params)
        config = {} if params.get("removeAutoRegistration") else params.get("registrationConfig")
        self.backend.iot.update_ca_certificate(certificate.certificate_id, params.get("newStatus"), config)
        if "newAutoRegistrationStatus" in params:
            enabled = params["newAutoRegistrationStatus"] == "ENABLE"
            self._auto_registration()[certificate.certificate_id] = enabled
        return {}

    def _auto_registration(self) -> dict[str, bool]:
        return self.backend.iot.auto_registration

    def _ca(self, params: Params) -> FakeCaCertificate:
        certificate = self.backend.iot.ca_certificates.get(params["certificateId"])
        if certificate is None:
            raise NotFoundError("The CA certificate does not exist.")
        return certificate

    def _listed(self, certificates: Iterable[FakeCertificate], params: Params, *, scope: str) -> Reply:
        sign = 1 if params.get("ascendingOrder") else -1
        ordered = [(sign * epoch(aware(c.creation_date)), sign * i, c) for i, c in enumerate(certificates)]
        ordered.sort(key=lambda item: item[:2])
        paging = {k: v for k, v in params.items() if k not in ("pageSize", "marker")}
        paging |= present(maxResults=params.get("pageSize"), nextToken=params.get("marker"))
        page, marker = page_of(ordered, paging, scope=scope, key=lambda item: item[:2])
        return present(certificates=[_summary(item[2]) for item in page], nextMarker=marker)


def _summary(certificate: FakeCertificate) -> dict[str, Any]:
    return {
        "certificateArn": certificate.arn,
        "certificateId": certificate.certificate_id,
        "status": certificate.status,
        "creationDate": epoch(aware(certificate.creation_date)),
    }


def _description(certificate: FakeCertificate) -> dict[str, Any]:
    return _summary(certificate) | {
        "certificatePem": certificate.certificate_pem,
        "ownedBy": certificate.owner,
        "lastModifiedDate": epoch(aware(certificate.last_modified_date)),
        "validity": {
            "notBefore": epoch(aware(certificate.validity_not_before)),
            "notAfter": epoch(aware(certificate.validity_not_after)),
        },
    }
