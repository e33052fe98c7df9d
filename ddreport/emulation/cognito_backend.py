"""moto's Cognito identity pools with what it lacks: the roles of a pool's identities."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import moto.cognitoidentity.urls as moto_cognito_urls
from moto.cognitoidentity.exceptions import ResourceNotFoundError
from moto.cognitoidentity.models import CognitoIdentityBackend, cognitoidentity_backends
from moto.cognitoidentity.responses import CognitoIdentityResponse
from moto.core.exceptions import JsonRESTError

from ddreport.emulation.identities import IdentityPool

if TYPE_CHECKING:
    from collections.abc import Mapping

_KINDS = ("authenticated", "unauthenticated")


class EmulatedCognitoBackend(CognitoIdentityBackend):
    """Identity pools of one account and Region."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.pool_roles: dict[str, dict[str, str]] = {}
        self.pool_role_mappings: dict[str, dict[str, Any]] = {}

    @property
    def _url_module(self) -> Any:
        # moto looks for it beside the class.
        return moto_cognito_urls

    def add_pool(self, name: str, *, allow_guests: bool) -> str:
        """Create a pool without any provider and return its id."""
        made = self.create_identity_pool(name, allow_guests, {}, "", [], [], [], {})
        return str(json.loads(made)["IdentityPoolId"])

    def set_identity_pool_roles(
        self, pool_id: str, roles: Mapping[str, str], mappings: Mapping[str, Any] | None = None
    ) -> None:
        """Set the roles of a pool's identities, in the place of all earlier ones.

        Parameters
        ----------
        pool_id
            An existing pool.
        roles
            ARNs by `authenticated` and `unauthenticated`.
        mappings
            Rules that choose a role by provider; kept and given back, but not evaluated by the audit.
        """
        self.describe_identity_pool(pool_id)
        unknown = sorted(set(roles) - set(_KINDS))
        if unknown or not all(isinstance(arn, str) and arn.startswith("arn:") for arn in roles.values()):
            raise JsonRESTError("InvalidParameterException", "Roles are ARNs by 'authenticated' and 'unauthenticated'.")
        self.pool_roles[pool_id] = dict(roles)
        self.pool_role_mappings[pool_id] = dict(mappings or {})

    def get_identity_pool_roles(self, pool_id: str) -> dict[str, Any]:
        """Return a pool's roles as GetIdentityPoolRoles answers them."""
        self.describe_identity_pool(pool_id)
        answer: dict[str, Any] = {"IdentityPoolId": pool_id, "Roles": self.pool_roles.get(pool_id, {})}
        if self.pool_role_mappings.get(pool_id):
            answer["RoleMappings"] = self.pool_role_mappings[pool_id]
        return answer

    def delete_identity_pool(self, identity_pool_id: str) -> None:
        """Delete a pool and its roles."""
        super().delete_identity_pool(identity_pool_id)
        self.pool_roles.pop(identity_pool_id, None)
        self.pool_role_mappings.pop(identity_pool_id, None)


class EmulatedCognitoResponse(CognitoIdentityResponse):
    """Answers the two operations; the others are moto's."""

    def set_identity_pool_roles(self) -> str:
        """Answer SetIdentityPoolRoles."""
        roles, mappings = self._get_param("Roles", {}), self._get_param("RoleMappings", {})
        if not isinstance(roles, dict) or not isinstance(mappings, dict):
            raise JsonRESTError("SerializationException", "Roles and RoleMappings are objects.")
        _backend(self.current_account, self.region).set_identity_pool_roles(self._pool_id(), roles, mappings)
        return ""

    def get_identity_pool_roles(self) -> str:
        """Answer GetIdentityPoolRoles."""
        return json.dumps(_backend(self.current_account, self.region).get_identity_pool_roles(self._pool_id()))

    def _pool_id(self) -> str:
        pool_id = self._get_param("IdentityPoolId")
        if not isinstance(pool_id, str):
            raise JsonRESTError("InvalidParameterException", "IdentityPoolId is required.")
        return pool_id


def identity_pool(pool_id: str, account: str) -> IdentityPool | None:
    """Return a pool of `account` with its roles, None when there is no such pool."""
    region = pool_id.partition(":")[0]
    if region not in cognitoidentity_backends[account]:
        return None
    backend = _backend(account, region)
    try:
        return IdentityPool(pool_id, backend.get_identity_pool_roles(pool_id)["Roles"])
    except ResourceNotFoundError:
        return None


def _backend(account: str, region: str) -> EmulatedCognitoBackend:
    backend = cognitoidentity_backends[account][region]
    assert isinstance(backend, EmulatedCognitoBackend)  # noqa: S101 (installed by us; tells mypy so)
    return backend
