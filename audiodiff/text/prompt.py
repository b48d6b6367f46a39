r"""Prompt syntax: weighted words, and several prompts in one. Imports no torch.

    warm piano                          plain text
    (warm:1.3) piano                    the words in parentheses weigh 1.3
    (warm) piano                        short for (warm:1.1), as users of image models expect
    (soft (warm:1.2):0.8) piano         nested weights multiply: soft 0.8, warm 0.96
    rainy piano | distant choir:0.5     two prompts blended, the second with half the say of the first

A backslash takes `( ) | : \` literally: `\(live\)`. Square brackets are ordinary characters, and so is a colon
outside parentheses, except before the number that ends one of several prompts. Runs of white space become one space.
"""

import math
import re
import unicodedata
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn

from audiodiff.errors import AudiodiffError

__all__ = ["MAX_WEIGHT", "Prompt", "PromptPart", "Span", "join_surrogates", "parse_prompt"]

MAX_WEIGHT = 10.0
"""Largest weight of words: what a network makes of more is noise, and 13 is mostly a mistyped 1.3."""

_PLAIN_WEIGHT = 1.1
_MAX_DEPTH = 20
_SPECIAL = frozenset("()|:\\")
_NUMBER = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf|infinity|nan)", re.IGNORECASE)
_SHOWN_BEFORE, _SHOWN_AFTER = 50, 25


class Span(NamedTuple):
    """Characters `start` up to `stop` (not included) of a plain text, and their weight."""

    start: int
    stop: int
    weight: float


@dataclass(frozen=True)
class PromptPart:
    """One prompt of a blend.

    Attributes:
        text: plain text without syntax; empty for the empty prompt.
        weight: share in the blend before normalising, 0 or more.
        spans: stretches of `text` whose weight is not 1, in order, without overlap.
    """

    text: str
    weight: float
    spans: tuple[Span, ...]

    def weight_at(self, start: int, stop: int) -> float:
        """Weight of a token: the mean over its characters, white space aside; 1 for a token without any."""
        inside = [index for index in range(start, stop) if not self.text[index].isspace()]
        if not inside:
            return 1.0
        weights = [1.0] * len(inside)
        for span in self.spans:
            for place, index in enumerate(inside):
                if span.start <= index < span.stop:
                    weights[place] = span.weight
        return math.fsum(weights) / len(weights)


@dataclass(frozen=True)
class Prompt:
    """What a prompt says: one part or, blended, several.

    Attributes:
        parts: in the order written; the empty prompt has one part with an empty text.
    """

    parts: tuple[PromptPart, ...]

    @property
    def shares(self) -> tuple[float, ...]:
        """The parts' weights, normalised to a sum of 1."""
        largest = max(part.weight for part in self.parts)
        scaled = [part.weight / largest for part in self.parts]  # no sum of finite weights may overflow
        return tuple(weight / math.fsum(scaled) for weight in scaled)


@dataclass
class _Char:
    """One plain character with where in the source it stands."""

    char: str
    source: int
    weight: float = 1.0


@dataclass
class _Group:
    """Parentheses, or the prompt around them: where they open and their last colon, in source and in characters."""

    source: int
    start: int
    colon: tuple[int, int] | None = None


@dataclass
class _Alternative:
    """One prompt of a blend while it is read, from `begin` up to `end` of the source."""

    begin: int
    chars: list[_Char] = field(default_factory=list)
    colon: tuple[int, int] | None = None
    end: int = 0


def join_surrogates(text: str) -> str:
    """Return `text` as valid Unicode: surrogate pairs joined, lone surrogates replaced by U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def parse_prompt(text: str) -> Prompt:
    """Read a prompt; its syntax stands at the top of this module.

    Args:
        text: any text; empty or blank means the empty prompt.

    Raises:
        AudiodiffError: the syntax is broken; below the sentence stands the text with a caret under the character.
    """
    text = join_surrogates(text)
    alternatives = _read(text)
    blended = len(alternatives) > 1
    parts = []
    for alternative in alternatives:
        weight = _blend_weight(text, alternative) if blended else 1.0
        part = _tidy(alternative.chars, weight)
        if blended and not part.text:
            # The stroke that ends it, or for the last one the stroke before it.
            place = alternative.end if alternative.end < len(text) else alternative.begin - 1
            _refuse(
                text, place, "One of the prompts to blend is empty; write one on both sides of every |, or \\| for it"
            )
        parts.append(part)
    if not any(part.weight > 0 for part in parts):
        _refuse(text, len(text.rstrip()) - 1, "The prompts to blend all have weight 0; give one of them more")
    return Prompt(tuple(parts))


def _read(text: str) -> list[_Alternative]:
    """Take the text apart at its top-level strokes, with the weights of parentheses applied."""
    alternative = _Alternative(0)
    alternatives = [alternative]
    stack: list[_Group] = []
    position = 0
    while position < len(text):
        char = text[position]
        if char == "\\" and text[position + 1 : position + 2] in _SPECIAL:
            alternative.chars.append(_Char(text[position + 1], position))
            position += 2
            continue
        if char == "(":
            if len(stack) == _MAX_DEPTH:
                _refuse(text, position, f"Parentheses are nested deeper than {_MAX_DEPTH}; write \\( for a literal one")
            stack.append(_Group(position, len(alternative.chars)))
        elif char == ")":
            if not stack:
                _refuse(text, position, "This parenthesis closes none; open it before, or write \\) for a literal one")
            _close(text, stack.pop(), alternative.chars, position)
        elif char == "|":
            if stack:
                _refuse(text, position, "Prompts cannot be blended inside parentheses; close them first, or write \\|")
            alternative.end = position
            alternative = _Alternative(position + 1)
            alternatives.append(alternative)
        else:
            if char == ":":
                place = (position, len(alternative.chars))
                if stack:
                    stack[-1].colon = place
                else:
                    alternative.colon = place
            alternative.chars.append(_Char(char, position))
        position += 1
    if stack:
        _refuse(text, stack[-1].source, "This parenthesis is never closed; close it, or write \\( for a literal one")
    alternative.end = len(text)
    return alternatives


def _close(text: str, group: _Group, chars: list[_Char], end: int) -> None:
    """Weigh the characters of a group that ends at `end` of the source, and drop its `:weight`."""
    weight = _PLAIN_WEIGHT
    if group.colon is not None:
        source, place = group.colon
        number = text[source + 1 : end]
        if not _NUMBER.fullmatch(number.strip()):
            after = source + 1 + len(number) - len(number.lstrip())
            _refuse(text, after, "The colon needs a weight such as 1.3 after it; write \\: for a literal one")
        weight = _number(text, source + 1, end)
        if weight > MAX_WEIGHT:
            _refuse(text, source + 1, f"The weight is more than {MAX_WEIGHT:g}; words weigh 0 to {MAX_WEIGHT:g}")
        del chars[place:]
    inside = chars[group.start :]
    if all(item.char.isspace() for item in inside):
        _refuse(text, group.source, "Nothing stands between these parentheses; write words there, or \\( and \\)")
    for item in inside:
        item.weight *= weight
        if item.weight > MAX_WEIGHT:
            _refuse(
                text,
                item.source,
                f"The weights around this character multiply to {item.weight:.4g}; words weigh 0 to {MAX_WEIGHT:g}",
            )


def _blend_weight(text: str, alternative: _Alternative) -> float:
    """Weight at the end of one of several prompts, removed from its characters; 1 without one."""
    if alternative.colon is None:
        return 1.0
    source, place = alternative.colon
    number = text[source + 1 : alternative.end].strip()
    if not number:
        _refuse(text, source, "The colon needs a weight such as 0.5 after it; write \\: for a literal one")
    if not _NUMBER.fullmatch(number):
        return 1.0
    del alternative.chars[place:]
    return _number(text, source + 1, alternative.end)


def _number(text: str, start: int, stop: int) -> float:
    number = text[start:stop]
    start += len(number) - len(number.lstrip())
    weight = float(number)
    if not math.isfinite(weight):
        _refuse(text, start, "The weight is not a finite number; write one such as 1.3")
    if weight < 0:
        _refuse(text, start, "The weight is negative; write 0 or more, or use a negative prompt")
    return weight


def _tidy(chars: list[_Char], weight: float) -> PromptPart:
    """Collapse white space and gather neighbours of one weight into spans."""
    kept: list[_Char] = []
    for item in chars:
        if item.char.isspace():
            if not kept or kept[-1].char == " ":
                continue
            kept.append(_Char(" ", item.source, item.weight))
        else:
            kept.append(item)
    if kept and kept[-1].char == " ":
        kept.pop()
    spans: list[Span] = []
    for index, item in enumerate(kept):
        if item.weight == 1.0:
            continue
        if spans and spans[-1].stop == index and spans[-1].weight == item.weight:
            spans[-1] = Span(spans[-1].start, index + 1, item.weight)
        else:
            spans.append(Span(index, index + 1, item.weight))
    return PromptPart("".join(item.char for item in kept), weight, tuple(spans))


def _refuse(text: str, position: int, sentence: str) -> NoReturn:
    """Raise with the stretch of `text` around `position`, on one line, and a caret under that character."""
    start = max(0, position - _SHOWN_BEFORE)
    stop = min(len(text), position + _SHOWN_AFTER)
    before = ("..." if start else "") + _on_one_line(text[start:position])
    after = _on_one_line(text[position:stop]) + ("..." if stop < len(text) else "")
    raise AudiodiffError(f"{sentence}.\n    {before}{after}\n    {' ' * _columns(before)}^")


def _on_one_line(text: str) -> str:
    """Replace what would break the line or move the cursor."""
    return "".join(" " if char.isspace() or unicodedata.category(char) == "Cc" else char for char in text)


def _columns(text: str) -> int:
    """How many terminal columns a text takes: two for wide characters, none for marks and joiners."""
    return sum(
        0
        if unicodedata.category(char) in {"Mn", "Me", "Cf"}
        else 2
        if unicodedata.east_asian_width(char) in "WF"
        else 1
        for char in text
    )
