"""Mitigation actions: stored definitions of what may be done about a finding. Defining one changes nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ddreport.emulation.paging import page_of
from ddreport.emulation.service.component import Component, Params, Reply, operation, present
from ddreport.emulation.service.tags import with_tags
from ddreport.emulation.service_errors import (
    AlreadyExistsError,
    InvalidRequestError,
    LimitExceededError,
    NotFoundError,
)
from ddreport.emulation.service_model import epoch
from ddreport.terms import MitigationActionType

if TYPE_CHECKING:
    from datetime import datetime

    from ddreport.emulation.audit_backend import AuditBackend

MOST_ACTIONS = 100

PARAMETERS = {
    "updateDeviceCertificateParams": MitigationActionType.UPDATE_DEVICE_CERTIFICATE,
    "updateCACertificateParams": MitigationActionType.UPDATE_CA_CERTIFICATE,
    "addThingsToThingGroupParams": MitigationActionType.ADD_THINGS_TO_THING_GROUP,
    "replaceDefaultPolicyVersionParams": MitigationActionType.REPLACE_DEFAULT_POLICY_VERSION,
    "enableIoTLoggingParams": MitigationActionType.ENABLE_IOT_LOGGING,
    "publishFindingToSnsParams": MitigationActionType.PUBLISH_FINDING_TO_SNS,
}
"""Parameter member of a definition to the type that it makes it."""


@dataclass(slots=True)
class MitigationAction:
    """One definition."""

    name: str
    action_id: str
    arn: str
    role_arn: str
    params: dict[str, Any]
    created: datetime
    modified: datetime
    order: int
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def action_type(self) -> MitigationActionType:
        """The type, which follows from the parameter member."""
        return PARAMETERS[next(iter(self.params))]

    @property
    def settings(self) -> dict[str, Any]:
        """The parameters of the type."""
        settings: dict[str, Any] = next(iter(self.params.values()))
        return settings

    def snapshot(self) -> Reply:
        """Return the copy that a mitigation task keeps."""
        return {"name": self.name, "id": self.action_id, "roleArn": self.role_arn, "actionParams": self.params}


class MitigationActions(Component):
    """The definitions of one account and Region."""

    def __init__(self, backend: AuditBackend) -> None:
        super().__init__(backend)
        self._actions: dict[str, MitigationAction] = {}
        self._made = 0

    def get(self, name: str) -> MitigationAction | None:
        """Return a definition by name."""
        return self._actions.get(name)

    def by_arn(self, arn: str) -> MitigationAction | None:
        """Return a definition by ARN."""
        return next((a for a in self._actions.values() if a.arn == arn), None)

    @operation("CreateMitigationAction")
    def create(self, params: Params) -> Reply:
        """Create a definition; the same one again gives the same ids."""
        name = params["actionName"]
        _check_params(params["actionParams"])
        tags = with_tags(params)
        existing = self._actions.get(name)
        if existing is not None:
            same = (existing.params, existing.role_arn, existing.tags) == (
                params["actionParams"],
                params["roleArn"],
                tags,
            )
            if not same:
                raise AlreadyExistsError(
                    f"Mitigation action {name} already exists with another definition.",
                    resourceId=existing.action_id,
                    resourceArn=existing.arn,
                )
            return {"actionArn": existing.arn, "actionId": existing.action_id}
        if len(self._actions) >= MOST_ACTIONS:
            raise LimitExceededError(f"The account has {MOST_ACTIONS} mitigation actions, which is the limit.")
        self._made += 1
        now = self.now()
        about = (self.backend.account_id, self.backend.region_name, name, str(self._made))
        action = MitigationAction(
            name=name,
            action_id=self.world.ids.uuid("mitigation action", *about),
            arn=self.backend.arn_of("mitigationaction", name),
            role_arn=params["roleArn"],
            params=params["actionParams"],
            created=now,
            modified=now,
            order=self._made,
            tags=tags,
        )
        self._actions[name] = action
        return {"actionArn": action.arn, "actionId": action.action_id}

    @operation("DescribeMitigationAction")
    def describe(self, params: Params) -> Reply:
        """Describe a definition."""
        action = self._find(params)
        return {
            "actionName": action.name,
            "actionType": action.action_type.value,
            "actionArn": action.arn,
            "actionId": action.action_id,
            "roleArn": action.role_arn,
            "actionParams": action.params,
            "creationDate": epoch(action.created),
            "lastModifiedDate": epoch(action.modified),
        }

    @operation("UpdateMitigationAction")
    def update(self, params: Params) -> Reply:
        """Change the role, the parameters or both; the id stays."""
        action = self._find(params)
        if "actionParams" in params:
            _check_params(params["actionParams"])
            action.params = params["actionParams"]
        action.role_arn = params.get("roleArn", action.role_arn)
        action.modified = self.now()
        return {"actionArn": action.arn, "actionId": action.action_id}

    @operation("DeleteMitigationAction")
    def delete(self, params: Params) -> Reply:
        """Delete; what does not exist is fine too. Tasks already started keep their copy."""
        self._actions.pop(params["actionName"], None)
        return {}

    @operation("ListMitigationActions")
    def list_actions(self, params: Params) -> Reply:
        """List the definitions, newest first."""
        found = [
            a
            for a in sorted(self._actions.values(), key=lambda a: -a.order)
            if params.get("actionType") in (None, a.action_type)
        ]
        page, token = page_of(found, params, scope="ListMitigationActions", key=lambda a: (-a.order,))
        identifiers = [{"actionName": a.name, "actionArn": a.arn, "creationDate": epoch(a.created)} for a in page]
        return present(actionIdentifiers=identifiers, nextToken=token)

    def _find(self, params: Params) -> MitigationAction:
        action = self._actions.get(params["actionName"])
        if action is None:
            raise NotFoundError("The mitigation action does not exist.")
        return action


def _check_params(action_params: dict[str, Any]) -> None:
    if len(action_params) != 1:
        raise InvalidRequestError(f"actionParams requires exactly one member of {', '.join(PARAMETERS)}.")
    if action_params.get("enableIoTLoggingParams", {}).get("logLevel") == "DISABLED":
        raise InvalidRequestError("The log level DISABLED does not enable logging.")
