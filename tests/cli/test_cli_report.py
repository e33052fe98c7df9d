"""The demo end to end: the emulated account, its archive, the report, and what is refused on the way."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest

import ddreport as dd
from ddreport.archive import Archive
from ddreport.errors import NoDataError, ParameterError, WindowError
from ddreport.progress import NoProgress
from ddreport.settings import Settings
from ddreport.workflows.demo import pull_demo

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Ran

    Run = Callable[..., Ran]

ROOT = Path(__file__).parents[2]
AS_OF = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """The archive of the demo account as of `AS_OF`, pulled over HTTP; tests only read it."""
    place = tmp_path_factory.mktemp("demo") / "archive"
    return pull_demo(settings=Settings(archive=place), progress=NoProgress(), as_of=AS_OF)


def test_the_demo_account_was_audited_every_day_for_90_days(demo: Archive) -> None:
    data = dd.load(target="demo", archive=demo.path)
    scheduled = data.audit_tasks[data.audit_tasks["task_type"] == "SCHEDULED_AUDIT_TASK"]
    days = scheduled["task_start_time"].dt.date
    assert days.is_unique
    assert len(days) >= 89
    assert (days.max() - days.min()).days >= 88
    assert timedelta(0) <= AS_OF - data.as_of < timedelta(days=1)


def test_every_archived_audit_says_that_it_is_emulated(demo: Archive) -> None:
    assert demo.emulated is True
    assert demo.load("audit_tasks")["emulated"].all()
    assert dd.load(target="demo", archive=demo.path).emulated


def test_counts_of_checks_are_those_of_their_findings(demo: Archive) -> None:
    data = dd.load(target="demo", archive=demo.path)
    finished = data.checks[data.checks["check_run_status"].str.startswith("COMPLETED")]
    key = ["audit_task_id", "check_name"]
    open_findings = data.findings[~data.findings["is_suppressed"].astype(bool)]
    counted = open_findings.groupby(key)["resource_id"].nunique()
    told = finished.set_index(key)["non_compliant_resources_count"]
    assert told[told > 0].astype(int).to_dict() == counted.to_dict()


def test_a_pull_on_the_next_day_goes_on_with_the_same_story(demo: Archive, tmp_path: Path) -> None:
    place = tmp_path / "archive"
    settings = Settings(archive=place)
    pull_demo(settings=settings, progress=NoProgress(), as_of=AS_OF)
    pull_demo(settings=settings, progress=NoProgress(), as_of=AS_OF + timedelta(days=1))
    before = set(demo.load("audit_tasks")["audit_task_id"])
    after = set(Archive.open(place).load("audit_tasks")["audit_task_id"])
    assert before < after
    assert len(after - before) == 1


def test_another_seed_does_not_mix_with_the_archive_of_the_first(run: Run, demo: Archive, tmp_path: Path) -> None:
    ran = run("demo", "--seed", "8", "--archive", demo.path, "--as-of", "2026-03-02T09:15Z", "--out", tmp_path)
    assert ran.code == 2
    assert "holds the demo account of seed 7, not of seed 8" in ran.err


def test_the_window_of_a_load_is_respected(demo: Archive) -> None:
    data = dd.load(target="demo", archive=demo.path, start="2026-02-01", end="2026-02-10")
    assert data.audit_tasks["task_start_time"].min() >= datetime(2026, 2, 1, tzinfo=UTC)
    assert data.audit_tasks["task_start_time"].max() < datetime(2026, 2, 11, tzinfo=UTC)
    assert set(data.findings["audit_task_id"]) <= set(data.audit_tasks["audit_task_id"])


def test_the_checks_of_a_load_are_respected_under_old_names_too(demo: Archive) -> None:
    data = dd.load(target="demo", archive=demo.path, checks="DEVICE_CERT_APPROACHING_EXPIRATION_CHECK")
    assert set(data.checks["check_name"]) == set(data.findings["check_name"]) == {"DEVICE_CERTIFICATE_EXPIRING_CHECK"}


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        ({"target": 7}, ParameterError, "target is 7"),
        ({"target": ""}, ParameterError, "target is empty"),
        ({"start": 20260302}, ParameterError, "start is 20260302"),
        ({"checks": ["NO_SUCH_CHECK"]}, ParameterError, "neither in the catalogue nor in the archive"),
        ({"start": "2026-03-01", "end": "2026-02-01"}, WindowError, "reversed"),
        ({"start": "2020-01-01", "end": "2020-02-01"}, NoDataError, "has no audit of demo from 2020-01-01"),
        ({"target": "demo,prod"}, NoDataError, "has nothing of target 'prod'"),
    ],
)
def test_a_load_that_cannot_be_had_is_explained(
    demo: Archive, wrong: dict[str, object], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        dd.load(**{"target": "demo", "archive": demo.path, **wrong})


@pytest.mark.kernel
def test_the_report_is_one_file_with_its_notebook_and_the_same_bytes_again(
    run: Run, demo: Archive, tmp_path: Path
) -> None:
    pages = []
    for folder in ("first", "second"):
        ran = run("report", "--target", "demo", "--archive", demo.path, "--out", tmp_path / folder, "--json")
        assert ran.code == 0, ran.err
        pages.append(Path(ran.json["html"]).read_bytes())
        assert nbformat.read(ran.json["notebook"], as_version=4).cells
    assert pages[0] == pages[1]
    page = pages[0].decode()
    assert "Emulated account" in page
    assert dd.load(target="demo", archive=demo.path).fingerprint[:12] in page
    assert str(demo.path) not in page
    assert str(ROOT) not in page


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("more", "code", "text"),
    [
        (["-p", "titel=x"], 2, "Did you mean 'title'"),
        (["-p", "checks={}"], 2, "checks"),
        (["--start", "2026-03-01", "--end", "2026-02-01"], 2, "reversed"),
        (["--start", "2020-01-01", "--end", "2020-02-01"], 1, "has no audit of demo"),
        (["--check", "NO_SUCH_CHECK"], 2, "neither in the catalogue nor in the archive"),
    ],
)
def test_a_report_that_cannot_be_made_leaves_no_html(
    run: Run, demo: Archive, tmp_path: Path, more: list[str], code: int, text: str
) -> None:
    ran = run("report", "--target", "demo", "--archive", demo.path, "--out", tmp_path, *more)
    assert ran.code == code
    assert text in ran.err
    assert not ran.out
    assert not list(tmp_path.glob("*.html"))


@pytest.mark.kernel
def test_a_target_that_was_never_pulled_is_told_with_the_command_to_do_it(
    run: Run, demo: Archive, tmp_path: Path
) -> None:
    config = tmp_path / "ddreport.toml"
    config.write_text('[targets.prod]\nregion = "eu-west-1"\n', encoding="utf-8")
    ran = run("report", "--target", "prod", "--config", config, "--archive", demo.path, "--out", tmp_path)
    assert ran.code == 1
    assert "ddreport pull --target prod" in ran.err


@pytest.mark.kernel
def test_plain_papermill_runs_the_notebook_on_the_demo_without_any_parameter(tmp_path: Path) -> None:
    out = tmp_path / "out.ipynb"
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", ROOT / "notebooks/compliance_report.ipynb", out]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    outputs = [o for c in nbformat.read(out, as_version=4).cells if c.cell_type == "code" for o in c.outputs]
    assert any("application/vnd.plotly.v1+json" in json.dumps(o) for o in outputs)
    assert any("Emulated account" in json.dumps(o) for o in outputs)


@pytest.mark.kernel
def test_plain_papermill_with_a_misspelt_parameter_stops_before_anything_is_read(tmp_path: Path) -> None:
    out = tmp_path / "out.ipynb"
    command = [sys.executable, "-m", "papermill", ROOT / "notebooks/compliance_report.ipynb", out, "-p", "tagret", "x"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode != 0
    assert "has no parameter 'tagret'" in done.stderr
    assert "Did you mean 'target'" in done.stderr


def test_a_report_without_its_extra_says_what_to_install(
    run: Run, demo: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "papermill", None)
    ran = run("report", "--target", "demo", "--archive", demo.path, "--out", tmp_path)
    assert ran.code == 1
    assert "pip install 'ddreport[report]'" in ran.err


def test_the_demo_without_its_extra_says_what_to_install(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "moto", None)
    ran = run("demo", "--archive", tmp_path / "archive", "--out", tmp_path)
    assert ran.code == 1
    assert "pip install 'ddreport[emulator]'" in ran.err


def test_the_demo_needs_nothing_of_the_users_aws_configuration(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "aws-config"
    broken.write_text("[[[", encoding="utf-8")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(broken))
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    ran = run("pull", "--target", "demo", "--archive", tmp_path / "archive", "--json")
    assert ran.code == 0, ran.err
    assert ran.json[0]["new_audits_count"] > 80


def test_the_demo_stays_out_of_the_archive_of_real_accounts(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DDREPORT_ARCHIVE", str(tmp_path / "real"))
    monkeypatch.setenv("DDREPORT_CACHE", str(tmp_path / "cache"))
    assert run("pull", "--target", "demo").code == 0
    assert not (tmp_path / "real").exists()
    assert list((tmp_path / "cache" / "demo").iterdir())


def test_the_same_moment_of_the_demo_can_be_asked_for_again(demo: Archive) -> None:
    before = demo.load("audit_tasks")
    pull_demo(settings=Settings(archive=demo.path), progress=NoProgress(), as_of=AS_OF)
    assert len(demo.load("audit_tasks")) == len(before)
