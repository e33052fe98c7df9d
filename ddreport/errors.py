"""Errors of `ddreport`: one base, facts as attributes for programs, a plain text with the next step for people.

Every message says what happened, with the values; what would be allowed; and, after `Hint:`, what to do next.
`exit_code` is what the command line ends with: 1 failure, 2 wrong use or input, 3 a gate said stop (compliance, or
failures and alarms of a mitigation), 4 only part of it could be had or done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd


class DDReportError(Exception):
    """Base of all errors that `ddreport` raises on purpose.

    Parameters
    ----------
    message
        What happened and what would be allowed.
    hint
        The next step, or None when there is none to name.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} Hint: {self.hint}" if self.hint else self.message


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` for the closest allowed word, or an empty text."""
    from difflib import get_close_matches

    names = [str(name) for name in allowed]  # an enum's member would show as one
    close = get_close_matches(word, names, n=1, cutoff=0.6)
    if not close:
        close = [n for n in names if n.casefold() == word.casefold()]
    return f" Did you mean {close[0]!r}?" if close else ""


class InputError(DDReportError, ValueError):
    """Something the user gave is wrong: an option, a parameter, a file of settings."""

    exit_code = 2


class SettingsError(InputError):
    """A setting, an environment variable or `ddreport.toml` cannot be used."""


class TargetError(InputError):
    """A target is unknown or wrongly described."""

    @classmethod
    def unknown(cls, name: str, allowed: Iterable[str], *, where: str) -> TargetError:
        """Make the error for a target name that nothing describes."""
        names = sorted(allowed)
        return cls(
            f"target {name!r} is not defined in {where}; defined: {', '.join(names)}.{did_you_mean(name, names)}",
            hint="add a table [targets.NAME] to ddreport.toml, or use --profile and --region.",
        )


class ParameterError(InputError):
    """A notebook or report parameter is unknown or has the wrong type."""

    @classmethod
    def unknown(cls, name: str, allowed: Iterable[str], *, notebook: str) -> ParameterError:
        """Make the error for a parameter that the notebook does not declare."""
        names = list(allowed)
        has = f"it has: {', '.join(names)}." if names else "it has none."
        return cls(f"{notebook} has no parameter {name!r}; {has}{did_you_mean(name, names)}")


class SuppressionFileError(InputError):
    """A file of suppressions cannot be used; `problems` says of each fault in which line it is."""

    def __init__(self, message: str, *, hint: str | None = None, problems: Iterable[str] = ()) -> None:
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)


class WindowError(InputError):
    """A time window is reversed, malformed or outside of what can be asked for."""


class RetentionError(WindowError):
    """The window begins before what AWS keeps (90 days)."""


class PlanError(InputError):
    """A mitigation plan or its approval cannot be used: changed by hand, of another account, or none at all."""


class MissingExtraError(DDReportError, ImportError):
    """A part of `ddreport` needs packages of an extra that is not installed."""

    @classmethod
    def for_extra(cls, extra: str, *, what: str, missing: str) -> MissingExtraError:
        """Make the error for `what`, which needs the packages of `extra`."""
        return cls(
            f"{what} needs the package {missing!r}, which is not installed.",
            hint=f"pip install 'ddreport[{extra}]'.",
        )


class TableSchemaError(DDReportError, ValueError):
    """A table does not fit its schema; `failure_cases` holds the rows that do not."""

    def __init__(self, message: str, *, hint: str | None = None, failure_cases: pd.DataFrame | None = None) -> None:
        super().__init__(message, hint=hint)
        self.failure_cases = failure_cases


class AwsError(DDReportError):
    """Something between here and AWS went wrong."""


class CredentialsError(AwsError):
    """No credentials, expired ones, or a profile that does not exist."""


class EndpointError(AwsError):
    """The endpoint cannot be reached, or the service does not exist in that region."""


class AwsCallError(AwsError):
    """AWS refused or failed one call.

    Attributes
    ----------
    operation, region, code
        `iot:ListAuditFindings`, `eu-west-1`, `AccessDeniedException`.
    """

    def __init__(self, message: str, *, operation: str, region: str, code: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.operation = operation
        self.region = region
        self.code = code


class AuditNotConfiguredError(AwsError):
    """Device Defender Audit was never enabled in this account and Region."""


class PartialDataError(DDReportError):
    """Only part of the data could be had; what was had is kept."""

    exit_code = 4


class NoDataError(DDReportError):
    """There is nothing in the archive for what was asked."""


class ArchiveError(DDReportError):
    """The archive cannot be read or written."""


class ArchiveVersionError(ArchiveError):
    """The archive was written by a newer version of `ddreport`."""


class ArchiveCorruptError(ArchiveError):
    """A file of the archive is damaged; `path` names it."""

    def __init__(self, message: str, *, path: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.path = path


class ArchiveWriteError(ArchiveError):
    """The archive could not be written (full disk, no permission); nothing half-written is left."""


class EmulatorError(DDReportError):
    """The emulator could not be started or used."""


class MitigationError(DDReportError):
    """A mitigation could not begin or go on; the message says what was done until then."""


class SetupError(DDReportError):
    """A set-up could not go on; the message says what was done until then, and the same command again goes on."""


class NotificationError(DDReportError):
    """A message could not be sent; it is sent with the next run."""


class EngineError(DDReportError):
    """What reduces the rows (Spark) could not be started or could not do the work."""


class ReportError(DDReportError):
    """A report could not be made."""


class ReportExecutionError(ReportError):
    """A notebook stopped with an error; `notebook` is the executed copy that was kept."""

    def __init__(self, message: str, *, notebook: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.notebook = notebook
