"""Checks of AWS IoT policies: every policy, attached or not, by its default version."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ddreport.emulation.checks.registry import Candidate, Evaluation, evaluator
from ddreport.emulation.policy_breadth import (
    DENIED_FILTERS_REACHABLE,
    MQTT_WILDCARDS_IN_DENY,
    broad_data_plane_actions,
    misconfigurations,
)

if TYPE_CHECKING:
    from ddreport.emulation.checks.view import PolicyState, StateView

_READS = ("iot:ListPolicies", "iot:GetPolicy")

_MISCONFIGURATIONS = {
    MQTT_WILDCARDS_IN_DENY: "Policy contains MQTT wildcards in a Deny statement, where they are plain characters.",
    DENIED_FILTERS_REACHABLE: "Policy denies topic filters that can still be reached by subscribing with wildcards.",
}


@evaluator("IOT_POLICY_OVERLY_PERMISSIVE_CHECK", needs=_READS)
def iot_policy_overly_permissive(view: StateView) -> Evaluation:
    """Find policies that grant data-plane actions on other things than the connecting one."""
    findings = []
    total = 0
    for policy in view.policies:
        total += 1
        actions = broad_data_plane_actions(_text(policy.document), view.arn_start)
        if actions:
            reason = f"Policy allows broad access to IoT data plane actions: [{', '.join(actions)}]."
            findings.append(_finding(policy, "ALLOWS_BROAD_ACCESS_TO_IOT_DATA_PLANE_ACTIONS", reason))
    return Evaluation(total, findings)


@evaluator("IOT_POLICY_POTENTIAL_MISCONFIGURATION_CHECK", needs=_READS)
def iot_policy_potential_misconfiguration(view: StateView) -> Evaluation:
    """Find policies whose Deny statements close less than they seem to; one finding per reason."""
    findings = []
    total = 0
    for policy in view.policies:
        total += 1
        findings += [
            _finding(policy, code, _MISCONFIGURATIONS[code]) for code in misconfigurations(_text(policy.document))
        ]
    return Evaluation(total, findings)


def _finding(policy: PolicyState, code: str, reason: str) -> Candidate:
    version = {"policyName": policy.name, "policyVersionId": str(policy.default_version_id)}
    return Candidate("IOT_POLICY", {"policyVersionIdentifier": version}, code, reason)


def _text(document: Any) -> str:
    return document if isinstance(document, str) else json.dumps(document, sort_keys=True)
