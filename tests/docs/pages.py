"""Runs what the pages of `docs/` show: commands, Python, and what both print."""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiodiff.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

NOT_RUN = ("pip", "tensorboard", "git", "aplay", "arecord")
"""Commands of others, which a page may show."""


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, the number of its first line."""

    language: str
    text: str
    line: int


def blocks(page: str) -> list[Block]:
    """Return the fenced blocks of a page of `docs/` in their order."""
    markdown = (DOCS / page).read_text("utf-8")
    return [
        Block(found[1], found[2], markdown.count("\n", 0, found.start()) + 2)
        for found in re.finditer(r"^```(\w*)\n(.*?)^```$", markdown, re.DOTALL | re.MULTILINE)
    ]


def commands(block: Block) -> list[list[str]]:
    """Return the commands of a block of the language `sh`, word by word."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def printed_as_shown(printed: str, shown: str) -> bool:
    """Whether a program printed what a page shows; `...` stands for anything within a line, or for lines."""
    pattern = re.escape(shown.strip()).replace(re.escape("..."), "(.|\n)*?")
    return re.fullmatch(pattern, printed.strip()) is not None


def run_page(
    page: str, printed: Callable[[], str], smaller: Mapping[str, Sequence[str]] | None = None, *, outputs: bool = True
) -> dict[str, Any]:
    """Run a page from top to bottom in the present folder, and compare what it prints with what the page shows.

    Args:
        page: below `docs/`.
        printed: gives what was printed since it was last called.
        smaller: the first words of a command -> words added to it, where it would take too long as written.
        outputs: whether what is printed must be as shown.

    Returns:
        What the page's Python has defined.
    """
    scope: dict[str, Any] = {"__name__": page}
    shown_next = blocks(page)
    for block, following in zip(shown_next, [*shown_next[1:], None], strict=True):
        printed()
        if block.language == "sh":
            for words in commands(block):
                if words[0] in NOT_RUN:
                    continue
                assert words[0] == "audiodiff", f"{page}:{block.line}: {words[0]} is not run"
                line = " ".join(words[1:])
                added = [word for start, more in (smaller or {}).items() if line.startswith(start) for word in more]
                assert main([*words[1:], *added]) == 0, f"{page}:{block.line}: {line}"
        elif block.language == "python":
            exec(compile("\n" * (block.line - 1) + block.text, page, "exec"), scope)
        else:
            continue
        if following is not None and following.language == "text" and outputs:
            found = printed()
            assert printed_as_shown(found, following.text), f"{page}:{following.line} shows other than\n{found}"
    return scope
