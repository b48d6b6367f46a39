"""The parser of the command line: a mistake is answered with one sentence."""

import argparse
from typing import NoReturn

from audiodiff.printable import printable

BAD_INPUT = 2
"""Exit status for what was asked wrongly."""

MAX_MESSAGE = 600
"""Characters of a message that tells of a value, which may be as long as its sender likes."""


class Parser(argparse.ArgumentParser):
    """An `argparse.ArgumentParser` that says what is wrong instead of its usage; subparsers are made alike."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where to look, and end."""
        shown = message if len(message) <= MAX_MESSAGE else message[:MAX_MESSAGE] + "..."
        sentence = printable(" ".join(shown.split()))
        self.exit(BAD_INPUT, f"{self.prog}: {sentence}; see `{self.prog} --help`.\n")
