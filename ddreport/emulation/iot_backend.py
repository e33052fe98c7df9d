"""moto's AWS IoT with true certificates, deterministic ids and lookups that do not slow down with the fleet.

Only what moto leaves out or makes up is replaced: the validity of a certificate is its own, its id is the hash of its
DER bytes, ids of things and groups come from what they name, states are checked, and what is asked for by name is
looked up instead of searched for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import moto.iot.urls as moto_iot_urls
from moto.iot.exceptions import CertificateStateException, DeleteConflictException, ResourceNotFoundException
from moto.iot.models import FakeCertificate, IoTBackend

from ddreport.emulation import world as worlds
from ddreport.emulation.policy import PolicyError, parse_policy
from ddreport.emulation.service_errors import AlreadyExistsError, InvalidRequestError, MalformedPolicyError
from ddreport.emulation.x509 import old_certificates_allowed, parse_certificate

if TYPE_CHECKING:
    from moto.iot.models import FakeCaCertificate, FakePolicy, FakePolicyVersion, FakeThing, FakeThingGroup

CERTIFICATE_STATES = ("ACTIVE", "INACTIVE", "REVOKED", "PENDING_TRANSFER", "REGISTER_INACTIVE", "PENDING_ACTIVATION")
CA_STATES = ("ACTIVE", "INACTIVE")

_AnyCertificate = TypeVar("_AnyCertificate", bound=FakeCertificate)


class EmulatedIoTBackend(IoTBackend):
    """AWS IoT of one account and Region; the audit evaluates what it holds."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.world = worlds.current()
        self.auto_registration: dict[str, bool] = {}

    @property
    def _url_module(self) -> Any:
        # moto looks for it beside the class.
        return moto_iot_urls

    def arn_of(self, kind: str, name: str) -> str:
        """Return the ARN of a resource, for example of kind `thing`."""
        return f"arn:{self.partition}:iot:{self.region_name}:{self.account_id}:{kind}/{name}"

    def _uuid(self, kind: str, name: str) -> str:
        return self.world.ids.uuid(kind, self.account_id, self.region_name, name)

    def register_certificate(
        self,
        certificate_pem: str,
        ca_certificate_pem: str | None,
        set_as_active: bool,  # noqa: FBT001 (moto's signature)
        status: str,
    ) -> FakeCertificate:
        """Register a device certificate, INACTIVE unless told otherwise."""
        self._check_state(status, CERTIFICATE_STATES)
        parse_certificate(certificate_pem)
        with old_certificates_allowed():
            registered = super().register_certificate(
                certificate_pem, ca_certificate_pem, set_as_active, status or "INACTIVE"
            )
        return _with_own_validity(registered)

    def register_certificate_without_ca(self, certificate_pem: str, status: str) -> FakeCertificate:
        """Register a device certificate whose CA need not be known, INACTIVE unless told otherwise."""
        self._check_state(status, CERTIFICATE_STATES)
        parse_certificate(certificate_pem)
        with old_certificates_allowed():
            registered = super().register_certificate_without_ca(certificate_pem, status or "INACTIVE")
        return _with_own_validity(registered)

    def create_certificate_from_csr(
        self,
        csr: str,
        set_as_active: bool,  # noqa: FBT001 (moto's signature)
    ) -> FakeCertificate:
        """Make a certificate for a signing request."""
        try:
            return super().create_certificate_from_csr(csr, set_as_active)
        except ValueError as exc:
            raise InvalidRequestError("The certificate signing request is not valid.") from exc

    def create_keys_and_certificate(
        self,
        set_as_active: bool,  # noqa: FBT001 (moto's signature)
    ) -> tuple[FakeCertificate, dict[str, str]]:
        """Make a key pair and a certificate for it: real keys, so the one thing here that no seed repeats."""
        certificate, keys = super().create_keys_and_certificate(set_as_active)
        return _with_own_validity(certificate), keys

    def update_certificate(self, certificate_id: str, new_status: str) -> None:
        """Set the state of a device certificate."""
        self._check_state(new_status, CERTIFICATE_STATES)
        super().update_certificate(certificate_id, new_status)
        self.certificates[certificate_id].last_modified_date = _naive_now(self)

    def _validation_delete(
        self,
        cert: FakeCertificate,
        force_delete: bool = False,  # noqa: FBT001, FBT002 (moto's signature)
    ) -> None:
        # moto asks every principal for its certificate id, which thing groups have not got.
        if cert.status == "ACTIVE":
            raise CertificateStateException(
                "Certificate must be deactivated (not ACTIVE) before deletion.", cert.certificate_id
            )
        if any(principal == cert.arn for principal, _ in self.principal_things):
            raise DeleteConflictException(f"Things must be detached before deletion (arn: {cert.arn})")
        if not force_delete and any(principal == cert.arn for principal, _ in self.principal_policies):
            raise DeleteConflictException(f"Certificate policies must be detached before deletion (arn: {cert.arn})")

    def register_ca_certificate(
        self,
        ca_certificate: str,
        set_as_active: bool,  # noqa: FBT001 (moto's signature)
        registration_config: dict[str, str],
    ) -> FakeCaCertificate:
        """Register a CA certificate; the same one twice is refused."""
        certificate_id = parse_certificate(ca_certificate).certificate_id
        if certificate_id in self.ca_certificates:
            raise AlreadyExistsError(
                "CA Certificate already exists.",
                resourceId=certificate_id,
                resourceArn=self.ca_certificates[certificate_id].arn,
            )
        with old_certificates_allowed():
            registered = super().register_ca_certificate(ca_certificate, set_as_active, registration_config)
        registered.arn = self.arn_of("cacert", certificate_id)
        return _with_own_validity(registered)

    def update_ca_certificate(self, certificate_id: str, new_status: str | None, config: dict[str, str] | None) -> None:
        """Set the state or the registration template of a CA certificate."""
        self._check_state(new_status, CA_STATES)
        super().update_ca_certificate(certificate_id, new_status, config)
        self.ca_certificates[certificate_id].last_modified_date = _naive_now(self)

    def create_thing(
        self,
        thing_name: str,
        thing_type_name: str,
        attribute_payload: dict[str, Any] | None,
        billing_group_name: str | None = None,
    ) -> FakeThing:
        """Create a thing; its id comes from its name."""
        thing = super().create_thing(thing_name, thing_type_name, attribute_payload, billing_group_name)
        thing.thing_id = self._uuid("thing", thing_name)
        return thing

    def create_thing_group(
        self, thing_group_name: str, parent_group_name: str, thing_group_properties: dict[str, Any]
    ) -> tuple[str, str, str]:
        """Create a thing group; its id comes from its name."""
        if parent_group_name and self.arn_of("thinggroup", parent_group_name) not in self.thing_groups:
            raise ResourceNotFoundException()
        name, arn, _ = super().create_thing_group(thing_group_name, parent_group_name, thing_group_properties)
        group_id = self.thing_groups[arn].thing_group_id = self._uuid("thinggroup", name)
        return name, arn, group_id

    # Lookups that moto does by walking through everything.

    def describe_thing(self, thing_name: str) -> FakeThing:
        """Return a thing by name."""
        return _found(self.things.get(self.arn_of("thing", thing_name)))

    def describe_thing_group(self, thing_group_name: str) -> FakeThingGroup:
        """Return a thing group by name."""
        return _found(self.thing_groups.get(self.arn_of("thinggroup", thing_group_name)))

    def describe_certificate(self, certificate_id: str) -> FakeCertificate:
        """Return a device certificate by id."""
        return _found(self.certificates.get(certificate_id))

    def get_policy(self, policy_name: str) -> FakePolicy:
        """Return a policy by name."""
        return _found(self.policies.get(policy_name))

    def create_policy(self, policy_name: str, policy_document: Any) -> FakePolicy:
        """Create a policy from a document, JSON text or decoded."""
        _check_document(policy_document)
        return super().create_policy(policy_name, policy_document)

    def create_policy_version(
        self,
        policy_name: str,
        policy_document: Any,
        set_as_default: bool,  # noqa: FBT001 (moto's signature)
    ) -> FakePolicyVersion:
        """Add a version to a policy, which holds at most five."""
        _check_document(policy_document)
        return super().create_policy_version(policy_name, policy_document, bool(set_as_default))

    def _get_principal(self, principal_arn: str) -> Any:
        if ":cert/" in principal_arn:
            return _found(self.certificates.get(principal_arn.rpartition("/")[2]))
        return super()._get_principal(principal_arn)

    @staticmethod
    def _check_state(state: str | None, allowed: tuple[str, ...]) -> None:
        if state is not None and state not in allowed:
            raise InvalidRequestError(f"Status {state} is not one of {', '.join(allowed)}.")


def _check_document(document: Any) -> None:
    try:
        parse_policy(document)
    except PolicyError as exc:
        raise MalformedPolicyError(f"Policy document is malformed: {exc}.") from exc


_Thing = TypeVar("_Thing")


def _found(item: _Thing | None) -> _Thing:
    if item is None:
        raise ResourceNotFoundException()
    return item


def _with_own_validity(certificate: _AnyCertificate) -> _AnyCertificate:
    facts = parse_certificate(certificate.certificate_pem)
    certificate.validity_not_before = facts.not_before
    certificate.validity_not_after = facts.not_after
    return certificate


def _naive_now(backend: EmulatedIoTBackend) -> Any:
    return backend.world.now().replace(tzinfo=None)
