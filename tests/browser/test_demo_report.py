"""The report of the real demo, from the emulator to the browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ddreport.archive import Archive
from ddreport.progress import NoProgress
from ddreport.settings import Settings
from ddreport.workflows.demo import pull_demo
from ddreport.workflows.report import make_report

pytestmark = [pytest.mark.browser, pytest.mark.kernel]

Open = Callable[..., AbstractContextManager[Any]]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Archive]:
    """The HTML of the demo and the archive that it was made from."""
    home = tmp_path_factory.mktemp("demo-report")
    settings = Settings(archive=home / "archive")
    moment = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
    archive = pull_demo(settings=settings, progress=NoProgress(), as_of=moment)
    parameters = {"target": "demo", "archive": str(archive.path)}
    made = make_report(parameters, out_dir=home / "reports", run_time=moment, progress=NoProgress())
    return made.html, archive


def test_the_demo_report_draws_every_chart_offline_and_says_that_it_is_emulated(
    demo: tuple[Path, Archive], open_page: Open
) -> None:
    with open_page(demo[0]) as opened:
        assert opened.page.locator(".js-plotly-plot .main-svg").count() >= 4
        assert opened.page.get_by_text("Emulated account").first.is_visible()
        assert opened.requests == [demo[0].as_uri()]
        assert opened.complaints == []


def test_the_number_of_open_findings_is_the_archives(demo: tuple[Path, Archive], open_page: Open) -> None:
    newest = (
        demo[1]
        .query(
            """
        WITH finished AS (
            SELECT check_name, max_by(audit_task_id, task_start_time) AS audit_task_id
            FROM checks WHERE check_run_status LIKE 'COMPLETED%' GROUP BY check_name
        )
        SELECT count(*) AS open FROM findings JOIN finished USING (check_name, audit_task_id) WHERE NOT is_suppressed
        """
        )["open"]
        .item()
    )
    with open_page(demo[0]) as opened:
        shown = opened.page.get_by_text(re.compile(r"^[\d,]+ open findings")).first.inner_text()
    assert int(shown.split()[0].replace(",", "")) == newest


@pytest.mark.parametrize("width", [1440, 768, 360])
def test_the_page_is_never_wider_than_the_window(
    demo: tuple[Path, Archive], open_page: Open, artefact: Callable[[str], Path], width: int
) -> None:
    with open_page(demo[0], width=width) as opened:
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
        opened.page.screenshot(path=artefact(f"demo-{width}.png"), full_page=True)
