"""Queues of questions by operation: everything is answered, batches fill, the first error ends it, nobody waits."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from ddreport.workflows.operation_queues import OperationQueues
from ddreport.workflows.pulling.threads import Stop, Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Work = Callable[[str, Sequence[int]], Iterable[tuple[str, int]]]


def queues(work: Work, *, stop: Stop | None = None, **batches: int) -> OperationQueues[int]:
    return OperationQueues(work, rate_of=lambda _: 10, batches=batches, stop=stop or Stop(), name="test")


def test_what_answers_lead_to_is_answered_too() -> None:
    answered: list[tuple[str, int]] = []

    def work(operation: str, items: Sequence[int]) -> list[tuple[str, int]]:
        answered.extend((operation, item) for item in items)
        return [("Next", item + 100) for item in items if operation == "First"]

    queues(work).run([("First", n) for n in range(50)])
    assert sorted(answered) == [("First", n) for n in range(50)] + [("Next", n + 100) for n in range(50)]


def test_batches_wait_until_they_are_full_and_the_last_one_until_nothing_can_fill_it() -> None:
    sizes: list[int] = []

    def work(operation: str, items: Sequence[int]) -> list[tuple[str, int]]:
        if operation == "Batch":
            sizes.append(len(items))
            return []
        time.sleep(0.001)
        return [("Batch", items[0])]

    queues(work, Batch=12).run([("One", n) for n in range(50)])
    assert sorted(sizes) == [2, 12, 12, 12, 12]


def test_a_slow_operation_holds_up_no_other_one() -> None:
    release = threading.Event()
    fast: list[int] = []

    def work(operation: str, items: Sequence[int]) -> list[tuple[str, int]]:
        if operation == "Slow":
            assert release.wait(20)
        else:
            fast.extend(items)
            if len(fast) == 200:
                release.set()
        return []

    queues(work).run([*(("Slow", n) for n in range(20)), *(("Fast", n) for n in range(200))])
    assert len(fast) == 200


def test_the_first_error_ends_it_and_is_raised() -> None:
    seen: list[int] = []

    def work(operation: str, items: Sequence[int]) -> list[tuple[str, int]]:
        seen.extend(items)
        if 5 in items:
            raise ValueError(operation)
        time.sleep(0.005)
        return []

    with pytest.raises(ValueError, match="Question"):
        queues(work).run([("Question", n) for n in range(1000)])
    assert len(seen) < 100


def test_a_wish_to_stop_ends_it_without_an_error_of_its_own() -> None:
    stop = Stop()

    def work(operation: str, items: Sequence[int]) -> list[tuple[str, int]]:
        stop.set()
        return []

    with pytest.raises(Stopped):
        queues(work, stop=stop).run([("Question", n) for n in range(1000)])


def test_without_questions_there_is_nothing_to_wait_for() -> None:
    queues(lambda _, items: pytest.fail(f"asked {items}")).run([])
