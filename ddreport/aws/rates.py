"""AWS's published request rates, kept on our side so that AWS need not refuse.

Every operation has a rate of its own (requests per second, account and Region). The limiter lets no second, wherever
it begins, hold more requests of one operation than its rate: up to that number at once, then one for each that is a
second old. Retries count too.

Other programs use the same rates. What AWS then refuses, boto3 tries again, and here that one operation is slowed down
a little, and soon brought up again: we find our share, and never stop using what is free. (boto3's own way, the retry
mode `adaptive`, has one rate for all operations of a client; after a refusal in the first half second that is one
request in two seconds.)
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from ddreport.aws.answers import is_emulator
from ddreport.aws.errors import THROTTLED_CODES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from botocore.client import BaseClient

_PERIOD = 1.0
_MARGIN = 0.02  # seconds; requests do not travel equally fast, so AWS may see them closer together than we sent them

# How an operation's share of its rate follows refusals. A few refusals, as requests that catch up with each other get,
# must not cost much; where others take part, this settles at about one refusal a second, whatever they leave.
_CUT = 0.95  # factor for each refusal
_REGAIN = 1.05  # factor for each second
_LEAST = 0.1

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
            "ListThingsInThingGroup",
        ),
        25,
    ),
    "GetPolicyVersion": 15,
    "DescribeThingGroup": 100,
}
"""Requests per second by operation, from the service quotas of AWS IoT Device Defender (not adjustable) and, for what
an inventory reads, of AWS IoT Core (defaults; the source is in `aws.inventory.plan`)."""

OTHER_RATE = 10
"""Requests per second of every other call: audits, suppressions, mitigations, and most of an inventory's.

`ListRelatedResourcesForAuditFinding` is not in AWS's list and is treated like them.
"""


class RateLimiter:
    """Makes callers wait so that each operation stays within its rate; may be shared by threads and clients.

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
        self._operations: dict[str, _Operation] = {}
        self.enabled = True
        self.was_refused = False

    def acquire(self, operation: str) -> None:
        """Wait until one more request of `operation` may be sent."""
        if not self.enabled:
            return
        with self._lock:
            now = self._clock()
            # The place is taken here and waited for outside of the lock, so that other operations go on.
            at = self._of(operation).next_place(now)
        if at > now:
            self._sleep(at - now)

    def refused(self, operation: str) -> None:
        """Slow `operation` down, since AWS refused it for its rate. An emulator that does so is held back, too."""
        with self._lock:
            self.enabled = self.was_refused = True
            self._of(operation).cut(self._clock())

    def _of(self, operation: str) -> _Operation:
        if operation not in self._operations:
            self._operations[operation] = _Operation(self._rates.get(operation, self._other))
        return self._operations[operation]

    def attach(self, client: BaseClient) -> None:
        """Make every request of `client` wait for its turn, until an answer turns out to be the emulator's."""
        attach_limiter(client, lambda: self)


class _Operation:
    """The requests of one operation."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._granted: deque[float] = deque(maxlen=rate)
        self._share = 1.0
        self._share_time = 0.0

    def next_place(self, now: float) -> float:
        """Take the next free place in time, `now` or later."""
        allowed = self._rate * self._share_at(now)
        at = now
        # So many requests a period as go into the share, and the period longer by what is left over.
        number = max(1, math.ceil(allowed - 1e-9))
        if len(self._granted) >= number:
            at = max(at, self._granted[-number] + (_PERIOD + _MARGIN) * number / allowed)
        self._granted.append(at)
        return at

    def cut(self, now: float) -> None:
        """Lower the share."""
        self._share, self._share_time = max(_LEAST, self._share_at(now) * _CUT), now

    def _share_at(self, now: float) -> float:
        return min(1.0, self._share * math.pow(_REGAIN, min(now - self._share_time, 100.0)))


def attach_limiter(client: BaseClient, limiter: Callable[[], RateLimiter]) -> None:
    """Make every request of `client` wait for its turn with whatever limiter is the right one at that moment."""

    # botocore takes anything but None for an answer.
    def before_send(*, event_name: str, **_: Any) -> None:
        limiter().acquire(event_name.rpartition(".")[2])

    def on_answer(*, response_dict: Mapping[str, Any], **_: Any) -> None:
        held = limiter()
        if held.enabled and not held.was_refused and is_emulator(response_dict["headers"]):
            held.enabled = False

    def after_answer(*, event_name: str, parsed_response: Mapping[str, Any] | None, **_: Any) -> None:
        if parsed_response and parsed_response.get("Error", {}).get("Code") in THROTTLED_CODES:
            limiter().refused(event_name.rpartition(".")[2])

    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register(f"before-send.{service}", before_send, unique_id="ddreport-rates")
    client.meta.events.register(f"before-parse.{service}", on_answer, unique_id="ddreport-rates-off")
    client.meta.events.register(f"response-received.{service}", after_answer, unique_id="ddreport-rates-refused")
