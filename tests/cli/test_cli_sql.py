"""`ddreport sql` as a user sees it."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

V1 = Path(__file__).parents[1] / "data/archive-v1"


@pytest.fixture
def sql(run: Any) -> Any:
    return lambda *arguments: run("sql", *arguments, "--archive", V1)


def test_a_table_for_people(sql: Any) -> None:
    ran = sql("SELECT account, count(*) AS n FROM findings GROUP BY ALL ORDER BY 1")
    assert ran.code == 0
    assert [line.split() for line in ran.out.splitlines() if line.strip()[:1].isdigit()] == [
        ["012345678901", "6"],
        ["444455556666", "3"],
    ]


def test_json_for_programs(sql: Any) -> None:
    ran = sql("SELECT audit_task_id, task_start_time, scheduled_audit_name IS NULL AS x FROM audit_tasks", "--json")
    assert ran.json[0] == {"audit_task_id": "audit0000", "task_start_time": "2026-03-02T09:15:00.000000Z", "x": False}


def test_csv_for_spreadsheets(sql: Any) -> None:
    ran = sql("SELECT audit_task_id, task_start_time, NULL AS x, -1 AS n FROM audit_tasks ORDER BY 1 LIMIT 1", "--csv")
    assert ran.out == "audit_task_id,task_start_time,x,n\naudit0000,2026-03-02T09:15:00+00:00,,-1\n"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1"])
def test_no_csv_cell_is_a_formula(sql: Any, text: str) -> None:
    ran = sql(f"SELECT '{text}' AS \"=a\", chr(27) || '[31m' AS b", "--csv")
    heads, cells = csv.reader(io.StringIO(ran.out))
    assert heads[0] == "'=a"
    assert cells[0].startswith("'")
    assert "\x1b" not in ran.out


def test_hostile_text_does_not_reach_the_terminal(sql: Any) -> None:
    ran = sql("SELECT chr(27) || '[31m' AS \"a\"")
    assert "\x1b" not in ran.out


def test_a_cut_table_says_so(sql: Any) -> None:
    ran = sql("FROM range(60)")
    assert len([line for line in ran.out.splitlines() if line.strip().isdigit()]) == 50
    assert "more rows than these 50; --limit 0 shows all" in ran.err
    assert len(sql("FROM range(60)", "--json").json) == 60
    assert len(sql("FROM range(60)", "--json", "--limit", "7").json) == 7
    assert sql("FROM range(60)", "--limit", "0").err == ""


def test_columns_of_one_name_are_all_shown(sql: Any) -> None:
    assert sql("SELECT 1 AS n, 2 AS n, 3 AS n", "--json").json == [{"n": 1, "n_1": 2, "n_2": 3}]


@pytest.mark.parametrize("query", ["SELEC 1", "COPY (SELECT 1) TO 'x.csv'", "FROM '/etc/passwd'", ""])
def test_wrong_or_writing_sql_is_wrong_use(sql: Any, query: str, tmp_path: Path) -> None:
    ran = sql(query)
    assert ran.code == 2
    assert ran.err.startswith("error: ")


def test_csv_and_json_exclude_each_other(sql: Any) -> None:
    assert sql("SELECT 1", "--csv", "--json").code == 2
