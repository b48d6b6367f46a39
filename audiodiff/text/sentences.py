"""Cut a text of any length into stretches that are said in one go: sentences, and pieces of very long ones."""

import codecs
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from audiodiff.errors import AudiodiffError
from audiodiff.text.phones import word_set

__all__ = ["LONGEST", "Sentence", "sentences", "text_blocks"]

LONGEST = 400
"""Most characters of a piece; longer sentences are cut at a pause or between words."""

_AHEAD = 64
"""Characters that must follow a place before it is known whether a sentence ends there."""

_END = re.compile(r"(?:[.!?…]+|(?<=[.!?…])[\"'”’)\]»]+)[\"'”’)\]»]*(?=\s)")
_PARAGRAPH = re.compile(r"[^\S\n]*\n[^\S\n]*(?:\n\s*|(?=[-*•–][^\S\n]))")
_NO_END = word_set(
    "mr mrs ms mx dr prof rev hon gen col sgt capt lt maj cmdr adm cpl pvt gov sen rep pres messrs fr mt ft st vs "
    "approx dept est no nos vol fig figs pp p ed eds cf viz ca e.g i.e jan feb mar apr jun jul aug sep sept oct "
    "nov dec mon tue wed thu fri sat sun ave blvd rd"
)
"""Short forms after which a sentence goes on, unless a word follows that likes to begin one."""

_TITLES = word_set("mr mrs ms mx dr prof rev gen col sgt capt lt maj cmdr gov sen rep messrs mt st e.g i.e vs no")
_STARTS = re.compile(
    r"\s*[\"'“‘(\[*]*(?:The|A|An|He|She|It|They|We|You|This|That|These|Those|But|And|So|In|On|At|When|If|I)\b"
)


class Sentence(NamedTuple):
    """A stretch of text, where it begins in the whole, and whether a paragraph ends after it."""

    text: str
    start: int
    ends_paragraph: bool


def sentences(blocks: str | Iterable[str]) -> Iterator[Sentence]:
    """Sentences of a text that is given whole or in blocks of any size, in constant memory.

    A paragraph ends at an empty line and before a list item; other line ends are blanks.
    """
    waiting = ""
    start = 0
    for block in (blocks,) if isinstance(blocks, str) else blocks:
        waiting += block
        cut = 0
        for end, ends_paragraph in _cuts(waiting, last=False):
            yield from _pieces(waiting[cut:end], start + cut, ends_paragraph)
            cut = end
        waiting, start = waiting[cut:], start + cut
    cut = 0
    for end, ends_paragraph in _cuts(waiting, last=True):
        yield from _pieces(waiting[cut:end], start + cut, ends_paragraph)
        cut = end


def _cuts(text: str, *, last: bool) -> Iterator[tuple[int, bool]]:
    """Ends of the sentences of a text; without `last` only those that what follows cannot change."""
    limit = len(text) if last else len(text) - _AHEAD
    begin = 0
    for found in re.finditer(f"(?P<paragraph>{_PARAGRAPH.pattern})|{_END.pattern}", text):
        if found.end() > limit:
            break
        paragraph = found["paragraph"] is not None
        if paragraph or _ends(text, begin, found.start(), found.end()):
            yield found.end(), paragraph or re.match(_PARAGRAPH, text[found.end() :]) is not None
            begin = found.end()
    # Without any end in sight a piece is cut off all the same, so that what waits stays short.
    while limit - begin > 2 * LONGEST:
        begin += _cut(text[begin : begin + LONGEST])
        yield begin, False
    if last and text[begin:].strip():
        yield len(text), True


def _ends(text: str, begin: int, mark: int, end: int) -> bool:
    following = text[end:].lstrip()
    if not following or set("!?") & set(text[mark:end]):
        return not following[:1].islower()
    if following[:1].islower():
        return False
    word = re.search(r"[\w.]+$", text[begin:mark])
    short = word[0].lower() if word else ""
    if short in _TITLES or (len(short) == 1 and short.isalpha() and short != "i" and not _STARTS.match(text[end:])):
        return False
    likely_short = short in _NO_END or re.fullmatch(r"(?:\w\.)+\w", short)
    return not likely_short or _STARTS.match(text[end:]) is not None


def _cut(text: str) -> int:
    """Where to cut a text that is too long: after a pause, else between words, outside of signs such as braces."""
    for pattern in (r"[;:—–]+\s|\s[-–—]+\s", r",\s", r"\s"):
        ends = [found.end() for found in re.finditer(pattern, text)]
        whole = [end for end in ends if end > LONGEST // 4 and _closed(text[:end])]
        if whole:
            return whole[-1]
    return len(text)


def _closed(text: str) -> bool:
    return text.count("{") == text.count("}") and text.count("[") == text.count("]") and text.count("*") % 2 == 0


def _pieces(text: str, start: int, ends_paragraph: bool) -> Iterator[Sentence]:
    while len(text.strip()) > LONGEST:
        cut = _cut(text[: LONGEST + len(text) - len(text.lstrip())])
        if text[:cut].strip():
            yield _stripped(text[:cut], start, False)
        text, start = text[cut:], start + cut
    if text.strip():
        yield _stripped(text, start, ends_paragraph)


def _stripped(text: str, start: int, ends_paragraph: bool) -> Sentence:
    return Sentence(text.strip(), start + len(text) - len(text.lstrip()), ends_paragraph)


def text_blocks(source: str | Path | BinaryIO, size: int = 1 << 16) -> Iterator[str]:
    """A UTF-8 text in blocks.

    Args:
        source: a file, or a stream such as `sys.stdin.buffer`; a byte order mark is passed over.
        size: bytes of a block.

    Raises:
        AudiodiffError: it cannot be opened, or is not UTF-8.
    """
    if isinstance(source, str | Path):
        try:
            with Path(source).open("rb") as file:
                yield from _decoded(file, str(source), size)
        except OSError as error:
            raise AudiodiffError(f"{source} cannot be read: {error.strerror}.") from error
    else:
        yield from _decoded(source, "standard input", size)


def _decoded(file: BinaryIO, name: str, size: int) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    position = 0
    try:
        while True:
            raw = file.read(size)
            if position == 0 and raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
                raise AudiodiffError(f"{name} is UTF-16, and texts are read as UTF-8; save it as UTF-8.")
            if position == 0:
                raw = raw.removeprefix(codecs.BOM_UTF8) if len(raw) > 3 else raw.replace(codecs.BOM_UTF8, b"")
            yield decoder.decode(raw, final=not raw)
            if not raw:
                return
            position += len(raw)
    except UnicodeDecodeError as error:
        raise AudiodiffError(
            f"{name} is not UTF-8: the byte at about {position + error.start} cannot be read; save it as UTF-8."
        ) from error
