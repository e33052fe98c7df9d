"""Blocks of HTML that end a notebook cell: sections, and tables inside of them.

Every value that a template prints goes through `text.visible` and HTML escaping, whether the template's author thought
of it or not; only `Markup` passes as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import markupsafe

from ddreport.presentation import formats, palette
from ddreport.presentation.text import is_missing, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import jinja2

_NOT_IN_AN_ID = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Section:
    """One block of a report. As the last line of a notebook cell it shows itself.

    Attributes
    ----------
    heading
        Its name, as plain text.
    html
        Complete, safe HTML.
    """

    heading: str
    html: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return f"<{self.heading}>"


@dataclass(frozen=True)
class DataTable:
    """A table of ready texts, for people who read numbers rather than shapes.

    Attributes
    ----------
    caption
        What the table shows.
    columns
        Headings.
    rows
        One text per column; raw text, escaped where it is printed.
    numeric
        Positions of the columns that hold numbers, aligned to the right.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: frozenset[int] = frozenset()


def anchor(words: str) -> str:
    """Return an id made from words: `dd-open-findings`."""
    return f"dd-{_NOT_IN_AN_ID.sub('-', words.lower()).strip('-')}"


def render(template: str, **values: Any) -> str:
    """Return the HTML of a template of this package, without empty lines."""
    text = environment().get_template(template).render(**values)
    return "\n".join(line for line in text.splitlines() if line.strip()) + "\n"


def section(template: str, heading: str, **values: Any) -> Section:
    """Return a section whose template gets `heading` and its `anchor` besides `values`."""
    return Section(heading, render(template, heading=heading, anchor=anchor(heading), **values))


def nothing(heading: str, reason: str) -> Section:
    """Return a section that says why it has nothing to show."""
    return section("nothing.html.j2", heading, reason=reason)


@cache
def style() -> str:
    """Return the one style sheet of all sections."""
    return resources.files("ddreport.presentation").joinpath("style", "report.css").read_text(encoding="utf-8")


@cache
def environment() -> jinja2.Environment:
    """Return the templates, with the words and formats that they use."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.PackageLoader("ddreport.presentation", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalized,
    )
    made.filters.update(
        count=formats.count,
        percent=formats.percent,
        time=formats.time,
        date=formats.date,
        shorten=formats.shorten,
        breakable=breakable,
        severity_look=palette.severity_look,
        state_look=palette.state_look,
        check_title=formats.check_title,
        resource_type_label=formats.resource_type_label,
    )
    made.globals.update(plural=formats.plural, span=formats.span, joined=formats.joined)
    return made


def _finalized(value: object) -> object:
    """Make every printed value visible text; called by jinja for each `{{ ... }}`."""
    if isinstance(value, markupsafe.Markup):
        return value
    return visible(value)


_BREAK_AFTER = re.compile(r"([/:._\-@])(?=.)|(.{32})(?=.)")


def breakable(text: object) -> markupsafe.Markup:
    """Return an identifier as HTML that may break after its punctuation, and otherwise every 32 characters."""
    shown = visible(text)
    parts = _BREAK_AFTER.sub(lambda m: f"{m.group()}\0", shown).split("\0")
    return markupsafe.Markup("<wbr>").join(markupsafe.escape(part) for part in parts)


def rows_of(table: Any, columns: Iterable[str]) -> list[dict[str, Any]]:
    """Return the rows of a DataFrame as dictionaries in which what is missing is None."""
    names = list(columns)
    return [
        {name: None if is_missing(value) else value for name, value in zip(names, row, strict=True)}
        for row in table[names].itertuples(index=False, name=None)
    ]
