"""The mitigation notebook in JupyterLab and in Voila, in a real browser, on an emulated account that really changes."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.kernel, pytest.mark.slow]

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "mitigation.ipynb"
PACKAGE = NOTEBOOK.parents[1]
TOKEN = "only-for-this-test"
ARTEFACTS = Path(__file__).parents[1] / "artefacts"
PATIENCE = 60_000  # milliseconds; a busy machine takes its time to bring JupyterLab up

Artefact = Callable[[str], Path]

OVERFLOW = """() => [...document.querySelectorAll('.ddw-panel, .ddw-panel *')].filter(e => {
  if (!e.checkVisibility() || e.closest('.ddw-grid, .ddw-scroll, pre, select')) return false;
  const output = e.closest('.jp-OutputArea-output, .jp-OutputArea-child');
  return output && e.getBoundingClientRect().right > output.getBoundingClientRect().right + 2;
}).map(e => `${e.tagName}.${e.className}: ${e.textContent.slice(0, 40)}`)"""
"""Parts of the panel that stick out to the right of its cell."""

TOO_FAINT = """() => {
  const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = c => [.2126, .7152, .0722].reduce((sum, weight, i) => sum + weight * linear(c[i] / 255), 0);
  const rgba = s => { const n = (s.match(/[\\d.]+/g) || []).map(Number); return n.length === 3 ? [...n, 1] : n; };
  const over = (a, b) => a.slice(0, 3).map((v, i) => v * a[3] + b[i] * (1 - a[3]));
  const ground = e => {
    const layers = [];
    for (; e; e = e.parentElement) {
      const c = rgba(getComputedStyle(e).backgroundColor);
      if (c[3] > 0) layers.push(c);
      if (c[3] === 1) break;
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const bad = [];
  for (const e of document.querySelectorAll('.ddw-widget *')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) || !e.checkVisibility()) continue;
    if (e.closest('button:disabled, select, .ddw-waiting')) continue;
    const below = ground(e);
    const [a, b] = [light(over(rgba(getComputedStyle(e).color), below)), light(below)].sort((x, y) => y - x);
    const contrast = (a + .05) / (b + .05);
    if (contrast < 4.5) bad.push(`${contrast.toFixed(1)} ${e.className}: ${e.textContent.slice(0, 40)}`);
  }
  return bad;
}"""
"""Texts of our own widgets whose contrast with what they stand on is below that of WCAG AA."""


@pytest.fixture(scope="module")
def shared() -> ModuleType:
    """The module that furnishes the account."""
    path = Path(__file__).parents[1] / "support_mitigation_account.py"
    spec = importlib.util.spec_from_file_location("support_mitigation_account_browser", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def home(iot_emulator: Any, shared: ModuleType, tmp_path: Path) -> Path:
    """A folder as an analyst has it: `ddreport.toml`, an archive, the notebook; the account's certificates in `ids`."""
    iot_emulator.ids = shared.furnish(iot_emulator)
    folder = tmp_path / "home"
    folder.mkdir()
    shared.configure(iot_emulator, folder)
    return folder


def notebook_with(folder: Path, **parameters: Any) -> None:
    """Copy the notebook with other defaults in its parameters cell, as somebody who edits it would."""
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    (cell,) = [c for c in content["cells"] if c["id"] == "parameters"]
    source = "".join(cell["source"])
    for name, value in parameters.items():
        source, count = re.subn(rf"^({name}: [^=]+ = )\S+", rf"\g<1>{value!r}", source, flags=re.MULTILINE)
        assert count == 1
    cell["source"] = source
    (folder / "mitigation.ipynb").write_text(json.dumps(content), encoding="utf-8")


@contextmanager
def serving(iot_emulator: Any, folder: Path, *command: str, path: str) -> Iterator[str]:
    """Start a Jupyter server in a folder, with a home of its own, and end it with its kernels."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = folder.parent / "jupyter"
    config = own / "config" / "labconfig"
    config.mkdir(parents=True)
    # JupyterLab asks strangers whether it may fetch news.
    disabled = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    (config / "page_config.json").write_text(json.dumps(disabled))
    environment = {
        **os.environ,
        **iot_emulator.environment,
        "HOME": str(own),
        "IPYTHONDIR": str(own / "ipython"),
        "JUPYTER_CONFIG_DIR": str(own / "config"),
        "JUPYTER_DATA_DIR": str(own / "data"),
        "JUPYTER_RUNTIME_DIR": str(own / "runtime"),
        "PYTHONPATH": str(PACKAGE),
    }
    log = folder.parent / "server.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, *(part.format(port=port) for part in command)],
            cwd=folder,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    base = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + PATIENCE / 1000
        while not _answers(base + path):
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < until, log.read_text()[-2000:]
            time.sleep(0.2)
        yield base
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(20)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


@contextmanager
def a_page(browser: Any, **options: Any) -> Iterator[tuple[Any, list[str]]]:
    """Open a page that may talk to this machine only; what it complains about is collected."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, **options)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: complaints.append(str(e)))

    def only_here(route: Any) -> None:
        if route.request.url.startswith(("http://127.0.0.1:", "data:", "blob:")):
            route.continue_()
        else:
            complaints.append(f"asked {route.request.url}")
            route.abort()

    context.route("**/*", only_here)
    # Voila's own frame of a page has icons and formulas from a CDN; what is shown here needs neither.
    for known in ("**/@fortawesome/**", "**/mathjax/**"):
        context.route(known, lambda route: route.fulfill(status=200, body="", content_type="text/css"))
    try:
        yield page, complaints
    except BaseException:
        ARTEFACTS.mkdir(exist_ok=True)
        page.screenshot(path=ARTEFACTS / "panel-failed.png", full_page=True)
        raise
    finally:
        context.close()


def set_theme(base: str, name: str) -> None:
    """Choose JupyterLab's theme for whoever opens it next."""
    url = f"{base}/lab/api/settings/@jupyterlab/apputils-extension:themes?token={TOKEN}"
    data = json.dumps({"raw": json.dumps({"theme": name})}).encode()
    request = urllib.request.Request(url, data=data, method="PUT", headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 204


def run_all(page: Any) -> None:
    """Run all cells once the kernel is there; before that JupyterLab asks which one to take."""
    page.get_by_text("| Idle").first.wait_for()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


LAB = (
    "-m",
    "jupyterlab",
    "--no-browser",
    "--allow-root",
    "--ServerApp.ip=127.0.0.1",
    "--ServerApp.port={port}",
    "--ServerApp.port_retries=0",
    f"--IdentityProvider.token={TOKEN}",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
)


def test_an_analyst_repairs_certificates_in_jupyterlab_and_the_account_changes(
    iot_emulator: Any, home: Path, shared: ModuleType, browser: Any, artefact: Artefact
) -> None:
    notebook_with(home, target="plant", archive="archive")
    with (
        serving(iot_emulator, home, *LAB, path=f"/api?token={TOKEN}") as base,
        a_page(browser) as (page, complaints),
    ):
        set_theme(base, "JupyterLab Light")
        page.goto(f"{base}/lab/tree/mitigation.ipynb?token={TOKEN}&reset")
        run_all(page)
        panel = page.locator(".ddw-panel")
        check = panel.get_by_label("Check", exact=True)
        check.select_option(label="● Medium · Device certificate expiring · 4 findings")

        rows = panel.get_by_role("grid", name="Open findings")
        heading = rows.get_by_role("columnheader", name="Severity")
        heading.wait_for()
        assert heading.bounding_box()["height"] < 40
        rows.get_by_label("Select row 1", exact=True).click()
        # ... and the next two by keyboard: down, select; down while shift is held extends the selection.
        rows.press("ArrowDown")
        rows.press("Space")
        rows.press("Shift+ArrowDown")
        panel.get_by_text("3 findings picked (3 × Device certificate).").wait_for()
        assert panel.get_by_label(f"{shared.DEACTIVATE} (UPDATE_DEVICE_CERTIFICATE)").is_checked()
        page.screenshot(path=artefact("panel-lab-choose.png"))

        panel.get_by_role("button", name="Preview the plan").click()
        confirm = panel.get_by_label(re.compile("Type [0-9a-f]{6} to confirm"))
        confirm.wait_for()
        assert shared.statuses(iot_emulator, iot_emulator.ids) == ["ACTIVE"] * 4
        apply = panel.get_by_role("button", name="Apply", exact=True)
        assert apply.is_disabled()
        label = panel.get_by_text(re.compile("^Type [0-9a-f]{6} to confirm$")).first.inner_text()
        confirm.fill(label.split()[1])
        panel.get_by_role("heading", name="4 · Plan").scroll_into_view_if_needed()
        page.screenshot(path=artefact("panel-lab-plan.png"))
        assert page.evaluate(TOO_FAINT) == []
        apply.click()

        outcomes = panel.get_by_role("grid", name="Outcome of each action on each finding")
        panel.get_by_text("3 completed").wait_for()
        outcomes.get_by_text("COMPLETED").nth(2).wait_for()
        assert sorted(shared.statuses(iot_emulator, iot_emulator.ids)) == ["ACTIVE", "INACTIVE", "INACTIVE", "INACTIVE"]

        panel.get_by_role("button", name="Verify").click()
        panel.get_by_text("All problems are fixed").wait_for()
        panel.get_by_text("All problems are fixed").scroll_into_view_if_needed()
        page.screenshot(path=artefact("panel-lab-verified.png"))
        assert page.evaluate(OVERFLOW) == []
        assert complaints == []

        # The cell is run again: the same state, at once.
        page.locator(".ddw-panel").get_by_role("heading", name="Mitigation", exact=True).click()
        run_all(page)
        page.locator(".ddw-panel").get_by_text("All problems are fixed").wait_for()

        # Dark and narrow: another page of the same server.
        set_theme(base, "JupyterLab Dark")
        page.set_viewport_size({"width": 900, "height": 1000})
        page.goto(f"{base}/doc/tree/mitigation.ipynb?token={TOKEN}&reset")
        run_all(page)
        page.locator(".ddw-panel").get_by_role("button", name="New plan").click()
        page.locator(".ddw-panel").get_by_label("Check", exact=True).wait_for()
        page.locator(".ddw-panel").get_by_role("grid", name="Open findings").wait_for()
        page.screenshot(path=artefact("panel-lab-dark.png"))
        assert page.evaluate(TOO_FAINT) == []
        assert page.evaluate(OVERFLOW) == []
        assert complaints == []


def test_voila_shows_everything_and_applies_nothing(
    iot_emulator: Any, home: Path, shared: ModuleType, browser: Any, artefact: Artefact
) -> None:
    notebook_with(home, target="plant", archive="archive", read_only=True)
    voila = ("-m", "voila", "mitigation.ipynb", "--no-browser", "--Voila.ip=127.0.0.1", "--port={port}")
    voila = (*voila, f"--token={TOKEN}", "--VoilaConfiguration.strip_sources=True")
    with (
        serving(iot_emulator, home, *voila, path=f"/voila/static/voila.js?token={TOKEN}") as base,
        a_page(browser) as (page, complaints),
    ):
        page.goto(f"{base}/?token={TOKEN}")
        panel = page.locator(".ddw-panel")
        panel.get_by_text("This page is for looking only").wait_for()
        panel.get_by_label("Check", exact=True).select_option(label="○ Low · Logging disabled · 1 finding")
        panel.get_by_label("Select row 1", exact=True).click()
        panel.get_by_role("button", name="Preview the plan").click()
        panel.get_by_text("Applying is switched off").wait_for()
        assert panel.get_by_role("button", name="Apply", exact=True).is_disabled()
        with page.expect_download() as download:
            panel.get_by_role("button", name="Save the plan on this computer").click()
        assert "LOGGING_DISABLED_CHECK" in Path(download.value.path()).read_text(encoding="utf-8")
        panel.get_by_text("Show command").click()
        panel.get_by_text("ddreport mitigate plan --target plant --check LOGGING_DISABLED_CHECK").first.wait_for()
        page.screenshot(path=artefact("panel-voila.png"), full_page=True)
        page.set_viewport_size({"width": 420, "height": 900})
        page.wait_for_timeout(300)
        page.screenshot(path=artefact("panel-voila-narrow.png"), full_page=True)
        assert page.evaluate(TOO_FAINT) == []
        assert complaints == []
    assert sorted(p.name for p in home.glob("*.yaml")) == []
    iot = iot_emulator.client("iot")
    with pytest.raises(iot.exceptions.ClientError, match="NotConfigured"):
        iot.get_v2_logging_options()
