"""Telling people what got worse or better, each receiver since it was told last.

A receiver is remembered only after it has taken the message. A run that is killed in between sends the same message
again with the next one: at least once, never not at all. The message's id is the same then, so a receiver can tell.
"""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddreport.errors import ArchiveWriteError, DDReportError, InputError
from ddreport.metrics.results_problems import SlaStatus
from ddreport.notification.baseline import Baseline, make_baseline
from ddreport.notification.channels import FAILURES
from ddreport.notification.message import Message, make_message
from ddreport.notification.news import find_news

try:
    import fcntl as _fcntl
except ImportError:  # Windows: there two runs at once may both send
    _fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from ddreport.metrics.sla import SlaPolicy
    from ddreport.notification.channels import Channel
    from ddreport.workflows.lives import Lives

FILE = "notifications.json"
"""Name of the file, in the archive's folder, that says what each receiver was told last."""

_VERSION = 1


@dataclass
class Told:
    """What became of one receiver.

    Attributes
    ----------
    status
        `first time`, `nothing new`, `would be sent`, `sent` or `failed`.
    """

    channel: str
    status: str
    message: Message | None = None
    error: DDReportError | None = field(default=None)


def notify(
    lives: Lives,
    channels: Sequence[Channel],
    *,
    targets: Sequence[str],
    checks: Sequence[str] = (),
    policy: SlaPolicy,
    report: str = "",
    worse_only: bool = False,
    dry_run: bool = False,
    state_file: Path | None = None,
) -> list[Told]:
    """Send each receiver what got worse or better since it was told last; nothing where nothing did.

    The first time, only what is known now is remembered, to compare with. A receiver is told about the same targets
    and checks; others are another story, remembered apart.

    Parameters
    ----------
    worse_only
        Whether to keep quiet about what only got better; it is remembered all the same.
    dry_run
        Whether to send and remember nothing, and only say what would be sent.
    state_file
        Where to remember; None means `notifications.json` in the archive's folder.

    Raises
    ------
    InputError
        The file of what was told is damaged, or another run has it.
    ArchiveWriteError
        It cannot be written: then nothing is sent.
    """
    after, problems = _now(lives, policy)
    path = state_file or Path(lives.archive.path) / FILE
    with _locked(path, dry_run=dry_run):
        memory = _read(path)
        if not dry_run:
            _write(path, memory)  # nothing is sent that could not be remembered
        told = []
        for channel in channels:
            key = "|".join([channel.key, ",".join(sorted(targets)), ",".join(sorted(checks))])
            told.append(_tell(channel, memory.get(key), after, problems, lives, targets, report, worse_only, dry_run))
            if not dry_run and told[-1].status != "failed":
                memory[key] = after.as_json()
                _write(path, memory)
    return told


def _tell(
    channel: Channel,
    known: Any,
    after: Baseline,
    problems: pd.DataFrame,
    lives: Lives,
    targets: Sequence[str],
    report: str,
    worse_only: bool,  # noqa: FBT001 - passed on as it is
    dry_run: bool,  # noqa: FBT001 - passed on as it is
) -> Told:
    if known is None:
        return Told(channel.name, "first time")
    news = find_news(Baseline.from_json(known), after, problems)
    if not (news.is_worse or (news.is_better and not worse_only)):
        return Told(channel.name, "nothing new")
    message = make_message(news, targets=targets, emulated=lives.emulated, report=report)
    if dry_run:
        return Told(channel.name, "would be sent", message)
    try:
        channel.send(message)
    except FAILURES as exc:
        return Told(channel.name, "failed", message, exc)
    return Told(channel.name, "sent", message)


def _now(lives: Lives, policy: SlaPolicy) -> tuple[Baseline, pd.DataFrame]:
    """Return what is known now, and every problem with its state."""
    import pandas as pd

    from ddreport.metrics import compliance_trend, sla

    moment = lives.known_until
    problems = lives.history.problems(moment)
    rates = compliance_trend(
        lives.history.runs, [moment], check_configurations=lives.history.check_configurations, by=()
    )["compliance_rate"]
    rate = None if rates.empty or pd.isna(rates.iloc[0]) else float(rates.iloc[0])
    overdue = int((sla(problems, as_of=moment, policy=policy)["status"] == SlaStatus.BREACHED.value).sum())
    return make_baseline(problems, as_of=moment, compliance_rate=rate, overdue=overdue), problems


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        version, told = found["version"], found["told"]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise InputError(
            f"{path}, which says what was notified last, cannot be read ({type(exc).__name__}).",
            hint="restore it; or remove it, and the next run begins anew without sending.",
        ) from exc
    if version != _VERSION or not isinstance(told, dict):
        raise InputError(
            f"{path} is of version {version}; this program knows {_VERSION}.", hint="use a newer ddreport."
        )
    return told


def _write(path: Path, memory: dict[str, Any]) -> None:
    """Write the file whole or not at all."""
    text = json.dumps({"version": _VERSION, "told": memory}, separators=(",", ":"))
    name = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except OSError as exc:
        if name is not None:
            with suppress(OSError):
                os.unlink(name)
        raise ArchiveWriteError(
            f"{path} cannot be written: {exc.strerror}; nothing more was sent.", hint="name another file with --state."
        ) from exc


@contextmanager
def _locked(path: Path, *, dry_run: bool) -> Iterator[None]:
    """Keep other runs out, so that nothing is sent twice."""
    if dry_run or _fcntl is None:
        yield
        return
    lock = path.with_name(f".{path.name}.lock")
    try:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as exc:
        raise ArchiveWriteError(
            f"{lock} cannot be written: {exc.strerror}; nothing was sent.", hint="name another file with --state."
        ) from exc
    try:
        try:
            _fcntl.flock(handle, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"another run is sending notifications of {path}.", hint="wait until it has ended."
            ) from None
        except OSError:
            pass  # a file system without locks
        yield
    finally:
        os.close(handle)
