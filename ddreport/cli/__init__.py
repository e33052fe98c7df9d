"""The command line `ddreport`: a thin shell over the workflows.

Results go to stdout, progress and messages to stderr. Exit codes: 0 fine, 1 failure, 2 wrong use or input,
3 compliance gate failed, 4 only part of the data could be had, 130 interrupted with Ctrl-C.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ddreport.errors import DDReportError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130

_FLAGS = ("--json", "--quiet", "--no-color")
_VALUED = ("--log-level", "--config")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; the console script passes it to `sys.exit`."""
    from typer.exceptions import TyperException

    from ddreport.cli.app import app
    from ddreport.cli.output import Output

    arguments = global_options_first(sys.argv[1:] if argv is None else argv)
    out = Output()
    try:
        code = app(args=arguments, prog_name="ddreport", standalone_mode=False, obj=out)
    except DDReportError as exc:
        out.error(exc)
        return exc.exit_code
    except TyperException as exc:
        out.error(_usage_error(exc))
        return InputError.exit_code
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == INTERRUPTED:
        out.note("Interrupted. What was finished is kept; run the same command again to go on.")
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
