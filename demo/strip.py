"""The strip of all takes of a visit, below the tabs, with the player that plays and compares them."""

import hashlib
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from audiodiff.errors import AudiodiffError

from .app_state import AppState
from .jobs import User
from .player import attribute, file_url, player
from .said import Said, counted, said, said_in
from .shown import as_html
from .take_files import zip_takes
from .takes import Take, chain
from .widgets import as_error, status, user_of

ZIP_SHARE = 0.25
"""Part of the room for all files that one ZIP may take."""

RELOAD_SECONDS = 2.0
"""How long the server may take to see that a page that is reloaded has left."""

MADE = {
    "generate": "new",
    "vary": "variation",
    "inpaint": "part replaced",
    "extend": "made longer",
    "loop": "made a loop",
    "interpolate": "between two",
    "speak": "spoken",
    "respeak": "words replaced",
}
"""Verb -> how the page says what it did."""

SPOKEN = frozenset({"speak", "respeak"})
"""Verbs of the voice, whose takes the tab for music does not edit."""

_CLICKS = """
element.addEventListener('click', event => {
  const button = event.target.closest('[data-do]');
  if (button && !button.closest('.ad-player') && !audiodiffTakes.handle(element, button))
    trigger('click', { what: button.dataset.do, take: button.dataset.take ?? '' });
});
audiodiffTakes.watch(element);
"""


@dataclass(frozen=True)
class Strip:
    """The strip, and the place of the player above it.

    Attributes:
        state: the demo.
        html: the strip; laid out where `place` is called.
        token: what the browser remembers of the visit.
    """

    state: AppState
    html: gr.HTML
    token: gr.BrowserState

    @classmethod
    def make(cls, state: AppState) -> "Strip":
        """Make the strip, to be placed later."""
        html = gr.HTML("", elem_id="takes", elem_classes="ad-strip", js_on_load=_CLICKS, render=False)
        return cls(state, html, gr.BrowserState("", storage_key="audiodiff-visit"))

    def place(self) -> None:
        """Lay the player and the strip out here."""
        gr.HTML(_MAIN, elem_id="takes-player")
        self.html.render()

    def drawn(self, user: User, told: Said | None = None, link: str = "") -> str:
        """Return the strip of a page's visit as HTML.

        Args:
            user: who looks at the page.
            told: a sentence for the line above the takes.
            link: file to download at once.
        """
        takes, deleted = self.state.takes.shown(user.page), self.state.takes.deleted(user.page)
        if not takes and deleted is None and told is None:
            return ""
        return Drawing(user.language).strip(
            takes, deleted, told=told, link=link, minutes=self.state.limits.keep_minutes
        )

    def connect(self, app: gr.Blocks, tabs: gr.Tabs, clip: gr.Audio | None, lines: Sequence[gr.HTML]) -> None:
        """Connect the buttons, and show what there is when the page is opened or reloaded.

        Args:
            app: the page.
            tabs: of the page.
            clip: what the tab Edit works on; `None` if there is none.
            lines: where to tell that a reload ended a job.
        """
        opened = [] if clip is None else [tabs, clip]
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}

        def click(event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
            try:
                return self._act(opened, event._data, user_of(request, self.state))
            except Exception as error:
                raise as_error(error, user_of(request, self.state).language) from None

        def begin(token: Any, request: gr.Request) -> dict[Any, Any]:
            return self._open(lines, token, user_of(request, self.state))

        self.html.click(click, None, [self.html, *opened], concurrency_limit=None, **quiet)
        app.load(begin, self.token, [self.token, self.html, *lines], **quiet)

    def _open(self, lines: Sequence[gr.HTML], token: Any, user: User) -> dict[Any, Any]:
        page = user.page
        takes, until = self.state.takes, time.monotonic() + RELOAD_SECONDS
        found, ended = takes.attach(page, token, listens=self.state.listeners.is_connected)
        while ended is None and takes.has_other_jobs(page) and time.monotonic() < until:
            time.sleep(0.1)
            found, ended = takes.attach(page, found, listens=self.state.listeners.is_connected)
        changes: dict[Any, Any] = {self.token: found, self.html: self.drawn(user)}
        if ended is not None:
            planned, made = ended
            text = said(
                "The page was left or reloaded during a job: {made} of {planned} takes were ready; they are below.",
                made=made,
                planned=planned,
            )
            changes |= {line: status(text, language=user.language) for line in lines}
        return changes

    def _act(self, opened: Sequence[Any], asked: Any, user: User) -> dict[Any, Any]:
        takes, page = self.state.takes, user.page
        what, name = (asked.get("what"), asked.get("take")) if isinstance(asked, Mapping) else (None, None)
        what = what if isinstance(what, str) else None
        link = ""
        if what == "star":
            take = takes.star(page, name)
            told = said("Take {number} has no star any more.", number=take.number)
            if take.starred:
                told = said("Take {number} has a star.", number=take.number)
        elif what == "delete":
            told = said("Take {number} was deleted.", number=takes.delete(page, name).number)
        elif what == "undelete":
            back = takes.undelete(page)
            told = said("There is nothing to bring back.")
            if back is not None:
                told = said("Take {number} is back.", number=back.number)
        elif what in {"zip", "zip-starred"}:
            wanted = [take for take in takes.shown(page) if take.starred or what == "zip"]
            limit = round(ZIP_SHARE * self.state.limits.disk_bytes)
            path = self.state.jobs.off_queue(partial(zip_takes, self.state.workspace, wanted, limit))
            told = counted("{count} take in one ZIP.", "{count} takes in one ZIP.", len(wanted))
            link = file_url(path)
        elif what == "edit" and opened:
            take = takes.get(page, name)
            tabs, clip = opened
            return {tabs: gr.Tabs(selected="edit"), clip: str(take.facts.path)}
        else:
            raise AudiodiffError("the page asked for something that takes have no button for; reload it.")
        return {self.html: self.drawn(user, told, link)}


@dataclass(frozen=True)
class Drawing:
    """Takes as HTML, in the language of a page."""

    language: str

    def strip(
        self, takes: Sequence[Take], deleted: Take | None, *, told: Said | None, link: str, minutes: float
    ) -> str:
        """Return takes as HTML.

        Args:
            takes: what is shown, in this order.
            deleted: the one that can be brought back; `None` if there is none.
            told: a sentence for the line above them.
            link: file to download at once; "" for none.
            minutes: how long they stay.
        """
        starred = any(take.starred for take in takes)
        bar = [
            self._button("zip", "Download all (ZIP)") if takes else "",
            self._button("zip-starred", "Download starred (ZIP)") if starred else "",
            self._button("only", "Starred only", pressed=False) if starred else "",
            "" if deleted is None else self._button("undelete", "Undo: bring take {number} back", deleted, named=False),
            f'<a href="{attribute(link)}" download="takes.zip" data-auto>takes.zip</a>' if link else "",
        ]
        items = "".join(self._item(takes, take) for take in takes)
        about = self._words(
            "Everything made in this visit. Takes stay for {minutes:g} minutes; download what you want to keep.",
            minutes=minutes,
        )
        inside = (
            f'<h2>{as_html(self._words("Takes"))}</h2><p class="ad-small">{as_html(about)}</p>'
            f'<p class="ad-small" role="status">{as_html("" if told is None else told.shown(self.language))}</p>'
            f'<div class="ad-bar">{"".join(bar)}</div><ul class="ad-takes">{items}</ul>'
        )
        # Gradio changes what is on the page into what comes, piece by piece; this tells the script that it has done so
        version = hashlib.sha256(inside.encode()).hexdigest()[:16]
        table = said_in(self.language)
        words = json.dumps({text: table.get(text, text) for text in SCRIPT_WORDS})
        return (
            f'<section aria-label="{attribute(self._words("Takes"))}" data-version="{version}" '
            f'data-words="{attribute(words)}">{inside}</section>'
        )

    def title(self, take: Take) -> str:
        """Return what a take is called: its number and its prompt."""
        words = " ".join(take.facts.prompt.split())[:120] or self._words("no prompt")
        return self._words("Take {number}: {prompt}", number=take.number, prompt=words)

    def _words(self, text: str, **values: Any) -> str:
        return said(text, **values).shown(self.language)

    def _made(self, take: Take) -> str:
        return self._words(MADE.get(take.facts.verb, take.facts.verb))

    def _item(self, takes: Sequence[Take], take: Take) -> str:
        facts = take.facts
        versions = chain(takes, take)
        made = self._made(take)
        if len(versions) > 1:
            made = self._words("{made}, from take {number}", made=made, number=versions[-2].number)
        details = [f"{facts.seconds:.1f} s"]
        details += [] if facts.tempo is None else [f"{facts.tempo:g} bpm"]
        details += [] if math.isinf(facts.loudness) else [f"{facts.loudness:.0f} LUFS"]
        details += [self._words("seed {seed}", seed=facts.seed), made]
        named = attribute(self._words("Download take {number}", number=take.number))
        return (
            f'<li class="ad-take" data-take="{take.id}"{" data-starred" if take.starred else ""} '
            f'data-opened="{attribute(self._opened(take, versions))}">'
            f'<img src="{attribute(file_url(facts.picture))}" alt="" loading="lazy">'
            f'<div><p class="ad-title">{as_html(self.title(take))}</p>'
            f'<p class="ad-small">{as_html(" · ".join(details))}</p></div>'
            '<div class="ad-buttons">'
            + self._button("play", "Play", take)
            + self._button("star", "Star", take, pressed=take.starred, sign="★" if take.starred else "☆")
            + self._button("compare", "Compare", take, pressed=False)
            + ("" if facts.verb in SPOKEN else self._button("edit", "Edit", take))
            + f'<a href="{attribute(file_url(facts.path))}" download="{attribute(facts.path.name)}" '
            f'aria-label="{named}">{as_html(self._words("Download"))}</a>'
            + self._button("delete", "Delete", take)
            + "</div></li>"
        )

    def _opened(self, take: Take, versions: Sequence[Take]) -> str:
        """Return what the large player shows of a take."""
        links = [
            f'<button type="button" data-do="play" data-take="{version.id}"'
            f"{' aria-current=true' if version.id == take.id else ''}>"
            f"{version.number} {as_html(self._made(version))}</button>"
            for version in versions
        ]
        label = self._words("Versions")
        row = (
            f'<nav class="ad-versions" aria-label="{attribute(label)}"><span>{as_html(label)}:</span>'
            f"{' → '.join(links)}</nav>"
        )
        sound = player(said("take {number}", number=take.number), take.facts, self.language)
        return f"<h3>{as_html(self.title(take))}</h3>{sound}{row if len(versions) > 1 else ''}"

    def _button(
        self,
        what: str,
        text: str,
        take: Take | None = None,
        *,
        named: bool = True,
        pressed: bool | None = None,
        sign: str | None = None,
    ) -> str:
        """Return a button.

        Args:
            what: what it does.
            text: what it says, in English.
            take: the one that it is for.
            named: whether screen readers get the number of the take besides, and the server which it is.
            pressed: whether it is, of a button that stays pressed.
            sign: what is seen instead of the text.
        """
        number = {} if take is None else {"number": take.number}
        of = ""
        if take is not None and named:
            of = f' data-take="{take.id}" aria-label="{attribute(self._words(f"{text} take {{number}}", **number))}"'
        stays = "" if pressed is None else f' aria-pressed="{str(pressed).lower()}"'
        inside = as_html(self._words(text, **number) if sign is None else sign)
        return f'<button type="button" data-do="{what}"{stays}{of}>{inside}</button>'


SCRIPT_WORDS = (
    "Switch to {deck}",
    "You hear {deck}, {name}; A and B are equally loud.",
    "You hear {deck}, {name}, turned down by {db} dB; A and B are equally loud.",
    "End comparing",
)
"""What `static/takes.js` writes into the page."""

_MAIN = (
    '<section class="ad-main" aria-label="Player" hidden><div class="ad-ab" hidden>'
    '<button type="button" data-do="switch">Switch to B</button><button type="button" data-do="close">End comparing'
    '</button><span class="ad-small" role="status"></span></div>'
    '<div data-deck="a"></div><div data-deck="b" hidden></div></section>'
)
"""Where takes are played; filled by `static/takes.js`."""
