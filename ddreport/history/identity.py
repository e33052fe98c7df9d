"""`problem_id`: the lasting identity of a fault that AWS gives a new finding id in every audit."""

from __future__ import annotations

import hashlib
from hashlib import sha256 as _sha256
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
    *columns, resources, reasons = (rows[name].tolist() for name in PROBLEM)
    heads: dict[tuple[str, ...], str] = {}
    tails: dict[str, str] = {}
    found = []
    for *line, resource, reason in zip(*columns, resources, reasons, strict=True):
        key = tuple(line)
        # What comes before and after the resource is the same for many: measured and joined once.
        head = heads.get(key)
        if head is None:
            head = heads[key] = _told(key)
        tail = tails.get(reason)
        if tail is None:
            tail = tails[reason] = _told((reason,))
        text = f"{head}{len(resource)}:{resource}{tail}"
        # Where every character is one byte, the six texts are encoded as one.
        if text.isascii():
            found.append(_sha256(text.encode()).hexdigest()[:32])
        else:
            found.append(problem_id((*key, resource, reason)))
    return pd.Series(found, index=rows.index, dtype="str")


def _told(texts: tuple[str, ...]) -> str:
    return "".join(f"{len(text)}:{text}" for text in texts)
