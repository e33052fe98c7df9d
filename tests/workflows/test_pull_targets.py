"""Pulling several accounts and Regions at once: nobody spoils another, nothing comes twice, every end is on record."""

from __future__ import annotations

import threading
import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from ddreport.emulation import Emulator, EmulatorServer, ManualClock
from ddreport.errors import ArchiveWriteError, InputError, RetentionError
from ddreport.progress import NoProgress
from ddreport.workflows.pull import pull

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ddreport.archive import Archive

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CHECK = "LOGGING_DISABLED_CHECK"
OTHER = "444455556666"


def run(targets: list[Any], archive: Archive, **more: Any) -> Any:
    return pull(targets, archive, progress=more.pop("progress", NoProgress()), **more)


def statuses(result: Any) -> dict[str, str]:
    return {s.target: s.status for s in result.statuses}


@pytest.fixture
def emulated() -> Iterator[EmulatorServer]:
    """An emulator with an audited account in eu-west-1, another account there, and nothing in us-east-1."""
    with Emulator(ManualClock(NOW), seed=1) as emulator, EmulatorServer(emulator) as server:
        for account in (emulator.account, OTHER):
            role = emulator.create_service_role("Audit", "AWSIoTDeviceDefenderAudit", account=account)
            checks = {CHECK: {"enabled": True}}
            where = {"account": account, "region": "eu-west-1"}
            emulator.call("UpdateAccountAuditConfiguration", **where, roleArn=role, auditCheckConfigurations=checks)
            emulator.call("StartOnDemandAuditTask", **where, targetCheckNames=[CHECK])
        emulator.advance(emulator.audit_duration)
        yield server


def test_every_way_to_fail_is_told_apart_and_the_others_complete(
    emulated: EmulatorServer, serve: Any, target: Any, archive: Archive, nowhere: str
) -> None:
    refused, throttled = serve(7, emulator=True), serve(8, emulator=True)
    for operation in ("ListAuditTasks", "ListAuditMitigationActionsTasks", "DescribeAccountAuditConfiguration"):
        refused.fail(operation, "AccessDeniedException", status=403)
        throttled.fail(operation, "ThrottlingException")
    result = run(
        [
            target("refused", refused),
            target("gone", nowhere),
            target("throttled", throttled),
            target("unused", emulated, region="us-east-1"),
            target("fine", emulated),
            target("other", emulated, role_arn=f"arn:aws:iam::{OTHER}:role/Reader"),
        ],
        archive,
    )
    expected = {
        "refused": "no permission",
        "gone": "unreachable",
        "throttled": "throttled",
        "unused": "not enabled",
        "fine": "ok",
        "other": "ok",
    }
    assert statuses(result) == expected
    assert result.exit_code == 4
    diary = {record["target"]: record for record in archive.pulls()}
    assert {name: record["status"] for name, record in diary.items()} == expected
    assert {name for name, record in diary.items() if record["audits_listed"]} == {"unused", "fine", "other"}
    assert (diary["gone"]["account"], diary["gone"]["region"]) == (None, "eu-west-1")
    assert all(record["problems"] for record in diary.values() if record["status"] != "ok")
    assert len({record["pull_id"] for record in diary.values()}) == 1
    tasks = archive.load("audit_tasks")
    assert sorted(zip(tasks["account"], tasks["region"], strict=True)) == [
        ("123456789012", "eu-west-1"),
        (OTHER, "eu-west-1"),
    ]


def test_targets_are_asked_at_the_same_time(serve: Any, target: Any, archive: Archive) -> None:
    """The first target's answer waits until the second has been asked everything."""
    patient, quick = serve(1), serve(2)
    seen = threading.Event()
    met = []
    answers, answers_quickly = patient.respond, quick.respond

    def wait(operation: str, asked: dict[str, Any]) -> Any:
        if operation == "ListAuditTasks":
            met.append(seen.wait(30))
        return answers(operation, asked)

    def tell(operation: str, asked: dict[str, Any]) -> Any:
        if operation == "ListMitigationActions":  # the last call of a pull
            seen.set()
        return answers_quickly(operation, asked)

    patient.respond, quick.respond = wait, tell
    result = run([target("patient", patient), target("quick", quick)], archive)
    assert met == [True]
    assert statuses(result) == {"patient": "ok", "quick": "ok"}


def test_no_more_targets_are_asked_at_once_than_wanted(serve: Any, target: Any, archive: Archive) -> None:
    servers = [serve(n) for n in (1, 2, 3)]
    order: list[int] = []
    for number, server in enumerate(servers):
        answers = server.respond

        def note(operation: str, asked: dict[str, Any], n: int = number, answers: Any = answers) -> Any:
            order.append(n)
            return answers(operation, asked)

        server.respond = note
    run([target(f"t{n}", server) for n, server in enumerate(servers)], archive, parallel=1)
    assert order == sorted(order)


def test_several_audits_of_a_target_are_fetched_at_once_and_each_answer_is_kept_once(
    serve: Any, target: Any, archive: Archive
) -> None:
    server = serve(1, audits=20)
    together = threading.Barrier(3, timeout=30)
    answers = server.respond
    first = iter(range(3))

    def meet(operation: str, asked: dict[str, Any]) -> Any:
        if operation == "DescribeAuditTask" and next(first, None) is not None:
            together.wait()  # three calls are under way
        return answers(operation, asked)

    server.respond = meet
    status = run([target("prod", server)], archive).statuses[0]
    assert (status.status, status.new_audits_count, status.new_findings_count) == ("ok", 20, 20)
    assert (status.audits_listed, status.missing_audits_count) == (True, 0)
    for stored in archive.sets("audit"):
        assert [answer.operation for answer in archive.raw(stored)] == ["DescribeAuditTask", "ListAuditFindings"]
        assert all(answer.request["taskId"] == stored.identity for answer in archive.raw(stored))


def test_the_oldest_audits_are_begun_first(serve: Any, target: Any, archive: Archive) -> None:
    server = serve(1, audits=30)
    run([target("prod", server)], archive)
    asked = [call["taskId"] for name, call in server.calls if name == "DescribeAuditTask"]
    oldest_first = list(reversed(list(server.data.tasks)))
    # Workers may overtake each other by as many places as there are workers.
    assert all(abs(asked.index(task) - place) < 12 for place, task in enumerate(oldest_first))


def test_two_names_of_one_account_and_region_fetch_nothing_twice(serve: Any, target: Any, archive: Archive) -> None:
    server = serve(1, audits=12)
    result = run([target("prod", server), target("same-as-prod", server)], archive)
    assert statuses(result) == {"prod": "ok", "same-as-prod": "ok"}
    asked = Counter(call["taskId"] for name, call in server.calls if name in {"DescribeAuditTask", "ListAuditFindings"})
    assert set(asked.values()) == {2}  # one call of each kind
    assert sorted((s.new_audits_count, s.known_audits_count) for s in result.statuses) == [(0, 12), (12, 0)]
    later = next(s for s in result.statuses if s.new_audits_count == 0)
    earlier = next(s for s in result.statuses if s.new_audits_count)
    assert (earlier.same_place_as, later.same_place_as) == (None, earlier.target)
    assert {record["target"] for record in archive.pulls()} == {"prod", "same-as-prod"}


def test_two_names_of_one_account_and_region_share_its_rate(
    serve: Any, target: Any, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ddreport.aws.rates import RateLimiter

    used: dict[str, set[int]] = {}

    def note(self: RateLimiter, operation: str) -> None:
        used.setdefault(operation, set()).add(id(self))

    monkeypatch.setattr(RateLimiter, "acquire", note)
    server, other = serve(1), serve(2)
    run([target("prod", server), target("same", server), target("other", other)], archive)
    assert len(used["ListAuditTasks"]) == 2  # one per account


def test_a_running_audit_of_one_target_is_left_for_the_next_pull(serve: Any, target: Any, archive: Archive) -> None:
    one, two = serve(1), serve(2)
    task = next(iter(one.data.tasks))
    one.data.tasks[task]["taskStatus"] = "IN_PROGRESS"
    targets = [target("one", one), target("two", two)]
    first = run(targets, archive)
    assert {s.target: (s.new_audits_count, s.running_audits_count, s.missing_audits_count) for s in first.statuses} == {
        "one": (2, 1, 0),
        "two": (3, 0, 0),
    }
    one.data.tasks[task]["taskStatus"] = "COMPLETED"
    assert [s.new_audits_count for s in run(targets, archive).statuses] == [1, 0]


def test_audits_that_could_not_be_had_are_counted(serve: Any, target: Any, archive: Archive) -> None:
    server = serve(1, audits=3)
    server.fail("DescribeAuditTask", "ResourceNotFoundException", status=404, times=1)
    status = run([target("prod", server)], archive).statuses[0]
    assert (status.status, status.new_audits_count, status.missing_audits_count) == ("partial", 2, 1)


def test_a_refusal_of_every_audit_stops_soon_and_counts_what_was_not_asked_for(
    serve: Any, target: Any, archive: Archive
) -> None:
    server = serve(1, audits=40)
    server.fail("ListAuditFindings", "AccessDeniedException", status=403)
    status = run([target("prod", server)], archive).statuses[0]
    assert (status.status, status.audits_listed, status.missing_audits_count) == ("partial", True, 40)
    assert server.operations().count("ListAuditFindings") < 12
    assert sum("failures in a row" in problem for problem in status.problems) == 1


def test_credentials_that_run_out_end_their_target_only(serve: Any, target: Any, archive: Archive) -> None:
    one, two = serve(1, audits=20), serve(2, audits=20)
    one.fail("ListAuditFindings", "ExpiredTokenException", status=403)
    result = run([target("one", one), target("two", two)], archive)
    assert statuses(result) == {"one": "no credentials", "two": "ok"}
    assert "DescribeAccountAuditConfiguration" not in one.operations()
    assert archive.pulls()[0]["missing_audits_count"] + archive.pulls()[1]["missing_audits_count"] == 20


def test_an_archive_that_cannot_be_written_stops_all_at_once(
    serve: Any, target: Any, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, broken = serve(1), serve(2)
    asked, release = threading.Event(), threading.Event()
    answers = slow.respond

    def hang(operation: str, call: dict[str, Any]) -> Any:
        if operation == "ListAuditTasks":
            asked.set()
            release.wait(60)
        return answers(operation, call)

    slow.respond = hang

    def full(*_: object, **__: object) -> bool:
        assert asked.wait(30)
        raise ArchiveWriteError("the disk is full.")

    monkeypatch.setattr(type(archive), "append", full)
    began = time.monotonic()
    try:
        with pytest.raises(ArchiveWriteError, match="disk is full"):
            run([target("slow", slow), target("broken", broken)], archive)
        assert time.monotonic() - began < 30
    finally:
        release.set()
    assert archive.pulls() == []
    assert "DescribeAuditTask" not in slow.operations()


def test_a_window_that_cannot_be_had_is_refused_for_all(serve: Any, target: Any, archive: Archive) -> None:
    one, two = serve(1), serve(2)
    with pytest.raises(RetentionError):
        run([target("one", one), target("two", two)], archive, start=datetime(2025, 1, 1, tzinfo=UTC))
    assert archive.pulls() == []


def test_an_error_that_nobody_foresaw_is_not_swallowed(
    serve: Any, target: Any, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("ddreport.aws.audits.fetch_audit", bug)
    with pytest.raises(ZeroDivisionError):
        run([target("one", serve(1)), target("two", serve(2))], archive)


def test_a_further_step_runs_for_every_target(serve: Any, target: Any, archive: Archive) -> None:
    seen = []

    def step(pulling: Any) -> None:
        pulling.stage("things", 1)
        seen.append((pulling.status.target, pulling.identity.account))

    run([target("one", serve(1)), target("two", serve(2))], archive, extra_steps=[step])
    assert sorted(seen) == [("one", f"{1:012d}"), ("two", f"{2:012d}")]


@pytest.mark.parametrize("parallel", [0, -1])
def test_fewer_than_one_target_at_once_is_refused(archive: Archive, parallel: int) -> None:
    with pytest.raises(InputError, match="allowed: 1 or more"):
        run([], archive, parallel=parallel)


def test_a_log_gets_a_line_for_each_stage_of_each_target(
    serve: Any, target: Any, archive: Archive, capsys: pytest.CaptureFixture[str]
) -> None:
    from ddreport.progress import LineProgress

    run([target("one", serve(1)), target("two", serve(2))], archive, progress=LineProgress())
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Pulling 2 targets (2)"
    assert {"one: audits with their findings (3)", "two: audits with their findings (3)"} <= set(lines)


def test_a_terminal_gets_a_bar_for_each_target() -> None:
    from ddreport.progress import RichProgress, SideBySide

    with RichProgress() as progress:
        shared = SideBySide(progress, "Pulling 2 targets", 2)
        with shared.branch() as one, shared.branch() as two:
            one.stage("one: audits", 10)
            two.stage("two: audits", 20)
            two.advance(5)
            tasks = {task.description: (task.completed, task.total) for task in progress._bar.tasks}
        left = {task.description: task.completed for task in progress._bar.tasks}
    assert tasks == {"Pulling 2 targets": (0, 2), "one: audits": (0, 10), "two: audits": (5, 20)}
    assert left == {"Pulling 2 targets": 2}
