"""The check catalogue: what each of AWS's audit checks means, why it matters and what to do about it.

Facts from the AWS documentation retold in `checks.json`; a suggested, informative mapping to control frameworks in
`controls.json` (published neither by AWS nor by a framework's owner). A check that a newer service adds works
everywhere: `describe_check` then returns an entry with `in_catalogue` False that is shown by its name.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from ddreport.terms import MitigationActionType, ResourceType, Severity

NOT_IN_CATALOGUE = "not in the catalogue"


@dataclass(frozen=True)
class Threshold:
    """A check's configurable threshold: its key in AWS's `configuration` map and the days it may be set to."""

    configuration_key: str
    min_days: int
    max_days: int
    default_days: int


@dataclass(frozen=True)
class Control:
    """One suggested link from a check to a control of a framework; `confidence` is `sure` or `unsure`."""

    check_name: str
    framework: str
    framework_version: str
    control_id: str
    control_title: str
    reason: str
    confidence: str


@dataclass(frozen=True)
class Check:
    """One audit check. Texts are plain English sentences; `severity` and `resource_type` are None where unknown."""

    name: str
    title: str
    severity: Severity | None = None
    resource_type: ResourceType | None = None
    identifier_key: str = ""
    reason_codes: tuple[tuple[str, str], ...] = ()
    rule: str = ""
    why: str = ""
    fix: str = ""
    lookback: str = ""
    certificate_states: tuple[str, ...] = ()
    mitigation_action_types: tuple[MitigationActionType, ...] = ()
    threshold: Threshold | None = None
    legacy_names: tuple[str, ...] = ()
    doc_url: str = ""
    in_catalogue: bool = True

    def explain(self, reason_code: str) -> str:
        """Return what `reason_code` means in plain words, or that the catalogue does not have it."""
        return dict(self.reason_codes).get(reason_code, f"{reason_code} ({NOT_IN_CATALOGUE})")


def _read(name: str) -> Any:
    return json.loads(resources.files(__name__).joinpath(name).read_text(encoding="utf-8"))


@cache
def checks() -> dict[str, Check]:
    """Return all checks of the catalogue by their API name, in AWS's documented order (most severe first)."""
    entries = {}
    for raw in _read("checks.json"):
        fields = dict(raw)
        fields["severity"] = Severity(raw["severity"])
        fields["resource_type"] = ResourceType(raw["resource_type"])
        fields["reason_codes"] = tuple(raw["reason_codes"].items())
        fields["certificate_states"] = tuple(raw["certificate_states"])
        fields["mitigation_action_types"] = tuple(MitigationActionType(t) for t in raw["mitigation_action_types"])
        fields["threshold"] = Threshold(**raw["threshold"]) if raw["threshold"] else None
        fields["legacy_names"] = tuple(raw["legacy_names"])
        entries[raw["name"]] = Check(**fields)
    return entries


@cache
def _legacy_names() -> dict[str, str]:
    return {old: check.name for check in checks().values() for old in check.legacy_names}


def normalise_check_name(name: str) -> str:
    """Return the API's present name for a name from AWS's older texts; any other name unchanged."""
    return _legacy_names().get(name, name)


def describe_check(name: str) -> Check:
    """Return the entry of a check under its present or an older name; an unknown one gets an entry of its own."""
    present = normalise_check_name(name)
    return checks().get(present) or Check(name=present, title=f"{present} ({NOT_IN_CATALOGUE})", in_catalogue=False)


@cache
def controls() -> tuple[Control, ...]:
    """Return the suggested links between checks and control frameworks, in the order of the checks."""
    return tuple(Control(**raw) for raw in _read("controls.json"))
