"""Public corpora of music in their own layouts: MAESTRO, MUSDB18-HQ, GTZAN and the Free Music Archive.

None of them is downloaded: they are large, and their hosts ask for a form, an account or a look at the licences first.
Each clip's `extra` says what the corpus says of it, in the columns of a `metadata.csv`: a shorter caption in `text1`,
`genre`, `instrument`, and `source`; `label_source` tells that it was recorded.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from audiodiff.data.items import AudioItem, audio_item, progress_bar, split_name
from audiodiff.data.names import file_below
from audiodiff.data.tables import read_rows
from audiodiff.errors import AudiodiffError

_RECORDED = "corpus metadata"
"""`label_source` of recordings; only "exact" would say that a clip was rendered from a score."""


def _refuse_download(download: bool, corpus: str, where: str) -> None:
    if download:
        raise AudiodiffError(f"{corpus} cannot be downloaded by audiodiff; get it from {where} and give its folder.")


def _folder(root: str | Path, names: Sequence[str], inside: str) -> Path:
    """Return `root`, or the one of its folders `names`, that holds `inside`.

    Raises:
        AudiodiffError: neither does.
    """
    root = Path(root)
    for folder in (root, *(root / name for name in names)):
        if (folder / inside).exists():
            return folder
    raise AudiodiffError(f"{root / inside} does not exist; give the folder that holds {inside}.")


def _unlinked(paths: Iterable[Path]) -> list[Path]:
    """Sorted, each file once, though a linked folder may show it twice."""
    found: dict[Path, Path] = {}
    for path in sorted(paths, key=lambda path: (path.parent.is_symlink(), path)):
        found.setdefault(path.resolve(), path)
    return sorted(found.values())


def _described(*parts: str) -> str:
    """Join what is known to a caption of one line."""
    return ", ".join(" ".join(part.split()) for part in parts if part.strip())


MAESTRO_TABLE = "maestro-v3.0.0.csv"


def maestro_items(root: str | Path, *, download: bool = False) -> list[AudioItem]:
    """List MAESTRO 3.0.0: 1,276 performances on a concert grand, about 200 hours, 44.1 and 48 kHz, with its own splits.

    Args:
        root: the folder with `maestro-v3.0.0.csv`, or the one that holds this folder as `maestro-v3.0.0`.
        download: refused; see the module.
    """
    _refuse_download(download, "MAESTRO", "https://magenta.tensorflow.org/datasets/maestro")
    folder = _folder(root, ("maestro-v3.0.0",), MAESTRO_TABLE)
    columns = ("canonical_composer", "canonical_title", "split", "year", "audio_filename")
    items = []
    table = folder / MAESTRO_TABLE
    for line, row in progress_bar(read_rows(table, columns), "Listing MAESTRO"):
        composer, title = row["canonical_composer"], row["canonical_title"]
        items.append(
            audio_item(
                file_below(folder, row["audio_filename"], f"{table} line {line}"),
                text=_described("solo piano", composer, title),
                split=split_name(row["split"]),
                licence="CC-BY-NC-SA-4.0",
                extra={
                    "text1": _described("solo piano", composer),
                    "composer": composer,
                    "title": title,
                    "year": row["year"],
                    "genre": "classical",
                    "instrument": "piano",
                    "source": "MAESTRO v3.0.0",
                    "label_source": _RECORDED,
                },
            )
        )
    return items


MUSDB18_STEMS = ("vocals", "drums", "bass", "other")

# The validation tracks that the makers of MUSDB18 suggest, all from the folder train.
_MUSDB18_VALID = frozenset(
    (
        "Actions - One Minute Smile",
        "Alexander Ross - Goodbye Bolero",
        "ANiMAL - Rockshow",
        "Clara Berry And Wooldog - Waltz For My Victims",
        "Fergessen - Nos Palpitants",
        "James May - On The Line",
        "Johnny Lokke - Promises & Lies",
        "Leaf - Summerghost",
        "Meaxic - Take A Step",
        "Patrick Talbot - A Reason To Leave",
        "Skelpolu - Human Mistakes",
        "Traffic Experiment - Sirens",
        "Triviul - Angelsaint",
        "Young Griffo - Pennies",
    )
)


def musdb18_items(root: str | Path, *, download: bool = False) -> list[AudioItem]:
    """List MUSDB18-HQ: 150 songs, 10 hours, 44.1 kHz stereo; the clips are the mixtures.

    The stems of a song stand next to its mixture; `extra` names those that are there: `stem_vocals` is "vocals.wav".
    Splits are the folders `train` and `test`, with the usual 14 songs of `train` for validation. Licences differ from
    song to song, and the corpus as a whole is for academic use.

    Args:
        root: the folder with `train` and `test`, or the one that holds this folder as `musdb18hq`.
        download: refused; see the module.
    """
    _refuse_download(download, "MUSDB18-HQ", "https://zenodo.org/record/3338373")
    folder = _folder(root, ("musdb18hq", "MUSDB18-HQ"), "train")
    mixtures = _unlinked(path for part in ("train", "test") for path in (folder / part).glob("*/mixture.wav"))
    if not mixtures:
        raise AudiodiffError(
            f"{folder} has no train/ARTIST - TITLE/mixture.wav; MUSDB18-HQ is needed, the edition with WAV files."
        )
    items = []
    for path in progress_bar(mixtures, "Listing MUSDB18-HQ"):
        song, part = path.parent.name, path.parent.parent.name
        artist, _, title = song.partition(" - ")
        stems = {f"stem_{name}": f"{name}.wav" for name in MUSDB18_STEMS if path.with_name(f"{name}.wav").is_file()}
        items.append(
            audio_item(
                path,
                text=_described("song", artist, title),
                split="valid" if part == "train" and song in _MUSDB18_VALID else part,
                licence="MUSDB18: academic use only, see its list of tracks",
                extra={
                    "text1": "song",
                    "artist": artist,
                    "title": title,
                    **stems,
                    "source": "MUSDB18-HQ",
                    "label_source": _RECORDED,
                },
            )
        )
    return items


_GTZAN_FILE = re.compile(r"(?P<genre>[a-z]+)\.(?P<number>\d{5})\.(?:wav|au)", re.IGNORECASE)


def gtzan_items(root: str | Path, *, download: bool = False) -> list[AudioItem]:
    """List GTZAN: 100 excerpts of 30 s in each of ten genres, 22.05 kHz.

    The corpus has no splits; of every ten excerpts of a genre the ninth is for valid and the tenth for test. Artists
    occur in several splits, and some excerpts twice (Sturm, arXiv 1306.1461): validation flatters the model.
    `jazz.00054.wav` of the edition in circulation is damaged and is left out like every file that cannot be read.

    Args:
        root: the folder of genres (`genres_original`, or `genres`), or a folder that holds it.
        download: refused; the host of the corpus is gone.
    """
    _refuse_download(download, "GTZAN", "a copy, since its host is gone,")
    root = Path(root)
    places = (root / "genres_original", root / "Data" / "genres_original", root / "genres", root)
    folder = next((place for place in places if place.is_dir() and place.name in ("genres_original", "genres")), None)
    if folder is None:
        raise AudiodiffError(f"{places[0]} does not exist; give the folder that holds genres_original.")
    found = [(path, match) for path in _unlinked(folder.glob("*/*")) if (match := _GTZAN_FILE.fullmatch(path.name))]
    if not found:
        raise AudiodiffError(f"{folder} has no GENRE/GENRE.00000.wav; give the folder that holds genres_original.")
    items = []
    for path, match in progress_bar(found, "Listing GTZAN"):
        genre, place = match["genre"].lower(), int(match["number"]) % 10
        items.append(
            audio_item(
                path,
                text=f"{genre} music",
                split={8: "valid", 9: "test"}.get(place, "train"),
                licence="none stated: excerpts of published recordings, for research",
                extra={"genre": genre, "source": "GTZAN", "label_source": _RECORDED},
            )
        )
    return items


FMA_PARTS = ("fma_small", "fma_medium", "fma_large", "fma_full")
"""Editions of the FMA dataset, each within the next; all share one table."""

_FMA_TABLE = Path("fma_metadata") / "tracks.csv"
_FMA_COLUMNS = (
    ("set", "split"),
    ("set", "subset"),
    ("track", "genre_top"),
    ("track", "title"),
    ("track", "license"),
    ("artist", "name"),
)


def fma_items(root: str | Path, *, download: bool = False, part: str | None = None) -> list[AudioItem]:
    """List the FMA dataset (arXiv 1612.01840): MP3s of the Free Music Archive with genres, titles and licences.

    `fma_small` is 8,000 clips of 30 s in eight genres, `fma_medium` 25,000 in sixteen; splits are its own. A few files
    hold no sound; they are left out like every file that cannot be read.

    Args:
        root: the folder that holds `fma_metadata` and `fma_small` or another part; or the folder of that part.
        download: refused; see the module.
        part: which of the parts next to the table to list; None for the largest that is there.
    """
    _refuse_download(download, "FMA", "https://github.com/mdeff/fma")
    if part is not None and part not in FMA_PARTS:
        raise AudiodiffError(f"Unknown part {part!r} of FMA; known parts: {', '.join(FMA_PARTS)}.")
    root = Path(root)
    if root.name in FMA_PARTS and not (root / _FMA_TABLE).exists():
        root, part = root.parent, part or root.name
    if not (root / _FMA_TABLE).is_file():
        raise AudiodiffError(f"{root / _FMA_TABLE} does not exist; give the folder that holds fma_metadata.")
    part = part or next((name for name in reversed(FMA_PARTS) if (root / name).is_dir()), FMA_PARTS[0])
    if not (root / part).is_dir():
        raise AudiodiffError(f"{root / part} does not exist; unpack it next to fma_metadata.")
    # A part holds those below it. The table knows no "full": that is the uncut "large".
    subsets = {name.removeprefix("fma_") for name in FMA_PARTS[: FMA_PARTS.index(part) + 1]}
    items = []
    for track, row in progress_bar(_fma_rows(root / _FMA_TABLE), f"Listing {part}"):
        if row["set", "subset"] not in subsets:
            continue
        genre, title = row["track", "genre_top"], row["track", "title"]
        kind = f"{genre} music" if genre else ""
        items.append(
            audio_item(
                root / part / track[:3] / f"{track}.mp3",
                text=_described(kind, title),
                split=split_name(row["set", "split"]),
                licence=row["track", "license"],
                extra={
                    "text1": kind,
                    "genre": genre.lower(),
                    "title": title,
                    "artist": row["artist", "name"],
                    "source": f"Free Music Archive ({part})",
                    "label_source": _RECORDED,
                },
            )
        )
    if not items:
        raise AudiodiffError(f"{root / _FMA_TABLE} names no track of {part}; unpack fma_metadata.zip again.")
    return items


def _fma_rows(path: Path) -> Iterator[tuple[str, dict[tuple[str, str], str]]]:
    """Yield track numbers of six digits with their columns; two lines of the table name these, a third the index."""
    limit = csv.field_size_limit(1 << 30)  # biographies of artists are longer than the usual limit
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.reader(file)
            groups, names = next(reader, []), next(reader, [])
            places = {pair: index for index, pair in enumerate(zip(groups, names, strict=False))}
            missing = [pair for pair in _FMA_COLUMNS if pair not in places]
            if missing:
                raise AudiodiffError(f"{path} has no column {' '.join(missing[0])}; unpack fma_metadata.zip again.")
            for row in reader:
                if row and row[0].isdecimal() and len(row) == len(names):
                    yield f"{int(row[0]):06d}", {pair: row[places[pair]].strip() for pair in _FMA_COLUMNS}
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise AudiodiffError(f"{path} cannot be read as a UTF-8 CSV table ({error}).") from error
    finally:
        csv.field_size_limit(limit)
