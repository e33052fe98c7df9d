"""The short way for many findings: from the bytes of a page to Arrow, without a DataFrame in between.

Most of a pull's time would otherwise go into building a tree of dicts per finding. Here msgspec decodes a page into
slim structs, a page of structs becomes one Arrow batch, and the structs are let go before the next page comes.
The result equals `findings_table` and `related_resources_table`; a test holds the two ways against each other.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, TypeVar

import msgspec

from ddreport.schemas import FINDINGS, RELATED_RESOURCES
from ddreport.tables.building import GrowingTable, check_arrow
from ddreport.tables.findings import Finding, Place, Resource, finding_columns, related_columns
from ddreport.tables.values import decode_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import pyarrow as pa

_Page = TypeVar("_Page")

_ROWS_AT_ONCE = 250


class FindingsPage(msgspec.Struct, rename="camel"):
    """One answer of `ListAuditFindings`."""

    findings: list[Finding] | None = None
    next_token: str | None = None


class ResourcesPage(msgspec.Struct, rename="camel"):
    """One answer of `ListRelatedResourcesForAuditFinding`."""

    related_resources: list[Resource] | None = None
    next_token: str | None = None


_FINDINGS_PAGE = msgspec.json.Decoder(FindingsPage)
_RESOURCES_PAGE = msgspec.json.Decoder(ResourcesPage)


def decode_findings_page(body: bytes) -> FindingsPage:
    """Decode one answer of `ListAuditFindings`.

    Raises
    ------
    ValueError
        The bytes are not JSON, or not of that form.
    """
    return _decode(_FINDINGS_PAGE, body)


def decode_resources_page(body: bytes) -> ResourcesPage:
    """Decode one answer of `ListRelatedResourcesForAuditFinding`; the same rules as `decode_findings_page`."""
    return _decode(_RESOURCES_PAGE, body)


def _decode(decoder: msgspec.json.Decoder[_Page], body: bytes) -> _Page:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise
    except ValueError:
        return msgspec.convert(decode_json(body), decoder.type)


class FindingTables:
    """The tables `findings` and `related_resources` of one audit, growing page by page, in AWS's order.

    Findings whose embedded related resources may be cut short are collected in `to_list`; `add_related` then brings
    the whole list of one.
    """

    def __init__(
        self, *, account: str, region: str, audit_task_id: str, task_start_time: datetime | float | None = None
    ) -> None:
        self._place = Place(account, region, audit_task_id, task_start_time)
        self._findings = GrowingTable(FINDINGS)
        self._related = GrowingTable(RELATED_RESOURCES)
        self._ready: list[Finding] = []
        self._ready_rows = 0
        self._waiting: dict[str, tuple[int, Finding]] = {}
        # The place of each row's finding in AWS's order, for when listed findings come late.
        self._places = array("q"), array("q")
        self._late = False
        self._seen = 0

    def add(self, findings: Sequence[Finding]) -> None:
        """Add the findings of one page."""
        for place, finding in enumerate(findings, start=self._seen):
            if finding.must_be_listed and finding.finding_id:
                self._waiting[finding.finding_id] = place, finding
            else:
                self._take(place, finding)
        self._seen += len(findings)

    @property
    def to_list(self) -> list[str]:
        """Ids of the findings whose related resources are still to be listed."""
        return list(self._waiting)

    def add_related(self, finding_id: str, resources: Sequence[Resource]) -> None:
        """Bring all related resources of a finding of `to_list`; its embedded ones do not count any more."""
        place, finding = self._waiting.pop(finding_id)
        finding.related_resources = list(resources)
        self._late = True
        self._take(place, finding)

    def _take(self, place: int, finding: Finding) -> None:
        related = len(finding.related_resources or ())
        self._ready.append(finding)
        self._places[0].append(place)
        self._places[1].extend([place] * related)
        self._ready_rows += 1 + related
        if self._ready_rows >= _ROWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        self._findings.append(finding_columns(self._ready, self._place))
        self._related.append(related_columns(self._ready, self._place))
        self._ready, self._ready_rows = [], 0

    def finish(self) -> tuple[pa.Table, pa.Table]:
        """Return `findings` and `related_resources`.

        Raises
        ------
        TableSchemaError
            As in `findings_table`.
        ValueError
            Related resources of `to_list` were not brought.
        """
        if self._waiting:
            raise ValueError(f"related resources of {len(self._waiting)} findings were not listed")
        self._flush()
        tables = [self._findings.table(), self._related.table()]
        if self._late:
            import numpy as np

            orders = (np.argsort(np.array(places), kind="stable") for places in self._places)
            tables = [table.take(order) for table, order in zip(tables, orders, strict=True)]
        return check_arrow(FINDINGS, tables[0]), check_arrow(RELATED_RESOURCES, tables[1])
