"""The findings explorer: every row of a table inside the report, packed small, shown by a script of the page.

Rows travel column by column: texts that repeat once with a number per row, hex ids as bytes, times as minutes. All of
it is deflated and written as text (base 85) into a block that is data, not code. The page's script unpacks it, and
shows what it holds as text and never as HTML. Names of AWS are made visible (`text.visible`) before they are packed.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import markupsafe
import numpy as np

from ddreport.catalogue import describe_check
from ddreport.presentation import formats, palette
from ddreport.presentation.text import visible
from ddreport.terms import Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

_HEX_ID = re.compile(r"[0-9a-f]{64}")
_TO_SAFE = bytes.maketrans(b"<>&", b",.:")
"""Base 85 without the three characters that mean something in HTML; the script reads the same alphabet."""

COLUMNS = (
    "severity",
    "state",
    "check_name",
    "resource_id",
    "resource_type",
    "reason_code",
    "account",
    "region",
    "opened_time",
    "last_seen_time",
    "expiration_time",
    "problem_id",
    "finding_id",
)
"""What a row has, in the order in which a CSV of it is written."""


@dataclass(frozen=True)
class Packed:
    """A table as the page holds it.

    Attributes
    ----------
    text
        Base 85 of the deflated columns.
    rows_count
        Rows.
    """

    text: str
    rows_count: int


def explorer_rows(problems: pd.DataFrame, current_findings: pd.DataFrame) -> pd.DataFrame:
    """Return the rows to explore: every problem that is not resolved, with AWS's id of its newest open finding.

    Parameters
    ----------
    problems
        `history.PROBLEMS`.
    current_findings
        Table of `metrics.current_findings` with `problem_id`.
    """
    table = problems[problems["state"] != "RESOLVED"]
    newest = current_findings.drop_duplicates("problem_id", keep="last")[["problem_id", "finding_id"]]
    table = table.merge(newest, on="problem_id", how="left")
    order = ["severity", "opened_time", "check_name", "resource_id", "problem_id"]
    return table.sort_values(order, kind="stable").reset_index(drop=True)[list(COLUMNS)]


def pack(rows: pd.DataFrame) -> Packed:
    """Pack the columns of `explorer_rows`; the same rows give the same text."""
    columns: list[dict[str, Any]] = []
    blobs: list[bytes] = []

    def add(name: str, kind: str, parts: Sequence[bytes], **more: Any) -> None:
        columns.append({"name": name, "kind": kind, "sizes": [len(p) for p in parts], **more})
        blobs.extend(parts)

    for name in ("severity", "state", "check_name", "resource_type", "reason_code", "account", "region"):
        codes, values = rows[name].astype("str").factorize(sort=name != "severity")
        add(name, "codes", [_narrow(codes)], values=[visible(v) for v in values])
    add("resource_id", "ids", _ids(rows["resource_id"]))
    for name in ("opened_time", "last_seen_time", "expiration_time"):
        add(name, "minutes", [_minutes(rows[name])])
    add("problem_id", "hex", [b"".join(bytes.fromhex(v) for v in rows["problem_id"].str.slice(0, 16))], width=8)
    add("finding_id", "ids", _ids(rows["finding_id"].fillna("")))
    head = json.dumps({"rows": len(rows), "columns": columns}, sort_keys=True, separators=(",", ":")).encode()
    # The script reads numbers of two and four bytes in place, which must begin at multiples of four.
    body = bytearray(len(head).to_bytes(4, "little") + head)
    for blob in blobs:
        body += b"\0" * (-len(body) % 4) + blob
    return Packed(_text(zlib.compress(bytes(body), 9)), len(rows))


def _text(data: bytes) -> str:
    padded = data + b"\0" * (-len(data) % 4)
    return f"{len(data)}~{base64.b85encode(padded).translate(_TO_SAFE).decode('ascii')}"


def _narrow(codes: Any) -> bytes:
    kind = "<u1" if codes.max(initial=0) < 1 << 8 else "<u2" if codes.max(initial=0) < 1 << 16 else "<u4"
    return bytes(np.asarray(codes).astype(kind).tobytes())


def _ids(values: pd.Series[str]) -> list[bytes]:
    """Return which rows are hex ids (of 16 or 32 bytes: their length), the bytes of these, and the other texts."""
    texts = values.tolist()
    width = 64 if any(_HEX_ID.fullmatch(t) for t in texts[:50]) else 32
    is_hex = re.compile(rf"[0-9a-f]{{{width}}}").fullmatch
    flags = bytearray(len(texts))
    packed: list[str] = []
    others: list[str] = []
    for place, text in enumerate(texts):
        if is_hex(text):
            flags[place] = width // 2
            packed.append(text)
        else:
            others.append(visible(text) if text else "")
    return [bytes(flags), bytes.fromhex("".join(packed)), json.dumps(others, ensure_ascii=False).encode()]


def _minutes(times: pd.Series[Any]) -> bytes:
    """Return minutes since 1970, 0 where there is no time."""
    known = times.notna()
    seconds = times.where(known).astype("datetime64[s, UTC]").astype("int64").where(known, 0)
    return bytes((seconds // 60).clip(0, (1 << 32) - 1).to_numpy().astype("<u4").tobytes())


def guidance(check_names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return what the details of a row say of its check, by the check's name."""
    found = {}
    for name in check_names:
        check = describe_check(name)
        found[visible(name)] = {
            "title": visible(formats.check_title(name)),
            "rule": check.rule,
            "why": check.why,
            "fix": check.fix,
            "url": check.doc_url,
            "actions": [str(t) for t in check.mitigation_action_types],
            "reasons": {visible(code): visible(text) for code, text in check.reason_codes},
        }
    return found


def explorer_data(rows: pd.DataFrame) -> markupsafe.Markup:
    """Return the blocks of data that the page's script looks for."""
    packed = pack(rows)
    words = {
        "columns": list(COLUMNS),
        "checks": guidance(sorted(rows["check_name"].unique())),
        "severities": {s.value: [palette.severity_look(s).label, palette.severity_look(s).symbol] for s in Severity},
    }
    text = json.dumps(words, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    # Neither holds a character that means something in HTML.
    return markupsafe.Markup(  # noqa: S704
        f'<script type="application/json" class="dd-explorer-words">{text}</script>\n'
        f'<script type="application/x-ddreport-rows" class="dd-explorer-rows">{packed.text}</script>'
    )
