"""Definitions of mitigation actions at AWS: read, created, changed, deleted. Defining one changes no device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ddreport.aws.calls import fetch_items, fetch_one
from ddreport.aws.errors import DENIED_CODES
from ddreport.errors import AwsCallError, InputError, did_you_mean
from ddreport.mitigation.actions import MitigationAction

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_iot import IoTClient

MOST_DEFINED = 100
"""Definitions that an account and Region holds (quota L-1A084077)."""


@dataclass(frozen=True)
class DefinedAction:
    """A definition as it stands at AWS now, and whether this call changed something."""

    action: MitigationAction
    action_id: str
    arn: str
    changed: bool = False


def fetch_action(client: IoTClient, name: str) -> DefinedAction | None:
    """Fetch one definition; None when there is none of that name.

    Source and permission: `iot:DescribeMitigationAction`.

    Raises
    ------
    AwsCallError
        AWS refused or failed.
    """
    try:
        record = fetch_one(client, "describe_mitigation_action", actionName=name)
    except AwsCallError as exc:
        if exc.code != "ResourceNotFoundException":
            raise
        return None
    return DefinedAction(
        MitigationAction.from_record(record), str(record.get("actionId")), str(record.get("actionArn"))
    )


def fetch_action_names(client: IoTClient) -> list[str]:
    """Fetch the names of all definitions, in alphabetic order (`iot:ListMitigationActions`)."""
    return sorted(item["actionName"] for item in fetch_items(client, "list_mitigation_actions", "actionIdentifiers"))


def create_action(client: IoTClient, action: MitigationAction) -> DefinedAction:
    """Create a definition, unless the very same one is there already.

    Changes the account. Idempotent by name and definition: again, also after an answer that was lost, it finds the
    definition and leaves it. Permissions: `iot:CreateMitigationAction`, `iot:DescribeMitigationAction`, `iam:PassRole`
    on the action's role.

    Raises
    ------
    InputError
        The name is taken by another definition, which the message compares; or the account is full.
    AwsCallError
        AWS refused or failed.
    """
    existing = fetch_action(client, action.name)
    if existing is None:
        try:
            answer = _ask(action, lambda: fetch_one(client, "create_mitigation_action", **_asked(action)))
            return DefinedAction(action, str(answer.get("actionId")), str(answer.get("actionArn")), changed=True)
        except AwsCallError as exc:
            if exc.code == "LimitExceededException":
                raise InputError(
                    f"the mitigation action {action.name!r} was not created: AWS allows {MOST_DEFINED} in an account "
                    "and Region, and they are all in use.",
                    hint="`ddreport actions list` shows them, `ddreport actions delete NAME` deletes one.",
                ) from exc
            if exc.code != "ResourceAlreadyExistsException":
                raise
            existing = fetch_action(client, action.name)  # somebody else was faster
            if existing is None:
                raise
    if existing.action.is_like(action):
        return existing
    differences = "; ".join(existing.action.differences(action))
    raise InputError(
        f"a mitigation action {action.name!r} is defined already, and differently: {differences}. It was left as "
        "it is.",
        hint=f"`ddreport actions update {action.name} …` changes it; or choose another name.",
    )


def update_action(client: IoTClient, action: MitigationAction) -> DefinedAction:
    """Give a definition that exists another role or other parameters.

    Changes the account. Idempotent. Mitigation tasks that are running keep the definition that they began with.
    Permissions: `iot:UpdateMitigationAction`, `iot:DescribeMitigationAction`, `iam:PassRole` on the action's role.

    Raises
    ------
    InputError
        There is no such definition, or it is of another type.
    AwsCallError
        AWS refused or failed.
    """
    existing = fetch_action(client, action.name)
    if existing is None:
        raise no_such_action(client, action.name)
    if existing.action.action_type != action.action_type:
        raise InputError(
            f"the mitigation action {action.name!r} is of type {existing.action.action_type} and stays so; asked for: "
            f"{action.action_type}.",
            hint="create one of another name, or delete it first.",
        )
    if existing.action.is_like(action):
        return existing
    _ask(action, lambda: fetch_one(client, "update_mitigation_action", **_asked(action)))
    return DefinedAction(action, existing.action_id, existing.arn, changed=True)


def delete_action(client: IoTClient, name: str) -> bool:
    """Delete a definition; return whether there was one.

    Changes the account. Idempotent; mitigation tasks that are running keep their copy of the definition, and its role
    stays. Permissions: `iot:DeleteMitigationAction`, `iot:DescribeMitigationAction`.

    Raises
    ------
    AwsCallError
        AWS refused or failed.
    """
    existed = fetch_action(client, name) is not None
    if existed:
        fetch_one(client, "delete_mitigation_action", actionName=name)
    return existed


def no_such_action(client: IoTClient, name: str) -> InputError:
    """Return the error for a name that no definition has, with the names that there are."""
    names = fetch_action_names(client)
    there = f"there are: {', '.join(names)}." if names else "there is none at all."
    return InputError(
        f"there is no mitigation action {name!r}; {there}{did_you_mean(name, names)}",
        hint="`ddreport actions list` shows them, `ddreport actions create` makes one.",
    )


def _asked(action: MitigationAction) -> dict[str, object]:
    return {"actionName": action.name, "roleArn": action.role_arn, "actionParams": action.api_params()}


def _ask(action: MitigationAction, ask: Callable[[], dict[str, object]]) -> dict[str, object]:
    """Ask; a refusal for want of permission names both permissions that it can be about."""
    try:
        return ask()
    except AwsCallError as exc:
        if exc.code not in DENIED_CODES:
            raise
        raise AwsCallError(
            exc.message,
            operation=exc.operation,
            region=exc.region,
            code=exc.code,
            hint=f"the caller needs {exc.operation}, and iam:PassRole on {action.role_arn}.",
        ) from exc
