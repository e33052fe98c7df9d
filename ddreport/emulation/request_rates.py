"""AWS's published request rates, refused beyond on demand: each operation has its own, per account and Region.

Real time counts, whatever the emulated clock does: it is the client's behaviour that is put to the test.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SLOW, _USUAL, _FAST = 5, 10, 25

PUBLISHED: Mapping[str, int] = {
    **dict.fromkeys(
        (
            "CreateScheduledAudit",
            "DeleteAccountAuditConfiguration",
            "DeleteScheduledAudit",
            "DescribeAccountAuditConfiguration",
            "DescribeScheduledAudit",
            "ListScheduledAudits",
            "UpdateAccountAuditConfiguration",
            "UpdateScheduledAudit",
        ),
        _SLOW,
    ),
    **dict.fromkeys(
        (
            "CancelAuditMitigationActionsTask",
            "CancelAuditTask",
            "CreateAuditSuppression",
            "CreateMitigationAction",
            "DeleteAuditSuppression",
            "DeleteMitigationAction",
            "DescribeAuditSuppression",
            "ListAuditFindings",
            "ListAuditMitigationActionsExecutions",
            "ListAuditMitigationActionsTasks",
            "ListAuditSuppressions",
            "ListAuditTasks",
            "ListMitigationActions",
            "StartAuditMitigationActionsTask",
            "StartOnDemandAuditTask",
            "UpdateAuditSuppression",
            "UpdateMitigationAction",
        ),
        _USUAL,
    ),
    **dict.fromkeys(
        (
            "DescribeAuditFinding",
            "DescribeAuditMitigationActionsTask",
            "DescribeAuditTask",
            "DescribeMitigationAction",
        ),
        _FAST,
    ),
}
"""Requests per second by operation: the quotas of AWS IoT Device Defender, which cannot be raised.

`ListRelatedResourcesForAuditFinding` and the logging operations have no published rate and are never refused.
"""


class RequestRates:
    """Counts requests: as many at once as the rate says, then one more for each share of a second that has passed.

    Parameters
    ----------
    monotonic
        Source of real seconds; tests give their own.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._left: dict[tuple[str, str, str], tuple[float, float]] = {}
        self._lock = threading.Lock()

    def admit(self, account: str, region: str, operation: str) -> bool:
        """Count one request; False when it comes too soon, and then it does not count."""
        rate = PUBLISHED.get(operation)
        if rate is None:
            return True
        key = (account, region, operation)
        with self._lock:
            now = self._monotonic()
            left, since = self._left.get(key, (float(rate), now))
            left = min(float(rate), left + (now - since) * rate)
            admitted = left >= 1
            self._left[key] = (left - 1 if admitted else left, now)
        return admitted
