"""Checks of role aliases: what a device gets when it turns its certificate into credentials of a role."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ddreport.emulation.checks.registry import Candidate, Evaluation, evaluator
from ddreport.emulation.checks.view import IAM_READS, listed
from ddreport.emulation.iam_analysis import (
    SECURITY_AUDITING_SERVICES,
    administered_services,
    granted_services,
    iot_grants,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ddreport.emulation.checks.view import RoleAliasState, StateView
    from ddreport.emulation.policy import Policy

_READS = (
    "iot:ListRoleAliases",
    "iot:DescribeRoleAlias",
    *IAM_READS,
    "iam:GenerateServiceLastAccessedDetails",
    "iam:GetServiceLastAccessedDetails",
)

_USE_COUNTS_FOR = timedelta(days=365)


@evaluator("IOT_ROLE_ALIAS_OVERLY_PERMISSIVE_CHECK", needs=_READS)
def iot_role_alias_overly_permissive(view: StateView) -> Evaluation:
    """Find role aliases with all rights on a used service, on AWS IoT beyond the device itself, or on auditing."""
    findings = []
    total = 0
    for alias in view.role_aliases:
        total += 1
        policies = _policies(view, alias)
        if policies:
            used = _used(view, alias)
            findings += [_finding(alias, code, text) for code, text in _faults(view, policies, used)]
    return Evaluation(total, findings)


def _faults(view: StateView, policies: tuple[Policy, ...], used: frozenset[str]) -> Iterator[tuple[str, str]]:
    services = granted_services(policies)
    grants = iot_grants(policies, view.arn_start)
    for code, what, found in (
        (
            "ALLOWS_BROAD_ACCESS_TO_USED_SERVICES",
            "broad access to used services",
            tuple(service for service in administered_services(policies) if service in used),
        ),
        (
            "ALLOWS_ACCESS_TO_SECURITY_AUDITING_SERVICES",
            "access to security auditing services",
            tuple(service for service in services if service in SECURITY_AUDITING_SERVICES),
        ),
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
        (
            "ALLOWS_BROAD_ACCESS_TO_IOT_DATA_PLANE_ACTIONS",
            "broad access to IoT data plane actions",
            grants.broad_data_plane,
        ),
    ):
        if found:
            yield code, f"Role alias allows {what}: {listed(found)}."


@evaluator("IOT_ROLE_ALIAS_ALLOWS_ACCESS_TO_UNUSED_SERVICES_CHECK", needs=_READS)
def iot_role_alias_allows_access_to_unused_services(view: StateView) -> Evaluation:
    """Find role aliases that reach services without use in the last 365 days; a role never used has used none."""
    findings = []
    total = 0
    for alias in view.role_aliases:
        total += 1
        used = _used(view, alias)
        unused = tuple(service for service in granted_services(_policies(view, alias)) if service not in used)
        if unused:
            text = f"Role alias allows access to services without use in the last 365 days: {listed(unused)}."
            findings.append(_finding(alias, "ALLOWS_ACCESS_TO_UNUSED_SERVICES", text))
    return Evaluation(total, findings)


def _policies(view: StateView, alias: RoleAliasState) -> tuple[Policy, ...]:
    # A role that is gone grants nothing.
    return (view.iam.policies_of(alias.role_arn) if view.iam is not None else None) or ()


def _used(view: StateView, alias: RoleAliasState) -> frozenset[str]:
    if view.iam is None:
        return frozenset()
    begin = view.as_of - _USE_COUNTS_FOR
    return frozenset(
        service for service, when in view.iam.last_used(alias.role_arn).items() if begin <= when <= view.as_of
    )


def _finding(alias: RoleAliasState, code: str, reason: str) -> Candidate:
    role = {"resourceType": "IAM_ROLE", "resourceIdentifier": {"iamRoleArn": alias.role_arn}}
    return Candidate("ROLE_ALIAS", {"roleAliasArn": alias.arn}, code, reason, related=(role,))
