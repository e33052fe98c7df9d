"""An executed notebook as one HTML file that needs nothing else: no network, no second file, no code of its own.

The page loads nothing: a Content-Security-Policy in it forbids every outside origin and every script but those
written into it (plotly.js as installed, the one that draws the figures, that of the explorer), named by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import re
from html.parser import HTMLParser
from importlib import resources
from typing import TYPE_CHECKING, Any

from ddreport.rendering.notebook import quicken_nbformat
from ddreport.rendering.outputs import OutputWriter

if TYPE_CHECKING:
    from pathlib import Path

_TEMPLATES = "templates"
BANNER, FOOTER, HIDDEN = "banner", "contentinfo", "notebook-only"
"""Tags of cells: those above and below the main part of the page, and those left out of it."""


def notebook_html(notebook: Any, *, name: str = "Report") -> str:
    """Convert an executed notebook to one self-contained HTML page.

    The same notebook gives the same text, byte for byte.

    Parameters
    ----------
    notebook
        An executed notebook (`NotebookNode`). Code is left out, stderr too. Cells tagged `banner` come above the
        contents list, cells tagged `contentinfo` into the foot, cells tagged `notebook-only` nowhere.
    name
        Title of the page when no heading of the first level gives it.
    """
    quicken_nbformat()
    from nbconvert.exporters.templateexporter import TemplateExporter
    from nbconvert.filters.markdown_mistune import markdown2html_mistune

    def markdown(text: str) -> str:
        return str(markdown2html_mistune(text))

    writer = OutputWriter(markdown)
    parts = _parts(notebook, writer, markdown)
    body = "".join(parts.values())
    outline = _Outline()
    outline.feed(body)
    scripts = [inline_script(_resource("draw.js"))]
    if writer.figures.count:
        scripts.insert(0, _plotly())
    if "data-dd-explorer" in body:
        scripts.append(inline_script(_resource("explore.js")))

    exporter = TemplateExporter(  # type: ignore[no-untyped-call]  # nbconvert has no types
        template_paths=[str(_folder())],
        template_file="page.html.j2",
        extra_loaders=[],
        log=_quiet_log(),
    )
    exporter.environment.autoescape = True
    page, _ = exporter.from_notebook_node(
        notebook,
        {
            "title": outline.title or name,
            "parts": parts,
            "outline": outline.sections,
            "styles": [_resource("page.css"), *writer.styles],
            "scripts": scripts,
            "policy": _policy(scripts),
            "shared": writer.figures.shared_block() if writer.figures.count else "",
        },
    )
    return str(page)


def _parts(notebook: Any, writer: OutputWriter, markdown: Any) -> dict[str, str]:
    parts = {"banner": "", "main": "", "footer": ""}
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if HIDDEN in tags or cell.cell_type == "raw":
            continue
        if cell.cell_type == "markdown":
            html = f'<div class="nb-markdown">{markdown(cell.source)}</div>'
        else:
            html = "\n".join(filter(None, (writer.html(output) for output in cell.outputs)))
        if html:
            place = "banner" if BANNER in tags else "footer" if FOOTER in tags else "main"
            parts[place] += html + "\n"
    return parts


class _Outline(HTMLParser):
    """Reads the title (first `h1`) and the sections (every `h2` that has an id) out of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title = ""
        self.sections: list[tuple[str, str]] = []
        self._heading = ""
        self._id = ""
        self._text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("h1", "h2"):
            self._heading, self._id, self._text = tag, dict(attrs).get("id") or "", []

    def handle_data(self, data: str) -> None:
        if self._heading:
            self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag != self._heading:
            return
        text = " ".join("".join(self._text).replace("¶", "").split())
        if tag == "h1" and not self.title:
            self.title = text
        elif tag == "h2" and self._id:
            self.sections.append((self._id, text))
        self._heading = ""


def _folder() -> Path:
    from pathlib import Path

    return Path(str(resources.files("ddreport.rendering").joinpath(_TEMPLATES)))


def _resource(name: str) -> str:
    return resources.files("ddreport.rendering").joinpath(_TEMPLATES, name).read_text(encoding="utf-8")


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return inline_script(get_plotlyjs())


_ENDS_SCRIPT = re.compile(r"<(?=/script|script|!--)", re.IGNORECASE)


def inline_script(code: str) -> str:
    r"""Return `code` so that it can stand between `<script>` and `</script>`.

    A literal `</script` would end the element, and `<!--` with `<script` would hide its end. All three can only occur
    in string and regular expression literals and comments of real code, where `\x3c` means the same as `<`.
    """
    # A parser of HTML reads every line end as \n, and the hash in the page's policy is that of what was read.
    return _ENDS_SCRIPT.sub(r"\\x3c", code.replace("\r\n", "\n").replace("\r", "\n"))


def _policy(scripts: list[str]) -> str:
    """Nothing may be loaded; only the page's own scripts, named by their hashes, may run."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'" for code in scripts
    )
    # plotly.js writes style elements and attributes; styles cannot load anything either, by `default-src 'none'`.
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _quiet_log() -> logging.Logger:
    log = logging.getLogger("ddreport.rendering.nbconvert")
    log.addHandler(logging.NullHandler())
    return log
