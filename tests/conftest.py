"""For all tests: made-up AWS credentials, no way out of this machine, fast tests before slow ones."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

SLOWER = ("slow", "kernel", "browser", "spark")

LONGEST = ("story", "spark", "fleet", "tests/fleet/test_fleet_build.py", "tests/metrics/test_metrics_engines.py")
"""Groups of tests that take a minute or more: begun first, so that no worker is left with one when all else is done."""


@pytest.hookimpl(tryfirst=True)  # before the tests are spread over the workers by their groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run unmarked tests first, then slow ones, then those with kernels, then those with a browser, then Spark.

    Workers that share the tests do it the other way round: the longest groups first, and the rest fills the gaps.
    """
    items.sort(key=_rank)
    groups = {item: _group(item) for item in items}
    for item, group in groups.items():
        item.add_marker(pytest.mark.xdist_group(group))
    if hasattr(config, "workerinput"):
        slowest: dict[str, int] = {}
        for item, group in groups.items():
            slowest[group] = max(slowest.get(group, 0), _rank(item))
        first = {group: place for place, group in enumerate(LONGEST)}
        items.sort(key=lambda item: (first.get(groups[item], len(LONGEST)), -slowest[groups[item]]))


def _rank(item: pytest.Item) -> int:
    return max((SLOWER.index(m.name) + 1 for m in item.iter_markers() if m.name in SLOWER), default=0)


def _group(item: pytest.Item) -> str:
    """Return the name of what must run on one worker: tests that share a fixture that is costly to make."""
    folder = item.path.parent.name
    if folder in ("spark", "story", "browser"):
        return folder
    if "accounts" in getattr(item, "fixturenames", ()):  # three processes that play the demo fleet
        return "fleet"
    if folder == "archive" and _rank(item):  # writers killed at every step, each on an archive of its own
        return item.nodeid
    return item.path.relative_to(item.config.rootpath).as_posix()


@pytest.fixture(autouse=True, scope="session")
def _fake_aws(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Hide the developer's own AWS configuration, archive and settings from every test and its subprocesses."""
    home: Path = tmp_path_factory.mktemp("home")
    hidden = [n for n in os.environ if n.startswith(("AWS_", "DDREPORT_")) and not n.startswith("DDREPORT_REQUIRE_")]
    for name in hidden:
        del os.environ[name]
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(home / "aws-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / "aws-credentials"),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_CONFIG_HOME": str(home / "config"),
    }


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection that leaves this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise ConnectionRefusedError(f"tests must not leave this machine: {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
