"""AWS's clock, and signals that end a run in order: what every run that changes an account needs."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from ddreport.aws.session import Identity
    from ddreport.workflows.pulling.threads import Stop


def aws_clock(identity: Identity) -> Callable[[], datetime]:
    """Return AWS's clock, which was looked at when AWS told who we are."""
    began = time.monotonic()
    return lambda: identity.as_of + timedelta(seconds=time.monotonic() - began)


@contextmanager
def interruptible(stop: Stop) -> Iterator[Stop]:
    """Let Ctrl-C and SIGTERM set `stop`, so that what is under way is written down; a second Ctrl-C interrupts."""
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def on_signal(number: int, _: Any) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
