"""What AWS observes and an emulator must be told: chains, revocation lists, use of services, identities, weak keys."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from moto.iam.models import iam_backends

from ddreport.emulation import roles, service_use
from ddreport.emulation.clock import utc
from ddreport.emulation.cognito_backend import identity_pool
from ddreport.emulation.sns_backend import confirm_subscription
from ddreport.errors import InputError

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable
    from datetime import datetime

    from ddreport.emulation.audit_backend import AuditBackend

_NAMESPACE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class Observations(ABC):
    """The part of the emulator that takes observations; `account` and `region` None mean the emulator's own."""

    lock: threading.RLock
    account: str
    region: str

    @abstractmethod
    def audit(self, account: str | None = None, region: str | None = None) -> AuditBackend:
        """Return the audit backend."""

    @abstractmethod
    def now(self) -> datetime:
        """Return the present moment."""

    def confirm_subscription(
        self, topic_arn: str, endpoint: str, *, account: str | None = None, region: str | None = None
    ) -> str:
        """Let somebody confirm the SNS subscription of their e-mail address; return its ARN (`InputError`)."""
        with self.lock:
            return confirm_subscription(account or self.account, region or self.region, topic_arn, endpoint)

    def publish_crl(
        self, *lists: str | bytes, account: str | None = None, region: str | None = None
    ) -> list[dict[str, str | int]]:
        """Publish revocation lists, as their issuers would at the address that certificates name.

        A list takes the place of the issuer's earlier one; of several, all are taken or none. From now on the three
        checks of revoked certificates go by it. Return per list its `issuer`, `thisUpdate` and number of `revoked`.

        Parameters
        ----------
        lists
            Complete X.509 revocation lists, PEM or DER.
        account, region
            Where.

        Raises
        ------
        InputError
            One is no such list, is older than the published one, or was not signed by the authority of its name.
        """
        with self.lock:
            backend = self.audit(account, region)
            taken = backend.revocations.publish_crls(lists, backend.iot.ca_certificates.values())
        return [
            {"issuer": crl.issuer, "thisUpdate": crl.this_update.isoformat(), "revoked": len(crl.revoked)}
            for crl in taken
        ]

    def publish_certificate(
        self, *certificates: str | bytes, account: str | None = None, region: str | None = None
    ) -> list[str]:
        """Make certificates of authorities known, so that chains can be followed above the registered CAs.

        Parameters
        ----------
        certificates
            PEM (a file with a whole chain is fine) or DER.
        account, region
            Where.

        Returns
        -------
        list of str
            Their ids: the SHA-256 of their DER bytes in hex.

        Raises
        ------
        InputError
            There is no certificate in one of them; none is taken then.
        """
        with self.lock:
            return self.audit(account, region).revocations.publish_certificates(certificates)

    def use_service(self, role_arn: str, service: str, when: datetime | None = None) -> None:
        """Record that a role was used for a service, as IAM's last-accessed data would show it.

        Parameters
        ----------
        role_arn
            A role that exists; its account is the one in the ARN.
        service
            Namespace as in IAM's actions, such as `s3` or `kinesisvideo`.
        when
            Aware datetime; None means now.

        Raises
        ------
        InputError
            There is no such role, or the namespace is none.
        """
        moment = utc(when, what="when") if when is not None else self.now()
        parts = role_arn.split(":")
        if not _NAMESPACE.fullmatch(service):
            raise InputError(f"the service is {service[:80]!r}; allowed: a namespace of IAM's actions such as 's3'.")
        if len(parts) < 6 or not re.fullmatch(r"\d{12}", parts[4]) or parts[1] not in iam_backends[parts[4]]:
            raise InputError(f"{role_arn[:200]!r} is not the ARN of a role.")
        with self.lock:
            if roles.policies_of(role_arn, parts[4]) is None:
                raise InputError(f"there is no role {role_arn[:200]!r}.", hint="create the role first.")
            service_use.record_use(parts[4], role_arn, service, moment)

    def connect_identity(
        self,
        pool_id: str,
        when: datetime | None = None,
        *,
        authenticated: bool,
        account: str | None = None,
        region: str | None = None,
    ) -> None:
        """Record that an identity of a Cognito identity pool was connected to the message broker.

        Parameters
        ----------
        pool_id
            A pool that exists, `REGION:UUID`.
        when
            Aware datetime; None means now.
        authenticated
            Whether it was signed in; False for a guest.
        account, region
            Where the broker is.

        Raises
        ------
        InputError
            There is no such pool.
        """
        moment = utc(when, what="when") if when is not None else self.now()
        with self.lock:
            if identity_pool(pool_id, account or self.account) is None:
                raise InputError(f"there is no identity pool {pool_id[:120]!r}.", hint="create the pool first.")
            self.audit(account, region).identities.add(pool_id, moment, authenticated=authenticated)

    def add_weak_keys(
        self,
        *,
        moduli: Iterable[int] = (),
        fingerprints: Iterable[str] = (),
        account: str | None = None,
        region: str | None = None,
    ) -> int:
        """Let the key-quality checks know more predictable keys; return how many were new.

        Parameters
        ----------
        moduli, fingerprints
            RSA moduli, and lines of an `openssl-blacklist` file (20 hex characters each).
        account, region
            Where.

        Raises
        ------
        InputError
            One of them is none; nothing is added then.
        """
        with self.lock:
            return self.audit(account, region).weak_keys.add(moduli=moduli, fingerprints=fingerprints)
