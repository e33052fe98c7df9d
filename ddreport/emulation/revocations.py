"""What is known of the authorities above the devices: published certificates and revocation lists.

AWS fetches the lists from the address in each certificate; the emulator is given them. A list counts when its
signature is that of an authority that is known, or when none of that name is known. Where an issuer has no list, its
certificates are not judged, which the log says once per issuer (AWS documents neither).
"""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ddreport.emulation.crl import RevocationList, is_issued_by, parse_crl
from ddreport.emulation.x509 import old_certificates_allowed, parse_certificate
from ddreport.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from ddreport.emulation.x509 import CertificateFacts

    Authorities = Mapping[str, list[tuple[CertificateFacts, str]]]

logger = logging.getLogger(__name__)

_MOST_NAMED = 5


class _Pem(Protocol):
    certificate_pem: str


class RevocationStore:
    """Authorities and revocation lists that were published in one account and Region."""

    def __init__(self) -> None:
        self._lists: dict[tuple[str, bytes | None, bytes], RevocationList] = {}
        self._authorities: dict[str, str] = {}
        self._told: set[str] = set()

    def publish_certificates(self, data: Iterable[str | bytes]) -> list[str]:
        """Take the certificates of chains, PEM (several in one are fine) or DER; return their ids.

        Raises
        ------
        InputError
            One holds no certificate; none is taken then.
        """
        pems = [pem for one in data for pem in _read_certificates(one)]
        ids = [parse_certificate(pem).certificate_id for pem in pems]
        self._authorities.update(zip(ids, pems, strict=True))
        return ids

    def publish_crls(self, data: Iterable[str | bytes], registered: Iterable[_Pem] = ()) -> list[RevocationList]:
        """Take revocation lists, each in the place of the issuer's earlier one; all of them or none.

        Parameters
        ----------
        data
            PEM or DER each.
        registered
            The CA certificates registered in AWS IoT, which are known authorities too.

        Raises
        ------
        InputError
            One is no complete list, is older than the one it would replace, or none of the known authorities of that
            name has signed it.
        """
        authorities = self.authorities(registered)
        crls = [parse_crl(one) for one in data]
        for crl in crls:
            self._check(crl, authorities)
        for crl in crls:
            self._lists[crl.place] = crl
            self._told.discard(crl.issuer)
        return crls

    def _check(self, crl: RevocationList, authorities: Authorities) -> None:
        present = self._lists.get(crl.place)
        if present is not None and crl.this_update < present.this_update:
            raise InputError(
                f"this revocation list is of {crl.this_update.isoformat()}; "
                f"a newer one, of {present.this_update.isoformat()}, was published already."
            )
        if not self._is_trusted(crl, authorities):
            raise InputError(f"this revocation list was not signed by the authority that it names, {crl.issuer!a}.")

    def authorities(self, registered: Iterable[_Pem]) -> Authorities:
        """Return all known authorities by subject: those published here and CA certificates registered in AWS IoT."""
        found: dict[str, str] = dict(self._authorities)
        for certificate in registered:
            found.setdefault(parse_certificate(certificate.certificate_pem).certificate_id, certificate.certificate_pem)
        by_subject: dict[str, list[tuple[CertificateFacts, str]]] = {}
        for pem in found.values():
            facts = parse_certificate(pem)
            by_subject.setdefault(facts.subject, []).append((facts, pem))
        return by_subject

    def usable_lists(self, authorities: Authorities) -> dict[str, list[RevocationList]]:
        """Return the lists that count, by issuer."""
        by_issuer: dict[str, list[RevocationList]] = {}
        for crl in self._lists.values():
            if self._is_trusted(crl, authorities):
                by_issuer.setdefault(crl.issuer, []).append(crl)
        return by_issuer

    def report_missing(self, issuers: Iterable[str]) -> None:
        """Say in the log, once per issuer, that there is no list of it."""
        new = sorted(set(issuers) - self._told)
        if new:
            self._told.update(new)
            named = ", ".join(ascii(name) for name in new[:_MOST_NAMED]) + (", ..." if len(new) > _MOST_NAMED else "")
            logger.warning(
                "no revocation list is known of %d issuers, their certificates count as good: %s", len(new), named
            )

    @staticmethod
    def _is_trusted(crl: RevocationList, authorities: Authorities) -> bool:
        known = [pem for facts, pem in authorities.get(crl.issuer, ()) if crl.may_come_from(facts)]
        return any(map(crl.is_signed_by, known)) if authorities.get(crl.issuer) else True


class Revocations:
    """One look at the store: who is revoked at a moment, and which intermediates stand above a certificate.

    Everything is worked out once per authority, so that asking about each of many devices stays cheap.
    """

    def __init__(self, store: RevocationStore, registered: Iterable[_Pem], as_of: datetime) -> None:
        self._store = store
        self._registered = registered
        self._as_of = as_of
        self._missing: set[str] = set()
        self._above: dict[str, tuple[str, ...]] = {}
        self._revoked_above: dict[str, tuple[str, ...]] = {}
        self._found: dict[tuple[str, bytes | None], tuple[tuple[str, ...], tuple[str, ...]]] = {}

    @cached_property
    def _authorities(self) -> Authorities:
        return self._store.authorities(self._registered)

    @cached_property
    def _lists(self) -> Mapping[str, list[RevocationList]]:
        return self._store.usable_lists(self._authorities)

    @cached_property
    def pems(self) -> Mapping[str, str]:
        """The known authorities' certificates by id."""
        return {facts.certificate_id: pem for same in self._authorities.values() for facts, pem in same}

    def is_revoked(self, facts: CertificateFacts, pem: str) -> bool:
        """Whether the issuer's list names the certificate; without a list it does not, and `close` tells so."""
        lists = self._lists.get(facts.issuer)
        if lists is None:
            if not facts.is_self_issued:
                self._missing.add(facts.issuer)
            return False
        for crl in lists:
            since = crl.revoked.get(facts.serial_number)
            if since is not None and since <= self._as_of and crl.may_speak_of(facts) and self._is_of(crl, facts, pem):
                return True
        return False

    def _is_of(self, crl: RevocationList, facts: CertificateFacts, pem: str) -> bool:
        # Two authorities may share a name. Where no key identifiers tell them apart, the signature does.
        if crl.authority_key_id is not None and facts.authority_key_id is not None:
            return True
        signers = [a for _, a in self._authorities.get(crl.issuer, ()) if crl.is_signed_by(a)]
        return not signers or any(is_issued_by(pem, signer) for signer in signers)

    def intermediates_above(self, facts: CertificateFacts, pem: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the ids of the known intermediate CAs above a certificate, and of those that are revoked."""
        place = facts.issuer, facts.authority_key_id
        if place in self._found:
            return self._found[place]
        seen: dict[str, None] = {}
        revoked: dict[str, None] = {}
        by_key_ids = facts.authority_key_id is not None
        for issuer, issuer_pem in self._authorities.get(facts.issuer, ()):
            if issuer.certificate_id == facts.certificate_id or not _may_issue(issuer, facts):
                continue
            by_key_ids = by_key_ids and issuer.subject_key_id is not None
            self._look_above(issuer, issuer_pem)
            own = self._revoked_above[issuer.certificate_id]
            if own and not _is_proven(issuer, issuer_pem, facts, pem):
                continue
            seen.update(dict.fromkeys(self._above[issuer.certificate_id]))
            revoked.update(dict.fromkeys(own))
        found = tuple(seen), tuple(revoked)
        if by_key_ids:
            # Every certificate of the same issuer and key has the same authorities above it.
            self._found[place] = found
        return found

    def _look_above(self, authority: CertificateFacts, pem: str) -> None:
        """Work out, once, the intermediates from this authority upwards."""
        own = authority.certificate_id
        if own in self._above:
            return
        self._above[own] = self._revoked_above[own] = ()  # ends circles of cross-signed authorities
        if authority.is_self_issued:
            return
        seen, revoked = {own: None}, dict.fromkeys([own] if self.is_revoked(authority, pem) else [])
        for above, above_pem in self._authorities.get(authority.issuer, ()):
            if (
                above.certificate_id != own
                and _may_issue(above, authority)
                and _is_proven(above, above_pem, authority, pem)
            ):
                self._look_above(above, above_pem)
                seen.update(dict.fromkeys(self._above[above.certificate_id]))
                revoked.update(dict.fromkeys(self._revoked_above[above.certificate_id]))
        self._above[own], self._revoked_above[own] = tuple(seen), tuple(revoked)

    def close(self) -> None:
        """Tell the log of issuers without a list."""
        self._store.report_missing(self._missing)


def _read_certificates(data: str | bytes) -> list[str]:
    raw = data.encode("utf-8", "replace") if isinstance(data, str) else data
    try:
        with old_certificates_allowed():
            if b"-----BEGIN" in raw:
                certificates = x509.load_pem_x509_certificates(raw)
            else:
                certificates = [x509.load_der_x509_certificate(raw)]
    except ValueError as exc:
        raise InputError("this is not an X.509 certificate in PEM or DER.") from exc
    return [certificate.public_bytes(Encoding.PEM).decode("ascii") for certificate in certificates]


def _may_issue(authority: CertificateFacts, facts: CertificateFacts) -> bool:
    ours, theirs = authority.subject_key_id, facts.authority_key_id
    return ours is None or theirs is None or ours == theirs


def _is_proven(authority: CertificateFacts, authority_pem: str, facts: CertificateFacts, pem: str) -> bool:
    if authority.subject_key_id is not None and authority.subject_key_id == facts.authority_key_id:
        return True
    return is_issued_by(pem, authority_pem)
