"""A report in headless Chromium with the network off. Without a browser these tests are skipped, unless
`DDREPORT_REQUIRE_BROWSER=1` says that there must be one.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

ARTEFACTS = Path(__file__).parents[1] / "artefacts"

FLAGS = [
    "--no-sandbox",  # root in a container has no other choice; the page is our own
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@dataclass
class Opened:
    """A page and everything it did that a report must not do."""

    page: Any
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, started once."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        if os.environ.get("DDREPORT_REQUIRE_BROWSER") == "1":
            pytest.fail("DDREPORT_REQUIRE_BROWSER=1, but there is no chromium on the PATH")
        pytest.skip("there is no chromium on the PATH")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Any) -> Callable[..., AbstractContextManager[Opened]]:
    """Open a file offline and wait until its charts are drawn; options go to the browser's context."""

    @contextmanager
    def opened(path: Path, *, width: int = 1440, height: int = 900, **options: Any) -> Iterator[Opened]:
        context = browser.new_context(offline=True, viewport={"width": width, "height": height}, **options)
        page = context.new_page()
        found = Opened(page)
        page.on("request", lambda r: found.requests.append(r.url))
        page.on("console", lambda m: found.complaints.append(m.text))
        page.on("pageerror", lambda e: found.complaints.append(str(e)))
        page.add_init_script(
            "document.addEventListener('securitypolicyviolation', e => console.error('CSP ' + e.violatedDirective))"
        )
        page.goto(path.as_uri())
        if options.get("java_script_enabled", True):
            page.wait_for_selector("html[data-drawn]", state="attached")
        yield found
        context.close()

    return opened


@pytest.fixture(scope="session")
def story() -> ModuleType:
    """The module that makes up audits of 90 days with hostile names."""
    path = Path(__file__).parents[1] / "support_report_data.py"
    spec = importlib.util.spec_from_file_location("support_report_data_browser", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _output(shown: Any) -> Any:
    if hasattr(shown, "_repr_mimebundle_"):
        data, metadata = shown._repr_mimebundle_()
        return new_output("display_data", data, metadata=metadata)
    return new_output("display_data", {"text/html": shown._repr_html_()})


@pytest.fixture(scope="session")
def report_page(story: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole report of 90 days with hostile names as an HTML file."""
    from ddreport.presentation import report
    from ddreport.rendering import notebook_html

    data = story.report_data(notes=["<img src=x onerror=window.owned=1> was not read."])
    parts = [
        (report.header(data, "Fleet <script>window.owned=1</script>"), "banner"),
        (report.key_figures(data), ""),
        (report.compliance(data), ""),
        (report.severity(data), ""),
        (report.check_matrix(data), ""),
        (report.checks(data), ""),
        (report.top_resources(data), ""),
        (report.findings(data, limit=40), ""),
        (report.mitigations(data), ""),
        (report.data_gaps(data), ""),
        (report.provenance(data, {"title": "</script><script>window.owned=1</script>"}), "contentinfo"),
    ]
    cells = [new_code_cell("", outputs=[_output(part)], metadata={"tags": [tag] if tag else []}) for part, tag in parts]
    stream = new_output("stream", name="stdout", text="</pre><script>window.owned=1</script>\x1b[2J")
    cells.append(new_code_cell("", outputs=[stream]))
    path = tmp_path_factory.mktemp("browser") / "report.html"
    path.write_text(notebook_html(new_notebook(cells=cells)), encoding="utf-8")
    return path


@pytest.fixture
def artefact() -> Callable[[str], Path]:
    """Say where a screenshot goes; the folder is not under version control."""

    def place(name: str) -> Path:
        ARTEFACTS.mkdir(exist_ok=True)
        return ARTEFACTS / name

    return place
