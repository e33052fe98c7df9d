"""Reading what is set up to be audited, and the observed state of an account as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddreport import schemas
from ddreport.aws.calls import Record, fetch_items, fetch_one
from ddreport.aws.mitigations import fetch_mitigation_actions
from ddreport.aws.raw import capture
from ddreport.aws.suppressions import fetch_suppressions
from ddreport.records import RecordSet
from ddreport.tables.building import build_arrow
from ddreport.tables.configuration import (
    account_configurations_columns,
    check_configurations_columns,
    scheduled_audits_columns,
)
from ddreport.tables.mitigations import mitigation_actions_columns
from ddreport.tables.suppressions import suppressions_columns

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient


def fetch_configuration(client: IoTClient) -> Record:
    """Fetch the audit configuration of the account.

    Source and permission: `iot:DescribeAccountAuditConfiguration`. AWS answers for an account that was never set up
    too: then every check is disabled and there is no `roleArn`. Input for `tables.account_configurations_table`
    and `tables.check_configurations_table`.

    Raises
    ------
    AwsCallError
        AWS refused or failed.
    """
    return fetch_one(client, "describe_account_audit_configuration")


def fetch_scheduled_audits(client: IoTClient) -> list[Record]:
    """Fetch all scheduled audits with the checks that they run.

    Source and permissions: `iot:ListScheduledAudits`, `iot:DescribeScheduledAudit` (only that one names the checks).
    Input for `tables.scheduled_audits_table`.

    Raises
    ------
    AwsCallError
        AWS refused or failed.
    """
    listed = fetch_items(client, "list_scheduled_audits", "scheduledAudits")
    return [
        fetch_one(client, "describe_scheduled_audit", scheduledAuditName=item["scheduledAuditName"]) for item in listed
    ]


def fetch_state(client: IoTClient, *, account: str, region: str, emulated: bool) -> RecordSet:
    """Fetch the present state of an account: configuration, schedules, suppressions, mitigation actions.

    Source and permissions: those of `fetch_configuration`, `fetch_scheduled_audits`, `fetch_suppressions` and
    `fetch_mitigation_actions`.

    Parameters
    ----------
    account, region
        Whose state (`AwsSession.identity`).
    emulated
        Whether the emulator is known to answer; an answer that says so counts as well.

    Returns
    -------
    RecordSet
        Tables `check_configurations`, `account_configurations`, `scheduled_audits`, `suppressions`,
        `mitigation_actions`, all with the `observed_time` of the first answer, by AWS's clock.

    Raises
    ------
    AwsCallError, CredentialsError, EndpointError
        A call was refused or failed; nothing is returned of what came before.
    """
    with capture(client) as seen:
        configuration = fetch_configuration(client)
        schedules = fetch_scheduled_audits(client)
        suppressions = fetch_suppressions(client)
        actions = fetch_mitigation_actions(client)
    observed = seen.first_time
    return RecordSet(
        kind="state",
        account=account,
        region=region,
        identity=f"{observed:%Y%m%dT%H%M%SZ}",
        time=observed,
        emulated=emulated or seen.emulated,
        tables={
            "check_configurations": build_arrow(
                schemas.CHECK_CONFIGURATIONS,
                check_configurations_columns(configuration, account=account, region=region, observed_time=observed),
            ),
            "account_configurations": build_arrow(
                schemas.ACCOUNT_CONFIGURATIONS,
                account_configurations_columns(configuration, account=account, region=region, observed_time=observed),
            ),
            "scheduled_audits": build_arrow(
                schemas.SCHEDULED_AUDITS,
                scheduled_audits_columns(schedules, account=account, region=region, observed_time=observed),
            ),
            "suppressions": build_arrow(
                schemas.SUPPRESSIONS,
                suppressions_columns(suppressions, account=account, region=region, observed_time=observed),
            ),
            "mitigation_actions": build_arrow(
                schemas.MITIGATION_ACTIONS,
                mitigation_actions_columns(actions, account=account, region=region, observed_time=observed),
            ),
        },
        raw=seen.responses,
    )
