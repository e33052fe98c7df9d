"""docs/setup.md: its example is read, applied and found as wanted; its list of permissions is what is really called."""

from __future__ import annotations

import re
from pathlib import Path

from ddreport.setup.reading import KEYS, parse_setup

PAGE = (Path(__file__).parents[2] / "docs" / "setup.md").read_text(encoding="utf-8")
(EXAMPLE,) = re.findall(r"<!-- example, run by a test -->\n```toml\n(.*?)```", PAGE, flags=re.DOTALL)
TARGETS = ("prod-eu", "test-us")


def permissions(begin: str) -> set[str]:
    """Return the permissions that the paragraph with this begin names."""
    (paragraph,) = [p for p in PAGE.split("## Permissions")[1].split("\n\n") if p.lstrip().startswith(begin)]
    return set(re.findall(r"`((?:iot|iam|sns|cloudwatch):\w+)`", paragraph))


def test_the_example_works_for_both_of_its_targets_and_names_every_key(world):
    assert set(KEYS) <= set(re.findall(r"\[setup\.(\w+)|^(\w+) =", EXAMPLE, flags=re.MULTILINE).__str__().split("'"))
    for target, region in zip(TARGETS, ("eu-west-1", "us-east-1"), strict=True):
        wanted = parse_setup(EXAMPLE, source="docs/setup.md", target=target, targets=TARGETS)
        world.apply(wanted, region=region)
        assert world.plan(wanted, region=region).as_wanted
    alarms = world.client("cloudwatch").describe_alarms()["MetricAlarms"]
    # Two severities of the daily audit, one of the monthly one, and the dead man's.
    assert len(alarms) == 4
    checks = world.client("iot", "us-east-1").describe_account_audit_configuration()["auditCheckConfigurations"]
    assert checks["DEVICE_CERTIFICATE_EXPIRING_CHECK"].get("configuration") is None  # AWS's default already


def test_the_permissions_named_are_those_that_are_used(world):
    wanted = parse_setup(EXAMPLE, source="docs/setup.md", target="prod-eu", targets=TARGETS)
    world.apply(wanted)
    world.remove(wanted)
    used = {asked.operation for asked in world.recorder.asked} - {"sts:GetCallerIdentity"}
    reads = permissions("`plan` and `show` read")
    writes, deletes = permissions("`apply` also writes"), permissions("`remove` also deletes")
    assert used <= reads | writes | deletes
    assert {asked.operation for asked in world.recorder.asked if not asked.writes} - {"sts:GetCallerIdentity"} <= reads
