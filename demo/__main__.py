"""`python -m demo`: the same as `audiodiff demo`."""

import sys

from audiodiff.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["demo", *sys.argv[1:]]))
