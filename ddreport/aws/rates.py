"""AWS's published request rates, kept on our side so that AWS need not refuse.

Every operation has a rate of its own (requests per second, account and Region). The limiter lets no second, wherever
it begins, hold more requests of one operation than its rate: up to that number at once, then one for each that is a
second old. Retries count too. What AWS still refuses, because other programs use the same rates, boto3 retries.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from ddreport.aws.answers import is_emulator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from botocore.client import BaseClient

_PERIOD = 1.0

PUBLISHED_RATES: dict[str, int] = {
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
        5,
    ),
    **dict.fromkeys(
        (
            "DescribeAuditFinding",
            "DescribeAuditMitigationActionsTask",
            "DescribeAuditTask",
            "DescribeMitigationAction",
        ),
        25,
    ),
}
"""Requests per second by operation, from the service quotas of AWS IoT Device Defender (not adjustable)."""

OTHER_RATE = 10
"""Requests per second of every other audit, suppression and mitigation call.

`ListRelatedResourcesForAuditFinding` is not in AWS's list and is treated like them.
"""


class RateLimiter:
    """Makes callers wait so that each operation stays within its rate; may be shared by threads.

    Parameters
    ----------
    rates, other
        Requests per second by operation name, and for every operation not named.
    clock, sleep
        Seconds of a clock that never goes back, and the wait; replaced in tests.
    """

    def __init__(
        self,
        rates: Mapping[str, int] = PUBLISHED_RATES,
        *,
        other: int = OTHER_RATE,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rates = rates
        self._other = other
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._granted: dict[str, deque[float]] = {}
        self.enabled = True

    def acquire(self, operation: str) -> None:
        """Wait until one more request of `operation` may be sent."""
        if not self.enabled:
            return
        with self._lock:
            rate = self._rates.get(operation, self._other)
            granted = self._granted.setdefault(operation, deque(maxlen=rate))
            now = self._clock()
            # The request before the last `rate` ones must be a full period old. The place is taken here and waited
            # for outside of the lock, so that other operations go on.
            at = max(now, granted[0] + _PERIOD) if len(granted) == rate else now
            granted.append(at)
        if at > now:
            self._sleep(at - now)

    def attach(self, client: BaseClient) -> None:
        """Make every request of `client` wait for its turn, until an answer turns out to be the emulator's."""
        service = client.meta.service_model.service_id.hyphenize()
        client.meta.events.register(f"before-send.{service}", self._before_send, unique_id="ddreport-rates")
        client.meta.events.register(f"before-parse.{service}", self._on_answer, unique_id="ddreport-rates-off")

    def _before_send(self, *, event_name: str, **_: Any) -> None:
        # Must return None: anything else would be taken for the answer.
        self.acquire(event_name.rpartition(".")[2])

    def _on_answer(self, *, response_dict: Mapping[str, Any], **_: Any) -> None:
        if self.enabled and is_emulator(response_dict["headers"]):
            self.enabled = False
