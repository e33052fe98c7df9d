"""Reading suppressions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddreport.aws.calls import Record, fetch_items

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient


def fetch_suppressions(client: IoTClient) -> list[Record]:
    """Fetch all active suppressions, by expiry date.

    Source and permission: `iot:ListAuditSuppressions`, all pages. Input for `tables.suppressions_table`.

    Raises
    ------
    AwsCallError
        AWS refused or failed.
    """
    return fetch_items(client, "list_audit_suppressions", "suppressions")
