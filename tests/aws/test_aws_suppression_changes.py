"""Suppressions created, changed and lifted over HTTP, and what AWS refuses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ddreport.aws.suppression_changes import (
    create_suppression,
    delete_suppression,
    suppression_token,
    update_suppression,
)
from ddreport.errors import AwsCallError

CHECK = "DEVICE_CERTIFICATE_SHARED_CHECK"
IDENTIFIER = {"deviceCertificateId": "ab" * 32}
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
END = datetime(2026, 9, 30, tzinfo=UTC)

pytestmark = pytest.mark.iot_emulator(start=NOW, manual=True)


def present(client: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.list_audit_suppressions()["suppressions"]
    return found


def test_a_suppression_is_made_once_changed_and_lifted_twice(iot_emulator: Any) -> None:
    client = iot_emulator.client("iot")
    iot_emulator.enable()
    for _ in range(2):  # the second is the same request with the same token
        create_suppression(client, CHECK, IDENTIFIER, ends=END, description="why", token="t1")
    (made,) = present(client)
    assert (made["expirationDate"], made["suppressIndefinitely"], made["description"]) == (END, False, "why")
    update_suppression(client, CHECK, IDENTIFIER, ends=None, description="why not")
    (changed,) = present(client)
    assert (changed["suppressIndefinitely"], changed["description"]) == (True, "why not")
    assert "expirationDate" not in changed
    for _ in range(2):
        delete_suppression(client, CHECK, IDENTIFIER)
    assert present(client) == []


def test_what_aws_refuses_is_told_with_the_next_step(iot_emulator: Any) -> None:
    client = iot_emulator.client("iot")
    iot_emulator.enable()
    with pytest.raises(AwsCallError, match="somebody lifted it meanwhile") as caught:
        update_suppression(client, CHECK, IDENTIFIER, ends=None, description="x")
    assert caught.value.code == "ResourceNotFoundException"
    create_suppression(client, CHECK, IDENTIFIER, ends=None, description="x", token="t1")
    with pytest.raises(AwsCallError, match="somebody made one for this check and resource meanwhile"):
        create_suppression(client, CHECK, IDENTIFIER, ends=None, description="x", token="t2")
    with pytest.raises(AwsCallError, match="the end must lie ahead"):
        update_suppression(client, CHECK, IDENTIFIER, ends=datetime(2026, 1, 1, tzinfo=UTC), description="x")
    iot_emulator.emulator.faults.refuse("DeleteAuditSuppression", code="AccessDeniedException")
    with pytest.raises(AwsCallError, match="the caller needs the permission iot:DeleteAuditSuppression"):
        delete_suppression(client, CHECK, IDENTIFIER)


def test_a_token_is_that_of_the_request_and_the_day() -> None:
    token = suppression_token("a", END, as_of=NOW)
    assert len(token) == 64
    assert token == suppression_token("a", END, as_of=NOW.replace(hour=23))
    others = {suppression_token("b", END, as_of=NOW), suppression_token("a", None, as_of=NOW)}
    assert token not in others | {suppression_token("a", END, as_of=NOW.replace(day=3))}
