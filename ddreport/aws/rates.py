"""AWS's published request rates, kept on our side so that AWS need not refuse.

Every operation has a rate of its own (requests per second, account and Region). The limiter lets no second, wherever
it begins, hold more requests of one operation than its rate: up to that number at once, then one for each that is a
second old. Retries count too. Who waits stands in a queue, and what counts is when a request really left, not when it
was meant to: threads wake up late on a busy machine.

Other programs use the same rates. What AWS then refuses has not used any of the rate, so its place is free again, and
the call takes the next one: only a call that is refused again and again is held back by boto3's growing random waits
(the first of which, up to a second, costs ten places). That one operation is slowed down a little, and soon brought up
again: we find our share, and never stop using what is free. (boto3's own way, the retry mode `adaptive`, has one rate
for all operations of a client; after a refusal in the first half second that is one request in two seconds.)
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
_SPREAD = 0.5  # seconds over which those that waited are spread: all at once would be late, waiting for the processor

# How an operation's share of its rate follows refusals. A few refusals, as requests that catch up with each other get,
# must not cost much; where others take part, this settles at about one refusal a second, whatever they leave.
_CUT = 0.95  # factor for each refusal
_REGAIN = 1.05  # factor for each second
_LEAST = 0.1
_AT_ONCE = 3  # attempts of a call that wait for nothing but their place

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
    "ListThingGroupsForThing": 100,
}
"""Requests per second by operation, from the service quotas of AWS IoT Device Defender (not adjustable) and, for what
an inventory or the impact of findings reads, of AWS IoT Core (defaults; the source is in `aws.inventory.plan`;
ListThingGroupsForThing is quota L-75F129AD)."""

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
        self._mine = threading.local()
        self._operations: dict[str, _Operation] = {}
        self.enabled = True
        self.was_refused = False

    def acquire(self, operation: str) -> None:
        """Wait until one more request of `operation` may be sent."""
        if not self.enabled:
            return
        asked = self._of(operation)
        now = self._clock()
        freed, self._mine.freed = getattr(self._mine, "freed", None), None
        if freed and freed[0] == operation and (at := asked.place_again(freed[1], now)) is not None:
            # It has its place already, so it need not stand in the queue again, and nobody waits longer for it.
            self._wait(at, now)
            at = asked.take(max(at, self._clock()), instead_of=freed[1])
        else:
            with asked.queue:
                now = self._clock()
                at = asked.next_place(now)
                self._wait(at, now)
                at = asked.take(max(at, self._clock()))
        self._mine.place = (operation, at)

    def _wait(self, at: float, now: float) -> None:
        if at > now:
            self._sleep(at - now)

    def refused(self, operation: str) -> None:
        """Slow `operation` down, since AWS refused it for its rate; this thread may try again in the same place.

        An emulator that refuses for the rate is held back like AWS from then on.
        """
        self.enabled = self.was_refused = True
        place, self._mine.place = getattr(self._mine, "place", None), None
        self._mine.freed = place if place and place[0] == operation else None
        self._of(operation).cut(self._clock())

    def _of(self, operation: str) -> _Operation:
        with self._lock:
            if operation not in self._operations:
                self._operations[operation] = _Operation(self._rates.get(operation, self._other))
            return self._operations[operation]

    def attach(self, client: BaseClient) -> None:
        """Make every request of `client` wait for its turn, until an answer turns out to be the emulator's."""
        attach_limiter(client, lambda: self)


class _Operation:
    """The requests of one operation; `queue` is held by the one caller whose turn is next, while it waits."""

    def __init__(self, rate: int) -> None:
        self.queue = threading.Lock()
        self._lock = threading.Lock()
        self._rate = rate
        self._granted: deque[float] = deque(maxlen=rate)
        self._share = 1.0
        self._share_time = 0.0

    def next_place(self, now: float) -> float:
        """Return the next free place in time, `now` or later."""
        with self._lock:
            allowed = self._rate * self._share_at(now)
            # So many requests a period as go into the share, and the period longer by what is left over.
            number = max(1, math.ceil(allowed - 1e-9))
            if len(self._granted) < number:
                return now
            at = self._granted[-number] + (_PERIOD + _MARGIN) * number / allowed
            return now if at <= now else max(at, self._granted[-1] + _SPREAD / allowed)

    def place_again(self, refused: float, now: float) -> float | None:
        """Return when the request of that time may be sent again; None if it has to queue.

        On average a place comes free after a period divided by what is allowed. An answer often takes as long.
        """
        with self._lock:
            if refused not in self._granted:
                return None
            return max(now, refused + _PERIOD / (self._rate * self._share_at(now)))

    def take(self, at: float, *, instead_of: float | None = None) -> float:
        """Note a request sent at that time; `instead_of` is that of the attempt before, which AWS did not count."""
        with self._lock:
            if instead_of is not None and instead_of in self._granted:
                self._granted.remove(instead_of)
            self._granted.append(at)
        return at

    def cut(self, now: float) -> None:
        """Lower the share."""
        with self._lock:
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

    def answer_refusal(*, response: tuple[Any, Mapping[str, Any]] | None, attempts: int, **_: Any) -> Any:
        # The first answer that is not None counts, so this goes before boto3's, which still keeps its books.
        is_throttled = response is not None and response[1].get("Error", {}).get("Code") in THROTTLED_CODES
        return 0.0 if is_throttled and attempts < min(at_once, most) else None

    retries = getattr(client.meta.config, "retries", None) or {}  # which the published types of Config lack
    most = retries.get("total_max_attempts", 1)
    at_once = _AT_ONCE if retries.get("mode") == "standard" else 0
    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register_first(f"needs-retry.{service}", answer_refusal, unique_id="ddreport-rates-again")
    client.meta.events.register(f"before-send.{service}", before_send, unique_id="ddreport-rates")
    client.meta.events.register(f"before-parse.{service}", on_answer, unique_id="ddreport-rates-off")
    client.meta.events.register(f"response-received.{service}", after_answer, unique_id="ddreport-rates-refused")
