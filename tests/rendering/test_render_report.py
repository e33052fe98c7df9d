"""Reports as files: dated names, HTML only when all went well, nothing half-written."""

from __future__ import annotations

import errno
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from ddreport.errors import ReportError, ReportExecutionError
from ddreport.rendering import render_report
from ddreport.rendering.files import write_new, write_whole
from ddreport.rendering.report import report_name

MakeNotebook = Callable[..., Path]
AT = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)


class Told:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int | None]] = []
        self.steps = 0

    def stage(self, text: str, total: int | None = None) -> None:
        self.stages.append((text, total))

    def advance(self, steps: int = 1) -> None:
        self.steps += steps


@pytest.mark.kernel
def test_a_report_is_a_page_and_its_executed_notebook_under_one_dated_name(
    make_notebook: MakeNotebook, tmp_path: Path
) -> None:
    told = Told()
    report = render_report(
        make_notebook("print(rows)"), tmp_path / "reports", {"rows": 8}, name="tiny-demo", run_time=AT, progress=told
    )
    assert report.html == tmp_path / "reports" / "tiny-demo-2026-03-02T0915Z.html"
    assert report.notebook == tmp_path / "reports" / "tiny-demo-2026-03-02T0915Z.ipynb"
    assert sorted(p.name for p in (tmp_path / "reports").iterdir()) == [report.html.name, report.notebook.name]
    assert "8" in report.html.read_text(encoding="utf-8")
    assert told.stages == [("Running tiny.ipynb", 3), ("Writing the report", None)]
    assert told.steps == 3


@pytest.mark.kernel
def test_a_failing_notebook_is_kept_and_gives_no_page(make_notebook: MakeNotebook, tmp_path: Path) -> None:
    with pytest.raises(ReportExecutionError):
        render_report(make_notebook("1 / 0"), tmp_path / "reports", {}, name="tiny", run_time=AT)
    assert [p.name for p in (tmp_path / "reports").iterdir()] == ["tiny-2026-03-02T0915Z-failed.ipynb"]


@pytest.mark.kernel
def test_a_second_report_of_the_same_minute_replaces_nothing(make_notebook: MakeNotebook, tmp_path: Path) -> None:
    source = make_notebook("print('rows are', rows)")
    for rows in (1, 2):
        report = render_report(source, tmp_path / "reports", {"rows": rows}, name="tiny", run_time=AT)
        assert f"rows are {rows}" in report.html.read_text(encoding="utf-8")
    assert sorted(p.name for p in (tmp_path / "reports").iterdir()) == [
        f"tiny-2026-03-02T0915Z{end}" for end in ("-2.html", "-2.ipynb", ".html", ".ipynb")
    ]
    assert "rows are 1" in (tmp_path / "reports" / "tiny-2026-03-02T0915Z.html").read_text(encoding="utf-8")


@pytest.mark.kernel
def test_failed_runs_replace_neither_a_report_nor_each_other(make_notebook: MakeNotebook, tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    reports.mkdir()
    (reports / "tiny-2026-03-02T0915Z.ipynb").write_text("good", encoding="utf-8")
    (reports / "tiny-2026-03-02T0915Z.html").write_text("good", encoding="utf-8")
    kept = []
    for _ in range(2):
        with pytest.raises(ReportExecutionError) as caught:
            render_report(make_notebook("1 / 0"), reports, {}, name="tiny", run_time=AT)
        kept.append(Path(caught.value.notebook).name)
    assert kept == ["tiny-2026-03-02T0915Z-failed.ipynb", "tiny-2026-03-02T0915Z-failed-2.ipynb"]
    assert (reports / "tiny-2026-03-02T0915Z.ipynb").read_text(encoding="utf-8") == "good"
    assert len(list(reports.iterdir())) == 4


@pytest.mark.kernel
def test_a_page_without_its_notebook_is_not_replaced(make_notebook: MakeNotebook, tmp_path: Path) -> None:
    page = tmp_path / "reports" / "tiny-2026-03-02T0915Z.html"
    page.parent.mkdir()
    page.write_text("older", encoding="utf-8")
    report = render_report(make_notebook("1"), page.parent, {}, name="tiny", run_time=AT)
    assert report.html.name == "tiny-2026-03-02T0915Z-2.html"
    assert page.read_text(encoding="utf-8") == "older"


@pytest.mark.kernel
def test_the_same_run_in_another_folder_gives_the_same_bytes(make_notebook: MakeNotebook, tmp_path: Path) -> None:
    source = make_notebook("print(rows)")
    one, two = (render_report(source, tmp_path / d, {}, name="tiny", run_time=AT) for d in ("one", "two"))
    assert one.html.read_bytes() == two.html.read_bytes()
    assert one.notebook.read_bytes() == two.notebook.read_bytes()


def test_the_time_in_a_name_is_utc() -> None:
    assert report_name("r", AT.astimezone(timezone(timedelta(hours=-7)))) == "r-2026-03-02T0915Z"


@pytest.mark.parametrize(
    ("name", "safe"),
    [("a/../b", "a_.._b"), ("../x", "x"), ("prod eu:1", "prod_eu_1"), ("\u202e", "report"), ("a+b", "a+b")],
)
def test_a_name_cannot_leave_its_folder(name: str, safe: str) -> None:
    assert report_name(name, AT) == f"{safe}-2026-03-02T0915Z"


def test_a_name_of_many_targets_is_cut_and_stays_its_own() -> None:
    targets = "+".join(f"production-account-{n:02}" for n in range(30))
    one, two = (report_name(f"compliance_report-{targets}{end}", AT) for end in ("", "+last"))
    assert one != two
    assert len(one) <= 100 + len("-2026-03-02T0915Z")
    assert one.startswith("compliance_report-production-account-00+")
    assert one.endswith("-2026-03-02T0915Z")


@pytest.mark.kernel
def test_a_report_with_a_very_long_name_can_be_written(make_notebook: MakeNotebook, tmp_path: Path) -> None:
    report = render_report(make_notebook("1"), tmp_path / "reports", {}, name="ü" * 20 + "target+" * 100, run_time=AT)
    assert report.html.exists()


def test_a_new_file_is_written_only_where_none_is(tmp_path: Path) -> None:
    assert write_new(tmp_path / "x.ipynb", "first")
    assert not write_new(tmp_path / "x.ipynb", "second")
    assert [(p.name, p.read_text(encoding="utf-8")) for p in tmp_path.iterdir()] == [("x.ipynb", "first")]


def test_a_full_disk_leaves_no_empty_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ReportError, match="No space left on device"):
        write_new(tmp_path / "x.ipynb", "text")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing_half_written_and_the_older_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "report.html"
    target.write_text("older", encoding="utf-8")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(
        ReportError, match=r"report.html could not be written: No space left on device.*Hint: make room"
    ):
        write_whole(target, "newer")
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    assert target.read_text(encoding="utf-8") == "older"


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("", encoding="utf-8")
    with pytest.raises(ReportError, match="could not be written"):
        write_whole(tmp_path / "reports" / "x.html", "x")
    with pytest.raises(ReportError, match="could not be written: its folder is a file"):
        write_new(tmp_path / "reports" / "x.ipynb", "x")


def test_a_failed_conversion_leaves_no_page(make_notebook: MakeNotebook, tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="there is no notebook"):
        render_report(tmp_path / "none.ipynb", tmp_path / "reports", {}, name="x", run_time=AT)
    assert not (tmp_path / "reports").exists()
