"""The explorer of a report in headless Chromium: searched, filtered, sorted, opened, linked to, offline."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.browser


def count_of(page: Any) -> tuple[int, int]:
    shown, _, every = page.inner_text(".dd-explorer-count").split(" problems")[0].partition(" of ")
    return int(shown.replace(",", "")), int(every.replace(",", ""))


def test_rows_are_searched_filtered_sorted_and_opened(report_page: Path, open_page: Callable[..., Any]) -> None:
    with open_page(report_page) as opened:
        page = opened.page
        page.wait_for_selector("[data-ready]", state="attached")
        shown, every = count_of(page)
        assert shown == every > 50
        assert page.locator(".dd-explorer-row").count() < 40  # only what is in view
        page.fill("[name=q]", "expiration")
        page.wait_for_function(
            "n => !document.querySelector('.dd-explorer-count').textContent.startsWith(n)", arg=f"{every} "
        )
        found, _ = count_of(page)
        assert 0 < found < every
        page.click("button[type=reset]")
        page.wait_for_function(
            "n => document.querySelector('.dd-explorer-count').textContent.startsWith(n)", arg=f"{every} "
        )
        option = page.locator("[name=severity] option").nth(1)
        said = int(option.inner_text().rpartition("(")[2].rstrip(")"))
        page.select_option("[name=severity]", index=1)
        page.wait_for_function(
            "n => document.querySelector('.dd-explorer-count').textContent.startsWith(n)", arg=f"{said} "
        )
        page.select_option("[name=severity]", index=0)
        page.select_option("[name=sort]", "newest")
        days = page.locator(".dd-explorer-row > :nth-child(5)").all_inner_texts()
        assert days == sorted(days, reverse=True)
        page.locator(".dd-explorer-window").focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        details = page.locator(".dd-explorer-details")
        assert details.is_visible()
        assert "How to fix it" in details.inner_text()
        link = page.evaluate("location.hash")
        assert link.startswith("#problem=")
        chosen = details.locator("h3").inner_text()
        assert opened.complaints == []
        assert [u for u in opened.requests if not u.startswith(("file:", "data:", "blob:"))] == []
    with open_page(report_page) as opened:
        opened.page.goto(report_page.as_uri() + link)
        opened.page.reload()
        opened.page.wait_for_selector("[data-ready]", state="attached")
        assert opened.page.locator(".dd-explorer-details h3").inner_text() == chosen


def test_hostile_names_stay_text_and_the_saved_rows_hold_no_formula(
    report_page: Path, open_page: Callable[..., Any]
) -> None:
    with open_page(report_page, accept_downloads=True) as opened:
        page = opened.page
        page.wait_for_selector("[data-ready]", state="attached")
        page.fill("[name=q]", "owned")
        page.wait_for_timeout(400)
        assert count_of(page)[0] > 0
        for place in range(page.locator(".dd-explorer-row").count()):
            page.locator(".dd-explorer-row").nth(place).click()
        assert page.evaluate("window.owned") is None
        assert page.locator(".dd-explorer img, .dd-explorer svg, .dd-explorer script:not([type])").count() == 0
        page.click("button[type=reset]")
        with page.expect_download() as waiting:
            page.click("[data-do=csv]")
        text = waiting.value.path().read_text(encoding="utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        assert len(rows) == count_of(page)[1]
        assert not [v for row in rows for v in row.values() if v.startswith(("=", "+", "-", "@"))]
        assert opened.complaints == []


def test_without_scripts_and_in_print_the_first_rows_stand_there(
    report_page: Path, open_page: Callable[..., Any]
) -> None:
    with open_page(report_page, java_script_enabled=False) as opened:
        assert opened.page.locator(".dd-findings tbody tr").first.is_visible()
        assert not opened.page.locator(".dd-explorer").is_visible()
    with open_page(report_page) as opened:
        opened.page.wait_for_selector("[data-ready]", state="attached")
        assert not opened.page.locator(".dd-findings").is_visible()
        opened.page.emulate_media(media="print")
        assert opened.page.locator(".dd-findings tbody tr").first.is_visible()
        assert not opened.page.locator(".dd-explorer").is_visible()
