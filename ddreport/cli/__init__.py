"""The command line `ddreport`: a thin shell over the workflows.

Results go to stdout, progress and messages to stderr. Exit codes: 0 fine, 1 failure, 2 wrong use or input,
3 a gate said stop (compliance, or failures and alarms of a mitigation), 4 only part of it could be had or done,
130 interrupted with Ctrl-C.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING

from ddreport.errors import DDReportError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130
INTERRUPTED_NOTE = "Interrupted. What was finished is kept; run the same command again to go on."

_FLAGS = ("--json", "--quiet", "--no-color")
_VALUED = ("--log-level", "--config")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; the console script passes it to `sys.exit`."""
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        sys.stderr.write(INTERRUPTED_NOTE + "\n")
        return INTERRUPTED


def _run(argv: Sequence[str]) -> int:
    from typer.exceptions import TyperException

    from ddreport.cli.app import app
    from ddreport.cli.output import Output

    out = Output()
    try:
        code = app(args=global_options_first(argv), prog_name="ddreport", standalone_mode=False, obj=out)
        sys.stdout.flush()
    except DDReportError as exc:
        out.error(exc)
        return exc.exit_code
    except TyperException as exc:
        out.error(_usage_error(exc))
        return InputError.exit_code
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough. Nothing may be flushed to it at the end of the process.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as exc:
        # The files that a command works with have errors of their own; what is left is the place it runs in.
        where = f" ({exc.filename})" if exc.filename else ""
        out.error(
            DDReportError(
                f"the system refused: {exc.strerror or exc}{where}.",
                hint="check the working folder, the place that the output goes to, and their free space.",
            )
        )
        if exc.errno == errno.ENOSPC:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DDReportError.exit_code
    if code == INTERRUPTED:
        out.note(INTERRUPTED_NOTE)
    return code if isinstance(code, int) else out.exit_code


def _usage_error(exc: Exception) -> InputError:
    """Turn typer's complaint about the words of the command line into ours."""
    context = getattr(exc, "ctx", None)
    message = exc.format_message() if hasattr(exc, "format_message") else str(exc)
    path = context.command_path if context is not None else "ddreport"
    return InputError(message, hint=f"`{path} --help` shows what is allowed.")


def global_options_first(arguments: Sequence[str]) -> list[str]:
    """Move the global options to the front, so that `ddreport pull --json` works like `ddreport --json pull`."""
    front: list[str] = []
    rest: list[str] = []
    waiting = iter(arguments)
    for argument in waiting:
        if argument == "--":
            rest += [argument, *waiting]
        elif argument in _FLAGS or (argument.split("=", 1)[0] in _VALUED and "=" in argument):
            front.append(argument)
        elif argument in _VALUED:
            front += [argument, *([value] if (value := next(waiting, None)) is not None else [])]
        else:
            rest.append(argument)
    return front + rest
