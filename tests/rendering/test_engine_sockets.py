"""Where a run's sockets lie: in a folder of its own, never in the current one, and gone afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import papermill  # noqa: F401 - loads the engine in the only order that works
import pytest

from ddreport.errors import ReportError
from ddreport.rendering import run_notebook
from ddreport.rendering.engine import private_sockets

MakeNotebook = Callable[..., Path]

PAPERMILL = [sys.executable, "-m", "papermill", "--engine", "ddreport", "--no-progress-bar"]
RUN = """
import sys
from pathlib import Path
from ddreport.rendering import run_notebook
run_notebook(Path(sys.argv[1]), Path(sys.argv[2]), {}, timeout=60)
"""
OURS = [sys.executable, "-c", RUN]
MEET = """
import pathlib, time, os
flags = pathlib.Path({folder!r})
(flags / str(os.getpid())).touch()
until = time.monotonic() + 60
while len(list(flags.iterdir())) < 2:
    assert time.monotonic() < until, "the other run did not come"
    time.sleep(0.02)
"""
both_ways = pytest.mark.parametrize("command", [OURS, PAPERMILL], ids=["ddreport", "papermill"])


@pytest.mark.kernel
@both_ways
def test_two_runs_at_once_in_one_folder_succeed_and_leave_nothing(
    command: list[str], make_notebook: MakeNotebook, tmp_path: Path, elsewhere: Path, temporary: Path
) -> None:
    (tmp_path / "flags").mkdir()
    source = make_notebook(MEET.format(folder=str(tmp_path / "flags")))
    runs = [
        subprocess.Popen(
            [*command, str(source), str(tmp_path / f"done-{i}.ipynb")],
            cwd=elsewhere,
            env={**os.environ, "TMPDIR": str(temporary)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(2)
    ]
    complaints = [run.communicate(timeout=120)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], complaints
    assert list(elsewhere.iterdir()) == []
    assert [p.name for p in temporary.iterdir() if p.name.startswith("ddreport-")] == []


@pytest.mark.kernel
@both_ways
def test_a_run_works_in_a_folder_that_cannot_be_written(
    command: list[str], make_notebook: MakeNotebook, tmp_path: Path, unwritable: Path
) -> None:
    source = make_notebook("print(rows)")
    done = subprocess.run(
        [*command, str(source), str(tmp_path / "done.ipynb")],
        cwd=unwritable,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert nbformat.read(tmp_path / "done.ipynb", as_version=4).cells[-1].outputs[0].text == "5\n"


def test_the_folder_is_private_and_removed_whatever_happens(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(temporary))

    def fail() -> None:
        with private_sockets() as config:
            folder = Path(config.KernelManager.ip).parent
            assert folder.parent == temporary
            assert folder.stat().st_mode & 0o777 == 0o700
            (folder / "k-1").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(temporary.iterdir()) == []


def test_a_temporary_folder_too_deep_for_sockets_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with private_sockets() as config:
        assert len(os.fsencode(f"{config.KernelManager.ip}-1")) <= 103
        assert Path(config.KernelManager.ip).parent.is_dir()
    assert list(deep.iterdir()) == []


def test_without_a_temporary_folder_it_is_told(
    make_notebook: MakeNotebook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/none/such")
    with pytest.raises(ReportError, match=r"could not be started or was lost: .*No such file or directory"):
        run_notebook(make_notebook("1"), tmp_path / "done.ipynb", {})


def test_a_current_folder_that_was_deleted_is_told(
    make_notebook: MakeNotebook, tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_notebook("1")
    monkeypatch.chdir(elsewhere)
    shutil.rmtree(elsewhere)
    with pytest.raises(ReportError, match="the current folder cannot be used: No such file or directory"):
        run_notebook(source, tmp_path / "done.ipynb", {})
    assert not (tmp_path / "done.ipynb").exists()
