"""The report in a real browser: drawn offline, silent, harmless, readable on every page."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

Open = Callable[..., AbstractContextManager[Any]]
Artefact = Callable[[str], Path]

DRAWN = "[...document.querySelectorAll('.dd-plot')].map(d => d.querySelectorAll('.main-svg').length > 0)"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
PAGE_COLOUR = "getComputedStyle(document.body).backgroundColor"
CHART_COLOUR = "getComputedStyle(document.querySelector('.main-svg')).backgroundColor"


TOO_FAINT = """() => {
  const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = c => [.2126, .7152, .0722].reduce((sum, weight, i) => sum + weight * linear(c[i] / 255), 0);
  const rgb = s => (s.match(/[\\d.]+/g) || []).map(Number);
  const ground = e => {
    for (; e; e = e.parentElement) {
      const c = rgb(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  const bad = [];
  for (const e of document.querySelectorAll('body *:not(script):not(svg *)')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) || !e.checkVisibility()) continue;
    if (e.closest('.dd-plot, .dd-symbol, .nb-skip')) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
    if ((a + .05) / (b + .05) < 4.5) bad.push(e.className + ': ' + e.textContent.slice(0, 40));
  }
  return bad;
}"""
"""Texts whose contrast with what they stand on is below that of WCAG AA."""


def until(page: Any, condition: str) -> None:
    """Wait until an expression is true; playwright's own way would need `eval`, which the page forbids."""
    for _ in range(500):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"never true: {condition}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 768, 360])
def test_every_chart_is_drawn_offline_and_nothing_complains(
    width: int, scheme: str, report_page: Path, open_page: Open, artefact: Artefact
) -> None:
    with open_page(report_page, width=width, color_scheme=scheme) as opened:
        assert opened.page.evaluate(DRAWN) == [True] * 4
        assert opened.page.evaluate(OVERFLOW) <= 0
        opened.page.screenshot(path=artefact(f"report-{width}-{scheme}.png"), full_page=True)
        assert opened.requests == [report_page.as_uri()]
        assert opened.complaints == []


def test_no_hostile_name_is_executed_or_becomes_an_element(report_page: Path, open_page: Open) -> None:
    with open_page(report_page) as opened:
        page = opened.page
        # Hovers build their text anew: let every chart show some.
        for box in [page.locator(f"#fig-{i} .nsewdrag").first.bounding_box() for i in range(1, 5)]:
            for share in (0.02, 0.3, 0.6, 0.98):
                page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] * share)
        assert page.evaluate("window.owned") is None
        assert (
            page.evaluate("document.querySelectorAll('main script:not([type]), img, main iframe, [onerror]').length")
            == 0
        )
        assert (
            page.evaluate("[...document.querySelectorAll('a')].filter(a => a.href.startsWith('javascript')).length")
            == 0
        )
        assert page.locator("h1").inner_text() == "Fleet <script>window.owned=1</script>"
        assert opened.complaints == []


def test_a_hostile_name_in_a_hover_is_text(report_page: Path, open_page: Open) -> None:
    with open_page(report_page) as opened:
        page = opened.page
        page.locator("#fig-4").scroll_into_view_if_needed()
        box = page.locator("#fig-4 .nsewdrag").first.bounding_box()
        seen = set()
        for step in range(10):
            # Away and back: else the text of the row before is read while the new one is on its way.
            page.mouse.move(0, 0)
            page.wait_for_selector("#fig-4 .hoverlayer .hovertext", state="detached")
            page.mouse.move(box["x"] + 12, box["y"] + box["height"] * (step + 0.5) / 10)
            page.wait_for_selector("#fig-4 .hoverlayer .hovertext")
            seen.add(page.locator("#fig-4 .hoverlayer .hovertext").first.text_content())
        assert any("<img src=x onerror=window.owned=1>" in text for text in seen)
        assert page.locator("#fig-4 .hoverlayer a").count() == 0


def test_the_policy_stops_a_script_that_got_in_after_all(report_page: Path, open_page: Open) -> None:
    with open_page(report_page) as opened:
        opened.page.evaluate(
            "() => { const s = document.createElement('script'); s.textContent = 'window.owned = 1';"
            " document.body.append(s);"
            " document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.owned=1\">'); }"
        )
        until(opened.page, "document.images[document.images.length - 1].complete")
        assert opened.page.evaluate("window.owned") is None
        assert any("CSP script-src" in text for text in opened.complaints)


def test_charts_turn_dark_and_light_with_the_page(report_page: Path, open_page: Open) -> None:
    with open_page(report_page, color_scheme="light") as opened:
        page = opened.page
        light = page.evaluate(CHART_COLOUR)
        assert light == page.evaluate(PAGE_COLOUR) == "rgb(255, 255, 255)"
        page.emulate_media(color_scheme="dark")
        until(page, f"{CHART_COLOUR} !== '{light}'")
        assert page.evaluate(CHART_COLOUR) == page.evaluate(PAGE_COLOUR) == "rgb(23, 26, 32)"
        page.emulate_media(color_scheme="light")
        until(page, f"{CHART_COLOUR} === '{light}'")


def test_print_is_light_with_guidance_open_and_charts_as_wide_as_paper(
    report_page: Path, open_page: Open, artefact: Artefact
) -> None:
    with open_page(report_page, color_scheme="dark") as opened:
        page = opened.page
        assert page.evaluate("document.querySelectorAll('details[data-dd-print][open]').length") == 0
        page.emulate_media(media="print")
        until(page, "document.querySelector('.main-svg').clientWidth === 680")
        assert page.evaluate(CHART_COLOUR) == "rgb(255, 255, 255)"
        assert page.evaluate("document.querySelectorAll('details[data-dd-print]:not([open])').length") == 0
        page.pdf(path=artefact("report-print.pdf"), format="A4", print_background=True)
        page.emulate_media(media="screen")
        until(page, "document.querySelector('.main-svg').clientWidth > 680")
        assert page.evaluate("document.querySelectorAll('details[data-dd-print][open]').length") == 0
        assert opened.complaints == []


def test_charts_follow_the_width_of_the_window(report_page: Path, open_page: Open) -> None:
    with open_page(report_page, width=1440) as opened:
        page = opened.page
        wide = page.evaluate("document.querySelector('.main-svg').clientWidth")
        page.set_viewport_size({"width": 500, "height": 800})
        until(page, f"document.querySelector('.main-svg').clientWidth < {wide}")
        assert page.evaluate(OVERFLOW) <= 0


def test_the_keyboard_reaches_the_skip_link_first_and_every_table(report_page: Path, open_page: Open) -> None:
    with open_page(report_page) as opened:
        page = opened.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "content"


def test_every_chart_has_a_text_alternative_and_its_table(report_page: Path, open_page: Open) -> None:
    with open_page(report_page) as opened:
        plots = opened.page.locator(".dd-plot")
        assert all(len(plots.nth(i).get_attribute("aria-label")) > 60 for i in range(plots.count()))
        assert opened.page.locator("figure .dd-data table").count() == plots.count() == 4


def test_the_contents_lead_to_every_section(report_page: Path, open_page: Open) -> None:
    with open_page(report_page) as opened:
        missing = opened.page.evaluate(
            "[...document.querySelectorAll('nav a')].filter(a => !document.getElementById(a.hash.slice(1))).length"
        )
        assert missing == 0
        assert opened.page.locator("nav a").count() == 10


def test_text_stands_out_from_its_ground(report_page: Path, open_page: Open) -> None:
    for scheme in ("light", "dark"):
        with open_page(report_page, color_scheme=scheme) as opened:
            assert opened.page.evaluate(TOO_FAINT) == []


def test_without_scripts_the_numbers_are_there(report_page: Path, open_page: Open) -> None:
    with open_page(report_page, java_script_enabled=False) as opened:
        assert "switched off here" in opened.page.locator("noscript").inner_text()
        assert opened.page.locator("figure .dd-data summary").count() == 4
        assert (
            opened.page.locator(".dd-plot").first.is_hidden()
            or opened.page.locator(".dd-plot").first.inner_text() == ""
        )
