"""Checks of the roles that Cognito identity pools give to the devices and apps behind them.

Evaluated are the pools through which any identity was connected to the message broker in the 31 days before. Roles
that a pool's mapping rules choose are not looked at (AWS says nothing of them).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddreport.emulation.checks.registry import Candidate, Evaluation, evaluator
from ddreport.emulation.checks.view import IAM_READS, listed
from ddreport.emulation.iam_analysis import iot_grants

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ddreport.emulation.checks.view import StateView
    from ddreport.emulation.iam_analysis import IoTGrants

_READS = ("cognito-identity:GetIdentityPoolRoles", *IAM_READS)


@evaluator("UNAUTHENTICATED_COGNITO_ROLE_OVERLY_PERMISSIVE_CHECK", needs=_READS)
def unauthenticated_cognito_role(view: StateView) -> Evaluation:
    """Find pools whose guests may administrate anything, or have broad access to the data plane."""
    findings = []
    total = 0
    for pool_id, grants in _roles(view, "unauthenticated"):
        total += 1
        administration = (*grants.thing_reads, *grants.thing_writes, *grants.other_administration)
        if administration:
            reason = f"Role of guests allows access to IoT admin actions: {listed(administration)}."
            findings.append(_finding(pool_id, "ALLOWS_ACCESS_TO_IOT_ADMIN_ACTIONS", reason))
        if grants.broad_data_plane:
            reason = f"Role of guests allows broad access to IoT data plane actions: {listed(grants.broad_data_plane)}."
            findings.append(_finding(pool_id, "ALLOWS_BROAD_ACCESS_TO_IOT_DATA_PLANE_ACTIONS", reason))
    return Evaluation(total, findings)


@evaluator("AUTHENTICATED_COGNITO_ROLE_OVERLY_PERMISSIVE_CHECK", needs=_READS)
def authenticated_cognito_role(view: StateView) -> Evaluation:
    """Find pools whose signed-in identities may administrate AWS IoT, or read any thing.

    Broad access to the data plane is not reported: AWS's list of reason codes for this check has none for it.
    """
    findings = []
    total = 0
    for pool_id, grants in _roles(view, "authenticated"):
        total += 1
        for code, what, actions in (
            (
                "ALLOWS_BROAD_ACCESS_TO_IOT_THING_ADMIN_READ_ACTIONS",
                "broad access to IoT thing admin read actions",
                grants.broad_thing_reads,
            ),
            (
                "ALLOWS_ACCESS_TO_IOT_NON_THING_ADMIN_ACTIONS",
                "access to IoT non-thing admin actions",
                grants.other_administration,
            ),
            (
                "ALLOWS_ACCESS_TO_IOT_THING_ADMIN_WRITE_ACTIONS",
                "access to IoT thing admin write actions",
                grants.thing_writes,
            ),
        ):
            if actions:
                reason = f"Role of signed-in identities allows {what}: {listed(actions)}."
                findings.append(_finding(pool_id, code, reason))
    return Evaluation(total, findings)


def _roles(view: StateView, kind: str) -> Iterator[tuple[str, IoTGrants]]:
    """Yield the pools that have a role of this kind, with what it grants; a role that is gone grants nothing."""
    for pool in view.identity_pools:
        role_arn = pool.roles.get(kind)
        if role_arn is not None and view.iam is not None:
            yield pool.pool_id, iot_grants(view.iam.policies_of(role_arn) or (), view.arn_start)


def _finding(pool_id: str, code: str, reason: str) -> Candidate:
    return Candidate("COGNITO_IDENTITY_POOL", {"cognitoIdentityPoolId": pool_id}, code, reason)
