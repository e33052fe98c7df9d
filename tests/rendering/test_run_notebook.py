"""Running notebooks on a real kernel: parameters, progress, limits, failures, what is kept."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from ddreport.errors import ParameterError, ReportError, ReportExecutionError
from ddreport.rendering import notebook_parameters, run_notebook

MakeNotebook = Callable[..., Path]


def outputs_of(path: Path) -> list[str]:
    cells = nbformat.read(path, as_version=4).cells
    return [o.get("text", o.get("evalue", "")) for c in cells if c.cell_type == "code" for o in c.outputs]


@pytest.mark.kernel
def test_parameters_reach_the_cells_and_the_executed_copy_is_written(
    make_notebook: MakeNotebook, tmp_path: Path
) -> None:
    source = make_notebook("print(rows * 2, name)")
    run_notebook(source, tmp_path / "out" / "done.ipynb", {"rows": 21})
    assert outputs_of(tmp_path / "out" / "done.ipynb") == ["42 demo\n"]


@pytest.mark.kernel
def test_the_kernel_is_this_python(make_notebook: MakeNotebook, tmp_path: Path) -> None:
    run_notebook(make_notebook("import sys; print(sys.executable)"), tmp_path / "done.ipynb", {})
    assert outputs_of(tmp_path / "done.ipynb") == [f"{sys.executable}\n"]


@pytest.mark.kernel
def test_the_same_run_writes_the_same_bytes_without_times_and_paths(
    make_notebook: MakeNotebook, tmp_path: Path
) -> None:
    source = make_notebook("print(rows)", file="secret-folder.ipynb")
    for name in ("one", "two"):
        run_notebook(source, tmp_path / name / "done.ipynb", {"rows": 3})
    one, two = ((tmp_path / name / "done.ipynb").read_bytes() for name in ("one", "two"))
    assert one == two
    assert str(tmp_path).encode() not in one


@pytest.mark.kernel
def test_progress_is_told_before_the_first_and_after_each_cell(make_notebook: MakeNotebook, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    run_notebook(make_notebook("1", "2"), tmp_path / "done.ipynb", {}, on_progress=lambda *now: told.append(now))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


@pytest.mark.kernel
def test_a_failing_cell_is_named_and_the_executed_notebook_is_kept(make_notebook: MakeNotebook, tmp_path: Path) -> None:
    source = make_notebook("print('before')", "{}['severity']", "print('never')")
    with pytest.raises(ReportExecutionError) as caught:
        run_notebook(source, tmp_path / "done.ipynb", {})
    assert "tiny.ipynb stopped in cell 3: KeyError: 'severity'" in str(caught.value)
    assert str(tmp_path / "done.ipynb") in str(caught.value)
    assert caught.value.notebook == str(tmp_path / "done.ipynb")
    assert caught.value.exit_code == 1
    assert outputs_of(tmp_path / "done.ipynb") == ["before\n", "'severity'"]


@pytest.mark.kernel
@pytest.mark.parametrize(("error", "code"), [("NoDataError", 1), ("WindowError", 2), ("PartialDataError", 4)])
def test_an_error_of_ours_keeps_its_message_hint_and_exit_code(
    error: str, code: int, make_notebook: MakeNotebook, tmp_path: Path
) -> None:
    source = make_notebook(
        f"from ddreport.errors import {error}\nraise {error}('nothing of demo.', hint='pull first.')"
    )
    with pytest.raises(ReportExecutionError) as caught:
        run_notebook(source, tmp_path / "done.ipynb", {})
    assert str(caught.value) == "nothing of demo. Hint: pull first."
    assert caught.value.exit_code == code


@pytest.mark.kernel
def test_a_run_that_takes_too_long_is_ended_and_kept(make_notebook: MakeNotebook, tmp_path: Path) -> None:
    source = make_notebook("print('before', flush=True)", "import time\nwhile True: time.sleep(0.05)")
    with pytest.raises(ReportExecutionError, match=r"tiny.ipynb took longer than the 1.5 seconds it was given"):
        run_notebook(source, tmp_path / "done.ipynb", {}, timeout=1.5)
    assert outputs_of(tmp_path / "done.ipynb") == ["before\n"]


@pytest.mark.kernel
def test_a_run_that_takes_too_long_writes_no_line_into_the_log(
    make_notebook: MakeNotebook, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = make_notebook("import time\nwhile True: time.sleep(0.05)")
    with pytest.raises(ReportExecutionError, match="took longer"):
        run_notebook(source, tmp_path / "done.ipynb", {}, timeout=0.5)
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == []
    assert logging.getLogger("papermill").filters == []


@pytest.mark.kernel
def test_the_time_limit_counts_all_cells_together(make_notebook: MakeNotebook, tmp_path: Path) -> None:
    wait = "import time\nend = time.monotonic() + 0.9\nwhile time.monotonic() < end: time.sleep(0.01)"
    with pytest.raises(ReportExecutionError, match="took longer"):
        run_notebook(make_notebook(*[wait] * 4), tmp_path / "done.ipynb", {}, timeout=2)


@pytest.mark.kernel
def test_a_kernel_that_dies_is_told(make_notebook: MakeNotebook, tmp_path: Path) -> None:
    with pytest.raises(ReportExecutionError, match="its kernel died"):
        run_notebook(make_notebook("import os; os._exit(1)"), tmp_path / "done.ipynb", {})


@pytest.mark.parametrize(
    ("code", "words"),
    [("import time; time.sleep(60)", "didn't respond in 1 seconds"), ("raise SystemExit(3)", "Kernel died")],
)
def test_a_kernel_that_does_not_start_is_told(
    code: str, words: str, make_notebook: MakeNotebook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import papermill  # noqa: F401 - loads the engine in the only order that works
    from jupyter_client.kernelspec import KernelSpec

    from ddreport.rendering.engine import OwnPython

    broken = KernelSpec(argv=[sys.executable, "-c", code, "{connection_file}"], display_name="x", language="python")
    monkeypatch.setattr(OwnPython, "kernel_spec", broken)
    with pytest.raises(ReportError, match=f"could not be started or was lost: .*{words}"):
        run_notebook(make_notebook("1"), tmp_path / "done.ipynb", {}, start_timeout=1)
    assert not (tmp_path / "done.ipynb").exists()


RUN = """
import sys
from pathlib import Path
from ddreport.rendering import run_notebook
run_notebook(Path(sys.argv[1]), Path(sys.argv[2]), {}, timeout=60)
"""


def exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.kernel
def test_ctrl_c_ends_the_kernel_and_leaves_nothing_half_written(
    make_notebook: MakeNotebook, tmp_path: Path, elsewhere: Path, temporary: Path
) -> None:
    told = tmp_path / "kernel-pid"
    write = f"import os, pathlib\npathlib.Path({str(told)!r} + '.new').write_text(str(os.getpid()))"
    rename = f"os.replace({str(told)!r} + '.new', {str(told)!r})\nimport time\nwhile True: time.sleep(0.05)"
    source = make_notebook(f"{write}\n{rename}")
    run = subprocess.Popen(
        [sys.executable, "-c", RUN, str(source), str(tmp_path / "done.ipynb")],
        stderr=subprocess.PIPE,
        cwd=elsewhere,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    until = time.monotonic() + 60
    while not told.exists() and time.monotonic() < until:
        time.sleep(0.02)
    kernel = int(told.read_text())
    run.send_signal(signal.SIGINT)
    _, complaint = run.communicate(timeout=30)
    assert b"KeyboardInterrupt" in complaint
    while exists(kernel) and time.monotonic() < until:
        time.sleep(0.02)
    assert not exists(kernel)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["kernel-pid", "tiny.ipynb"]
    assert list(elsewhere.iterdir()) == []
    assert list(temporary.iterdir()) == []


def test_a_kernel_that_is_not_installed_is_told(make_notebook: MakeNotebook, tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="wants the kernel 'fortran-77', which is not installed"):
        run_notebook(make_notebook("1", kernel="fortran-77"), tmp_path / "done.ipynb", {})


@pytest.fixture
def no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail when anything tries to start a process."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)


@pytest.mark.usefixtures("no_kernel")
@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"row": 1}, r"has no parameter 'row'; it has: rows, name. Did you mean 'rows'\?"),
        ({"rows": "many"}, r"'rows' must be a whole number \(int\), not 'many'"),
    ],
)
def test_wrong_parameters_are_refused_before_any_kernel(
    parameters: dict[str, object], words: str, make_notebook: MakeNotebook, tmp_path: Path
) -> None:
    with pytest.raises(ParameterError, match=words):
        run_notebook(make_notebook("1"), tmp_path / "done.ipynb", parameters)
    assert not (tmp_path / "done.ipynb").exists()


def test_the_declared_parameters_of_a_notebook_can_be_listed(make_notebook: MakeNotebook) -> None:
    declared = notebook_parameters(make_notebook("1"))
    assert {name: (p.annotation, p.default, p.help) for name, p in declared.items()} == {
        "rows": ("int", 5, "how many"),
        "name": ("str", "demo", "of whom"),
    }


def test_a_notebook_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="there is no notebook"):
        run_notebook(tmp_path / "none.ipynb", tmp_path / "done.ipynb", {})


@pytest.mark.parametrize("text", ["", "not json", "{}", "[1]", '{"nbformat": 4, "cells": [5]}'])
def test_a_file_that_is_no_notebook_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "broken.ipynb").write_text(text, encoding="utf-8")
    with pytest.raises(ReportError, match="not a readable notebook"):
        run_notebook(tmp_path / "broken.ipynb", tmp_path / "done.ipynb", {})


@pytest.mark.kernel
def test_plain_papermill_stops_at_an_unknown_parameter(make_notebook: MakeNotebook, tmp_path: Path) -> None:
    guard = "from ddreport.parameters import refuse_unknown_parameters\nrefuse_unknown_parameters(globals())"
    source = make_notebook(guard, "print('ran', rows)")
    command = [sys.executable, "-m", "papermill", "--engine", "ddreport", "--no-progress-bar", str(source)]
    wrong = subprocess.run(
        [*command, str(tmp_path / "wrong.ipynb"), "-p", "raws", "7"], capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 1
    assert "this notebook has no parameter 'raws'; it has: rows, name. Did you mean 'rows'?" in wrong.stderr
    right = subprocess.run(
        [*command, str(tmp_path / "right.ipynb"), "-p", "rows", "7"], capture_output=True, check=False
    )
    assert right.returncode == 0
    assert outputs_of(tmp_path / "right.ipynb") == ["ran 7\n"]
