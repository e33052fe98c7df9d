"""`ddreport emulator`: serve an emulated account for any AWS SDK or the AWS CLI."""

from __future__ import annotations

import json
import signal
import sys
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ddreport.cli.output import Output
from ddreport.errors import InputError

if TYPE_CHECKING:
    from ddreport.emulation.emulator import Emulator
    from ddreport.emulation.state import StateFile

DEMO, NONE = "demo", "none"

_ACCOUNT = "123456789012"
_REGION = "eu-west-1"


@dataclass(frozen=True)
class Wishes:
    """What the user asked of the account; None means not said."""

    fleet: str | None
    seed: int | None
    as_of: datetime | None
    account: str | None
    region: str | None
    speed: float | None


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
        seed: Annotated[int | None, typer.Option("--seed", help="Another seed makes another fleet.")] = None,
        fleet: Annotated[
            str | None,
            typer.Option(
                "--fleet",
                metavar="demo|none|FILE.toml",
                help="demo (default): 90 days of history; none: empty, never configured; or a file of yours.",
            ),
        ] = None,
        as_of: Annotated[
            str | None,
            typer.Option("--as-of", metavar="TIME", help="The emulated clock starts here, UTC (default: now)."),
        ] = None,
        speed: Annotated[
            float | None,
            typer.Option(
                "--speed",
                min=0.000001,
                max=1_000_000,
                help="Emulated seconds per real second (default 1); 3600 is an hour per second.",
            ),
        ] = None,
        account: Annotated[
            str | None, typer.Option("--account", help=f"The account of any credentials (default {_ACCOUNT}).")
        ] = None,
        region: Annotated[
            str | None, typer.Option("--region", help=f"The Region of the fleet (default {_REGION}).")
        ] = None,
        state: Annotated[
            Path | None,
            typer.Option(
                "--state", metavar="FILE", help="Keep everything in this file, and go on from it if it exists."
            ),
        ] = None,
        save_every: Annotated[
            float, typer.Option("--save-every", min=0.1, help="With --state: seconds between two looks for changes.")
        ] = 30.0,
        throttle: Annotated[
            bool, typer.Option("--throttle", help="Refuse requests beyond AWS's published rates, as AWS does.")
        ] = False,
    ) -> None:
        """Serve AWS IoT Device Defender Audit, with IoT, IAM, STS, SNS, SQS, S3 and more, on this machine.

        When it is ready it prints one line of JSON on stdout with endpoint, account and region. Any credentials reach
        that account:

            AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any aws --endpoint-url http://127.0.0.1:5000 --region eu-west-1
            iot list-scheduled-audits

        It runs until Ctrl-C. Without --state it forgets everything then.
        """
        from ddreport.connect import serve
        from ddreport.window import parse_moment

        out: Output = ctx.obj
        moment = parse_moment(as_of, "as-of") if as_of else None
        wishes = Wishes(fleet, seed, moment, account, region, speed)
        with ExitStack() as stack:
            kept = stack.enter_context(_state_file(state, fleet)) if state is not None else None
            built = _restored(kept, wishes, out) if kept is not None and kept.exists() else _built(wishes, out)
            built.throttle = built.throttle or throttle
            stop = threading.Event()
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: stop.set())
            ready = {"account": built.account, "region": built.region, "fleet": fleet or DEMO}
            if kept is not None:
                from ddreport.emulation.state import Autosave

                stack.enter_context(Autosave(kept, built, every=save_every))
                ready |= {"fleet": kept.fleet, "state": str(kept.path)}
            with serve(built, host=host, port=port) as endpoint:
                sys.stdout.write(json.dumps({"endpoint": endpoint} | ready) + "\n")
                sys.stdout.flush()
                out.note("Emulated, not AWS. Ctrl-C stops it.")
                stop.wait()
        out.note("Stopped." if kept is None else f"Stopped; everything is in {kept.path}.")


def _state_file(path: Path, fleet: str | None) -> StateFile:
    import ddreport.emulation

    # Names the missing extra, if it is missing, before anything else of it is imported.
    _ = ddreport.emulation.Emulator
    from ddreport.emulation.state import StateFile

    return StateFile(path, fleet=fleet or DEMO)


def _built(wishes: Wishes, out: Output) -> Emulator:
    """Build the account that was asked for."""
    from ddreport.emulation import Emulator, RunningClock
    from ddreport.settings import Settings

    settings = Settings.from_env(demo_seed=wishes.seed)
    moment = wishes.as_of or datetime.now(UTC)
    account, region, speed = wishes.account or _ACCOUNT, wishes.region or _REGION, wishes.speed or 1.0
    if wishes.fleet == NONE:
        return Emulator(RunningClock(moment, speed), account=account, region=region, seed=settings.demo_seed)
    from ddreport.emulation.fleet import demo_description, fleet_emulator, read_description

    own = wishes.fleet is not None and wishes.fleet != DEMO
    description = read_description(Path(str(wishes.fleet))) if own else demo_description()
    with out.progress() as progress:
        what = "the fleet" if own else "the demo account"
        progress.stage(f"Building {what} and auditing it over {description.days} days")
        return fleet_emulator(
            description, as_of=moment, seed=settings.demo_seed, account=account, region=region, speed=speed
        )


def _restored(kept: StateFile, wishes: Wishes, out: Output) -> Emulator:
    """Load the account from its file, and hold it against what was asked for."""
    header = kept.header()
    for option, wish, held in (
        ("--account", wishes.account, header.account),
        ("--region", wishes.region, header.region),
        ("--seed", wishes.seed, header.seed),
    ):
        if wish is not None and wish != held:
            raise InputError(
                f"{option} is {wish}, but the state in {kept.path} has {held}.",
                hint=f"leave {option} out, or begin with another file.",
            )
    if wishes.as_of is not None and wishes.as_of < header.now:
        raise InputError(
            f"--as-of is {wishes.as_of.isoformat()}, but in {kept.path} it is {header.now.isoformat()} already.",
            hint="leave --as-of out, or name a later time.",
        )
    if wishes.fleet is not None and wishes.fleet != header.fleet:
        out.note(f"--fleet {wishes.fleet} is not built: the account in {kept.path} goes on (fleet {header.fleet}).")
    kept.fleet = header.fleet
    emulator = kept.load(speed=wishes.speed)
    if wishes.as_of is not None:
        emulator.advance(max(wishes.as_of - emulator.now(), timedelta(0)))
    out.note(f"Going on from {kept.path}, at {emulator.now():%Y-%m-%d %H:%M} UTC.")
    return emulator
