"""The packed rows of the explorer: what is packed comes back, small, harmless and the same each time."""

from __future__ import annotations

import base64
import json
import re
import zlib
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ddreport.history import PROBLEMS
from ddreport.history.identity import problem_ids
from ddreport.presentation import report
from ddreport.presentation.explorer import COLUMNS, explorer_data, explorer_rows, pack
from ddreport.presentation.text import visible


def unpack(text: str) -> list[dict[str, Any]]:
    """Read packed rows as the page's script does, written down independently of it."""
    length, _, body = text.partition("~")
    raw = base64.b85decode(body.translate(str.maketrans(",.:", "<>&")))[: int(length)]
    data = zlib.decompress(raw)
    size = int.from_bytes(data[:4], "little")
    head = json.loads(data[4 : 4 + size])
    place = 4 + size
    columns: dict[str, list[Any]] = {}
    for column in head["columns"]:
        parts = []
        for length in column["sizes"]:
            place += -place % 4
            parts.append(data[place : place + length])
            place += length
        columns[column["name"]] = _column(column, parts, head["rows"])
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _column(column: dict[str, Any], parts: list[bytes], rows: int) -> list[Any]:
    if column["kind"] == "codes":
        codes = np.frombuffer(parts[0], f"<u{len(parts[0]) // max(rows, 1) or 1}")
        return [column["values"][c] for c in codes]
    if column["kind"] == "minutes":
        return np.frombuffer(parts[0], "<u4").tolist()
    if column["kind"] == "hex":
        return [parts[0][i : i + column["width"]].hex() for i in range(0, len(parts[0]), column["width"])]
    others, at, found = iter(json.loads(parts[2])), 0, []
    for size in parts[0]:
        found.append(parts[1][at : at + size].hex() if size else next(others))
        at += size
    return found


@pytest.fixture(scope="module")
def rows(data: Any) -> pd.DataFrame:
    current = report._measures(data).current_findings
    return explorer_rows(data.problems, current.assign(problem_id=problem_ids(current)))


def test_what_is_packed_comes_back_made_visible(rows: pd.DataFrame) -> None:
    found = unpack(pack(rows).text)
    assert len(found) == len(rows) > 50
    for row, came in zip(rows.to_dict("records"), found, strict=True):
        for name in ("severity", "state", "check_name", "resource_id", "reason_code", "account", "region"):
            assert came[name] == visible(row[name])
        assert came["problem_id"] == row["problem_id"][:16]
        assert came["finding_id"] == ("" if pd.isna(row["finding_id"]) else visible(row["finding_id"]))
        assert came["opened_time"] * 60 == int(row["opened_time"].timestamp()) // 60 * 60
        assert came["expiration_time"] == 0 or not pd.isna(row["expiration_time"])


def test_all_that_is_not_resolved_is_there_and_nothing_else(data: Any, rows: pd.DataFrame) -> None:
    problems = data.problems
    assert set(rows["problem_id"]) == set(problems.loc[problems["state"] != "RESOLVED", "problem_id"])
    assert rows["finding_id"].notna().sum() == report._measures(data).current_findings["finding_id"].nunique()
    assert list(rows.columns) == list(COLUMNS)


def test_the_blocks_hold_nothing_that_means_something_in_html(rows: pd.DataFrame) -> None:
    html = str(explorer_data(rows))
    inner = re.findall(r"<script type=\"[a-z/-]+(?:json|rows)\" class=\"[a-z-]+\">(.*?)</script>", html)
    assert len(inner) == 2
    assert not any(char in text for text in inner for char in "<>&")
    assert "\u202e" not in html


def test_the_same_rows_give_the_same_text(rows: pd.DataFrame) -> None:
    assert pack(rows).text == pack(rows.copy()).text


def test_a_hundred_thousand_certificates_take_less_than_ten_megabytes() -> None:
    rng = np.random.default_rng(1)
    count = 121_117
    ids = [rng.bytes(32).hex() for _ in range(count)]
    table = pd.DataFrame(
        {
            "severity": rng.choice(["CRITICAL", "MEDIUM", "LOW"], count),
            "state": rng.choice(["OPEN", "NEW"], count),
            "check_name": "DEVICE_CERTIFICATE_EXPIRING_CHECK",
            "resource_id": ids,
            "resource_type": "DEVICE_CERTIFICATE",
            "reason_code": "CERTIFICATE_PAST_EXPIRATION",
            "account": rng.choice(["111122223333", "444455556666"], count),
            "region": "eu-west-1",
            "opened_time": pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(rng.integers(0, 90, count), unit="D"),
            "last_seen_time": pd.Timestamp("2026-04-01", tz="UTC"),
            "expiration_time": pd.Timestamp("2026-05-01", tz="UTC"),
            "problem_id": [i[:32] for i in ids],
            "finding_id": [i[32:] for i in ids],
        }
    )
    packed = pack(table)
    assert packed.rows_count == count
    assert len(packed.text) < 10_000_000


def test_nothing_open_is_no_explorer(data: Any) -> None:
    assert "dd-explorer-rows" in report.findings(data).html
    empty = PROBLEMS.empty()
    current = report._measures(data).current_findings
    none = explorer_rows(empty, current.assign(problem_id=problem_ids(current)))
    assert none.empty
    assert pack(none).rows_count == 0
