"""What devices and people reach through role aliases and identity pools, and what happens to that."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from moto.cognitoidentity.models import cognitoidentity_backends

from ddreport.emulation.cognito_backend import EmulatedCognitoBackend
from ddreport.emulation.fleet import events
from ddreport.emulation.fleet.policies import credentials_trust, iam_document, identity_trust, iot_document
from ddreport.emulation.fleet.stage import Stage, handles

if TYPE_CHECKING:
    from ddreport.emulation.fleet.description import IdentityPoolDescription

_POLICY = "device-access"
_WEEK = timedelta(days=7)


def add_role_alias(stage: Stage, name: str, actions: tuple[str, ...]) -> None:
    """Create a role alias and its role, which allows the actions on all resources."""
    role = stage.iam.create_role(_role_of_alias(name), credentials_trust(), "/", None, "", [], "3600")
    stage.iam.put_role_policy(role.name, _POLICY, iam_document(actions))
    stage.emulator.iot().create_role_alias(name, role.arn)


def add_identity_pool(stage: Stage, name: str, pool: IdentityPoolDescription) -> None:
    """Create a Cognito identity pool with the roles of its guests and of its signed-in users."""
    made = stage.pools[name] = _cognito(stage).add_pool(name, allow_guests=pool.guests is not None)
    roles = {}
    for kind, document in (("unauthenticated", pool.guests), ("authenticated", pool.users)):
        if document is not None:
            trust = identity_trust(made, kind)
            roles[kind] = stage.iam.create_role(_role_of_pool(name, kind), trust, "/", None, "", [], "3600").arn
            _put_document(stage, name, kind, document)
    _cognito(stage).set_identity_pool_roles(made, roles)


def _put_document(stage: Stage, pool: str, kind: str, document: str) -> None:
    emulator = stage.emulator
    text = iot_document(stage.description.statements(document), region=emulator.region, account=emulator.account)
    stage.iam.put_role_policy(_role_of_pool(pool, kind), _POLICY, text)


def _cognito(stage: Stage) -> EmulatedCognitoBackend:
    backend = cognitoidentity_backends[stage.emulator.account][stage.emulator.region]
    assert isinstance(backend, EmulatedCognitoBackend)  # noqa: S101 (installed by us; tells mypy so)
    return backend


def _role_of_alias(name: str) -> str:
    return f"{name}-devices"


def _role_of_pool(name: str, kind: str) -> str:
    return f"{name}-{kind}"


@handles(events.UseServices)
def use_services(stage: Stage, event: events.UseServices) -> None:
    """Use services through a role alias, now and every week from now on."""
    role_arn = stage.emulator.iot().role_aliases[event.role_alias].role_arn
    for service in event.services:
        stage.emulator.use_service(role_arn, service)
    stage.at(stage.emulator.now() + _WEEK, partial(use_services, stage, event))


@handles(events.RoleAliasActions)
def role_alias_actions(stage: Stage, event: events.RoleAliasActions) -> None:
    """Let the role behind a role alias allow other actions."""
    stage.iam.put_role_policy(_role_of_alias(event.role_alias), _POLICY, iam_document(event.actions))


@handles(events.ConnectIdentities)
def connect_identities(stage: Stage, event: events.ConnectIdentities) -> None:
    """Let identities of a pool connect to the broker, at this time of some days."""
    pool = stage.description.identity_pools[event.pool]
    for day in range(event.days):
        connect = partial(stage.emulator.connect_identity, stage.pools[event.pool], authenticated=pool.guests is None)
        stage.at(stage.emulator.now() + timedelta(days=day), connect)


@handles(events.IdentityRole)
def identity_role(stage: Stage, event: events.IdentityRole) -> None:
    """Give the role of a pool's guests, or of its signed-in users, another document."""
    kind = "unauthenticated" if event.of == "guests" else "authenticated"
    _put_document(stage, event.pool, kind, event.document)
