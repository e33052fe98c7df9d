"""Blocks of a panel: text, notices, tables, progress, commands to copy, files to save.

Functions make them, `Blocks` shows them. Every text is made visible first (`presentation.text.visible`) and becomes a
text node in the page, so that no name from AWS can be more than a name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ddreport.presentation.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Block = dict[str, Any]
Tone = Literal["", "muted", "strong", "good", "warn", "bad"]


def heading(text: str, *, level: Literal[2, 3] = 3) -> Block:
    """Return a heading."""
    return {"kind": "heading", "text": visible(text), "level": level}


def paragraph(text: str, tone: Tone = "") -> Block:
    """Return a paragraph."""
    return {"kind": "text", "text": visible(text), "tone": tone}


def bullets(items: Iterable[str], tone: Tone = "") -> Block:
    """Return a list."""
    return {"kind": "list", "items": [visible(item) for item in items], "tone": tone}


def badges(*items: tuple[str, Tone]) -> Block:
    """Return short facts in a row."""
    return {"kind": "badges", "items": [{"text": visible(text), "tone": tone} for text, tone in items]}


def notice(title: str, *texts: str | None, tone: Tone = "") -> Block:
    """Return something to be noticed; one that is `bad` is read out at once."""
    return {"kind": "notice", "title": visible(title), "texts": [visible(t) for t in texts if t], "tone": tone}


def table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, numeric: Sequence[int] = ()) -> Block:
    """Return a small table; for many rows there is `FindingsTable`."""
    shown = [[f"{v:,}" if isinstance(v, int) else visible(v) for v in row] for row in rows]
    return {
        "kind": "table",
        "caption": visible(caption),
        "columns": [visible(c) for c in columns],
        "rows": shown,
        "numeric": list(numeric),
    }


def progress(text: str, done: int, total: int | None) -> Block:
    """Return a bar; without `total` it only moves."""
    return {"kind": "progress", "text": visible(text), "done": done, "total": total}


def command(title: str, text: str) -> Block:
    """Return a command to copy. Its text is what a shell reads, so what hides in it is shown nowhere else."""
    return {"kind": "command", "title": visible(title), "text": text}


def download(label: str, name: str, content: str, *, mime: str = "text/plain;charset=utf-8") -> Block:
    """Return a button that saves a file where the browser saves files."""
    return {"kind": "download", "label": visible(label), "name": name, "content": content, "mime": mime}


def details(summary: str, blocks: Sequence[Block]) -> Block:
    """Return blocks behind a summary that opens them."""
    return {"kind": "details", "summary": visible(summary), "blocks": list(blocks)}
