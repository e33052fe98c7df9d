"""A process that imports everything once, then runs the command line in a child of its own for each line it is given.

Prints the child's id as soon as it exists; the child waits until the next line says that it may begin.
"""

from __future__ import annotations

import os
import sys

from ddreport.cli import main
from ddreport.cli.app import app  # noqa: F401 - imported here once, not in every child
from ddreport.workflows.setting_up import apply, targets  # noqa: F401 - as above

if __name__ == "__main__":
    import boto3  # noqa: F401 - as above

    while sys.stdin.readline():
        child = os.fork()
        if child == 0:
            sys.stdin.readline()
            os._exit(main(["setup", *sys.argv[1:], "--yes", "--quiet"]))
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()
