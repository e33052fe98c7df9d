"""Audit suppressions: one check silenced for one resource, until a date or for good."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddreport.catalogue import checks as catalogue
from ddreport.emulation.clock import utc
from ddreport.emulation.paging import page_of
from ddreport.emulation.service.component import Component, Params, Reply, operation, present
from ddreport.emulation.service_errors import AlreadyExistsError, InvalidRequestError, NotFoundError
from ddreport.emulation.service_model import epoch

if TYPE_CHECKING:
    from datetime import datetime

    from ddreport.emulation.audit_backend import AuditBackend

_FOR_EVER = float("9e15")
"""Sorts behind every date that can be given."""


def identifier_key(identifier: dict[str, Any]) -> str:
    """Return a resource identifier as text, the same for the same resource."""
    return json.dumps(identifier, sort_keys=True, separators=(",", ":"))


@dataclass(slots=True)
class Suppression:
    """One suppression; `expires` None means never."""

    check_name: str
    identifier: dict[str, Any]
    description: str | None
    expires: datetime | None
    token: str
    order: int

    def is_active(self, now: datetime) -> bool:
        """Whether it has not expired."""
        return self.expires is None or self.expires > now

    def sort_key(self) -> tuple[float, int]:
        """Return where it stands by expiry, those without end last."""
        return (epoch(self.expires) if self.expires else _FOR_EVER), self.order

    def members(self) -> Reply:
        """Return the suppression as answers carry it."""
        return present(
            checkName=self.check_name,
            resourceIdentifier=self.identifier,
            expirationDate=epoch(self.expires) if self.expires else None,
            suppressIndefinitely=self.expires is None,
            description=self.description,
        )


class Suppressions(Component):
    """The suppressions of one account and Region."""

    def __init__(self, backend: AuditBackend) -> None:
        super().__init__(backend)
        self._suppressions: dict[tuple[str, str], Suppression] = {}
        self._made = 0

    def active_keys(self, check_name: str, now: datetime) -> set[str]:
        """Return the `identifier_key` of each resource for which a check is suppressed at `now`."""
        self._forget_expired(now)
        return {resource for name, resource in self._suppressions if name == check_name}

    @operation("CreateAuditSuppression")
    def create(self, params: Params) -> Reply:
        """Create a suppression; repeating the call with its token changes nothing."""
        key = self._key(params)
        new = Suppression(
            check_name=params["checkName"],
            identifier=params["resourceIdentifier"],
            description=params.get("description"),
            expires=self._end(params),
            token=params["clientRequestToken"],
            order=self._made + 1,
        )
        for other_key, other in self._suppressions.items():
            if other.token == new.token:
                if other_key == key and other.members() == new.members():
                    return {}
                raise InvalidRequestError("The clientRequestToken was used for another suppression.")
        if key in self._suppressions:
            raise AlreadyExistsError("A suppression of this check for this resource already exists.")
        self._made = new.order
        self._suppressions[key] = new
        return {}

    @operation("DescribeAuditSuppression")
    def describe(self, params: Params) -> Reply:
        """Describe the suppression of a check for a resource."""
        return self._find(params).members()

    @operation("UpdateAuditSuppression")
    def update(self, params: Params) -> Reply:
        """Change the end, the description or both."""
        suppression = self._find(params)
        if "expirationDate" in params or "suppressIndefinitely" in params:
            keeps_its_end = params.get("suppressIndefinitely") is False and "expirationDate" not in params
            if not keeps_its_end:
                suppression.expires = self._end(params)
            elif suppression.expires is None:
                raise InvalidRequestError("A suppression that is not indefinite requires expirationDate.")
        suppression.description = params.get("description", suppression.description)
        return {}

    @operation("DeleteAuditSuppression")
    def delete(self, params: Params) -> Reply:
        """Delete; what does not exist is fine too."""
        self._suppressions.pop(self._key(params), None)
        return {}

    @operation("ListAuditSuppressions")
    def list_suppressions(self, params: Params) -> Reply:
        """List by expiry, ascending unless told otherwise; the indefinite ones are the farthest."""
        self._forget_expired(self.now())
        wanted = params.get("resourceIdentifier", {})
        found = [
            s
            for s in self._suppressions.values()
            if params.get("checkName") in (None, s.check_name) and is_within(wanted, s.identifier)
        ]
        sign = -1 if params.get("ascendingOrder") is False else 1

        def position(suppression: Suppression) -> tuple[float, int]:
            when, order = suppression.sort_key()
            return sign * when, sign * order

        page, token = page_of(sorted(found, key=position), params, scope="ListAuditSuppressions", key=position)
        return present(suppressions=[s.members() for s in page], nextToken=token)

    def _key(self, params: Params) -> tuple[str, str]:
        self._forget_expired(self.now())
        check_name, identifier = params["checkName"], params["resourceIdentifier"]
        self.backend.configuration.require_known([check_name])
        wanted = catalogue()[check_name].identifier_key
        if list(identifier) != [wanted]:
            raise InvalidRequestError(f"{check_name} requires a resourceIdentifier with {wanted} and nothing else.")
        version = identifier.get("policyVersionIdentifier")
        if version is not None and not {"policyName", "policyVersionId"} <= version.keys():
            raise InvalidRequestError("policyVersionIdentifier requires policyName and policyVersionId.")
        return check_name, identifier_key(identifier)

    def _find(self, params: Params) -> Suppression:
        suppression = self._suppressions.get(self._key(params))
        if suppression is None:
            raise NotFoundError("The suppression does not exist.")
        return suppression

    def _end(self, params: Params) -> datetime | None:
        expires, indefinite = params.get("expirationDate"), params.get("suppressIndefinitely", False)
        if (expires is None) == (not indefinite):
            raise InvalidRequestError("Exactly one of expirationDate and suppressIndefinitely is required.")
        if expires is None:
            return None
        if utc(expires) <= self.now():
            raise InvalidRequestError("expirationDate is in the past.")
        return utc(expires)

    def _forget_expired(self, now: datetime) -> None:
        for key in [k for k, s in self._suppressions.items() if not s.is_active(now)]:
            del self._suppressions[key]


def is_within(wanted: dict[str, Any], identifier: dict[str, Any]) -> bool:
    """Whether a resource identifier has every member of a filter, nested ones included."""
    return all(
        is_within(value, identifier.get(name, {})) if isinstance(value, dict) else identifier.get(name) == value
        for name, value in wanted.items()
    )
