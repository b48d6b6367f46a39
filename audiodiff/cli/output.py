"""What commands print: results on standard output, the rest on standard error, nothing that a terminal obeys."""

import io
import sys
from typing import TextIO

from audiodiff.printable import printable


def tell(text: object = "", *, file: TextIO | None = None, end: str = "\n", flush: bool = False) -> None:
    """Print as `print` does, with control characters written out: names, tags and models are by anybody."""
    print(printable(text, lines=True), file=file, end=end, flush=flush)


def note(text: object) -> None:
    """Print a remark to standard error, as one line."""
    tell(f"audiodiff: {' '.join(str(text).split())}", file=sys.stderr)


def accept_any_text() -> None:
    """Let what the terminal's encoding lacks be printed as an escape instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
