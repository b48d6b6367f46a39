"""URLs where a command wants files of this machine."""

import argparse
import re
from pathlib import Path

from audiodiff.errors import AudiodiffError

# A path has lost one of the two slashes; one letter is a drive.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


def refuse_urls(args: argparse.Namespace) -> None:
    """Refuse URLs among the arguments that are paths: they would become folders called `https:`.

    Raises:
        AudiodiffError: one is a URL.
    """
    for name, given in vars(args).items():
        for value in given if isinstance(given, list | tuple) else (given,):
            if isinstance(value, Path) and _URL.match(str(value)) and not value.exists():
                raise AudiodiffError(
                    f"{name} is the URL {str(value).replace(':/', '://', 1)}, but this command reads and writes files "
                    "of this machine; only shards of latents (`encode -o`, `train --data`) may be elsewhere."
                )
