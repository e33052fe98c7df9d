"""`problem_id`: the lasting identity of a fault that AWS gives a new finding id in every audit."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable

LINE = ["account", "region", "check_name"]
"""One check in one account and Region: its runs form a line in time."""

PROBLEM = [*LINE, "resource_type", "resource_id", "reason_code"]
"""What makes two findings the same problem."""


def problem_id(parts: Iterable[str]) -> str:
    """Return the identity of the problem with these six texts, in the order of `PROBLEM`.

    The first 32 hex digits of the SHA-256 of the texts, each preceded by its length in bytes and a colon: a text that
    holds a separator cannot pass for two.

    Examples
    --------
    >>> problem_id(["111122223333", "eu-west-1", "LOGGING_DISABLED_CHECK", "ACCOUNT_SETTINGS", "1", "LOGGING_DISABLED"])
    '92d112ae711b2167c3f094ca08beb55e'
    """
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    return hashlib.sha256(b"".join(b"%d:%b" % (len(part), part) for part in encoded)).hexdigest()[:32]


def problem_ids(rows: pd.DataFrame) -> pd.Series[str]:
    """Return the `problem_id` of each row; reads the columns of `PROBLEM`, which must be there in every row."""
    columns = [rows[name].to_numpy(dtype=object) for name in PROBLEM]
    return pd.Series([_fast_id(parts) for parts in zip(*columns, strict=True)], index=rows.index, dtype="str")


def _fast_id(parts: tuple[str, ...]) -> str:
    """Return `problem_id(parts)`: where every character is one byte, the six texts are encoded as one."""
    account, region, check, kind, resource, reason = parts
    text = (
        f"{len(account)}:{account}{len(region)}:{region}{len(check)}:{check}"
        f"{len(kind)}:{kind}{len(resource)}:{resource}{len(reason)}:{reason}"
    )
    return hashlib.sha256(text.encode()).hexdigest()[:32] if text.isascii() else problem_id(parts)
