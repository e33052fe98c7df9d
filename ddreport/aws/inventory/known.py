"""What an earlier inventory knows already, so that it need not be asked again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ddreport.schemas_inventory import CERTIFICATES
from ddreport.tables.pem import can_read_pem
from ddreport.tables.values import to_microseconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

_SECOND = 1_000_000


@dataclass(frozen=True)
class _Certificate:
    row: int
    status: str
    creation_time: int | None
    has_key: bool


@dataclass(frozen=True)
class KnownInventory:
    """Certificates and policy versions of an earlier inventory; make it with `of`.

    Attributes
    ----------
    certificates
        Table `schemas.CERTIFICATES` as Arrow; None for none.
    documents
        The policy's JSON by policy name, version and creation time (microseconds).
    """

    certificates: pa.Table | None = None
    documents: Mapping[tuple[str, str, int | None], str] = field(default_factory=dict)
    _by_id: Mapping[str, _Certificate] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, *, certificates: pa.Table | None, policy_versions: pa.Table | None) -> KnownInventory:
        """Take over two tables of one account and Region (`schemas.CERTIFICATES`, `schemas.POLICY_VERSIONS`)."""
        by_id: dict[str, _Certificate] = {}
        documents: dict[tuple[str, str, int | None], str] = {}
        if certificates is not None:
            created = certificates["creation_time"].cast("int64").to_pylist()
            columns = [certificates[name].to_pylist() for name in ("certificate_id", "status", "key_algorithm")]
            for row, (certificate_id, status, key, time) in enumerate(zip(*columns, created, strict=True)):
                by_id[certificate_id] = _Certificate(row, status, time, key is not None)
        if policy_versions is not None:
            created = policy_versions["creation_time"].cast("int64").to_pylist()
            names = ("policy_name", "policy_version_id", "policy_document")
            for name, version, document, time in zip(
                *(policy_versions[n].to_pylist() for n in names), created, strict=True
            ):
                documents[name, version, time] = document
        return cls(certificates, documents, by_id)

    def row_of(self, listed: Mapping[str, Any]) -> int | None:
        """Return the row of a certificate that `ListCertificates` lists; None when it has to be described.

        Its validity can never change, since its id is the hash of it. It is described again when its status changed
        (then its time of change did too), when it was registered anew, or when its key could not be read before, but
        can be now.
        """
        known = self._by_id.get(str(listed.get("certificateId")).lower())
        if known is None or known.status != listed.get("status") or (can_read_pem() and not known.has_key):
            return None
        created = to_microseconds(listed.get("creationDate"))
        if created is not None and known.creation_time is not None and abs(created - known.creation_time) > _SECOND:
            return None
        return known.row

    def has_document(self, policy: str, version: Mapping[str, Any]) -> bool:
        """Return whether a version that `ListPolicyVersions` lists is known; a version never changes."""
        return self.document(policy, version) is not None

    def document(self, policy: str, version: Mapping[str, Any]) -> str | None:
        """Return the JSON of that version, None when it is not known."""
        created = to_microseconds(version.get("createDate"))
        return self.documents.get((policy, str(version.get("versionId")), created))

    def rows(self, rows: list[int], *, observed_time: int) -> pa.Table:
        """Return known certificates, now observed at `observed_time` (microseconds)."""
        import pyarrow as pa

        if self.certificates is None:
            return CERTIFICATES.arrow().empty_table()
        taken = self.certificates.take(pa.array(rows, pa.int64()))
        place = taken.schema.get_field_index("observed_time")
        moment = pa.array([observed_time] * len(rows), pa.int64()).cast(pa.timestamp("us", tz="UTC"))
        return taken.set_column(place, CERTIFICATES.arrow().field("observed_time"), moment)
