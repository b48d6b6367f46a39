"""A library of prompts: one JSON file in the user's data folder, safe under any number of programs at once.

Who changes it holds a lock, reads it, and puts a new file in place of the old one in one go. Who reads it needs no lock
and sees the library before or after a change, never in between. Imports no torch.
"""

import contextlib
import dataclasses
import errno
import json
import os
import sys
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from audiodiff._version import __version__
from audiodiff.atomic import atomic_file
from audiodiff.errors import AudiodiffError
from audiodiff.json_reader import json_bytes, read_json

FORMAT = 1
ENVIRONMENT = "AUDIODIFF_PROMPTS"
"""Environment variable with another path of the library."""

MAX_NAME = 100
LOCK_SECONDS = 20.0
"""How long a change waits for others to finish theirs."""

_KEY = "audiodiff_prompts"
_BUSY = {errno.EAGAIN, errno.EACCES, errno.EDEADLK}

OnConflict = Literal["refuse", "skip", "replace"]


@dataclass(frozen=True)
class SavedPrompt:
    """A prompt with a name.

    Attributes:
        name: what it is asked for by; upper and lower case count.
        prompt: the text.
        negative: what is to be avoided.
        settings: JSON values that go with it, such as steps and guidance.
        seed: seed that it sounded good with; `None` for any.
        tags: words to find it by, in alphabetical order.
        created: when it was saved, ISO 8601 in UTC; filled in by `save_prompt`.
    """

    name: str
    prompt: str
    negative: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    tags: tuple[str, ...] = ()
    created: str = ""

    def __post_init__(self) -> None:
        """Check every field, and put name and tags in their usual form.

        Raises:
            AudiodiffError: a field is empty, too long, or of the wrong type.
        """
        object.__setattr__(self, "name", _checked_name(self.name))
        object.__setattr__(self, "tags", _checked_tags(self.tags))
        for what, text in (("prompt", self.prompt), ("negative", self.negative), ("created", self.created)):
            if not isinstance(text, str):
                raise AudiodiffError(f"the {what} of {self.name!r} is {text!r}; expected text.")
        if not self.prompt.strip():
            raise AudiodiffError(f"the prompt of {self.name!r} is empty; write what to generate.")
        if self.seed is not None and (type(self.seed) is not int or self.seed < 0):
            raise AudiodiffError(f"the seed of {self.name!r} is {self.seed!r}; expected a whole number, 0 or more.")
        if not isinstance(self.settings, Mapping) or not all(isinstance(key, str) for key in self.settings):
            raise AudiodiffError(f"the settings of {self.name!r} are {self.settings!r}; expected names and values.")
        try:
            json.dumps(dict(self.settings), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise AudiodiffError(f"the settings of {self.name!r} cannot be stored as JSON ({error}).") from error

    def to_dict(self) -> dict[str, Any]:
        """Return the prompt as JSON values."""
        values = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        return values | {"settings": dict(self.settings), "tags": list(self.tags)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "SavedPrompt":
        """Read a prompt; unknown keys are allowed, since a newer audiodiff may have written it.

        Raises:
            AudiodiffError: it lacks its name or text, or a value is of the wrong type.
        """
        if not isinstance(values, Mapping) or not {"name", "prompt"} <= values.keys():
            raise AudiodiffError('a saved prompt lacks its "name" or its "prompt".')
        known = {item.name for item in dataclasses.fields(cls)}
        return cls(**{key: value for key, value in values.items() if key in known})


def library_path() -> Path:
    """Return where the library is: `AUDIODIFF_PROMPTS`, else a file in the data folder of the user's system."""
    chosen = os.environ.get(ENVIRONMENT)
    if chosen:
        return Path(chosen).expanduser()
    home = Path.home()
    if sys.platform == "win32":
        folder = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        folder = home / "Library" / "Application Support"
    else:
        # the specification of the variable wants relative paths ignored
        stated = Path(os.environ.get("XDG_DATA_HOME", ""))
        folder = stated if stated.is_absolute() else home / ".local" / "share"
    return folder / "audiodiff" / "prompts.json"


def save_prompt(saved: SavedPrompt, *, replace: bool = False, path: Path | None = None) -> SavedPrompt:
    """Put a prompt into the library and return it as it was saved.

    Args:
        saved: the prompt; without `created` it gets the time of now.
        replace: put it in the place of another one of its name.
        path: the library; `library_path()` when `None`, here and in the functions below.

    Raises:
        AudiodiffError: the name is taken, or the library cannot be read or written; it is left as it was.
    """
    if not saved.created:
        saved = dataclasses.replace(saved, created=datetime.now(UTC).isoformat(timespec="seconds"))

    def change(entries: dict[str, dict[str, Any]]) -> None:
        if saved.name in entries and not replace:
            raise AudiodiffError(f"there is a prompt {saved.name!r} already; replace it, or choose another name.")
        entries[saved.name] = saved.to_dict()

    _change(change, path)
    return saved


def get_prompt(name: str, *, path: Path | None = None) -> SavedPrompt:
    """Return the prompt of a name.

    Raises:
        AudiodiffError: there is none, or the library cannot be read.
    """
    name = _checked_name(name)
    return SavedPrompt.from_dict(_entry(_read(_place(path)), name))


def search_prompts(words: str = "", *, tags: Iterable[str] = (), path: Path | None = None) -> list[SavedPrompt]:
    """Return the prompts in which every word occurs and that have every tag, by name; all of them without either.

    Args:
        words: looked for in name, prompt, negative and tags, upper and lower case alike; part of a word will do.
        tags: tags that must be there.
        path: the library.

    Raises:
        AudiodiffError: the library cannot be read.
    """
    wanted = [_folded(word) for word in words.split()]
    needed = {_folded(tag) for tag in _checked_tags(tuple(tags))}
    found = []
    for values in _read(_place(path)).values():
        saved = SavedPrompt.from_dict(values)
        text = _folded("\n".join((saved.name, saved.prompt, saved.negative, *saved.tags)))
        if all(word in text for word in wanted) and needed <= {_folded(tag) for tag in saved.tags}:
            found.append(saved)
    return sorted(found, key=lambda saved: (_folded(saved.name), saved.name))


def tag_prompt(
    name: str, add: Iterable[str] = (), *, remove: Iterable[str] = (), path: Path | None = None
) -> SavedPrompt:
    """Give a prompt tags, take others away, and return it.

    Raises:
        AudiodiffError: there is no such prompt, or the library cannot be read or written.
    """
    added, removed = _checked_tags(tuple(add)), {_folded(tag) for tag in _checked_tags(tuple(remove))}
    name = _checked_name(name)

    def change(entries: dict[str, dict[str, Any]]) -> None:
        entry = _entry(entries, name)
        kept = [tag for tag in SavedPrompt.from_dict(entry).tags if _folded(tag) not in removed]
        entry["tags"] = list(_checked_tags((*kept, *added)))

    return SavedPrompt.from_dict(_change(change, path)[name])


def remove_prompt(name: str, *, path: Path | None = None) -> None:
    """Take a prompt out of the library.

    Raises:
        AudiodiffError: there is none of that name, or the library cannot be read or written.
    """
    name = _checked_name(name)

    def change(entries: dict[str, dict[str, Any]]) -> None:
        _entry(entries, name)
        del entries[name]

    _change(change, path)


def export_prompts(target: str | Path, names: Iterable[str] = (), *, path: Path | None = None) -> int:
    """Write prompts into a file that `import_prompts` reads, and return how many.

    Args:
        target: file to write, replaced if it is there.
        names: which ones; all of them without any.
        path: the library.

    Raises:
        AudiodiffError: a name is not there, or a file cannot be read or written.
    """
    place = _place(path)
    target = Path(target)
    if target.exists() and place.exists() and target.samefile(place):
        raise AudiodiffError(f"{target} is the library itself; give another file to export to.")
    entries = _read(place)
    chosen = [_checked_name(name) for name in names]
    picked = {name: _entry(entries, name) for name in chosen} if chosen else entries
    _write(target, picked)
    return len(picked)


def import_prompts(
    source: str | Path, *, on_conflict: OnConflict = "refuse", path: Path | None = None
) -> tuple[int, int]:
    """Take in prompts of an exported file, all or none; prompts that are here already, word for word, do not count.

    Args:
        source: an exported file, or another library.
        on_conflict: what to do when another prompt has the name: refuse them all, skip it, or replace it.
        path: the library.

    Returns:
        How many came in, and how many were skipped for their name.

    Raises:
        AudiodiffError: the file is no such file, or a name is taken; the library is left as it was.
    """
    source = Path(source)
    if not source.is_file():
        raise AudiodiffError(f"{source} does not exist or is not a file; give a file that was exported.")
    incoming = _read(source)
    counts = [0, 0]

    def change(entries: dict[str, dict[str, Any]]) -> None:
        fresh = {name: values for name, values in incoming.items() if entries.get(name) != values}
        taken = sorted(fresh.keys() & entries.keys())
        if taken and on_conflict == "refuse":
            raise AudiodiffError(
                f"{source} has another prompt by the name of {taken[0]!r}"
                + (f" ({len(taken) - 1} more like that)" if len(taken) > 1 else "")
                + "; skip or replace what is taken."
            )
        if on_conflict == "skip":
            fresh = {name: values for name, values in fresh.items() if name not in taken}
            counts[1] = len(taken)
        entries.update(fresh)
        counts[0] = len(fresh)

    _change(change, path)
    return counts[0], counts[1]


def _change(change: Callable[[dict[str, dict[str, Any]]], None], path: Path | None) -> dict[str, dict[str, Any]]:
    """Let `change` alter the library's entries while nobody else does, and return them."""
    place = _place(path)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AudiodiffError(f"the folder {place.parent} cannot be made ({error.strerror}).") from error
    with _locked(place):
        entries = _read(place)
        change(entries)
        _write(place, entries)
    return entries


def _place(path: Path | None) -> Path:
    """Return the file itself: a link to a library stays a link."""
    return Path(os.path.realpath(library_path() if path is None else path))


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """Return name -> values of a library file; none if it is not there. Every entry is checked."""
    if not path.exists():
        return {}
    try:
        document = read_json(path)
    except AudiodiffError as error:
        raise AudiodiffError(f"the prompts cannot be read: {error}") from error
    if not isinstance(document, dict) or type(document.get(_KEY)) is not int:
        raise AudiodiffError(f'{path} holds no prompts; expected a JSON table with "{_KEY}".')
    if document[_KEY] > FORMAT:
        raise AudiodiffError(
            f"{path} has format {document[_KEY]}, and this audiodiff {__version__} reads {FORMAT}; update audiodiff."
        )
    items = document.get("prompts")
    if not isinstance(items, list):
        raise AudiodiffError(f'{path} is damaged: "prompts" is not a list; restore or move it.')
    entries: dict[str, dict[str, Any]] = {}
    for item in items:
        try:
            saved = SavedPrompt.from_dict(item)
        except AudiodiffError as error:
            raise AudiodiffError(f"{path} is damaged: {error}") from error
        entries[saved.name] = {**item, **saved.to_dict()}  # what a newer audiodiff added stays
    return entries


def _write(path: Path, entries: Mapping[str, Mapping[str, Any]]) -> None:
    """Replace a library file in one go; nothing is left half-written."""
    document = {_KEY: FORMAT, "prompts": [entries[name] for name in sorted(entries)]}
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        file.write(json_bytes(document, indent=2))
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the library's lock. The system frees it when its holder dies, so that none is ever left behind."""
    lock = path.with_name(f".{path.name}.lock")
    try:
        descriptor = os.open(lock, os.O_CREAT | os.O_RDWR, 0o666)
    except OSError as error:
        raise AudiodiffError(f"{path} cannot be changed: its lock cannot be made ({error.strerror}).") from error
    try:
        deadline = time.monotonic() + LOCK_SECONDS
        while not _try_lock(descriptor, path):
            if time.monotonic() > deadline:
                raise AudiodiffError(f"{path} has been in use by another program for {LOCK_SECONDS:.0f} s; try again.")
            time.sleep(0.01)
        yield
    finally:
        os.close(descriptor)  # closing unlocks


def _try_lock(descriptor: int, path: Path) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            return False
        raise AudiodiffError(
            f"{path} cannot be locked ({error.strerror}); give a place on another disk with {ENVIRONMENT}."
        ) from error
    return True


def _entry(entries: Mapping[str, dict[str, Any]], name: str) -> dict[str, Any]:
    if name not in entries:
        near = sorted(other for other in entries if _folded(other) == _folded(name))
        raise AudiodiffError(
            f"there is no prompt {name!r}; "
            + (f"did you mean {near[0]!r}?" if near else "`audiodiff prompts list` shows those there are.")
        )
    return entries[name]


def _checked_name(name: object) -> str:
    if not isinstance(name, str):
        raise AudiodiffError(f"the name of a prompt is {name!r}; expected text.")
    name = unicodedata.normalize("NFC", name.strip())
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise AudiodiffError(
            f"a prompt cannot be called {name[:40]!r}; expected 1 to {MAX_NAME} characters in one line."
        )
    return name


def _checked_tags(tags: object) -> tuple[str, ...]:
    """Return tags in alphabetical order, each once whatever its case."""
    if not isinstance(tags, list | tuple):
        raise AudiodiffError(f"the tags are {tags!r}; expected a list of words.")
    kept: dict[str, str] = {}
    for tag in tags:
        clean = unicodedata.normalize("NFC", tag.strip()) if isinstance(tag, str) else ""
        if not clean or len(clean) > MAX_NAME or "," in clean or not clean.isprintable():
            raise AudiodiffError(f"{tag!r} cannot be a tag; expected a word or a few in one line, without a comma.")
        kept.setdefault(_folded(clean), clean)
    return tuple(kept[key] for key in sorted(kept))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()
