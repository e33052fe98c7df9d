"""What docs/suppressions.md shows is what is read and done."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

from ddreport.suppression import (
    Action,
    DriftKind,
    Outcome,
    Over,
    Place,
    SelectorKind,
    SuppressionState,
    expand,
    read_rules,
)
from ddreport.suppression.reading import _DEFAULTS, _RULE, describe

PAGE = (Path(__file__).parents[2] / "docs" / "suppressions.md").read_text(encoding="utf-8")
(EXAMPLE,) = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)


def test_the_example_is_read_as_the_page_says(make: SimpleNamespace) -> None:
    file = read_rules(EXAMPLE, source="suppressions.yaml")
    gateway, bridge, hall, lab = file.rules
    assert (file.name, file.accounts) == ("fleet", ("111122223333",))
    assert [r.owner for r in file.rules] == ["fleet-team", "fleet-team", "fleet-team", "lab"]
    assert [r.selector.kind for r in file.rules] == [
        SelectorKind.RESOURCE, SelectorKind.RESOURCE, SelectorKind.PATTERN, SelectorKind.THINGS
    ]  # fmt: skip
    assert f"{gateway.expires:%Y-%m-%dT%H:%MZ}" == "2026-09-30T00:00Z"
    assert bridge.selector.policy_version_id == "3"
    assert hall.expires is None
    assert lab.over is Over.INVENTORY
    assert describe(bridge, file.name) in PAGE
    place = Place("111122223333", "eu-west-1", "prod-eu")
    found = expand(file, make.known(make.finding("CONFLICTING_CLIENT_IDS_CHECK", "lab-7")), place=place, as_of=make.now)
    assert found.rules["state"].tolist() == ["OK", "OK", "OK", "UNRESOLVED"]
    assert found.desired["resource_id"].tolist()[0] == "lab-7"


def test_every_key_and_word_is_explained() -> None:
    rows = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    explained = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    assert set(_RULE) <= explained
    assert {s.value for s in SuppressionState} <= explained
    assert all(f"`{word.value}`" in PAGE for enum in (DriftKind, Outcome) for word in enum)
    assert f"`{Action.FOREIGN.value}`" in PAGE
    assert all(f"`{key}`" in PAGE for key in _DEFAULTS)
