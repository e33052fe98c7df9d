"""`ddreport pull` of several targets, stopped or doubled in every way, and `ddreport targets --status`."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from ddreport.archive import Archive
from ddreport.tables import pulls_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

AUDITS = 25


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture
def accounts(canned: Any) -> Iterator[list[Any]]:
    """Three accounts with 25 audits each, whose answers take a while."""
    with ExitStack() as stack:
        servers = []
        for n in (1, 2, 3):
            account = canned.CannedAccount(account=f"{n:012d}")
            account.configuration = {"roleArn": "arn:aws:iam::1:role/A", "auditCheckConfigurations": {}}
            for number in range(AUDITS):
                task = f"{n:04x}{number:028x}"
                finding = canned.certificate_finding(100 * n + number, task)
                account.add_audit(task, [finding], taskStartTime=canned.TASK_START - 3600 * number)
            servers.append(stack.enter_context(canned.CannedServer(account)))
        yield servers


@pytest.fixture
def config(tmp_path: Path, accounts: list[Any]) -> Path:
    path = tmp_path / "ddreport.toml"
    path.write_text(
        "".join(
            f'[targets.t{n}]\nregion = "eu-west-1"\nendpoint_url = "{server.endpoint}"\n'
            for n, server in enumerate(accounts)
        ),
        encoding="utf-8",
    )
    return path


@pytest.fixture
def start(config: Path, place: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Start `ddreport pull --all-targets` as a process of its own."""
    command = [sys.executable, "-m", "ddreport", "--json", "pull", "--all-targets", "--config", str(config)]
    running: list[subprocess.Popen[str]] = []

    def begin() -> subprocess.Popen[str]:
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        running.append(subprocess.Popen([*command, "--archive", str(place)], **pipes, text=True))
        return running[-1]

    yield begin
    for process in running:
        if process.poll() is None:
            process.kill()
            process.communicate()


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def kept(place: Path) -> Counter[str]:
    """Number of archived audits by account; each of them once."""
    tasks = Archive.open(place).load("audit_tasks")
    assert not tasks.duplicated(["account", "audit_task_id"]).any()
    return Counter(tasks["account"])


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_pull_of_several_targets_stopped_midway_goes_on_where_it_was(
    accounts: list[Any], start: Any, place: Path, number: signal.Signals
) -> None:
    for server in accounts:
        server.delay("ListAuditFindings", 0.1)
    process = start()
    wait_for(lambda: all(s.operations().count("ListAuditFindings") > 12 for s in accounts))
    os.kill(process.pid, number)
    _, said = process.communicate(timeout=60)
    assert "Traceback" not in said
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    before = kept(place)
    assert 0 < sum(before.values()) < 3 * AUDITS
    again = start()
    out, said = again.communicate(timeout=120)
    assert again.returncode == 0, said
    assert kept(place) == {f"{n:012d}": AUDITS for n in (1, 2, 3)}
    new = {s["account"]: s["new_audits_count"] for s in json.loads(out)}
    assert new == {account: AUDITS - before[account] for account in new}


@pytest.mark.slow
def test_ctrl_c_does_not_wait_for_an_answer_that_never_comes(accounts: list[Any], start: Any, place: Path) -> None:
    accounts[0].delay("ListAuditTasks", 300)
    process = start()
    wait_for(
        lambda: "ListAuditTasks" in accounts[0].operations() and accounts[1].operations().count("DescribeAuditTask") > 5
    )
    began = time.monotonic()
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert time.monotonic() - began < 30
    assert "run the same command again" in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_the_same_pull_twice_at_once_doubles_nothing(accounts: list[Any], start: Any, place: Path) -> None:
    for server in accounts:
        server.delay("DescribeAuditTask", 0.05)
    both = [start(), start()]
    ended = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], ended
    assert kept(place) == {f"{n:012d}": AUDITS for n in (1, 2, 3)}
    told = [{s["target"]: s for s in json.loads(out)} for out, _ in ended]
    for name in ("t0", "t1", "t2"):
        assert sum(statuses[name]["new_audits_count"] for statuses in told) == AUDITS
        assert all(s[name]["new_audits_count"] + s[name]["known_audits_count"] == AUDITS for s in told)
    pulls = pulls_table(Archive.open(place).pulls())
    assert len(pulls) == 6
    assert (pulls["missing_audits_count"] == 0).all()


def test_one_row_per_target_and_code_4_when_one_of_them_fails(
    run: Any, accounts: list[Any], config: Path, place: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        text = config.read_text(encoding="utf-8")
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        config.write_text(f'{text}[targets.gone]\nregion = "eu-west-1"\nendpoint_url = "{address}"\n', encoding="utf-8")
        ran = run("pull", "--all-targets", "--config", config, "--archive", place, "--parallel", "2")
    assert ran.code == 4
    lines = [
        words for line in ran.out.splitlines() if (words := line.split()) and words[0] in ("t0", "t1", "t2", "gone")
    ]
    assert [words[0] for words in lines] == ["t0", "t1", "t2", "gone"]
    assert lines[3][-5:] == ["unreachable", "0", "0", "0", "0"]


def test_status_tells_how_every_target_stands(run: Any, aws: Any, place: Path, tmp_path: Path) -> None:
    config = tmp_path / "ddreport.toml"
    table = f'region = "eu-west-1"\nendpoint_url = "{aws.endpoint}"\n'
    config.write_text(f"[targets.good]\n{table}[targets.new]\n{table}", encoding="utf-8")
    status = ("targets", "--status", "--config", config, "--archive", place)
    assert {row["target"]: row["status"] for row in run(*status, "--json").json} == {
        "good": "never pulled",
        "new": "never pulled",
    }
    run("pull", "-t", "good", "--config", config, "--archive", place)
    run("pull", "--region", "eu-west-1", "--endpoint-url", aws.endpoint, "--archive", place)
    rows = {row["target"]: row for row in run(*status, "--json").json}
    assert {name: (row["status"], row["configured"]) for name, row in rows.items()} == {
        "good": ("ok", True),
        "new": ("never pulled", True),
        "region:eu-west-1": ("ok", False),
    }
    assert rows["good"]["last_success_time"] == aws.data.now.isoformat()
    assert rows["good"]["consecutive_failures_count"] == 0
    ran = run(*status)
    assert ran.code == 0
    assert "never pulled" in ran.out
    assert f"{aws.data.now:%Y-%m-%d %H:%M} UTC" in ran.out


def test_status_warns_of_failures(run: Any, aws: Any, place: Path, tmp_path: Path) -> None:
    config = tmp_path / "ddreport.toml"
    config.write_text(f'[targets.t]\nregion = "eu-west-1"\nendpoint_url = "{aws.endpoint}"\n', encoding="utf-8")
    run("pull", "-t", "t", "--config", config, "--archive", place)
    aws.fail("GetCallerIdentity", "ExpiredToken", status=403)
    run("pull", "-t", "t", "--config", config, "--archive", place)
    ran = run("targets", "--status", "--config", config, "--archive", place)
    assert "no credentials" in ran.out
    assert "expired" in ran.err


def test_an_archive_without_status_is_refused(run: Any, place: Path) -> None:
    ran = run("targets", "--archive", place)
    assert ran.code == 2
    assert "--status" in ran.err


def test_later_analyses_are_told_that_a_target_was_not_reached(run: Any, aws: Any, canned: Any, place: Path) -> None:
    where = ("--region", "eu-west-1", "--archive", place)
    pull = ("pull", "--endpoint-url", aws.endpoint, *where)
    run(*pull)
    aws.data.now = aws.data.now.replace(day=20)
    aws.fail("ListAuditTasks", "AccessDeniedException", status=403, times=1)
    assert run(*pull).code == 4
    told = run("findings", *where).err
    assert "The audits of region:eu-west-1 from 2026-03-02 09:15 to 2026-03-20 09:15 UTC were not had" in told
    aws.data.now = aws.data.now.replace(day=21)
    assert run(*pull).code == 0
    assert "were not had" not in run("findings", *where).err
