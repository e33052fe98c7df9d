"""`ddreport emulator`: serve an emulated account for any AWS SDK or the AWS CLI."""

from __future__ import annotations

import json
import signal
import sys
import threading
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from ddreport.cli.output import Output


class Fleet(StrEnum):
    """What lives in the account at the start."""

    DEMO = "demo"
    NONE = "none"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""

    @app.command()
    def emulator(
        ctx: typer.Context,
        *,
        port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 means any free port.")] = 5000,
        host: Annotated[
            str, typer.Option("--host", help="Address to listen on; loopback unless you say otherwise.")
        ] = ("127.0.0.1"),
        seed: Annotated[int | None, typer.Option("--seed", help="Another seed makes another demo fleet.")] = None,
        fleet: Annotated[
            Fleet, typer.Option("--fleet", help="demo: 90 days of history; none: empty, never configured.")
        ] = Fleet.DEMO,
        as_of: Annotated[
            str | None,
            typer.Option("--as-of", metavar="TIME", help="The emulated clock starts here, UTC (default: now)."),
        ] = None,
    ) -> None:
        """Serve AWS IoT Device Defender Audit, with IoT, IAM, SNS, STS, S3 and CloudWatch, on this machine.

        When it is ready it prints one line of JSON on stdout with endpoint, account and region. Any credentials reach
        that account:

            AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any aws --endpoint-url http://127.0.0.1:5000 --region eu-west-1
            iot list-scheduled-audits

        It runs until Ctrl-C, and forgets everything then.
        """
        from ddreport.connect import DemoMoment, demo_emulator, empty_emulator, serve
        from ddreport.settings import Settings
        from ddreport.window import parse_moment

        out: Output = ctx.obj
        settings = Settings.from_env(demo_seed=seed)
        moment = parse_moment(as_of, "as-of") if as_of else datetime.now(UTC)
        with out.progress() as progress:
            if fleet is Fleet.DEMO:
                built = demo_emulator(DemoMoment(moment), seed=settings.demo_seed, progress=progress)
            else:
                built = empty_emulator(moment, seed=settings.demo_seed)
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        with serve(built, host=host, port=port) as endpoint:
            ready = {"endpoint": endpoint, "account": built.account, "region": built.region, "fleet": fleet.value}
            sys.stdout.write(json.dumps(ready) + "\n")
            sys.stdout.flush()
            out.note("Emulated, not AWS. Ctrl-C stops it.")
            stop.wait()
        out.note("Stopped.")
