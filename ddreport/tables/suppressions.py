"""Table `suppressions`, from the records of `ListAuditSuppressions`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ddreport.catalogue import describe_check, normalise_check_name
from ddreport.schemas import SUPPRESSIONS
from ddreport.tables.building import Columns, build_frame, columns_of
from ddreport.tables.identity import NO_RESOURCE_TYPE, identify
from ddreport.tables.values import text, to_microseconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import pandas as pd


def suppressions_table(
    records: Sequence[Mapping[str, Any]], *, account: str, region: str, observed_time: datetime
) -> pd.DataFrame:
    """Make the table `schemas.SUPPRESSIONS` of `ListAuditSuppressions` records.

    AWS does not say the resource type: it follows from the identifier's key, for a key that this version does not
    know from the check. A suppression that says neither when it ends nor that it never does is taken as endless.

    Raises
    ------
    TableSchemaError
        A suppression without check name, or two different ones for the same check and resource.
    """
    columns = suppressions_columns(records, account=account, region=region, observed_time=observed_time)
    return build_frame(SUPPRESSIONS, columns)


def suppressions_columns(
    records: Sequence[Mapping[str, Any]], *, account: str, region: str, observed_time: datetime
) -> Columns:
    """Return the columns of `suppressions_table`."""
    rows = [_row(record, account, region, to_microseconds(observed_time)) for record in records]
    return columns_of(SUPPRESSIONS, rows)


def _row(record: Mapping[str, Any], account: str, region: str, observed: int | None) -> dict[str, Any]:
    identity = identify(record.get("resourceIdentifier"))
    check_name = normalise_check_name(record.get("checkName") or "")
    by_check = describe_check(check_name).resource_type
    ends = to_microseconds(record.get("expirationDate"))
    endless = record.get("suppressIndefinitely")
    return {
        "account": account,
        "region": region,
        "observed_time": observed,
        "check_name": text(check_name) or None,
        "resource_type": identity.resource_type or (by_check.value if by_check else NO_RESOURCE_TYPE),
        "resource_id": text(identity.resource_id),
        "policy_version_id": text(identity.policy_version_id),
        "suppress_indefinitely": ends is None if endless is None else bool(endless),
        "expiration_time": ends,
        "description": text(record.get("description")),
        "resource_identifier": identity.resource_identifier,
    }
