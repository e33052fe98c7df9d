"""A process of its own that applies plans, each in a fork, and can be told to die at any line of the journal.

Each line on standard input is a JSON object: `plan`, `archive` (paths), `endpoint`, and `kill`: None, or the number of
the journal's line at which the fork kills itself (SIGKILL) and whether `before` it is written, `half` way through, or
`after`. Each answer is the signal or exit code that the fork ended with.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from ddreport.archive import Archive
from ddreport.archive.campaigns import CampaignJournal
from ddreport.aws.session import AwsSession, connect_session
from ddreport.errors import DDReportError
from ddreport.mitigation.plan_file import read_plan
from ddreport.progress import NoProgress
from ddreport.targets import Target
from ddreport.workflows.mitigating.account import Pace
from ddreport.workflows.mitigating.apply import apply_plan

PACE = Pace(poll=0.04, limit=0.05, grace=5.0)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(line: int, moment: str) -> None:
    """Let this process die at a line of the journal."""
    written = 0
    write = CampaignJournal._write

    def deadly(self: CampaignJournal, data: bytes) -> None:
        nonlocal written
        written += 1
        if written != line:
            write(self, data)
            return
        if moment == "half":
            write(self, data[: len(data) // 2])
        elif moment == "after":
            write(self, data)
        die()

    CampaignJournal._write = deadly  # type: ignore[method-assign]


def run(session: AwsSession, asked: dict[str, Any]) -> int:
    if asked.get("kill"):
        arm(*asked["kill"])
    plan, archive = read_plan(Path(asked["plan"])), Archive.open(asked["archive"], create=True)
    try:
        done = apply_plan(session, archive, plan, confirmed=True, progress=NoProgress(), pace=PACE)
    except DDReportError as exc:
        print(exc, file=sys.stderr)
        return exc.exit_code
    return done.exit_code


def main() -> None:
    session: AwsSession | None = None
    for line in sys.stdin:
        asked = json.loads(line)
        if session is None:  # once, before any fork: making clients takes far longer than applying a small plan
            session = connect_session(Target("emulated", region="eu-west-1", endpoint_url=asked["endpoint"]))
            session.iot.meta, session.sts.meta  # noqa: B018 - made when first looked at
        child = os.fork()
        if child == 0:
            code = 99
            try:
                code = run(session, asked)
            finally:
                os._exit(code)
        if asked.get("tell"):
            print(json.dumps({"pid": child}), flush=True)
        _, status = os.waitpid(child, 0)
        print(json.dumps({"code": os.waitstatus_to_exitcode(status)}), flush=True)


if __name__ == "__main__":
    main()
