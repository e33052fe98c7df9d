"""The calls that undo an action. Each changes the account, and only if the resource is as the action left it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddreport.aws.calls import fetch_one
from ddreport.aws.errors import aws_errors
from ddreport.aws.prestate import read_states
from ddreport.errors import AwsCallError
from ddreport.mitigation.prestate import is_blank
from ddreport.mitigation.reverse_calls import Operation, ReverseOperation, Standing, stand

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient

_METHODS: dict[Operation, str] = {
    Operation.UPDATE_CERTIFICATE: "update_certificate",
    Operation.UPDATE_CA_CERTIFICATE: "update_ca_certificate",
    Operation.SET_DEFAULT_POLICY_VERSION: "set_default_policy_version",
    Operation.DELETE_POLICY_VERSION: "delete_policy_version",
    Operation.REMOVE_THING_FROM_THING_GROUP: "remove_thing_from_thing_group",
    Operation.SET_V2_LOGGING_OPTIONS: "set_v2_logging_options",
}


def look(client: IoTClient, operation: ReverseOperation) -> tuple[Standing, str]:
    """Read the resource of an operation and tell how it stands to it; nothing is changed.

    Source and permissions: as `aws.prestate.capture_state`; for a policy version that is to be deleted also
    `iot:GetPolicyVersion`: only one that permits nothing is.

    Raises
    ------
    AwsCallError, CredentialsError, EndpointError
        AWS refused or failed to tell.
    """
    (now,) = read_states(client, [operation.key])
    standing, note = stand(operation, now)
    if standing is Standing.TO_DO and operation.operation is Operation.DELETE_POLICY_VERSION:
        version = fetch_one(client, "get_policy_version", **operation.arguments)
        if not is_blank(version["policyDocument"]):
            number = operation.arguments["policyVersionId"]
            return Standing.CHANGED, f"version {number} permits something, so it is not the one that the action made"
    return standing, note


def undo(client: IoTClient, operation: ReverseOperation) -> None:
    """Change the account: carry one operation out. Call `look` first.

    Doing it twice is the same as once. Where AWS did it and its answer got lost, a further attempt may be refused; then
    the resource tells.

    Permissions: `iot:UpdateCertificate`; `iot:UpdateCACertificate`; `iot:SetDefaultPolicyVersion`,
    `iot:DeletePolicyVersion`; `iot:RemoveThingFromThingGroup`; `iot:SetV2LoggingOptions` with `iam:PassRole` on the
    logging role.

    Raises
    ------
    AwsCallError, CredentialsError, EndpointError
        AWS refused or failed, and the resource is not as it was to be.
    """
    try:
        with aws_errors(client):
            getattr(client, _METHODS[operation.operation])(**operation.arguments)
    except AwsCallError:
        if look(client, operation)[0] is not Standing.DONE:
            raise
