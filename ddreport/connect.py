"""From a target's name to something that answers: AWS, any other endpoint, or the built-in emulated account."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ddreport.errors import MissingExtraError, SettingsError, WindowError
from ddreport.settings import Settings
from ddreport.targets import DEMO, Target, parse_targets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ddreport.aws.session import AwsSession
    from ddreport.emulation.emulator import Emulator
    from ddreport.progress import Progress


def configuration_file(settings: Settings | None = None) -> Path | None:
    """Return the `ddreport.toml` that counts, or None when there is none.

    Raises
    ------
    SettingsError
        A file was named (`--config`, `DDREPORT_CONFIG`) and is not there.
    """
    settings = settings or Settings.from_env()
    for path in settings.config_files:
        try:
            if path.is_file():
                return path
        except OSError as exc:
            raise SettingsError(f"the configuration file {path} cannot be read: {exc.strerror}.") from exc
    if settings.config is not None:
        what = "is a folder" if settings.config.is_dir() else "does not exist"
        raise SettingsError(f"the configuration file {settings.config} {what}.")
    return None


def configuration_name(settings: Settings | None = None) -> str:
    """Return how messages call the place that targets are read from."""
    path = configuration_file(settings)
    return str(path) if path else "ddreport.toml (there is none yet)"


def read_targets(settings: Settings | None = None) -> dict[str, Target]:
    """Return the targets of `ddreport.toml` by name, `demo` first (`SettingsError`, `TargetError`)."""
    path = configuration_file(settings)
    if path is None:
        return {DEMO: Target(DEMO)}
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingsError(f"{path} cannot be read: {exc}.") from exc
    return parse_targets(text, source=str(path))


@contextmanager
def connect(
    target: Target,
    *,
    demo: DemoMoment | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Iterator[AwsSession]:
    """Open a target for the length of a `with` block.

    A real target uses the standard AWS credential chain. `demo` builds the emulated demo account as it is at the
    moment asked for (default: now) and serves it on loopback, so that the same code talks to it over HTTP.

    Raises
    ------
    CredentialsError, EndpointError
        The target cannot be used; see the message.
    MissingExtraError
        `demo` was asked for and the extra `emulator` is not installed.
    """
    from ddreport.aws.session import connect_session

    if not target.is_demo:
        with connect_session(target) as session:
            yield session
        return
    settings = settings or Settings.from_env()
    with (
        _demo_account(demo or DemoMoment(datetime.now(UTC)), settings, progress) as emulator,
        serve(emulator) as endpoint,
        connect_session(Target(DEMO, region=emulator.region, endpoint_url=endpoint)) as session,
    ):
        yield session


@contextmanager
def _demo_account(demo: DemoMoment, settings: Settings, progress: Progress | None) -> Iterator[Emulator]:
    """Give the demo account: built for the length of the block, or kept in a file so that changes to it last."""
    if demo.account_file is None:
        yield demo_emulator(demo, seed=settings.demo_seed, progress=progress)
        return
    _need_emulator_extra()
    from ddreport.emulation.state import Autosave, StateFile

    try:
        demo.account_file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise SettingsError(f"the demo account cannot be kept in {demo.account_file.parent}: {exc.strerror}.") from exc
    with StateFile(demo.account_file, fleet=DEMO) as kept:
        if kept.exists():
            emulator = kept.load()
            emulator.advance(max(demo.as_of - emulator.now(), timedelta(0)))
        else:
            emulator = demo_emulator(demo, seed=settings.demo_seed, progress=progress)
        with Autosave(kept, emulator):
            yield emulator


def demo_account_file(archive: Path, settings: Settings) -> Path:
    """Return where the demo account that belongs to an archive is kept once somebody has changed it.

    Without that file, which may be deleted, every command builds the account anew and changes are gone.
    """
    name = hashlib.sha256(str(archive.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return settings.cache_dir / "demo-accounts" / f"{name}.state"


@contextmanager
def serve(emulator: Emulator, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve an emulated account for the length of a `with` block; yields its endpoint (`EmulatorError`)."""
    from ddreport.emulation.server import EmulatorServer

    with EmulatorServer(emulator, host=host, port=port) as server:
        yield server.endpoint


@dataclass(frozen=True)
class DemoMoment:
    """When to see the demo account.

    Attributes
    ----------
    as_of
        The moment, aware UTC.
    story_end
        The moment at which its 90-day story ends; None means `as_of`. After the story the account goes on living:
        daily audits, certificates that age. An archive of the demo keeps its first story, so that tomorrow's pull
        adds a day instead of telling the same story shifted by a day.
    account_file
        Where the account is kept, and found again, so that changes to it last; None: it is built for this once.
    """

    as_of: datetime
    story_end: datetime | None = None
    account_file: Path | None = None


def demo_emulator(moment: DemoMoment, *, seed: int, progress: Progress | None = None) -> Emulator:
    """Build the demo account with its 90 days of history (`MissingExtraError` without the extra `emulator`)."""
    _need_emulator_extra()
    from ddreport.emulation.clock import ManualClock, RunningClock
    from ddreport.emulation.emulator import Emulator
    from ddreport.emulation.fleet import build_demo_fleet, history_start

    story_end = moment.story_end or moment.as_of
    if moment.as_of < story_end:
        raise WindowError(
            f"the demo's story ends at {story_end:%Y-%m-%d %H:%M} UTC and cannot be seen from before that."
        )
    if progress is not None:
        progress.stage("Building the demo account and auditing it every day for 90 days")
    emulator = Emulator(ManualClock(history_start(story_end)), seed=seed)
    build_demo_fleet(emulator, as_of=story_end, seed=seed)
    emulator.advance_to(moment.as_of)
    emulator.use_clock(RunningClock(moment.as_of))
    return emulator


def empty_emulator(start: datetime, *, seed: int) -> Emulator:
    """Return an emulated account in which nothing was ever configured; its clock starts at `start` (aware)."""
    _need_emulator_extra()
    from ddreport.emulation.clock import RunningClock
    from ddreport.emulation.emulator import Emulator

    return Emulator(RunningClock(start), seed=seed)


def _need_emulator_extra() -> None:
    try:
        import cryptography  # noqa: F401 - only to tell early, and in plain words, that the extra is missing
        import moto  # noqa: F401 - as above
    except ImportError as exc:
        raise MissingExtraError.for_extra("emulator", what="the emulator", missing=str(exc.name)) from exc
