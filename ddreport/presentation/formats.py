"""Numbers, times and AWS's words as people read them: English, UTC, the same on every machine.

Nothing here asks the locale or the local time zone, so that the same data gives the same text everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ddreport.catalogue import checks, describe_check
from ddreport.presentation.palette import severity_look, state_look
from ddreport.presentation.text import MISSING, html, is_missing, plot_text, shorten, terminal, visible
from ddreport.terms import CheckErrorCode, Frequency, ResourceType, Severity, TaskStatus, TaskType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

__all__ = [
    "MISSING",
    "change",
    "check_rank",
    "check_title",
    "count",
    "date",
    "error_text",
    "frequency_label",
    "html",
    "in_sentence",
    "joined",
    "percent",
    "plot_text",
    "plural",
    "resource_type_label",
    "severity_label",
    "shorten",
    "span",
    "state_label",
    "task_status_label",
    "task_type_label",
    "terminal",
    "time",
    "visible",
]

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_TASK_TYPES: Final = {TaskType.ON_DEMAND: "on demand", TaskType.SCHEDULED: "scheduled"}
_TASK_STATUSES: Final = {
    TaskStatus.COMPLETED: "completed",
    TaskStatus.FAILED: "failed",
    TaskStatus.CANCELED: "cancelled",
    TaskStatus.IN_PROGRESS: "still running",
}
_RESOURCE_TYPES: Final = {
    ResourceType.DEVICE_CERTIFICATE: "Device certificate",
    ResourceType.CA_CERTIFICATE: "CA certificate",
    ResourceType.IOT_POLICY: "IoT policy",
    ResourceType.COGNITO_IDENTITY_POOL: "Cognito identity pool",
    ResourceType.CLIENT_ID: "Client id",
    ResourceType.ACCOUNT_SETTINGS: "Account settings",
    ResourceType.ROLE_ALIAS: "Role alias",
    ResourceType.IAM_ROLE: "IAM role",
    ResourceType.ISSUER_CERTIFICATE: "Issuing certificate",
}
_ERRORS: Final = {
    CheckErrorCode.INSUFFICIENT_PERMISSIONS: "the audit role lacks a permission",
    CheckErrorCode.AUDIT_CHECK_DISABLED: "the check was disabled",
}
_FREQUENCIES: Final = {
    Frequency.DAILY: "every day",
    Frequency.WEEKLY: "every week",
    Frequency.BIWEEKLY: "every second week",
    Frequency.MONTHLY: "every month",
}


def count(number: object) -> str:
    """Return a whole number with commas for thousands; an en dash where there is none."""
    return MISSING if is_missing(number) else f"{int(number):,}"  # type: ignore[call-overload]  # any whole number


def percent(fraction: object) -> str:
    """Return a fraction as whole per cent. Never rounds up to 100% or down to 0%: almost is not all.

    Examples
    --------
    >>> percent(0.625), percent(0.999), percent(0.001), percent(1.0), percent(None)
    ('63%', '>99%', '<1%', '100%', '–')
    """
    if is_missing(fraction):
        return MISSING
    share = float(fraction)  # type: ignore[arg-type]  # a number by now
    whole = int(share * 100 + 0.5)
    if share < 1 and whole >= 100:
        return ">99%"
    if share > 0 and whole == 0:
        return "<1%"
    return f"{whole}%"


def plural(number: object, one: str, many: str | None = None) -> str:
    """Return `1 audit`, `2 audits`, `1,234 audits`."""
    word = one if not is_missing(number) and int(number) == 1 else (many or f"{one}s")  # type: ignore[call-overload]
    return f"{count(number)} {word}"


def change(now: object, before: object) -> str:
    """Return how a count changed: `up 3`, `down 2`, `unchanged`, or an empty text where one is missing."""
    if is_missing(now) or is_missing(before):
        return ""
    difference = int(now) - int(before)  # type: ignore[call-overload]
    if not difference:
        return "unchanged"
    return f"{'up' if difference > 0 else 'down'} {abs(difference):,}"


def joined(words: Iterable[str], *, last: str = "and") -> str:
    """Return `a`, `a and b`, `a, b and c`."""
    items = list(words)
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"time without a zone: {moment!r}")
    from datetime import UTC

    return moment.astimezone(UTC)


def time(moment: datetime | None) -> str:
    """Return `2 Mar 2026 09:15 UTC`; an en dash where there is none. A time without a zone is a `ValueError`."""
    if moment is None or is_missing(moment):
        return MISSING
    at = _utc(moment)
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year} {at.hour:02d}:{at.minute:02d} UTC"


def date(moment: datetime | None) -> str:
    """Return `2 Mar 2026`, the UTC day."""
    if moment is None or is_missing(moment):
        return MISSING
    at = _utc(moment)
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}"


def span(start: datetime | None, end: datetime | None) -> str:
    """Return `2 Dec 2025 – 2 Mar 2026`; the day alone when both are the same; open ends are said in words."""
    if start is None and end is None:
        return "all time"
    if start is None:
        return f"until {date(end)}"
    if end is None:
        return f"since {date(start)}"
    return date(start) if date(start) == date(end) else f"{date(start)} – {date(end)}"


def check_title(check_name: object) -> str:
    """Return the catalogue's title of a check; an unknown one is named and marked as not in the catalogue."""
    return visible(describe_check(str(check_name)).title)


def check_rank(check_name: str) -> tuple[int, int, str]:
    """Return what checks are sorted by: severity, then the catalogue's order; unknown checks last, by name."""
    check = describe_check(check_name)
    severities = list(Severity)
    severity = severities.index(check.severity) if check.severity else len(severities)
    known = list(checks())
    return severity, known.index(check.name) if check.name in known else len(known), check.name


def in_sentence(label: str) -> str:
    """Return a label as it stands inside of a sentence: `device certificate`, but `IoT policy` and `CA certificate`."""
    first, _, rest = label.partition(" ")
    return f"{first.lower()} {rest}".strip() if first[1:].islower() else label


def severity_label(severity: object, *, symbol: bool = True) -> str:
    """Return `◆ Critical`, or `Critical` alone; an en dash where there is none."""
    if is_missing(severity):
        return MISSING
    look = severity_look(str(severity))
    return f"{look.symbol} {visible(look.label)}" if symbol else visible(look.label)


def state_label(state: object, *, symbol: bool = True) -> str:
    """Return `✕ Non-compliant`, or the words alone; an en dash where there is none."""
    if is_missing(state):
        return MISSING
    look = state_look(str(state))
    return f"{look.symbol} {visible(look.label)}" if symbol else visible(look.label)


def resource_type_label(resource_type: object) -> str:
    """Return `Device certificate` for `DEVICE_CERTIFICATE`; an unknown kind by its own name."""
    return _word(_RESOURCE_TYPES, resource_type)


def task_type_label(task_type: object) -> str:
    """Return `scheduled` or `on demand`."""
    return _word(_TASK_TYPES, task_type)


def task_status_label(task_status: object) -> str:
    """Return `completed`, `failed`, `cancelled` or `still running`."""
    return _word(_TASK_STATUSES, task_status)


def frequency_label(frequency: object) -> str:
    """Return `every day` for `DAILY`."""
    return _word(_FREQUENCIES, frequency)


def error_text(error_code: object) -> str:
    """Return in words why a check failed; an unknown code as it is."""
    return _word(_ERRORS, error_code)


def _word(words: Mapping[Any, str], value: object) -> str:
    return MISSING if is_missing(value) else visible(words.get(str(value), str(value)))
