"""Changes of suppressions that cannot be sent, or that nobody answers: each is told, and the right ones go on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.config import Config

from ddreport.workflows.suppression_apply import _Run

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)

pytestmark = pytest.mark.iot_emulator(start=NOW, manual=True)


def a_change(identifier: str, **more: Any) -> dict[str, Any]:
    return {
        "account": "123456789012",
        "region": "eu-west-1",
        "action": "CREATE",
        "check_name": "LOGGING_DISABLED_CHECK",
        "resource_identifier": identifier,
        "expiration_time": None,
        "description": "x",
        **more,
    }


def test_an_argument_that_boto3_refuses_fails_alone(iot_emulator: Any) -> None:
    iot_emulator.enable()
    rows = [a_change('{"account":"1"}'), a_change('{"account":"123456789012"}')]
    run = _Run(iot_emulator.client("iot"), NOW)
    for row in rows:
        run.change(row)
    assert [row["outcome"] for row in rows] == ["FAILED", "DONE"]
    assert "AWS's rules refuse an argument" in rows[0]["message"]


def test_after_three_failures_in_a_row_the_rest_of_the_kind_is_not_tried(iot_emulator: Any) -> None:
    iot_emulator.enable()
    iot_emulator.emulator.faults.refuse("CreateAuditSuppression", code="InvalidRequestException")
    rows = [a_change(f'{{"account":"12345678901{n}"}}') for n in range(5)]
    rows.append(a_change('{"account":"123456789012"}', action="DELETE"))
    run = _Run(iot_emulator.client("iot"), NOW)
    for row in rows:
        run.change(row)
    assert [row["outcome"] for row in rows] == ["FAILED"] * 3 + ["NOT_TRIED"] * 2 + ["DONE"]
    assert rows[3]["message"] == "not tried after 3 failures in a row"


def test_without_a_connection_nothing_more_is_tried(iot_emulator: Any) -> None:
    iot_emulator.enable()
    iot_emulator.emulator.faults.drop("CreateAuditSuppression", when="before")
    rows = [a_change('{"account":"123456789012"}'), a_change('{"account":"123456789012"}', action="DELETE")]
    run = _Run(iot_emulator.client("iot", config=Config(retries={"total_max_attempts": 1})), NOW)
    for row in rows:
        run.change(row)
    assert [row["outcome"] for row in rows] == ["FAILED", "NOT_TRIED"]
    assert rows[0]["error_code"] == "EndpointError"
    assert rows[1]["message"].startswith("not tried after: ")
