"""Licences by Debian's machine-readable copyright files (DEP-5, copyright-format 1.0)."""

import re
from dataclasses import dataclass
from fnmatch import translate

_KNOWN = (
    (re.compile(r"cc-?0(-1\.0)?"), "CC0-1.0"),
    (re.compile(r"cc-by-(?P<version>[1234]\.\d)\+?"), "CC-BY-{version}"),
    (re.compile(r"cc-by-sa-(?P<version>[1234]\.\d)\+?"), "CC-BY-SA-{version}"),
    (re.compile(r"pd|public-domain"), "Public-Domain"),
    (re.compile(r"mit|expat"), "MIT"),
)
"""Licences under which music may be used for training and the result shared, from the freest."""


@dataclass(frozen=True)
class Paragraph:
    """What a copyright file says of some files.

    Attributes:
        files: patterns of paths in the upstream source.
        authors: who holds the copyright, joined by "; ".
        licence: short name as it stands there, such as "GPL-3 or CC-BY-3.0".
    """

    files: tuple[str, ...]
    authors: str
    licence: str


def read_paragraphs(text: str) -> tuple[Paragraph, ...]:
    """Return the paragraphs of a copyright file that name files, in their order; none of a file that is prose."""
    found = []
    for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n")):
        fields: dict[str, list[str]] = {}
        name = ""
        for line in block.split("\n"):
            match = re.match(r"([A-Za-z][A-Za-z-]*):(.*)", line)
            if match:
                name = match[1].lower()
                fields[name] = [match[2].strip()]
            elif name and line[:1] in (" ", "\t"):
                fields[name].append(line.strip())
        if "files" in fields and "license" in fields:
            # An older layout separates patterns by commas.
            files = tuple(" ".join(fields["files"]).replace(",", " ").split())
            holders = [_holder(line) for line in fields.get("copyright", [])]
            found.append(Paragraph(files, "; ".join(dict.fromkeys(filter(None, holders))), fields["license"][0]))
    return tuple(found)


def _holder(line: str) -> str:
    """Take years, addresses and signs off a line of a copyright field."""
    line = re.sub(r"<[^>]*>|(https?://|www\.)[^\s)]*|\S+@\S+|©|\(c\)", " ", line, flags=re.IGNORECASE)
    line = re.sub(r"\(\s*\)", " ", line)
    line = re.sub(r"^[\s\d,–-]*\b(?=\D)", "", line) if re.match(r"\s*(19|20)\d\d", line) else line
    return " ".join(line.split()).strip(" ,")


def paragraph_of(path: str, paragraphs: tuple[Paragraph, ...]) -> Paragraph | None:
    """Return what holds for a path of the upstream source: the last paragraph that matches, as the format says."""
    found = None
    for paragraph in paragraphs:
        if any(re.fullmatch(translate(pattern.removeprefix("./")), path) for pattern in paragraph.files):
            found = paragraph
    return found


def free_licence(name: str) -> str:
    """Return the freest licence of a short name such as "GPL-3 or CC-BY-3.0" in its usual spelling, "" if none is free.

    Copyleft for programs (GPL) does not count, nor does a name that leaves the version open or forbids a use.
    """
    if re.search(r"\band\b|\bwith\b", name, flags=re.IGNORECASE):
        return ""  # all of the licences hold
    offered = [part.strip().lower() for part in re.split(r"\bor\b|,|\|", name, flags=re.IGNORECASE)]
    for pattern, spelling in _KNOWN:
        for part in offered:
            match = pattern.fullmatch(part)
            if match:
                return spelling.format(**match.groupdict())
    return ""
