"""Tables `check_configurations`, `account_configurations` and `scheduled_audits`: what is set up to be audited."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ddreport.catalogue import describe_check, normalise_check_name
from ddreport.schemas import ACCOUNT_CONFIGURATIONS, CHECK_CONFIGURATIONS, SCHEDULED_AUDITS
from ddreport.tables.building import Columns, build_frame, columns_of
from ddreport.tables.values import canonical_json, text, to_microseconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import pandas as pd

_DAYS = re.compile(r"\d{1,9}", re.ASCII)


def check_configurations_table(
    record: Mapping[str, Any], *, account: str, region: str, observed_time: datetime
) -> pd.DataFrame:
    """Make the table `schemas.CHECK_CONFIGURATIONS` of one `DescribeAccountAuditConfiguration` record.

    `threshold_days` is the configured number; a text that is none leaves it missing and stays in `configuration`.
    """
    columns = check_configurations_columns(record, account=account, region=region, observed_time=observed_time)
    return build_frame(CHECK_CONFIGURATIONS, columns)


def account_configurations_table(
    record: Mapping[str, Any], *, account: str, region: str, observed_time: datetime
) -> pd.DataFrame:
    """Make the one row of `schemas.ACCOUNT_CONFIGURATIONS` of the same record.

    `configured` is whether the record names an audit role: AWS answers for an account that was never set up too,
    and only the role tells the two apart.
    """
    columns = account_configurations_columns(record, account=account, region=region, observed_time=observed_time)
    return build_frame(ACCOUNT_CONFIGURATIONS, columns)


def scheduled_audits_table(
    records: Sequence[Mapping[str, Any]], *, account: str, region: str, observed_time: datetime
) -> pd.DataFrame:
    """Make the table `schemas.SCHEDULED_AUDITS` of `DescribeScheduledAudit` records (only they name the checks)."""
    columns = scheduled_audits_columns(records, account=account, region=region, observed_time=observed_time)
    return build_frame(SCHEDULED_AUDITS, columns)


def check_configurations_columns(
    record: Mapping[str, Any], *, account: str, region: str, observed_time: datetime
) -> Columns:
    """Return the columns of `check_configurations_table`, sorted by check name."""
    observed = to_microseconds(observed_time)
    rows = []
    for name, settings in sorted((record.get("auditCheckConfigurations") or {}).items()):
        configuration = settings.get("configuration") or {}
        rows.append(
            {
                "account": account,
                "region": region,
                "observed_time": observed,
                "check_name": text(normalise_check_name(name)),
                "enabled": bool(settings.get("enabled")),
                "threshold_days": _threshold_days(name, configuration),
                "configuration": canonical_json(configuration) if configuration else None,
            }
        )
    return columns_of(CHECK_CONFIGURATIONS, rows)


def _threshold_days(check_name: str, configuration: Mapping[str, Any]) -> int | None:
    threshold = describe_check(check_name).threshold
    # A check that this version does not know may have a threshold of its own; AWS names them all alike.
    key = threshold.configuration_key if threshold else next((k for k in configuration if k.endswith("_IN_DAYS")), "")
    value = configuration.get(key)
    return int(value) if isinstance(value, str) and _DAYS.fullmatch(value) else None


def account_configurations_columns(
    record: Mapping[str, Any], *, account: str, region: str, observed_time: datetime
) -> Columns:
    """Return the columns of `account_configurations_table`."""
    sns = (record.get("auditNotificationTargetConfigurations") or {}).get("SNS") or {}
    row = {
        "account": account,
        "region": region,
        "observed_time": to_microseconds(observed_time),
        "configured": bool(record.get("roleArn")),
        "role_arn": text(record.get("roleArn")),
        "sns_enabled": sns.get("enabled"),
        "sns_target_arn": text(sns.get("targetArn")),
        "sns_role_arn": text(sns.get("roleArn")),
    }
    return columns_of(ACCOUNT_CONFIGURATIONS, [row])


def scheduled_audits_columns(
    records: Sequence[Mapping[str, Any]], *, account: str, region: str, observed_time: datetime
) -> Columns:
    """Return the columns of `scheduled_audits_table`."""
    rows = [
        {
            "account": account,
            "region": region,
            "observed_time": to_microseconds(observed_time),
            "scheduled_audit_name": text(record.get("scheduledAuditName")),
            "scheduled_audit_arn": text(record.get("scheduledAuditArn")),
            "frequency": text(record.get("frequency")),
            "day_of_week": text(record.get("dayOfWeek")),
            "day_of_month": text(record.get("dayOfMonth")),
            "target_check_names": canonical_json(
                sorted({normalise_check_name(name) for name in record.get("targetCheckNames") or []})
            ),
        }
        for record in records
    ]
    return columns_of(SCHEDULED_AUDITS, rows)
