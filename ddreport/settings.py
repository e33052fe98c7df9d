"""Options of `ddreport`: where the archive is, which configuration file counts, how a pull behaves.

An explicit argument beats the environment, which beats the default, always. `Settings.from_env` reads `DDREPORT_*`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddreport.errors import SettingsError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

RETENTION_DAYS = 90
"""Days that AWS keeps audit tasks and findings (quota L-F5608FF9)."""

PAGE_SIZE = 250
"""Items per page asked for; the most that the audit lists allow."""

PARALLEL_TARGETS = 8
"""Targets pulled at once unless asked otherwise: each keeps a few audits in memory and uses a processor."""


@dataclass(frozen=True)
class Settings:
    """Options that are the same for a whole process.

    Attributes
    ----------
    archive
        Folder of the archive; None means the user's data folder (`~/.local/share/ddreport` on Linux).
        Environment: `DDREPORT_ARCHIVE`.
    config
        The `ddreport.toml` to read; None means `./ddreport.toml`, then the user's configuration folder.
        Environment: `DDREPORT_CONFIG`.
    demo_seed
        Seed of the built-in demo fleet. Environment: `DDREPORT_DEMO_SEED`.
    cache
        Folder for what can be made again, such as the demo's archive; None means the user's cache folder.
        Environment: `DDREPORT_CACHE`.
    """

    archive: Path | None = None
    config: Path | None = None
    demo_seed: int = 7
    cache: Path | None = None

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **explicit: Any) -> Settings:
        """Read `DDREPORT_*`; arguments that are not None beat them.

        Raises
        ------
        SettingsError
            A variable that begins with `DDREPORT_` is unknown, or its value has the wrong type.
        """
        env = os.environ if environ is None else environ
        known = {f"DDREPORT_{f.name.upper()}": f.name for f in fields(cls)}
        found: dict[str, Any] = {}
        for variable, value in env.items():
            if not variable.startswith("DDREPORT_") or variable.startswith(_OTHER_VARIABLES):
                continue
            if variable not in known:
                raise SettingsError(
                    f"the environment variable {variable} is unknown; known: {', '.join(sorted(known))}."
                    f"{did_you_mean(variable, known)}"
                )
            if value:
                found[known[variable]] = _parse(variable, known[variable], value)
        return replace(cls(**found), **{k: v for k, v in explicit.items() if v is not None})

    @property
    def archive_dir(self) -> Path:
        """The archive's folder."""
        if self.archive is not None:
            return self.archive.expanduser()
        import platformdirs

        return Path(platformdirs.user_data_dir("ddreport", appauthor=False))

    @property
    def cache_dir(self) -> Path:
        """The folder for what can be made again."""
        if self.cache is not None:
            return self.cache.expanduser()
        import platformdirs

        return Path(platformdirs.user_cache_dir("ddreport", appauthor=False))

    @property
    def config_files(self) -> list[Path]:
        """Configuration files to look for, first found counts; a named one must exist."""
        if self.config is not None:
            return [self.config.expanduser()]
        import platformdirs

        return [
            Path("ddreport.toml"),
            Path(platformdirs.user_config_dir("ddreport", appauthor=False)) / "ddreport.toml",
        ]


_OTHER_VARIABLES = ("DDREPORT_LOG_LEVEL", "DDREPORT_REQUIRE_", "DDREPORT_SMTP_PASSWORD", "DDREPORT_WEBHOOK_URL")
"""Begins of variables that others read: the command line, and the tests for what must not be skipped."""


def _parse(variable: str, name: str, value: str) -> Any:
    if name == "demo_seed":
        try:
            return int(value)
        except ValueError:
            raise SettingsError(f"{variable} is {value!r}; allowed: a whole number.") from None
    return Path(value)
