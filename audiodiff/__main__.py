"""`python -m audiodiff` is the `audiodiff` command."""

import sys

from audiodiff.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
