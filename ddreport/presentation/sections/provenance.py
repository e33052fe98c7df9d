"""Where the numbers come from, so that somebody else can get them again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ddreport.presentation import formats
from ddreport.presentation.blocks import Section, section

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

HEADING = "Where these numbers come from"


def provenance_section(
    *,
    targets: Sequence[str],
    accounts: Sequence[str],
    regions: Sequence[str],
    start: datetime,
    end: datetime,
    as_of: datetime,
    audits_count: int,
    findings_count: int,
    fingerprint: str,
    emulated: bool,
    versions: Mapping[str, str],
    parameters: Mapping[str, Any],
) -> Section:
    """Name the source, the evidence and the way of counting. Paths of a machine do not belong here.

    Parameters
    ----------
    targets, accounts, regions, start, end, as_of, emulated
        As in the head of the report.
    audits_count, findings_count
        Rows that the tables of the window have.
    fingerprint
        SHA-256 over the evidence in the archive.
    versions
        Version by program.
    parameters
        What the report was asked for, by name.
    """
    source = "the emulator of ddreport, not AWS" if emulated else "AWS IoT API, as archived by ddreport"
    given = {name: value for name, value in parameters.items() if value not in ("", [], (), None)}
    facts = [
        ("Source", source),
        ("Targets", formats.joined(targets)),
        ("Accounts", formats.joined(accounts)),
        ("Regions", formats.joined(regions)),
        ("Window", f"from {formats.time(start)} to before {formats.time(end)}"),
        ("Newest audit", formats.time(as_of)),
        ("Read", f"{formats.plural(audits_count, 'audit')}, {formats.plural(findings_count, 'finding')}"),
        ("Evidence (SHA-256)", fingerprint),
        ("Parameters", ", ".join(f"{k} = {json.dumps(v, ensure_ascii=False)}" for k, v in given.items()) or "none"),
        ("Made with", ", ".join(f"{name} {version}" for name, version in versions.items())),
        ("Compliance rate", "compliant checks ÷ finished checks; failed and cancelled checks count neither way"),
        ("Coverage", "finished checks ÷ all checks of the audit"),
        ("Open", "pairs of check and resource that do not comply in the newest finished run of the check"),
    ]
    return section("provenance.html.j2", HEADING, emulated=emulated, facts=facts)
