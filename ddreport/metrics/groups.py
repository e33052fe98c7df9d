"""Groups of rows that are there even when nothing falls into them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ddreport.errors import ParameterError, TableSchemaError, did_you_mean
from ddreport.schemas import SEVERITY, pandas_dtype
from ddreport.terms import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ddreport.schemas import Schema

Ints: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]

SEVERITIES = [s.value for s in Severity]
DAY = 86_400_000_000
"""Microseconds of a day."""

GROUPS = ("account", "region", "check_name", "resource_type", "resource_id", "reason_code", "severity", "is_suppressed")
"""Columns of episodes that can be grouped by."""


def require(table: pd.DataFrame, schema: Schema, columns: Iterable[str]) -> None:
    """Raise `TableSchemaError` unless `table` has these columns of `schema`."""
    missing = [c for c in columns if c not in table.columns]
    if missing:
        raise TableSchemaError(f"{schema.name}: missing columns: {', '.join(missing)}.")


def severity_codes(table: pd.DataFrame) -> Ints:
    """Return the place of each row's severity in `SEVERITIES`."""
    return cast("Ints", table["severity"].astype(pandas_dtype(SEVERITY)).cat.codes.to_numpy(dtype="int64"))


def group(table: pd.DataFrame, by: Sequence[str]) -> tuple[pd.DataFrame, Ints]:
    """Return the groups of `table` and the number of each row's group.

    Every severity is a group of its own whether it occurs or not; of the other columns only what occurs is.

    Raises
    ------
    ParameterError
        A column cannot be grouped by, or is named twice.
    """
    for name in by:
        if name not in GROUPS:
            raise ParameterError(
                f"by has {name!r}; allowed: {', '.join(GROUPS)}.{did_you_mean(name, GROUPS)}",
            )
    if len(set(by)) < len(by):
        raise ParameterError(f"by names a column twice: {', '.join(by)}.")
    keys = table[list(by)].reset_index(drop=True)
    if not by:
        return pd.DataFrame(index=range(1)), np.zeros(len(table), dtype="int64")
    groups = keys.drop(columns="severity", errors="ignore").drop_duplicates()
    if "severity" in by:
        keys["severity"] = severity_codes(table)
        levels = pd.DataFrame({"severity": np.arange(len(SEVERITIES))})
        groups = groups.merge(levels, how="cross") if len(by) > 1 else levels
    groups = groups[list(by)].sort_values(list(by), ignore_index=True)
    codes = keys.merge(groups.assign(code=groups.index), on=list(by), how="left")["code"].to_numpy(dtype="int64")
    if "severity" in by:
        groups["severity"] = [SEVERITIES[code] for code in groups["severity"]]
    return groups, codes
