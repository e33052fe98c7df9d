"""What every answer tells besides its body: AWS's clock, and whether it was the emulator that answered."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from ddreport.errors import EndpointError
from ddreport.terms import EMULATOR_HEADER

if TYPE_CHECKING:
    from collections.abc import Mapping


def is_emulator(headers: Mapping[str, str]) -> bool:
    """Return whether the headers (in lower case, or blind to case) are the emulator's."""
    return headers.get(EMULATOR_HEADER) is not None


def time_of(headers: Mapping[str, str]) -> datetime:
    """Return the `Date` of an answer, UTC: AWS's clock, which its rules about time go by.

    Raises
    ------
    EndpointError
        There is no such header, or it is no date: whoever answered is not AWS.
    """
    said = headers.get("date")
    try:
        found = parsedate_to_datetime(said) if said else None
    except ValueError:
        found = None
    if found is None:
        raise EndpointError(
            f"the answer does not say its time (header Date: {said!r}).",
            hint="a proxy or another program may be answering in AWS's place; check the endpoint.",
        )
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
