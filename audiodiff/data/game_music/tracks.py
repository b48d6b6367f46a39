"""The free tracks of a package: title, author, licence and split."""

import csv
import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from audiodiff.data.game_music.licences import free_licence, paragraph_of, read_paragraphs
from audiodiff.data.game_music.packages import GamePackage
from audiodiff.data.game_music.unpack import copyright_path, file_names
from audiodiff.data.items import split_name
from audiodiff.errors import AudiodiffError

_HELD_OUT = 0.05
"""Share of the tracks for valid, and as much for test."""

_VARIANTS = re.compile(r"(fast|slow|f|loop|short|long|unused|guitartrack)$")


@dataclass(frozen=True)
class Track:
    """One piece of music of a package.

    Attributes:
        package: the package.
        files: its files, parts that are mixed: paths below the root, or in the archive.
        title: by its file or folder.
        author: by the copyright file, or the table of packages; "" if neither says.
        licence: such as "CC-BY-SA-3.0".
    """

    package: GamePackage
    files: tuple[str, ...]
    title: str
    author: str
    licence: str

    @property
    def name(self) -> str:
        """A name for its files, unique within the package."""
        path = PurePosixPath(self.files[0].removeprefix(self.package.folder))
        path = path.parent if self.package.by_folder else path.with_suffix("")
        return re.sub(r"[^\w.-]+", "_", path.as_posix())


def free_tracks(root: Path, package: GamePackage) -> tuple[list[Track], list[str]]:
    """List the tracks of a package that are free, and name those that are not.

    Raises:
        AudiodiffError: its archive or its copyright file cannot be read.
    """
    try:
        text = (root / copyright_path(package)).read_text("utf-8", "replace")
    except OSError as error:
        raise AudiodiffError(f"{root / copyright_path(package)} cannot be read ({error.strerror}).") from error
    paragraphs = read_paragraphs(text)
    pieces: dict[str, list[str]] = {}
    for name in file_names(root, package):
        pieces.setdefault(str(PurePosixPath(name).parent) if package.by_folder else name, []).append(name)
    free, refused = [], []
    for files in pieces.values():
        path = PurePosixPath(files[0])
        title = (path.parent.name if package.by_folder else path.stem).replace("_", " ")
        licence, author = "", package.author
        if package.stated is None:
            paragraph = paragraph_of(package.source_folder + files[0].removeprefix(package.folder), paragraphs)
            if paragraph is not None:
                licence, author = free_licence(paragraph.licence), author or paragraph.authors
        elif " ".join(package.stated[0].split()) in " ".join(text.split()):
            licence = package.stated[1]
        if licence:
            free.append(Track(package, tuple(files), title, author, licence))
        else:
            refused.append(title)
    return free, refused


def normalised(text: str) -> str:
    """Letters and digits only, in lower case and without accents, so that spellings of one title agree."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(character for character in plain if character.isalnum())


def work(title: str) -> str:
    """What a piece and its variants (fast, loop, guitar track) have in common."""
    name = normalised(title)
    shorter = _VARIANTS.sub("", name)
    return shorter if len(shorter) >= 4 else name


@dataclass(frozen=True)
class Known:
    """A track of another corpus.

    Attributes:
        source: its text in the table's column `source`: "AUTHOR, PACKAGE: TITLE".
        held_out: whether it is for valid or test there.
    """

    source: str
    held_out: bool

    def is_same(self, track: Track) -> bool:
        """Whether it is that track: the title agrees, and so does the package or the author."""
        origin, _, title = self.source.rpartition(": ")
        author, _, package = origin.rpartition(", ")
        if not title or work(title) not in {work(track.title), work(track.name), work(PurePosixPath(track.name).name)}:
            return False
        ours, theirs = normalised(track.author), normalised(author)
        return package.strip() == track.package.name or bool(ours and theirs and (ours in theirs or theirs in ours))


def known_tracks(table: Path) -> list[Known]:
    """Read which tracks another corpus has from its `metadata.csv`.

    Raises:
        AudiodiffError: it cannot be read, or has no columns `source` and `split`.
    """
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            for column in ("source", "split"):
                if column not in (reader.fieldnames or []):
                    raise AudiodiffError(
                        f"{table} has no column {column}; --exclude needs a metadata.csv with source and split."
                    )
            rows = [(row["source"] or "", split_name(row["split"] or "")) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AudiodiffError(f"{table} cannot be read as a UTF-8 CSV table ({error}).") from error
    held = {source for source, split in rows if split in ("valid", "test")}
    return [Known(source, source in held) for source in dict.fromkeys(source for source, _ in rows) if source]


def split_of(track: Track, known: Sequence[Known]) -> str:
    """Return "train", "valid" or "test" for a track; "" if another corpus holds it out, so that it is left out here.

    By a hash of the work, so that its variants stay together whatever else there is. A track that another corpus
    trains on is never held out here: it would be no test for a model that learnt from both.
    """
    same = [other for other in known if other.is_same(track)]
    if any(other.held_out for other in same):
        return ""
    digest = hashlib.sha256(f"{track.package.name}: {work(track.title)}".encode()).digest()
    place = int.from_bytes(digest[:4], "big") / 2**32
    if same or place >= 2 * _HELD_OUT:
        return "train"
    return "valid" if place < _HELD_OUT else "test"
