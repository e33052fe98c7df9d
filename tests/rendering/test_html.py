"""The HTML page: one file, nothing loaded, nothing executed but our two scripts, everything escaped."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from nbformat.v4 import new_output

from ddreport.rendering.figures import json_for_script
from ddreport.rendering.html import inline_script, notebook_html

Maker = Callable[..., Any]


class Page(HTMLParser):
    """Reads what the tests ask about."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.text = ""
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
        elif self._inside != "style":
            self.text += data

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def data_block(self, name: str) -> Any:
        return next(json.loads(text) for attrs, text in self.scripts if attrs.get("id") == name)


def test_code_stderr_and_raw_cells_are_not_shown(executed: Maker) -> None:
    notebook = executed(
        [
            new_output("stream", name="stderr", text="DeprecationWarning: /home/me"),
            new_output("stream", name="stdout", text="hello\n"),
        ]
    )
    html = notebook_html(notebook)
    assert "hello" in html
    assert "DeprecationWarning" not in html
    assert "secret_code" not in html


def test_text_of_the_run_is_escaped_and_loses_its_terminal_colours(executed: Maker) -> None:
    html = notebook_html(
        executed([new_output("stream", name="stdout", text="\x1b[31m<script>alert(1)</script>\u202e")])
    )
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\u202e" in html


def test_markdown_is_rendered_and_names_the_page(executed: Maker) -> None:
    html = notebook_html(executed("# Fleet & *report*\n\n- one"))
    assert "<li>one</li>" in html
    assert "<title>Fleet &amp; report</title>" in html


def test_without_a_heading_the_page_has_the_given_name(executed: Maker) -> None:
    assert "<title>a &lt;b&gt;</title>" in notebook_html(executed("text"), name="a <b>")


def test_tagged_cells_go_above_below_or_nowhere(executed: Maker, html_output: Maker) -> None:
    html = notebook_html(
        executed(
            "# For notebooks only",
            [html_output("<h1>Top</h1>")],
            [html_output("<p>Middle</p>")],
            [html_output("<p>End</p>")],
            tags=[["notebook-only"], ["banner"], [], ["contentinfo"]],
        )
    )
    assert "For notebooks only" not in html
    places = [html.index(part) for part in ("<header", "<h1>Top", "<main", "Middle", "<footer", "End")]
    assert places == sorted(places)


def test_sections_with_an_id_make_the_contents(executed: Maker, html_output: Maker) -> None:
    sections = "".join(f'<h2 id="s{i}">Part <b>{i}</b> &amp; more</h2>' for i in range(3))
    html = notebook_html(executed([html_output(sections)]))
    assert '<li><a href="#s1">Part 1 &amp; more</a></li>' in html


def test_a_figure_is_a_data_block_with_a_fixed_id(executed: Maker, figure_output: Maker) -> None:
    html = notebook_html(executed([figure_output({"title": {"text": "Rate"}})], [figure_output()]))
    page = Page(html)
    assert page.data_block("fig-1-data")["data"][0]["y"] == [3, 4]
    assert page.data_block("fig-2-data")["data"][0]["type"] == "bar"
    assert (
        "div",
        {"class": "dd-plot", "id": "fig-1", "role": "img", "aria-label": "Rate", "style": "min-height:420px"},
    ) in (page.tags)


def test_a_figure_stands_in_its_place_inside_of_its_own_html(executed: Maker, figure_output: Maker) -> None:
    html = notebook_html(
        executed(
            [figure_output(html='<p>Before</p><div class="dd-plot"></div><p>After</p>', metadata={"label": 'a "b"'})]
        )
    )
    assert html.index("Before") < html.index('id="fig-1"') < html.index("After")
    assert 'aria-label="a &#34;b&#34;"' in html


def test_what_figures_share_stands_in_the_page_once(executed: Maker, figure_output: Maker) -> None:
    layout = {"template": {"layout": {"colorway": ["#123456"]}}}
    html = notebook_html(executed([figure_output(layout, metadata={"dark": {"#111111": "#eeeeee"}})] * 3))
    assert html.count("#123456") == 1
    assert html.count("#eeeeee") == 1


def test_plotly_is_in_the_page_once_and_only_when_there_is_a_figure(executed: Maker, figure_output: Maker) -> None:
    from plotly.offline import get_plotlyjs

    start = get_plotlyjs()[:200]
    assert notebook_html(executed([figure_output()], [figure_output()])).count(start) == 1
    assert len(notebook_html(executed("text"))) < 20_000


def test_a_hostile_string_cannot_leave_a_data_block(executed: Maker, figure_output: Maker) -> None:
    hostile = "</script><script>window.owned=1</script><!-- \u2028"
    html = notebook_html(executed([figure_output(data=[{"type": "bar", "x": [hostile], "y": [1]}])]))
    assert "window.owned" not in re.sub(r'<script type="application/json".*?</script>', "", html, flags=re.DOTALL)
    assert Page(html).data_block("fig-1-data")["data"][0]["x"] == [hostile]


def test_json_for_a_script_is_still_the_same_json() -> None:
    value = {"a": "<!--</script>&\u2028\u2029", "b": [1, None, True, 0.5, "ü"]}
    text = json_for_script(value)
    assert not re.search("[<>&\u2028\u2029]", text)
    assert json.loads(text) == value


def test_numbers_that_json_does_not_have_become_null() -> None:
    assert json_for_script({"y": [1.5, float("nan"), float("-inf")]}) == '{"y":[1.5,null,null]}'


def test_a_library_with_an_end_tag_inside_does_not_end_its_element() -> None:
    code = 'a="</script>";b="</SCRIPT >";c="<!--";d="<script>";\r\nif(1<2){}'
    inline = inline_script(code)
    assert not re.search(r"</script|<script|<!--", inline, re.IGNORECASE)
    assert inline == 'a="\\x3c/script>";b="\\x3c/SCRIPT >";c="\\x3c!--";d="\\x3cscript>";\nif(1<2){}'


def test_the_policy_allows_the_two_scripts_by_their_hashes_and_nothing_from_outside(
    executed: Maker, figure_output: Maker
) -> None:
    page = Page(notebook_html(executed([figure_output()])))
    policy = next(
        a["content"] for t, a in page.tags if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    allowed = re.findall(r"'sha256-([^']+)'", policy)
    scripts = [text for attrs, text in page.scripts if "type" not in attrs]
    assert allowed == [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts]
    assert len(scripts) == 2
    assert policy.startswith("default-src 'none'; ")
    assert not re.search(r"https?:|unsafe-eval|\*", policy)


def test_nothing_in_the_page_loads_anything(executed: Maker, figure_output: Maker) -> None:
    html = notebook_html(executed([figure_output()]))
    page = Page(html)
    assert [a for t, a in page.tags if a.get("src")] == []
    assert [a["href"] for t, a in page.tags if t == "link"] == ["data:,"]
    styles = re.findall(r"<style.*?</style>", html, flags=re.DOTALL)
    assert not [s for s in styles if "@import" in s or "url(" in s]


def test_an_image_is_kept_in_the_page(executed: Maker) -> None:
    picture = base64.b64encode(b"\x89PNG").decode()
    html = notebook_html(
        executed([new_output("display_data", {"image/png": picture + "\n", "text/plain": "<Figure>"})])
    )
    assert f'<img class="nb-image" alt="&lt;Figure&gt;" src="data:image/png;base64,{picture}">' in html


def test_a_widget_leaves_a_note(executed: Maker) -> None:
    html = notebook_html(
        executed([new_output("display_data", {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "Box()"})])
    )
    assert "An interactive panel stands here in the notebook." in html


def test_styles_of_sections_move_into_the_head_once(executed: Maker, html_output: Maker) -> None:
    block = "<style data-ddreport>\n.dd { color: red }\n</style>\n<p>x</p>"
    html = notebook_html(executed([html_output(block)], [html_output(block)]))
    assert html.count(".dd { color: red }") == 1
    assert html.index(".dd { color: red }") < html.index("</head>")


def test_the_same_notebook_gives_the_same_page(executed: Maker, figure_output: Maker) -> None:
    notebook = executed("# Title", [figure_output()])
    assert notebook_html(notebook) == notebook_html(notebook)


def test_the_page_says_what_to_do_without_scripts(executed: Maker, figure_output: Maker) -> None:
    assert "<noscript>" in notebook_html(executed([figure_output()]))
    assert "<noscript>" not in notebook_html(executed("text"))


@pytest.mark.parametrize("needed", ['<html lang="en">', 'name="viewport"', 'href="#content"', '<main id="content"'])
def test_the_page_has_what_every_reader_needs(needed: str, executed: Maker) -> None:
    assert needed in notebook_html(executed("text"))
