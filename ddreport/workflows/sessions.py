"""Sessions with a target that belongs to an archive: above all, which demo account that is."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ddreport.connect import DemoMoment, connect, demo_account_file
from ddreport.errors import InputError
from ddreport.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ddreport.archive import Archive
    from ddreport.aws.session import AwsSession
    from ddreport.progress import Progress
    from ddreport.targets import Target


@contextmanager
def session_for(
    target: Target, archive: Archive, *, settings: Settings | None = None, progress: Progress | None = None
) -> Iterator[AwsSession]:
    """Connect to a target whose audits an archive holds, to look at it closely or to change it.

    The demo account of that archive is kept in a file from then on (`connect.demo_account_file`), so that what is
    changed stays changed and the next pull sees it. Two such sessions at once exclude each other there.

    Raises
    ------
    CredentialsError, EndpointError, EmulatorError, MissingExtraError
        As `connect.connect`.
    InputError
        The archive holds the demo account of another seed.
    """
    settings = settings or Settings.from_env()
    demo = demo_moment(archive, settings, lasting=True) if target.is_demo else None
    with connect(target, demo=demo, settings=settings, progress=progress) as session:
        yield session


@contextmanager
def open_target(
    target: Target,
    *,
    archive: str | Path = "",
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Iterator[AwsSession]:
    """Connect to any target, also to one that was never pulled; the demo account is that of its archive.

    Parameters
    ----------
    archive
        Whose demo account; empty means that of the demo's own archive. Other targets need none.

    Raises
    ------
    CredentialsError, EndpointError, EmulatorError, MissingExtraError, ArchiveError
        It cannot be connected to; the demo's archive cannot be read.
    """
    if not target.is_demo:
        with connect(target, settings=settings, progress=progress) as session:
            yield session
        return
    from ddreport.workflows.load import open_archive

    opened = open_archive([target.name], archive)
    with session_for(target, opened, settings=settings, progress=progress) as session:
        yield session


def demo_moment(
    archive: Archive, settings: Settings, *, as_of: datetime | None = None, lasting: bool = False
) -> DemoMoment:
    """Tell which demo account belongs to an archive: its story goes on from where it ended there.

    Parameters
    ----------
    as_of
        The moment to see it at; None means now.
    lasting
        Whether to keep the account in its file; one that is kept already is used by everybody who asks for now.

    Raises
    ------
    InputError
        The archive holds the demo account of another seed.
    """
    seed = settings.demo_seed
    before = [record for record in archive.pulls() if record.get("demo_story_end")]
    if before and before[0]["demo_seed"] != seed:
        raise InputError(
            f"the archive {archive.path} holds the demo account of seed {before[0]['demo_seed']}, not of seed {seed}.",
            hint="use another folder for another seed.",
        )
    story_end = datetime.fromisoformat(before[0]["demo_story_end"]) if before else None
    file = demo_account_file(archive.path, settings)
    used = as_of is None and (lasting or file.exists())
    return DemoMoment(as_of or datetime.now(UTC), story_end, file if used else None)
