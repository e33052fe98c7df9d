"""How long AWS remembers audits and mitigations, and what that means for the spans one may ask for."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ddreport.emulation.clock import utc
from ddreport.emulation.service_errors import InvalidRequestError
from ddreport.settings import RETENTION_DAYS

if TYPE_CHECKING:
    from datetime import datetime

    from ddreport.emulation.service.component import Params

RETENTION = timedelta(days=RETENTION_DAYS)

# A client computes "ninety days ago" before its request travels; what AWS tolerates is not known.
_GRACE = timedelta(minutes=1)


def requested_span(params: Params, now: datetime) -> tuple[datetime, datetime]:
    """Return `startTime` and `endTime` of a list of tasks (`InvalidRequestError` for reversed or forgotten spans)."""
    start, end = utc(params["startTime"]), utc(params["endTime"])
    if start > end:
        raise InvalidRequestError("startTime is after endTime.")
    if start < now - RETENTION - _GRACE:
        raise InvalidRequestError(f"startTime is before the retention period of {RETENTION_DAYS} days.")
    return start, end
