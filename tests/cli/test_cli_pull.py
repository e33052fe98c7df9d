"""`ddreport pull` and `ddreport findings` against a canned AWS: what is kept, what is said, how it ends."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ddreport.archive import Archive

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Ran

    Run = Callable[..., Ran]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture
def pull(run: Run, aws: Any, place: Path) -> Callable[..., Ran]:
    return lambda *more: run("pull", "--endpoint-url", aws.endpoint, "--region", "eu-west-1", "--archive", place, *more)


@pytest.fixture
def findings(run: Run, place: Path) -> Callable[..., Ran]:
    return lambda *more: run("findings", "--region", "eu-west-1", "--archive", place, *more)


def test_a_pull_brings_everything_and_the_next_one_only_what_is_new(pull: Run, aws: Any, canned: Any) -> None:
    first = pull("--json").json[0]
    assert (first["status"], first["new_audits_count"], first["new_findings_count"]) == ("ok", 2, 6)
    aws.calls.clear()
    task = "c" * 32
    aws.data.add_audit(task, [canned.certificate_finding(900, task)], taskStartTime=canned.TASK_START + 60)
    second = pull("--json").json[0]
    assert (second["new_audits_count"], second["known_audits_count"]) == (1, 2)
    asked = [call["taskId"] for name, call in aws.calls if name in {"DescribeAuditTask", "ListAuditFindings"}]
    assert set(asked) == {task}


def test_a_running_audit_is_left_for_the_next_pull(pull: Run, aws: Any) -> None:
    aws.data.tasks["b" * 32]["taskStatus"] = "IN_PROGRESS"
    assert pull("--json").json[0]["running_audits_count"] == 1
    aws.data.tasks["b" * 32]["taskStatus"] = "COMPLETED"
    assert pull("--json").json[0]["new_audits_count"] == 1


def test_one_refused_call_keeps_the_rest_and_ends_with_code_4(pull: Run, aws: Any, place: Path, findings: Run) -> None:
    aws.fail("ListAuditSuppressions", "AccessDeniedException", status=403)
    ran = pull("--json")
    assert ran.code == 4
    assert ran.json[0]["status"] == "partial"
    assert "iot:ListAuditSuppressions" in ran.err
    assert len(Archive.open(place).load("audit_tasks")) == 2
    # And whoever looks at the data later is told, too.
    assert "iot:ListAuditSuppressions" in findings().err


def test_refused_findings_never_look_like_no_findings(pull: Run, aws: Any, place: Path, findings: Run) -> None:
    aws.fail("ListAuditFindings", "AccessDeniedException", status=403)
    ran = pull()
    assert ran.code == 4  # the state could be read
    assert "iot:ListAuditFindings" in ran.err
    assert Archive.open(place).load("audit_tasks").empty
    assert findings().code == 1


@pytest.mark.parametrize(
    ("code", "status", "text"),
    [
        ("ExpiredTokenException", 403, "expired"),
        ("UnrecognizedClientException", 403, "credentials"),
        ("InternalFailureException", 500, "InternalFailureException"),
    ],
)
def test_a_refusal_of_everything_ends_with_code_1_and_a_hint(
    pull: Run, aws: Any, code: str, status: int, text: str
) -> None:
    for operation in ("GetCallerIdentity", "ListAuditTasks", "DescribeAccountAuditConfiguration"):
        aws.fail(operation, code, status=status)
    ran = pull()
    assert ran.code == 1
    assert text in ran.err
    assert "Hint" in ran.err


def test_an_account_without_audit_enabled_is_told_apart(run: Run, canned: Any, place: Path) -> None:
    with canned.CannedServer() as empty:
        ran = run("pull", "--endpoint-url", empty.endpoint, "--region", "eu-west-1", "--archive", place, "--json")
    assert (ran.code, ran.json[0]["status"]) == (1, "not enabled")
    assert "never enabled in account 111122223333, Region eu-west-1" in ran.err


def test_an_account_without_any_audit_yet_is_fine_to_pull_and_nothing_to_report(
    pull: Run, aws: Any, findings: Run
) -> None:
    aws.data.tasks.clear()
    ran = pull()
    assert ran.code == 0
    assert "no audit has ended in this window yet" in ran.err
    later = findings()
    assert later.code == 1
    assert "has no audit of region:eu-west-1 yet" in later.err


@pytest.mark.parametrize(
    ("window", "text"),
    [
        (["--start", "2026-03-01", "--end", "2026-02-01"], "reversed"),
        (["--start", "2025-01-01"], "AWS keeps 90 days"),
    ],
)
def test_a_window_that_cannot_be_had_is_refused_before_anything_is_read(
    pull: Run, aws: Any, window: list[str], text: str
) -> None:
    ran = pull(*window)
    assert ran.code == 2
    assert text in ran.err
    assert set(aws.operations()) <= {"GetCallerIdentity"}


def test_an_unreachable_endpoint_is_named(run: Run, place: Path) -> None:
    ran = run("pull", "--endpoint-url", "http://127.0.0.1:9", "--region", "eu-west-1", "--archive", place)
    assert ran.code == 1
    assert "127.0.0.1:9" in ran.err


def test_missing_credentials_are_told_with_the_next_step(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    ran = run("pull", "--region", "eu-west-1", "--archive", place)
    assert ran.code == 1
    assert "no AWS credentials were found" in ran.err
    assert "aws sso login" in ran.err


def test_an_unknown_profile_is_told(run: Run, place: Path) -> None:
    ran = run("pull", "--profile", "nobody", "--region", "eu-west-1", "--archive", place)
    assert ran.code == 1
    assert "'nobody' does not exist" in ran.err


def test_a_region_without_the_service_is_told_before_any_call(run: Run, place: Path) -> None:
    ran = run("pull", "--region", "eu-moon-1", "--archive", place)
    assert ran.code == 1
    assert "no endpoint in Region 'eu-moon-1'" in ran.err


def test_one_target_that_fails_does_not_spoil_the_other(run: Run, aws: Any, tmp_path: Path) -> None:
    config = tmp_path / "ddreport.toml"
    config.write_text(
        f'[targets.good]\nregion = "eu-west-1"\nendpoint_url = "{aws.endpoint}"\n'
        '[targets.gone]\nregion = "eu-west-1"\nendpoint_url = "http://127.0.0.1:9"\n',
        encoding="utf-8",
    )
    ran = run("pull", "--all-targets", "--config", config, "--archive", tmp_path / "archive", "--json")
    assert ran.code == 4
    assert {s["target"]: s["status"] for s in ran.json} == {"good": "ok", "gone": "unreachable"}
    diary = Archive.open(tmp_path / "archive").pulls()
    assert {record["target"]: record["status"] for record in diary} == {"good": "ok", "gone": "unreachable"}


def test_findings_are_those_of_each_checks_latest_run(pull: Run, findings: Run) -> None:
    pull()
    rows = findings("--json").json
    assert {row["audit_task_id"] for row in rows} == {"b" * 32}
    of_first = findings("--json", "--audit", "a" * 32).json
    assert len(of_first) == 3


def test_findings_can_be_narrowed_and_a_cut_list_says_so(pull: Run, findings: Run) -> None:
    pull()
    assert [row["is_suppressed"] for row in findings("--json", "--suppressed").json] == [True]
    assert findings("--json", "--severity", "critical").json == []
    cut = findings("--limit", "1")
    assert "2 more findings are not shown" in cut.err
    assert "Device certificate expiring" in cut.out


@pytest.mark.parametrize(
    ("more", "code", "text"),
    [
        (["--audit", "nope"], 2, "has no audit 'nope'"),
        (["--check", "DEVICE_CERTIFICATE_EXPIRIN_CHECK"], 2, "Did you mean 'DEVICE_CERTIFICATE_EXPIRING_CHECK'"),
        (["--target", "prod"], 1, "has nothing of target 'prod'"),
    ],
)
def test_findings_that_cannot_be_had_are_explained(
    pull: Run, findings: Run, run: Run, place: Path, more: list[str], code: int, text: str
) -> None:
    pull()
    ran = run("findings", "--archive", place, *more) if "--target" in more else findings(*more)
    assert ran.code == code
    assert text in ran.err


def test_a_check_of_a_newer_service_is_shown_by_its_name(pull: Run, aws: Any, canned: Any, findings: Run) -> None:
    task = "d" * 32
    odd = canned.certificate_finding(7, task, checkName="QUANTUM_SAFETY_CHECK", reasonForNonComplianceCode="TOO_OLD")
    aws.data.add_audit(task, [odd], taskStartTime=canned.TASK_START + 60)
    pull()
    assert "QUANTUM_SAFETY_CHECK (not in the catalogue)" in findings("--check", "QUANTUM_SAFETY_CHECK").out


def test_a_truncated_file_is_named_and_nothing_else_is_blamed(pull: Run, findings: Run, place: Path) -> None:
    pull()
    victim = next(place.rglob("findings.parquet"))
    victim.write_bytes(victim.read_bytes()[:-20])
    ran = findings()
    assert ran.code == 1
    assert str(victim) in ran.err
    assert "Hint" in ran.err


def test_an_archive_of_a_newer_version_is_left_alone(pull: Run, findings: Run, place: Path) -> None:
    pull()
    marker = place / "ddreport-archive.json"
    content = json.loads(marker.read_text(encoding="utf-8")) | {"format_version": 99, "ddreport_version": "9.0"}
    marker.write_text(json.dumps(content), encoding="utf-8")
    for ran in (findings(), pull()):
        assert ran.code == 1
        assert "made by ddreport 9.0" in ran.err
        assert "upgrade" in ran.err


def test_a_folder_that_is_no_archive_is_left_alone(run: Run, aws: Any, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear", encoding="utf-8")
    ran = run("pull", "--endpoint-url", aws.endpoint, "--region", "eu-west-1", "--archive", tmp_path)
    assert ran.code == 1
    assert "is not an archive" in ran.err
    assert [p.name for p in tmp_path.iterdir()] == ["letter.txt"]


def test_real_and_emulated_accounts_do_not_mix_in_one_archive(pull: Run, aws: Any, canned: Any) -> None:
    pull()
    aws.data.emulator = True
    task = "e" * 32
    aws.data.add_audit(task, [], taskStartTime=canned.TASK_START + 60)
    ran = pull()
    assert ran.code == 1
    assert "one archive holds one kind only" in ran.err


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_pull_stopped_midway_goes_on_where_it_was(
    aws: Any, canned: Any, place: Path, pull: Run, number: signal.Signals
) -> None:
    for n in range(40):
        task = f"{n:032x}"
        aws.data.add_audit(task, [canned.certificate_finding(n, task)], taskStartTime=canned.TASK_START - n * 60)
    aws.delay("ListAuditFindings", 0.05)
    command = [sys.executable, "-m", "ddreport", "pull", "--endpoint-url", aws.endpoint, "--region", "eu-west-1"]
    process = subprocess.Popen([*command, "--archive", str(place)], stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while aws.operations().count("ListAuditFindings") < 15 and time.monotonic() < until:
        time.sleep(0.01)
    os.kill(process.pid, number)
    _, said = process.communicate(timeout=60)
    assert "Traceback" not in said
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert "run the same command again" in said
    kept = len(Archive.open(place).load("audit_tasks"))
    assert 0 < kept < 42
    assert pull("--json").json[0]["new_audits_count"] == 42 - kept
    tasks = Archive.open(place).load("audit_tasks")
    assert len(tasks) == tasks["audit_task_id"].nunique() == 42


def test_a_full_disk_is_told_and_the_next_pull_completes(
    pull: Run, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    room = 20_000

    def full(handle: int, data: Any) -> int:
        nonlocal room
        if room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = write(handle, data[:room])
        room -= written
        return written

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        ran = pull()
    assert ran.code == 1
    assert "No space left on device" in ran.err
    assert "Hint" in ran.err
    assert pull("--json").json[0]["status"] == "ok"
    assert len(Archive.open(place).load("audit_tasks")) == 2


def test_which_audit_fails_does_not_matter_for_the_exit_code(pull: Run, aws: Any) -> None:
    aws.fail("DescribeAuditTask", "ResourceNotFoundException", status=404, times=1)
    ran = pull("--json")
    assert (ran.code, ran.json[0]["status"], ran.json[0]["new_audits_count"]) == (4, "partial", 1)


def test_a_name_on_the_command_line_never_stands_for_a_configured_target(
    run: Run, aws: Any, canned: Any, place: Path, tmp_path: Path
) -> None:
    other = canned.CannedAccount(account="012345678901", configuration=aws.data.configuration)
    other.add_audit("9" * 32, [canned.certificate_finding(1, "9" * 32)])
    config = tmp_path / "ddreport.toml"
    config.write_text(f'[targets.eu-west-1]\nregion = "eu-west-1"\nendpoint_url = "{aws.endpoint}"\n', encoding="utf-8")
    with canned.CannedServer(other) as server:
        run("pull", "-t", "eu-west-1", "--config", config, "--archive", place)
        run("pull", "--region", "eu-west-1", "--endpoint-url", server.endpoint, "--archive", place)
    rows = run("findings", "-t", "eu-west-1", "--config", config, "--archive", place, "--json").json
    assert {row["account"] for row in rows} == {"111122223333"}
    rows = run("findings", "--region", "eu-west-1", "--archive", place, "--json").json
    assert {row["account"] for row in rows} == {"012345678901"}


def test_a_name_that_stood_for_another_account_before_is_told(
    pull: Run, run: Run, canned: Any, place: Path, findings: Run, aws: Any
) -> None:
    pull()
    later = canned.NOW + timedelta(minutes=1)
    other = canned.CannedAccount(account="012345678901", now=later, configuration=aws.data.configuration)
    other.add_audit("9" * 32, [])
    with canned.CannedServer(other) as server:
        run("pull", "--region", "eu-west-1", "--endpoint-url", server.endpoint, "--archive", place)
    ran = findings()
    assert "stood for other accounts before (111122223333 eu-west-1); shown is 012345678901" in ran.err


def test_a_pull_that_failed_after_good_ones_is_told_with_the_data(
    pull: Run, aws: Any, findings: Run, canned: Any
) -> None:
    pull()
    aws.fail("GetCallerIdentity", "ExpiredToken", status=403)
    assert pull().code == 1
    ran = findings()
    assert ran.code == 0
    assert "The newest pull of region:eu-west-1" in ran.err
    assert "expired" in ran.err


def test_a_time_that_was_never_asked_for_is_told(pull: Run, findings: Run) -> None:
    pull("--start", "2026-03-01")
    assert "never asked for audits of region:eu-west-1 before 2026-03-01 00:00 UTC" in findings().err


def test_an_audit_older_than_ninety_days_can_still_be_listed(pull: Run, aws: Any, canned: Any, findings: Run) -> None:
    pull()
    newer = "c" * 32
    aws.data.add_audit(newer, [], taskStartTime=canned.TASK_START + 200 * 86400)
    aws.data.now = aws.data.now.replace(year=2026, month=9, day=19)
    pull()
    assert len(findings("--audit", "a" * 32, "--json").json) == 3


def test_programs_get_every_row_and_are_told_that_it_is_emulated(
    pull: Run, aws: Any, canned: Any, findings: Run
) -> None:
    aws.data.emulator = True
    task = "c" * 32
    many = [canned.certificate_finding(n, task) for n in range(80)]
    aws.data.add_audit(task, many, taskStartTime=canned.TASK_START + 60)
    assert "emulated" in pull("--quiet").out
    rows = findings("--json").json
    assert len(rows) == 80
    assert all(row["emulated"] for row in rows)
    people = findings("--quiet")
    assert "Emulated account, not AWS" in people.out
    assert "30 more findings are not shown" in people.err


def test_a_target_without_a_region_does_not_stop_the_others(
    run: Run, aws: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    config = tmp_path / "ddreport.toml"
    config.write_text(
        f'[targets.lost]\nendpoint_url = "{aws.endpoint}"\n'
        f'[targets.good]\nregion = "eu-west-1"\nendpoint_url = "{aws.endpoint}"\n',
        encoding="utf-8",
    )
    ran = run("pull", "--all-targets", "--config", config, "--archive", tmp_path / "archive", "--json")
    assert ran.code == 4
    assert {s["target"]: s["status"] for s in ran.json} == {"lost": "failed", "good": "ok"}
    assert "names no Region" in ran.err


def test_a_password_in_an_address_is_refused_and_not_repeated(run: Run, place: Path) -> None:
    ran = run("pull", "--region", "eu-west-1", "--endpoint-url", "http://me:s3cret@127.0.0.1:9", "--archive", place)
    assert ran.code == 2
    assert "s3cret" not in ran.err
