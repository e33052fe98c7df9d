"""The words of a message: subject, text for people, JSON for programs. Pure; what comes from AWS is made harmless."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddreport.catalogue import describe_check
from ddreport.presentation.text import terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ddreport.notification.news import Item, News

MOST_LINES = 20
MOST_ITEMS = 100
"""Problems that are named in the text, and in the JSON; the counts are of all."""

_MOST_SUBJECT = 100  # of SNS


@dataclass(frozen=True)
class Message:
    """A message.

    Attributes
    ----------
    id
        The same for the same news: a receiver that has it already can drop it.
    subject
        One line of at most 100 ASCII characters.
    data
        All of it for programs.
    """

    id: str
    subject: str
    text: str
    data: dict[str, Any]


def make_message(news: News, *, targets: Sequence[str], emulated: bool, report: str = "") -> Message:
    """Put news into words.

    Parameters
    ----------
    report
        Where the report is: a path or an address.
    """
    data: dict[str, Any] = {
        "version": 1,
        "kind": "ddreport.change",
        "targets": list(targets),
        "emulated": emulated,
        "since": news.before.as_of,
        "as_of": news.after.as_of,
        "worse": news.is_worse,
        "better": news.is_better,
        "counts": {kind.value: dict(counts) for kind, counts in news.counts.items()},
        "compliance_rate": {"before": news.before.compliance_rate, "after": news.after.compliance_rate},
        "overdue": {"before": news.before.overdue, "after": news.after.overdue},
        "items": [_record(item) for item in news.items[:MOST_ITEMS]],
        "more_items_count": max(0, len(news.items) - MOST_ITEMS),
        "report": report or None,
    }
    # The report's name may hold the time it was made: the same news must have the same id all the same.
    told = {name: value for name, value in data.items() if name not in ("report", "as_of")}
    # Items beyond those that are named make another message, too.
    told["all"] = sorted((item.problem_id, item.kind.value) for item in news.items)
    identity = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]
    return Message(identity, _subject(news, targets, emulated=emulated), _text(news, data), {"id": identity, **data})


def _record(item: Item) -> dict[str, str]:
    return {
        "change": item.kind.value,
        "severity": item.severity,
        "account": item.account,
        "region": item.region,
        "check_name": item.check_name,
        "resource_id": item.resource_id,
        "reason_code": item.reason_code,
        "problem_id": item.problem_id,
    }


def _subject(news: News, targets: Sequence[str], *, emulated: bool) -> str:
    sums = [f"{sum(counts.values())} {kind.value}" for kind, counts in news.counts.items()]
    head = "[emulated] " if emulated else ""
    state = "worse" if news.is_worse else "better"
    if news.is_worse and news.is_better:
        state = "worse and better"
    said = f"{head}Device Defender {', '.join(targets)}: {state}" + (f" ({', '.join(sums)})" if sums else "")
    plain = "".join(c if " " <= c <= "~" else "?" for c in said)
    return plain if len(plain) <= _MOST_SUBJECT else plain[: _MOST_SUBJECT - 3] + "..."


def _text(news: News, data: dict[str, Any]) -> str:
    lines = [f"{terminal(', '.join(data['targets']))}, from {news.before.as_of} to {news.after.as_of}"]
    if data["emulated"]:
        lines.append("The account is emulated: this is not AWS.")
    lines.append("")
    for kind, counts in news.counts.items():
        by = ", ".join(f"{count} {severity.lower()}" for severity, count in counts.items())
        lines.append(f"{sum(counts.values())} {kind.value}: {by}")
    lines.append(
        f"compliant checks: {_share(news.before.compliance_rate)} before, {_share(news.after.compliance_rate)} now"
    )
    lines.append(f"overdue problems: {news.before.overdue} before, {news.after.overdue} now")
    if news.items:
        lines.append("")
    for item in news.items[:MOST_LINES]:
        where = f"{item.account} {item.region}"
        check = describe_check(item.check_name).title
        lines.append(f"- {item.kind.value}, {item.severity}: {terminal(check)}: {terminal(item.resource_id)} ({where})")
    if len(news.items) > MOST_LINES:
        lines.append(f"- and {len(news.items) - MOST_LINES} more")
    if data["report"]:
        lines += ["", f"Report: {terminal(data['report'])}"]
    return "\n".join(lines) + "\n"


def _share(rate: float | None) -> str:
    return "unknown" if rate is None else f"{rate:.0%}"
