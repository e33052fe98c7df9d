"""An account with findings, plans of them, and an eye on everything that changes it."""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from ddreport.archive import Archive
from ddreport.aws.session import AwsSession, connect_session
from ddreport.emulation import Emulator, RunningClock
from ddreport.mitigation.plan import (
    FORMAT,
    ApprovalRule,
    Cost,
    Plan,
    PlannedAction,
    PlannedFinding,
    Rollout,
    seal,
)
from ddreport.progress import NoProgress
from ddreport.targets import Target
from ddreport.workflows.mitigating.account import Pace
from ddreport.workflows.mitigating.apply import Applied, apply_plan

if TYPE_CHECKING:
    from collections.abc import Iterator

EXPIRING = "DEVICE_CERTIFICATE_EXPIRING_CHECK"
POLICY = "IOT_POLICY_OVERLY_PERMISSIVE_CHECK"
LOGGING = "LOGGING_DISABLED_CHECK"
PACE = Pace(poll=0.04, limit=0.05, alarms=0.05, grace=5.0)

DEFINITIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "Deactivate": ("UpdateDeviceCert", {"updateDeviceCertificateParams": {"action": "DEACTIVATE"}}),
    "Quarantine": ("AddThingsToThingGroup", {"addThingsToThingGroupParams": {"thingGroupNames": ["quarantine"]}}),
    "Blank": ("ReplaceDefaultPolicy", {"replaceDefaultPolicyVersionParams": {"templateName": "BLANK_POLICY"}}),
    "Log": (
        "EnableIoTLogging",
        {"enableIoTLoggingParams": {"roleArnForLogging": "arn:aws:iam::123456789012:role/L", "logLevel": "ERROR"}},
    ),
}


@dataclass
class Watch:
    """What came over HTTP and what was changed.

    `hold` keeps the n-th request of an operation waiting until `release`; `on` acts once before one is answered.
    """

    emulator: Emulator
    requests: list[str] = field(default_factory=list)
    changes: Counter[str] = field(default_factory=Counter)
    hold: tuple[str, int] | None = None
    on: tuple[str, Any] | None = None
    held: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)

    def count(self, operation: str) -> int:
        return self.requests.count(operation)


@dataclass
class Site:
    """The account of a test with what is to be treated in it."""

    world: Any
    session: AwsSession
    archive: Archive
    watch: Watch
    plans: int = 0
    is_enabled: bool = False

    @property
    def iot(self) -> Any:
        return self.world.iot

    def define(self, *names: str, policies: bool = True) -> list[PlannedAction]:
        """Define actions, each under a role of its own, with or without what it may do."""
        made = []
        for name in names:
            kind, params = DEFINITIONS[name.rstrip("0123456789")]
            given = [f"AWSIoTDeviceDefender{kind}MitigationAction"] if policies else []
            role = self.world.emulator.create_service_role(f"Role{name}", *given)
            self.iot.create_mitigation_action(actionName=name, roleArn=role, actionParams=params)
            told = self.iot.describe_mitigation_action(actionName=name)
            made.append(PlannedAction(name, told["actionType"], role, params))
        return made

    def certificates(self, count: int) -> list[str]:
        """Register certificates that expire soon, each with a thing."""
        first = self.world._serial
        return [self.world.certificate(f"thing-{first + n}", days=3)[0] for n in range(count)]

    def audit(self, *checks: str) -> str:
        if not self.is_enabled:
            self.world.enable(*checks)
            self.is_enabled = True
        return self.world.audit(*checks)

    def planned(self, audit: str, *actions: str, wave: int = 1, suppressed: bool = False) -> list[PlannedFinding]:
        """Return the findings of an audit as a plan has them, in the order of their resources."""
        asked = {"taskId": audit, "listSuppressedFindings": suppressed}
        pages = self.iot.get_paginator("list_audit_findings").paginate(**asked)
        found = []
        for finding in (f for page in pages for f in page["findings"]):
            resource = finding["nonCompliantResource"]
            identifier = resource["resourceIdentifier"]
            version = identifier.get("policyVersionIdentifier", {})
            one = PlannedFinding(
                problem_id=finding["findingId"],
                finding_id=finding["findingId"],
                audit_task_id=audit,
                check_name=finding["checkName"],
                severity=finding["severity"],
                resource_type=resource["resourceType"],
                resource_id=identifier.get("deviceCertificateId") or version.get("policyName") or "account",
                resource_identifier=json.dumps(identifier, sort_keys=True),
                reason_code=finding["reasonForNonComplianceCode"],
                wave=wave,
                actions=actions,
                policy_version_id=version.get("policyVersionId"),
            )
            found.append(one)
        return sorted(found, key=lambda f: f.resource_id)

    def plan(self, findings: list[PlannedFinding], actions: list[PlannedAction], **changes: Any) -> Plan:
        """Make a sealed plan."""
        self.plans += 1
        content: dict[str, Any] = {
            "format": FORMAT,
            "digest": "",
            "target": "emulated",
            "account": "123456789012",
            "region": "eu-west-1",
            "emulated": True,
            "made_time": self.now(),
            "made_with": f"test {self.plans}",
            "made_by": "arn:aws:iam::123456789012:user/ann",
            "as_of": self.now(),
            "selection": {"checks": [EXPIRING]},
            "actions": tuple(actions),
            "rollout": Rollout(stop_at_failed_share=1.1),
            "approval": ApprovalRule(),
            "findings": tuple(findings),
            "left_alone": (),
            "cost": Cost(1, 1, 0.1),
        }
        return seal(Plan(**(content | changes)))

    def expiring_plan(self, count: int, *, waves: tuple[int, ...] = (), **changes: Any) -> Plan:
        """Make a plan that deactivates so many certificates; `waves` are the sizes of all waves but the last."""
        self.certificates(count)
        actions = self.define("Deactivate")
        findings = self.planned(self.audit(EXPIRING), "Deactivate")
        numbers = [number for number, size in enumerate(waves, start=1) for _ in range(size)]
        numbers += [len(waves) + 1] * (count - len(numbers))
        waved = [self.in_wave(f, n) for f, n in zip(findings, numbers, strict=True)]
        return self.plan(waved, actions, **changes)

    def now(self) -> datetime:
        return self.world.emulator.now()

    def apply(self, plan: Plan, **options: Any) -> Applied:
        settings: dict[str, Any] = {"confirmed": True, "progress": NoProgress(), "pace": PACE}
        return apply_plan(self.session, self.archive, plan, **(settings | options))

    def status_of(self, certificate_id: str) -> str:
        told = self.iot.describe_certificate(certificateId=certificate_id)
        return str(told["certificateDescription"]["status"])

    def arn(self, certificate_id: str) -> str:
        return f"arn:aws:iot:eu-west-1:123456789012:cert/{certificate_id}"

    def statuses(self, applied: Applied) -> list[str]:
        return [outcome.status.value for *_, outcome in applied.state.outcomes()]

    def in_wave(self, finding: PlannedFinding, number: int) -> PlannedFinding:
        return msgspec.structs.replace(finding, wave=number)


def watch(emulator: Emulator, monkeypatch: Any) -> Watch:
    """Note every request, and every change of a certificate, policy, group and the logging options."""
    seen = Watch(emulator)
    admit = emulator.admit

    def noted(account: str, region: str, operation: str) -> Any:
        seen.requests.append(operation)
        outcome = admit(account, region, operation)
        if seen.hold and operation == seen.hold[0] and seen.count(operation) == seen.hold[1]:
            seen.held.set()
            seen.release.wait(30)
        if seen.on and operation == seen.on[0]:
            act, seen.on = seen.on[1], None
            act()
        return outcome

    monkeypatch.setattr(emulator, "admit", noted)
    backend = type(emulator.iot())
    for name in ("update_certificate", "create_policy_version", "add_thing_to_thing_group"):
        original = getattr(backend, name)

        def changed(self: Any, *args: Any, _name: str = name, _original: Any = original, **kwargs: Any) -> Any:
            if args:  # what comes over HTTP, moto passes by name: that is the test's own doing
                seen.changes[f"{_name} {args[0]}"] += 1
            return _original(self, *args, **kwargs)

        monkeypatch.setattr(backend, name, changed)
    return seen


def run_on(emulator: Emulator) -> None:
    """Let the emulated time run, from where it stands."""
    emulator.use_clock(RunningClock(emulator.now()))


@pytest.fixture
def site(world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Give the emulated account with a running clock, an archive, and an eye on what changes."""
    run_on(world.emulator)
    seen = watch(world.emulator, monkeypatch)
    archive = Archive.open(tmp_path / "archive", create=True)
    with connect_session(Target("emulated", region="eu-west-1", endpoint_url=world.endpoint)) as session:
        yield Site(world, session, archive, seen)
