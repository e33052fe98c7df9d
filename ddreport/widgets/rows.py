"""The rows of a table as somebody looks at them: searched, filtered, sorted, counted, selected. No widget in here.

Everything is answered from arrays that are made once per column, so that a table of 100,000 rows answers a key press.
Only the rows on the screen become text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ddreport.errors import InputError, did_you_mean
from ddreport.presentation.text import MISSING, is_missing, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

Kind = Literal["text", "id", "word", "severity", "number", "time", "flag"]
"""How a column is shown: free text, an id, one of a few words, a severity, a number, a UTC time, yes or no."""

FACET_KINDS = frozenset({"word", "severity", "flag"})
MOST_WORDS = 60
"""A column of text with at most so many different values is one of words, unless told otherwise."""

MOST_SHOWN = 200
"""Values of one filter that are offered, most frequent first; the search finds the others."""

_SEARCHED = frozenset({"text", "id", "word", "severity"})


@dataclass(frozen=True)
class Column:
    """One column on the screen.

    Attributes
    ----------
    name
        In the frame.
    label
        Heading.
    kind
        How it is shown and whether it can be filtered.
    width
        Least width in pixels.
    say
        Turns a value into the words of the screen, such as a check's title; None shows the value.
    levels
        Colour of some of these words: `critical` … `low`, `good`, `warn` or `bad`.
    """

    name: str
    label: str
    kind: Kind = "text"
    width: int = 140
    say: Callable[[Any], str] | None = None
    levels: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_facet(self) -> bool:
        """Whether it has a filter of its own."""
        return self.kind in FACET_KINDS

    def text(self, value: Any) -> str:
        """Return a value as it is shown: one line, nothing in it hides."""
        if is_missing(value):
            return MISSING
        if self.say is not None:
            return visible(self.say(value))
        if self.kind == "time":
            return f"{value:%Y-%m-%d %H:%M}"
        if self.kind == "number":
            return f"{value:,}"
        if self.kind == "flag":
            return "yes" if value else "no"
        return visible(value)


def guess_columns(frame: pd.DataFrame, names: Iterable[str] | None = None) -> list[Column]:
    """Return a column for each of a frame's, shown as its dtype suggests."""
    found = []
    for name in frame.columns if names is None else names:
        values = frame[name]
        label = str(name).replace("_", " ").capitalize()
        kind: Kind = "text"
        width = 160
        if str(name) == "severity":
            kind, width = "severity", 110
        elif isinstance(values.dtype, pd.CategoricalDtype):
            kind = "word"
        elif pd.api.types.is_bool_dtype(values.dtype):
            kind, width = "flag", 90
        elif pd.api.types.is_datetime64_any_dtype(values.dtype):
            kind, width, label = "time", 140, f"{label} (UTC)"
        elif pd.api.types.is_numeric_dtype(values.dtype):
            kind, width = "number", 100
        elif str(name).endswith("_id"):
            kind, width = "id", 220
        elif values.nunique() <= MOST_WORDS:
            kind = "word"
        found.append(Column(str(name), label, kind, width))
    return found


class _Values:
    """The arrays of one column: what it is filtered, searched and sorted by."""

    def __init__(self, column: Column, values: pd.Series[Any]) -> None:
        self.column = column
        self._values = values

    @cached_property
    def coded(self) -> tuple[NDArray[np.int32], list[str], list[str]]:
        """For each row the place of its value among the different ones, these as keys, and as shown."""
        values = self._values
        has_order = isinstance(values.dtype, pd.CategoricalDtype)
        if has_order:
            codes, uniques = np.asarray(values.cat.codes), list(values.cat.categories)
        else:
            codes, found = pd.factorize(values, sort=self.column.kind != "flag", use_na_sentinel=True)
            uniques = list(found)
        shown = [self.column.text(value) for value in uniques]
        if self.column.say is not None and not has_order:
            order = sorted(range(len(uniques)), key=lambda i: shown[i].casefold())
            place = np.empty(len(order) + 1, dtype=np.int32)
            place[order] = np.arange(len(order), dtype=np.int32)
            place[-1] = -1
            codes, uniques, shown = place[codes], [uniques[i] for i in order], [shown[i] for i in order]
        missing = codes < 0
        if missing.any():
            codes = np.where(missing, len(uniques), codes)
            uniques, shown = [*uniques, ""], [*shown, MISSING]
        return codes.astype(np.int32), [str(value) for value in uniques], shown

    @cached_property
    def text(self) -> pa.Array:
        """Every row's text in small letters, for the search and the order."""
        values = self._values
        if isinstance(values.dtype, pd.StringDtype):
            found = pa.array(values)
            whole = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
        else:
            whole = pa.array([None if is_missing(v) else str(v) for v in values], type=pa.string())
        return pc.utf8_lower(whole)

    @cached_property
    def rank(self) -> NDArray[Any]:
        """A number for each row by which it is sorted; missing values come last."""
        if self.column.is_facet:
            return self.coded[0].astype(np.int64)
        if self.column.kind in ("number", "time"):
            values = self._values
            if self.column.kind == "time":
                return values.astype("int64").where(values.notna(), np.iinfo(np.int64).max).to_numpy()
            order = np.argsort(values.to_numpy(dtype=float, na_value=np.inf), kind="stable")
        else:
            order = pc.sort_indices(self.text).to_numpy()
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        return rank

    def has(self, word: str) -> NDArray[np.bool_]:
        """Tell for each row whether its text has `word`, in small letters, in it."""
        if self.column.is_facet:
            codes, keys, shown = self.coded
            hits = [word in k.lower() or word in s.lower() for k, s in zip(keys, shown, strict=True)]
            return np.asarray(hits, dtype=bool)[codes] if hits else np.zeros(len(codes), dtype=bool)
        found = pc.fill_null(pc.match_substring(self.text, word), False)  # noqa: FBT003
        return np.asarray(found.to_numpy(zero_copy_only=False))


class Rows:
    """The rows of a frame under a search, filters, an order, and a selection that outlives them.

    Parameters
    ----------
    frame
        Any table; it is not changed.
    columns
        What is shown of it; None shows all columns (`guess_columns`).
    key
        Column whose text names a row for good; None takes the position.

    Raises
    ------
    InputError
        A column is not there, or the keys are not different from one another.
    """

    def __init__(self, frame: pd.DataFrame, columns: Sequence[Column] | None = None, *, key: str | None = None) -> None:
        self.columns = list(columns) if columns is not None else guess_columns(frame)
        for name in (*(c.name for c in self.columns), *([key] if key else [])):
            if name not in frame.columns:
                known = [str(c) for c in frame.columns]
                raise InputError(
                    f"the table has no column {name!r}; it has: {', '.join(known)}.{did_you_mean(name, known)}"
                )
        self.frame = frame.reset_index(drop=True)
        self.keys: list[str] = (
            [str(i) for i in range(len(frame))] if key is None else self.frame[key].astype("str").tolist()
        )
        self._place = {k: i for i, k in enumerate(self.keys)}
        if len(self._place) != len(self.keys):
            raise InputError(f"the column {key!r} names {len(self.keys) - len(self._place)} rows more than once.")
        self._values = {c.name: _Values(c, self.frame[c.name]) for c in self.columns}
        self.search = ""
        self.filters: dict[str, tuple[str, ...]] = {}
        self.sort: tuple[str, bool] | None = None
        self._selected = np.zeros(len(self.keys), dtype=bool)
        self._masks: dict[str, NDArray[np.bool_]] = {}
        self._view: NDArray[np.int64] = np.arange(len(self.keys), dtype=np.int64)

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def match_count(self) -> int:
        """Rows that fit search and filters."""
        return len(self._view)

    @property
    def selected_count(self) -> int:
        """Rows that are selected, seen or not."""
        return int(self._selected.sum())

    @property
    def selected_keys(self) -> list[str]:
        """Keys of the selected rows, in the frame's order."""
        return [self.keys[i] for i in np.flatnonzero(self._selected)]

    @property
    def selected(self) -> pd.DataFrame:
        """The selected rows of the frame."""
        return self.frame[self._selected]

    @property
    def matching(self) -> pd.DataFrame:
        """The rows of the frame that fit search and filters, in the order of the screen."""
        return self.frame.iloc[self._view]

    def look(
        self,
        *,
        search: str = "",
        filters: Mapping[str, Sequence[str]] | None = None,
        sort: tuple[str, bool] | None = None,
    ) -> None:
        """Set what is looked at.

        Parameters
        ----------
        search
            Words that must all be in a row's text, in any column, whatever their case.
        filters
            By column of words the values that may be there.
        sort
            A column, and whether the greatest comes first; None keeps the frame's order.

        Raises
        ------
        InputError
            A column is not shown or cannot be filtered.
        """
        wanted = {name: tuple(values) for name, values in (filters or {}).items() if values}
        for name in (*wanted, *([sort[0]] if sort else [])):
            if name not in self._values or (name in wanted and not self._values[name].column.is_facet):
                allowed = [c.name for c in self.columns if c.is_facet or name not in wanted]
                raise InputError(
                    f"the table cannot be filtered or sorted by {name!r}; it can by: {', '.join(allowed)}."
                )
        self.search, self.filters, self.sort = search, wanted, sort
        self._masks = {name: self._allowed(name, values) for name, values in wanted.items()}
        words = search.lower().split()
        if words:
            self._masks[""] = np.logical_and.reduce([self._any_has(word) for word in words])
        view = np.flatnonzero(self._all_but(None))
        if sort is not None:
            rank = self._values[sort[0]].rank[view]
            # The order of equal rows stays the frame's in both directions.
            view = view[np.argsort(-rank if sort[1] else rank, kind="stable")]
        self._view = view

    def _allowed(self, name: str, values: Sequence[str]) -> NDArray[np.bool_]:
        codes, keys, _ = self._values[name].coded
        return np.isin(codes, [i for i, k in enumerate(keys) if k in values])

    def _any_has(self, word: str) -> NDArray[np.bool_]:
        hit = np.zeros(len(self.keys), dtype=bool)
        for values in self._values.values():
            if values.column.kind in _SEARCHED:
                hit |= values.has(word)
        return hit

    def _all_but(self, name: str | None) -> NDArray[np.bool_]:
        masks = [mask for own, mask in self._masks.items() if own != name]
        return np.logical_and.reduce(masks) if masks else np.ones(len(self.keys), dtype=bool)

    def facets(self) -> dict[str, list[tuple[str, str, int]]]:
        """Return for each column of words its values: key, as shown, and how many rows the other filters leave."""
        found: dict[str, list[tuple[str, str, int]]] = {}
        for column in self.columns:
            if not column.is_facet:
                continue
            codes, keys, shown = self._values[column.name].coded
            counts = np.bincount(codes[self._all_but(column.name)], minlength=len(keys))
            order = range(len(keys)) if len(keys) <= MOST_SHOWN else np.argsort(-counts, kind="stable")[:MOST_SHOWN]
            chosen = self.filters.get(column.name, ())
            found[column.name] = [(keys[i], shown[i], int(counts[i])) for i in order if counts[i] or keys[i] in chosen]
        return found

    def window(self, start: int, stop: int) -> list[list[Any]]:
        """Return rows of the screen from `start` to `stop`: whether it is selected (0, 1), then each column's text."""
        places = self._view[max(start, 0) : max(stop, 0)]
        part = self.frame.iloc[places]
        columns = [[c.text(value) for value in part[c.name]] for c in self.columns]
        return [[int(self._selected[i]), *texts] for i, *texts in zip(places, *columns, strict=True)]

    def key_at(self, row: int) -> str | None:
        """Return the key of a row of the screen, None where there is none."""
        return self.keys[self._view[row]] if 0 <= row < len(self._view) else None

    def select_range(self, first: int, last: int, *, on: bool = True) -> None:
        """Select the rows of the screen from `first` to `last` (both included), or give them up."""
        low, high = sorted((first, last))
        self._selected[self._view[max(low, 0) : high + 1]] = on

    def select_matching(self, *, on: bool = True) -> None:
        """Select all rows that fit search and filters, or give them up; the others stay as they are."""
        self._selected[self._view] = on

    def select_keys(self, keys: Iterable[str]) -> None:
        """Select exactly the rows of these keys; those that are not there are passed over."""
        self._selected[:] = False
        places = [self._place[k] for k in keys if k in self._place]
        self._selected[places] = True

    def clear_selection(self) -> None:
        """Select nothing."""
        self._selected[:] = False

    @property
    def all_matching_selected(self) -> bool:
        """Whether every row that fits is selected; false where none fits."""
        return bool(len(self._view)) and bool(self._selected[self._view].all())
