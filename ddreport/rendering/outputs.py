"""One output of a notebook cell as HTML. Everything that is text is escaped; errors of the run are not a report."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import markupsafe

from ddreport.rendering.figures import PLOTLY, FigureBlocks

if TYPE_CHECKING:
    from collections.abc import Callable

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_STYLE = re.compile(r"<style data-ddreport>(.*?)</style>\s*", re.DOTALL)
_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_WIDGET = "application/vnd.jupyter.widget-view+json"


class OutputWriter:
    """Turns outputs into HTML and collects what the page needs once: figures and styles.

    Parameters
    ----------
    markdown
        Turns Markdown into HTML.
    """

    def __init__(self, markdown: Callable[[str], str]) -> None:
        self.figures = FigureBlocks()
        self.styles: list[str] = []
        self._markdown = markdown

    def html(self, output: Any) -> str:
        """Return the HTML of one output; empty for what a reader of the report has no use for."""
        if output.output_type == "stream":
            return "" if output.name == "stderr" else _preformatted(output.text)
        if output.output_type == "error":
            return f'<p class="nb-error"><strong>{_escaped(output.ename)}</strong>: {_escaped(output.evalue)}</p>'
        return self._data(output)

    def _data(self, output: Any) -> str:
        data = output.data
        if PLOTLY in data:
            html = data.get("text/html")
            return self.figures.block(data[PLOTLY], output.metadata, None if html is None else self._hoisted(html))
        if _WIDGET in data:
            return '<p class="nb-note">An interactive panel stands here in the notebook.</p>'
        if "text/html" in data:
            return self._hoisted(data["text/html"])
        if "text/markdown" in data:
            return self._markdown(data["text/markdown"])
        for kind in _IMAGES:
            if kind in data:
                # nbformat keeps base64 text, in lines
                content = "".join(data[kind].split())
                alternative = _escaped(data.get("text/plain", "Image"))
                return f'<img class="nb-image" alt="{alternative}" src="data:{kind};base64,{_escaped(content)}">'
        text = data.get("text/plain", "")
        return _preformatted(text) if text else ""

    def _hoisted(self, html: str) -> str:
        """Take the styles out of `html`: they belong into the head, once."""
        for style in _STYLE.findall(html):
            if style not in self.styles:
                self.styles.append(style)
        return _STYLE.sub("", html)


def _escaped(text: str) -> str:
    return str(markupsafe.escape(_CONTROL.sub(_code, _ANSI.sub("", text))))


def _code(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()):04x}"


def _preformatted(text: str) -> str:
    return f'<pre class="nb-text" tabindex="0">{_escaped(text)}</pre>' if text.strip() else ""
