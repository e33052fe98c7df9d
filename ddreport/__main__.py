"""`python -m ddreport` is the command line."""

import sys

from ddreport.cli import main

if __name__ == "__main__":
    sys.exit(main())
