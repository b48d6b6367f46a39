"""The takes of each visit: what was made, from what, starred or deleted; they outlive a click, an error and a reload.

A visit is known by a token that the browser keeps. Nobody can guess one, and takes are looked up in one's own visit
alone, so that what a visitor sends reaches nobody else's.
"""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from audiodiff.errors import AudiodiffError

MOST_TAKES = 100
"""Takes of a visit; after that the oldest without a star leave the list."""

MOST_VISITS = 2_000
_MOST_PAGES = 10_000


@dataclass(frozen=True)
class TakeFacts:
    """What a file tells of the take in it.

    Attributes:
        path: the file, where the page can fetch it.
        picture: its log-mel, as a JPEG beside it.
        sha256: hash of the bytes of the file.
        made_from: the same of the files that it was made from, the main one first.
        verb: what made it: "generate", "extend" ...
        prompt: what was asked for.
        seed: of its noise.
        seconds: its length.
        tempo: beats per minute; `None` if it was made without.
        loudness: LUFS (ITU-R BS.1770-4); minus infinity for silence.
        peaks: its waveform: largest magnitudes of equal parts, one byte each.
        loop: whether it is meant to be repeated.
    """

    path: Path
    picture: Path
    sha256: str
    made_from: tuple[str, ...] = ()
    verb: str = "generate"
    prompt: str = ""
    seed: int = 0
    seconds: float = 0.0
    tempo: float | None = None
    loudness: float = float("-inf")
    peaks: bytes = b""
    loop: bool = False


@dataclass(frozen=True)
class Take:
    """A clip of a visit.

    Attributes:
        id: what the page calls it.
        number: what the visitor calls it, counted from 1.
        facts: of its file.
        starred: whether the visitor likes it.
        deleted: whether the visitor took it out; it can be brought back while its file is there.
    """

    id: str
    number: int
    facts: TakeFacts
    starred: bool = False
    deleted: bool = False


@dataclass
class Visit:
    """What belongs to one visitor."""

    token: str
    takes: "OrderedDict[str, Take]" = field(default_factory=OrderedDict)
    deleted: list[str] = field(default_factory=list)
    """Takes that were deleted, the last one last."""
    count: int = 0
    under_way: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Page -> takes that its job is to make, and those that are there."""


class Takes:
    """All visits of a server, by token; each request concerns the visit of the page that sends it."""

    def __init__(self, *, most: int = MOST_TAKES, most_visits: int = MOST_VISITS) -> None:
        """Begin without any.

        Args:
            most: takes of a visit.
            most_visits: visits; the one that was longest idle goes first.
        """
        self._most, self._most_visits = most, most_visits
        self._visits: OrderedDict[str, Visit] = OrderedDict()
        self._pages: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def attach(self, page: str, token: object, *, listens: Callable[[str], bool]) -> tuple[str, tuple[int, int] | None]:
        """Connect a page that was opened or reloaded with the visit that its browser remembers.

        Args:
            page: identifier of the page.
            token: what the browser remembers: anything; an unknown one begins a new visit.
            listens: tells of a page whether it is still open.

        Returns:
            The token to remember, and of a job that a reload ended: takes that it was to make, and those it made.
        """
        with self._lock:
            known = self._visits.get(token) if isinstance(token, str) else None
            visit = known or self._visit(page)
            self._bind(page, visit)
            gone = [other for other in visit.under_way if other != page and not listens(other)]
            lost = [visit.under_way.pop(other) for other in gone]
            ended = (sum(planned for planned, _ in lost), sum(made for _, made in lost)) if lost else None
            return visit.token, ended

    def has_other_jobs(self, page: str) -> bool:
        """Whether a job of another page of the same visit is under way."""
        with self._lock:
            return any(other != page for other in self._visit(page).under_way)

    def begin(self, page: str, planned: int) -> None:
        """Note that a job of a page begins to make so many takes."""
        with self._lock:
            self._visit(page).under_way[page] = (planned, 0)

    def end(self, page: str) -> None:
        """Note that a job of a page has ended, and that its page knows."""
        with self._lock:
            self._visit(page).under_way.pop(page, None)

    def add(self, page: str, facts: TakeFacts) -> Take:
        """Add a take to the visit of a page."""
        with self._lock:
            visit = self._visit(page)
            visit.count += 1
            take = Take(secrets.token_hex(8), visit.count, facts)
            visit.takes[take.id] = take
            if page in visit.under_way:
                planned, made = visit.under_way[page]
                visit.under_way[page] = planned, made + 1
            while len(visit.takes) > self._most:
                plain = (old.id for old in visit.takes.values() if not old.starred and old.id != take.id)
                del visit.takes[next(plain, next(iter(visit.takes)))]
            return take

    def shown(self, page: str) -> list[Take]:
        """Return the takes of a page's visit whose files are still there, the newest first, without deleted ones."""
        with self._lock:
            there = self._there(self._visit(page))
            return [take for take in reversed(there) if not take.deleted]

    def get(self, page: str, take: object) -> Take:
        """Return a take of the page's own visit.

        Raises:
            AudiodiffError: there is none of that name, or its file is gone.
        """
        with self._lock:
            found = self._visit(page).takes.get(take) if isinstance(take, str) else None
        if found is None or not found.facts.path.is_file():
            raise AudiodiffError("this take is not on the server any more; make it again from its file or its prompt.")
        return found

    def star(self, page: str, take: object) -> Take:
        """Star a take, or take its star away."""
        found = self.get(page, take)
        return self._put(page, replace(found, starred=not found.starred))

    def delete(self, page: str, take: object) -> Take:
        """Take a take out of the list, until `undelete`."""
        found = self._put(page, replace(self.get(page, take), deleted=True))
        with self._lock:
            self._visit(page).deleted.append(found.id)
        return found

    def deleted(self, page: str) -> Take | None:
        """Return the take that was deleted last and can be brought back; `None` if there is none."""
        with self._lock:
            visit = self._visit(page)
            there = {take.id: take for take in self._there(visit) if take.deleted}
            visit.deleted = [name for name in visit.deleted if name in there]
            return there[visit.deleted[-1]] if visit.deleted else None

    def undelete(self, page: str) -> Take | None:
        """Bring the take back that was deleted last; `None` if there is none."""
        last = self.deleted(page)
        return None if last is None else self._put(page, replace(last, deleted=False))

    def find(self, page: str, sha256: str) -> Take | None:
        """Return the take whose file has that hash; `None` if it is none of this visit."""
        with self._lock:
            return _with_hash(self._there(self._visit(page)), sha256)

    def versions(self, page: str, take: Take) -> list[Take]:
        """Return a take and those before it that it was made from, the first version first."""
        with self._lock:
            return chain(self._there(self._visit(page)), take)

    def _put(self, page: str, take: Take) -> Take:
        with self._lock:
            self._visit(page).takes[take.id] = take
        return take

    def _visit(self, page: str) -> Visit:
        """Return the visit of a page, a new one if it has none."""
        visit = self._visits.get(self._pages.get(page, ""))
        if visit is None:
            visit = Visit(secrets.token_urlsafe(24))
        self._bind(page, visit)
        return visit

    def _bind(self, page: str, visit: Visit) -> None:
        self._visits[visit.token] = visit
        self._visits.move_to_end(visit.token)
        self._pages[page] = visit.token
        self._pages.move_to_end(page)
        if len(self._visits) > self._most_visits:
            self._visits.popitem(last=False)
        if len(self._pages) > _MOST_PAGES:
            self._pages.popitem(last=False)

    def _there(self, visit: Visit) -> list[Take]:
        """Forget takes whose files are gone, and return the others, the oldest first."""
        for take in [take for take in visit.takes.values() if not take.facts.path.is_file()]:
            del visit.takes[take.id]
        return list(visit.takes.values())


def chain(takes: Iterable[Take], take: Take) -> list[Take]:
    """Return a take and those that it was made from, the first version first.

    Args:
        takes: where to look.
        take: the last version.
    """
    known, found = list(takes), [take]
    while found[0].facts.made_from:
        before = _with_hash(known, found[0].facts.made_from[0])
        if before is None or before in found:
            break
        found.insert(0, before)
    return found


def _with_hash(takes: Iterable[Take], sha256: str) -> Take | None:
    return next((take for take in takes if take.facts.sha256 == sha256), None)
