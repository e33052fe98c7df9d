"""A table of any size in a notebook: searched, filtered by words with counts, sorted, and picked from.

The kernel keeps the rows and sends the few that are seen (`rows`), some 8 KB at a time: all columns of 100,000
findings would be 14 MB of text, of which ids are the most and hardly become smaller when compressed.
"""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any

from ddreport.errors import InputError
from ddreport.presentation.formats import check_title, resource_type_label, severity_label
from ddreport.terms import Severity
from ddreport.widgets.base import STATIC, anywidget, style, traitlets
from ddreport.widgets.rows import Column, Rows, guess_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pandas as pd

WINDOW = 60
"""Rows that come with every change of what is looked at, so that the first view needs no second question."""

MOST_ROWS_ASKED = 500

_VIEW = ["search", "filters", "sort"]


_FINDING_COLUMNS = (
    Column("severity", "Severity", "severity", 100, severity_label),
    Column("check_name", "Check", "word", 210, check_title),
    Column("resource_type", "Resource type", "word", 150, resource_type_label),
    Column("resource_id", "Resource", "id", 220),
    Column("reason_code", "Reason", "word", 210),
    Column("first_seen_time", "First seen (UTC)", "time", 150),
    Column("finding_time", "Found (UTC)", "time", 150),
    Column("expiration_time", "Expires (UTC)", "time", 150),
    Column("is_suppressed", "Suppressed", "flag", 90),
)


def finding_columns(frame: pd.DataFrame, names: Iterable[str] | None = None) -> list[Column]:
    """Return how the columns of findings or problems are shown; others are shown as their dtype suggests.

    Parameters
    ----------
    names
        Which, in this order; None means those that people look at, where they are in the frame and not empty.
    """
    known = {c.name: c for c in _FINDING_COLUMNS}
    if names is not None:
        return [known[n] if n in known else guess_columns(frame, [n])[0] for n in names]
    found = [c for c in _FINDING_COLUMNS if c.name in frame.columns and (frame.empty or frame[c.name].notna().any())]
    return found if any(c.name in ("severity", "check_name") for c in found) else guess_columns(frame)


class FindingsTable(anywidget.AnyWidget):
    """A table of findings, problems, or anything else.

    Parameters
    ----------
    frame
        What is shown; it is not changed.
    columns
        Names of its columns, or `rows.Column`; None shows what people look at.
    key
        Column whose values name a row for good, so that a selection outlives new data; None takes the position.
    selectable
        Whether rows can be selected.
    label
        What the table is, for those who do not see it.
    height
        Greatest height in pixels.
    empty
        What is said where the frame has no row.
    on_select
        Called without arguments after the selection has changed.

    Attributes
    ----------
    search, filters, sort
        What is looked at; set them to change the view. `filters` holds the values that may be there by column, `sort`
        is empty or a column and whether the greatest comes first.
    selected_count, match_count, row_count
        Rows selected, fitting, and altogether.
    active_key
        Key of the row that the cursor is on; empty before there is one.

    Raises
    ------
    InputError
        A column is not there, or the keys are not different from one another.
    """

    _esm = STATIC / "table.js"
    _css = style("table")

    columns: traitlets.List[Any] = traitlets.List().tag(sync=True)
    label = traitlets.Unicode("Findings").tag(sync=True)
    empty = traitlets.Unicode("There is nothing to show.").tag(sync=True)
    height = traitlets.Int(380).tag(sync=True)
    selectable = traitlets.Bool(default_value=True).tag(sync=True)
    search = traitlets.Unicode().tag(sync=True)
    filters = traitlets.Dict().tag(sync=True)
    sort: traitlets.List[Any] = traitlets.List().tag(sync=True)
    facets = traitlets.Dict().tag(sync=True)
    first_rows: traitlets.List[Any] = traitlets.List().tag(sync=True)
    row_count = traitlets.Int().tag(sync=True)
    match_count = traitlets.Int().tag(sync=True)
    selected_count = traitlets.Int().tag(sync=True)
    all_selected = traitlets.Bool(default_value=False).tag(sync=True)
    active_key = traitlets.Unicode().tag(sync=True)
    version = traitlets.Int().tag(sync=True)
    selection_version = traitlets.Int().tag(sync=True)

    def __init__(
        self,
        frame: pd.DataFrame,
        *,
        columns: Sequence[str | Column] | None = None,
        key: str | None = None,
        selectable: bool = True,
        label: str = "Findings",
        height: int = 380,
        empty: str = "There is nothing to show.",
        on_select: Callable[[], None] | None = None,
    ) -> None:
        self._lock = threading.RLock()  # work in the background may bring new rows while the page asks
        self._wanted = columns
        self._key = key
        self._on_select: list[Callable[[], None]] = [on_select] if on_select else []
        self._rows = Rows(frame, self._columns_of(frame), key=key)
        super().__init__(selectable=selectable, label=label, height=height, empty=empty, **self._facts())
        self.on_msg(self._answer)
        self.observe(self._look, names=_VIEW)

    @property
    def rows(self) -> Rows:
        """The rows behind it."""
        return self._rows

    @property
    def selected(self) -> pd.DataFrame:
        """The selected rows of the frame."""
        return self._rows.selected

    @property
    def selected_keys(self) -> list[str]:
        """Keys of the selected rows."""
        return self._rows.selected_keys

    @property
    def matching(self) -> pd.DataFrame:
        """The rows that fit search and filters, in the order of the screen."""
        return self._rows.matching

    def show(
        self, frame: pd.DataFrame, *, columns: Sequence[str | Column] | None = None, key: str | None = None
    ) -> None:
        """Show other rows; search, filters, order and the selection of what is still there stay.

        Parameters
        ----------
        columns, key
            As for the table itself; None keeps them.
        """
        self._wanted = columns if columns is not None else self._wanted
        self._key = key or self._key
        rows = Rows(frame, self._columns_of(frame), key=self._key)
        names = {c.name for c in rows.columns}
        facets = {c.name for c in rows.columns if c.is_facet}
        with self._lock:
            chosen = self.selected_keys
            rows.select_keys(chosen if self._key else ())
            changed = rows.selected_keys != chosen
            self._rows = rows
            self.unobserve(self._look, names=_VIEW)
            try:
                with self.hold_sync():
                    self.filters = {k: v for k, v in self.filters.items() if k in facets}
                    self.sort = self.sort if self.sort and self.sort[0] in names else []
                    self._look()
            finally:
                self.observe(self._look, names=_VIEW)
        if changed:
            self._tell()

    def select(self, keys: Iterable[str]) -> None:
        """Select exactly the rows of these keys."""
        with self._lock:
            self._rows.select_keys(keys)
            self._selection_changed()
        self._tell()

    def select_all(self) -> None:
        """Select all rows that fit search and filters."""
        with self._lock:
            self._rows.select_matching()
            self._selection_changed()
        self._tell()

    def clear_selection(self) -> None:
        """Select nothing."""
        with self._lock:
            self._rows.clear_selection()
            self._selection_changed()
        self._tell()

    def on_select(self, call: Callable[[], None]) -> None:
        """Have `call` called after the selection has changed."""
        self._on_select.append(call)

    def _columns_of(self, frame: pd.DataFrame) -> list[Column]:
        if self._wanted is None:
            return finding_columns(frame)
        return [c if isinstance(c, Column) else finding_columns(frame, [c])[0] for c in self._wanted]

    def _facts(self) -> dict[str, Any]:
        rows = self._rows
        return {
            "columns": [_column_facts(c) for c in rows.columns],
            "facets": {name: [list(v) for v in values] for name, values in rows.facets().items()},
            "first_rows": rows.window(0, WINDOW),
            "row_count": len(rows),
            "match_count": rows.match_count,
            "selected_count": rows.selected_count,
            "all_selected": rows.all_matching_selected,
        }

    def _look(self, change: Mapping[str, Any] | None = None) -> None:
        del change
        sort = (str(self.sort[0]), bool(self.sort[1])) if len(self.sort) == 2 else None
        with self._lock:
            try:
                self._rows.look(search=self.search, filters=self.filters, sort=sort)
            except InputError:
                # A page of an earlier table may still ask for its columns; the view stays as it is.
                return
            with self.hold_sync():
                for name, value in self._facts().items():
                    setattr(self, name, value)
                self.version += 1

    def _selection_changed(self) -> None:
        with self.hold_sync():
            self.selected_count = self._rows.selected_count
            self.all_selected = self._rows.all_matching_selected
            if self.first_rows:
                self.first_rows = self._rows.window(0, WINDOW)
            self.selection_version += 1

    def _tell(self) -> None:
        # Not under the lock: whoever is told may want to show other rows, under a lock of their own.
        for call in self._on_select:
            call()

    def _answer(self, _: object, content: Mapping[str, Any], buffers: object) -> None:
        """Answer the page: send rows, or take over what was picked there."""
        del buffers
        kind = content.get("type")
        with self._lock:
            if kind in ("rows", "select", "active") and content.get("version") != self.version:
                return  # asked before what is looked at changed: its numbers of rows mean others now
            first, last = _whole(content.get("first")), _whole(content.get("last"))
            if kind == "rows":
                rows = self._rows.window(first, min(last, first + MOST_ROWS_ASKED))
                self.send({"type": "rows", "first": first, "version": self.version, "rows": rows})
            elif kind == "active":
                self.active_key = self._rows.key_at(_whole(content.get("row"))) or ""
            if kind not in ("select", "select_all", "clear") or not self.selectable:
                return
            if kind == "select":
                self._rows.select_range(first, last, on=bool(content.get("on")))
            elif kind == "select_all":
                self._rows.select_matching(on=bool(content.get("on")))
            else:
                self._rows.clear_selection()
            self._selection_changed()
        self._tell()


def _whole(value: Any) -> int:
    return max(0, int(value)) if isinstance(value, int | float) and math.isfinite(value) else 0


def _column_facts(column: Column) -> dict[str, Any]:
    facts: dict[str, Any] = {"name": column.name, "label": column.label, "kind": column.kind, "width": column.width}
    levels = dict(column.levels)
    if column.kind == "severity":
        levels |= {column.text(s): s.value.lower() for s in Severity}
    if levels:
        facts["levels"] = levels
    return facts
