"""`ddreport setup apply` and `remove` killed with SIGKILL at every call that writes, before or after it is done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ddreport.emulation.faults import DroppedConnectionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONFIG = """
[targets.here]
region = "eu-west-1"
endpoint_url = "{endpoint}"
[setup]
checks = ["LOGGING_DISABLED_CHECK"]
[setup.mitigation_actions.EnableErrorLoggingAction]
type = "ENABLE_IOT_LOGGING"
[setup.notifications]
subscribers = ["ops@example.com"]
"""

pytestmark = pytest.mark.slow


class Command:
    """`ddreport setup COMMAND` run again and again, each time in a new process."""

    def __init__(self, command: str, config: Path) -> None:
        arguments = [sys.executable, str(Path(__file__).parent / "apply_process.py"), command]
        self._process = subprocess.Popen(
            [*arguments, "-t", "here", "--config", str(config)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def run(self, prepare: Callable[[int], None]) -> int:
        """Run it once to its end, after `prepare` got the id of its process; return the exit code."""
        self._say()
        prepare(int(self._read()))
        self._say()
        while not (line := self._read()).lstrip("-").isdigit():
            pass  # what the command printed
        return int(line)

    def _say(self) -> None:
        assert self._process.stdin
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def _read(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "the process has ended"
        return line.strip()

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


@pytest.fixture
def command(world: Any, tmp_path: Path) -> Iterator[Callable[[str], Command]]:
    config = tmp_path / "ddreport.toml"
    config.write_text(CONFIG.format(endpoint=world.server.endpoint), encoding="utf-8")
    opened: list[Command] = []

    def begin(name: str) -> Command:
        opened.append(Command(name, config))
        return opened[-1]

    yield begin
    for one in opened:
        one.close()


def killed_at_every_write(world: Any, command: Command, moment: str) -> int:
    """Kill each run at its first call that writes, until one run gets to its end; return how many were killed.

    Before a call is carried out, its run is killed twice at most: the next run must get further, or nothing ever would.
    """
    kills = 0
    spared: set[int] = set()
    while True:

        def prepare(pid: int) -> None:
            seen = Counter[int]()

            def kill(asked: Any) -> None:
                if not asked.writes:
                    return
                seen[pid] += 1
                # Killed before its first call, a run leaves everything as it was; so before its second call.
                if seen[pid] == (2 if moment == "before" else 1) and pid not in spared:
                    spared.add(pid)
                    os.kill(pid, signal.SIGKILL)
                    if moment == "before":
                        raise DroppedConnectionError("killed before it was carried out")

            setattr(world.recorder, moment, kill)

        code = command.run(prepare)
        setattr(world.recorder, moment, lambda _: None)
        if code == 0:
            return kills
        assert code == -signal.SIGKILL
        kills += 1
        assert kills < 60


@pytest.mark.parametrize("moment", ["before", "after"])
def test_apply_and_remove_killed_at_every_call_get_to_their_end(world, command, moment):
    applying, removing = command("apply"), command("remove")
    kills = killed_at_every_write(world, applying, moment)
    # In "after", every call but the last is followed by a death; a call whose answer came too late is found done.
    assert kills >= 13
    writes = Counter(asked.operation for asked in world.recorder.asked if asked.writes)
    assert writes["iam:CreateRole"] >= 3
    assert applying.run(lambda _: world.recorder.asked.clear()) == 0
    assert world.writes() == []
    iam, iot = world.client("iam"), world.client("iot")
    names = {role["RoleName"] for role in iam.list_roles()["Roles"]}
    assert names == {"AWSIoTDeviceDefenderAudit", "AWSIoTLoggingRole", "IoTMitigationActionErrorLoggingRole"}
    assert len(iot.list_scheduled_audits()["scheduledAudits"]) == 1
    assert len(iot.list_mitigation_actions()["actionIdentifiers"]) == 1
    assert len(world.client("sns").list_subscriptions()["Subscriptions"]) == 1
    task = iot.start_on_demand_audit_task(targetCheckNames=["LOGGING_DISABLED_CHECK"])["taskId"]
    world.advance(minutes=1)
    assert iot.describe_audit_task(taskId=task)["taskStatistics"]["compliantChecks"] == 1

    killed_at_every_write(world, removing, moment)
    assert removing.run(lambda _: world.recorder.asked.clear()) == 0
    assert world.writes() == []
    assert iam.list_roles()["Roles"] == []
    assert world.client("sns").list_topics()["Topics"] == []
    assert world.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert "roleArn" not in iot.describe_account_audit_configuration()
    assert iot.list_mitigation_actions()["actionIdentifiers"] == []
