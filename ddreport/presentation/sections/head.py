"""The head of a report: what it is about, and the few numbers that matter most."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import markupsafe

from ddreport.presentation import formats
from ddreport.presentation.blocks import Section, section, style
from ddreport.terms import Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ddreport.metrics import KeyFigures

DEFAULT_TITLE = "Security compliance of the IoT fleet"


def header_section(
    *,
    title: str,
    accounts: Sequence[str],
    regions: Sequence[str],
    start: datetime,
    end: datetime,
    as_of: datetime,
    emulated: bool,
) -> Section:
    """Title, accounts, Regions, window and newest audit; in large letters when any of it is emulated.

    It brings the style sheet of all sections along, so it comes first.

    Parameters
    ----------
    title
        The report's title; empty for a general one.
    accounts, regions
        At least one each.
    start, end
        The window, aware; `end` itself is not in it.
    as_of
        Start of the newest audit.
    emulated
        Whether the emulator answered, not AWS.
    """
    # Not a string of AWS's but a file of this package: the only markup that a template gets.
    sheet = markupsafe.Markup(style())  # noqa: S704  # see above
    return section(
        "header.html.j2",
        "Head",
        style=sheet,
        title=title or DEFAULT_TITLE,
        accounts=list(accounts),
        regions=list(regions),
        start=start,
        last_moment=end - timedelta(microseconds=1),
        as_of=as_of,
        emulated=emulated,
    )


def key_figures_section(figures: KeyFigures) -> Section:
    """Show a row of figures, each with its change since the moment that it is compared with.

    Parameters
    ----------
    figures
        Made by `metrics.key_figures`.
    """
    days = round((figures.as_of - figures.compared_with) / timedelta(days=1))
    since = f"in {formats.plural(days, 'day')}"
    items = [_compliance(figures)]
    before = figures.open_before_by_severity
    now = figures.open_by_severity
    items.append(
        (
            "Open, critical",
            formats.count(now[Severity.CRITICAL]),
            _changed(now[Severity.CRITICAL], None if before is None else before[Severity.CRITICAL], since),
        )
    )
    items.append(
        (
            "Open, all severities",
            formats.count(figures.open_count),
            _changed(figures.open_count, figures.open_before_count, since),
        )
    )
    items.append(
        (
            "Suppressed",
            formats.count(figures.suppressed_count),
            _changed(figures.suppressed_count, figures.suppressed_before_count, since),
        )
    )
    ended_otherwise = figures.audits_count - figures.completed_audits_count
    audits_note = "all completed" if not ended_otherwise else f"{formats.count(ended_otherwise)} did not complete"
    items.append(("Audits in the window", formats.count(figures.audits_count), audits_note))
    return section("key_figures.html.j2", "At a glance", items=items)


def _compliance(figures: KeyFigures) -> tuple[str, str, str]:
    if not figures.finished_checks_count:
        return "Compliant checks", formats.MISSING, "no check has finished yet"
    value = f"{formats.count(figures.compliant_checks_count)} of {formats.count(figures.finished_checks_count)}"
    note = formats.percent(figures.compliance_rate)
    if figures.stale_checks_count:
        note += f"; {formats.plural(figures.stale_checks_count, 'verdict')} from an earlier audit"
    return "Compliant checks", value, note


def _changed(now: int, before: int | None, since: str) -> str:
    text = formats.change(now, before)
    return f"{text} {since}" if text else "no earlier verdict to compare with"
