"""The story, played once: its script, what must come of it, and the archive that came of it."""

from __future__ import annotations

import importlib.util
import sys
from datetime import time
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from ddreport import history as hs
from ddreport.archive import Archive
from ddreport.emulation import Emulator, EmulatorServer, ManualClock
from ddreport.tables import pulls_table

if TYPE_CHECKING:
    from collections.abc import Iterator


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"story_{name}", Path(__file__).parent / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


SCRIPT, STAGE, BOOKKEEPING = (_module(name) for name in ("script", "stage", "bookkeeping"))


@pytest.fixture(scope="session")
def books() -> object:
    """What must come of the script."""
    return BOOKKEEPING.Books(SCRIPT)


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """What came of it: `archive`, `certificates` (ids by name), `statuses` of the pulls, and the history.

    `followed` is the history that was extended after each pull, from the one before it.
    """
    folder = tmp_path_factory.mktemp("story")
    archive = Archive.open(folder / "archive", create=True)
    hour = time(SCRIPT.RUN_HOUR)
    clock = ManualClock(SCRIPT.START)
    account, region = SCRIPT.HOME.account, SCRIPT.HOME.region
    with (
        Emulator(clock, seed=1, account=account, region=region, schedule_time=lambda _: hour) as emulator,
        EmulatorServer(emulator) as server,
    ):
        stage = STAGE.Stage(SCRIPT, emulator, server.endpoint, archive, folder / "cache")
        try:
            stage.play()
        finally:
            stage.close()
    return SimpleNamespace(
        archive=archive, certificates=stage.certificates, statuses=stage.statuses, followed=stage.followed
    )


@pytest.fixture(scope="session")
def told(played: SimpleNamespace) -> SimpleNamespace:
    """The archive's tables, with runs and spans; `resource` is what the script calls a resource."""
    archive = played.archive
    names = ("audit_tasks", "checks", "findings", "check_configurations", "account_configurations")
    names += ("scheduled_audits", "suppressions")
    tables = {name: archive.load(name) for name in names}
    pulls = pulls_table(archive.pulls())
    observations = pulls[["account", "region"]].assign(observed_time=pulls["pulled_time"])
    runs = hs.check_runs(
        tables["audit_tasks"],
        tables["checks"],
        tables["findings"],
        check_configurations=tables["check_configurations"],
        observations=observations,
    )
    spans = hs.spans(tables["findings"], runs)
    return SimpleNamespace(**tables, pulls=pulls, observations=observations, runs=runs, spans=spans)


@pytest.fixture(scope="session")
def named(played: SimpleNamespace) -> object:
    """Return a function that gives rows of problems the four names of the script: place, check, resource, reason."""
    places = {(p.account, p.region): p.name for p in SCRIPT.STORY.places}
    resources = {number: name for name, number in played.certificates.items()}

    def name_rows(table: pd.DataFrame) -> list[tuple[str, str, str, str]]:
        columns = ["account", "region", "check_name", "resource_id", "reason_code"]
        return [
            (places[account, region], check, resources.get(resource, resource), reason)
            for account, region, check, resource, reason in table[columns].itertuples(index=False)
        ]

    return name_rows
