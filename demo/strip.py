"""The strip of all takes of a visit, below the tabs, with the player that plays and compares them."""

import hashlib
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from audiodiff.errors import AudiodiffError

from .app_state import AppState
from .player import attribute, file_url, player
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

    def drawn(self, page: str, said: str = "", link: str = "") -> str:
        """Return the strip of a page's visit as HTML.

        Args:
            page: identifier of the page.
            said: a sentence for the line above the takes.
            link: file to download at once.
        """
        takes, deleted = self.state.takes.shown(page), self.state.takes.deleted(page)
        if not takes and deleted is None and not said:
            return ""
        return strip(takes, deleted, said=said, link=link, minutes=self.state.limits.keep_minutes)

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
                return self._act(opened, event._data, user_of(request, self.state).page)
            except Exception as error:
                raise as_error(error) from None

        def begin(token: Any, request: gr.Request) -> dict[Any, Any]:
            return self._open(lines, token, user_of(request, self.state).page)

        self.html.click(click, None, [self.html, *opened], concurrency_limit=None, **quiet)
        app.load(begin, self.token, [self.token, self.html, *lines], **quiet)

    def _open(self, lines: Sequence[gr.HTML], token: Any, page: str) -> dict[Any, Any]:
        takes, until = self.state.takes, time.monotonic() + RELOAD_SECONDS
        found, ended = takes.attach(page, token, listens=self.state.listeners.is_connected)
        while ended is None and takes.has_other_jobs(page) and time.monotonic() < until:
            time.sleep(0.1)
            found, ended = takes.attach(page, found, listens=self.state.listeners.is_connected)
        changes: dict[Any, Any] = {self.token: found, self.html: self.drawn(page)}
        if ended is not None:
            planned, made = ended
            text = f"The page was left or reloaded during a job: {made} of {planned} takes were ready; they are below."
            changes |= {line: status(text) for line in lines}
        return changes

    def _act(self, opened: Sequence[Any], asked: Any, page: str) -> dict[Any, Any]:
        takes = self.state.takes
        what, name = (asked.get("what"), asked.get("take")) if isinstance(asked, Mapping) else (None, None)
        what = what if isinstance(what, str) else None
        said, link = "", ""
        if what == "star":
            take = takes.star(page, name)
            said = f"Take {take.number} {'has a star' if take.starred else 'has no star any more'}."
        elif what == "delete":
            said = f"Take {takes.delete(page, name).number} was deleted."
        elif what == "undelete":
            back = takes.undelete(page)
            said = "There is nothing to bring back." if back is None else f"Take {back.number} is back."
        elif what in {"zip", "zip-starred"}:
            wanted = [take for take in takes.shown(page) if take.starred or what == "zip"]
            limit = round(ZIP_SHARE * self.state.limits.disk_bytes)
            path = self.state.jobs.off_queue(partial(zip_takes, self.state.workspace, wanted, limit))
            said, link = f"{len(wanted)} take{'' if len(wanted) == 1 else 's'} in one ZIP.", file_url(path)
        elif what == "edit" and opened:
            take = takes.get(page, name)
            tabs, clip = opened
            return {tabs: gr.Tabs(selected="edit"), clip: str(take.facts.path)}
        else:
            raise AudiodiffError("the page asked for something that takes have no button for; reload it.")
        return {self.html: self.drawn(page, said, link)}


def strip(takes: Sequence[Take], deleted: Take | None, *, said: str, link: str, minutes: float) -> str:
    """Return takes as HTML.

    Args:
        takes: what is shown, in this order.
        deleted: the one that can be brought back; `None` if there is none.
        said: a sentence for the line above them.
        link: file to download at once; "" for none.
        minutes: how long they stay.
    """
    back = "" if deleted is None else _button("undelete", f"Undo: bring take {deleted.number} back", "")
    starred = any(take.starred for take in takes)
    bar = [
        _button("zip", "Download all (ZIP)", "") if takes else "",
        _button("zip-starred", "Download starred (ZIP)", "") if starred else "",
        '<button type="button" data-do="only" aria-pressed="false">Starred only</button>' if starred else "",
        back,
        f'<a href="{attribute(link)}" download="takes.zip" data-auto>takes.zip</a>' if link else "",
    ]
    items = "".join(_item(takes, take) for take in takes)
    inside = (
        '<h2>Takes</h2><p class="ad-small">Everything made in this visit. Takes stay for '
        f"{minutes:g} minutes; download what you want to keep.</p>"
        f'<p class="ad-small" role="status">{as_html(said)}</p>'
        f'<div class="ad-bar">{"".join(bar)}</div><ul class="ad-takes">{items}</ul>'
    )
    # Gradio changes what is on the page into what comes, piece by piece; this tells the script that it has done so
    version = hashlib.sha256(inside.encode()).hexdigest()[:16]
    return f'<section aria-label="Takes" data-version="{version}">{inside}</section>'


def title(take: Take) -> str:
    """Return what a take is called: its number and its prompt."""
    words = " ".join(take.facts.prompt.split()) or "no prompt"
    return f"Take {take.number}: {words[:120]}"


def _item(takes: Sequence[Take], take: Take) -> str:
    facts, number = take.facts, take.number
    versions = chain(takes, take)
    made = MADE.get(facts.verb, facts.verb) + ("" if len(versions) < 2 else f", from take {versions[-2].number}")
    told = [f"{facts.seconds:.1f} s"]
    told += [] if facts.tempo is None else [f"{facts.tempo:g} bpm"]
    told += [] if math.isinf(facts.loudness) else [f"{facts.loudness:.0f} LUFS"]
    told += [f"seed {facts.seed}", made]
    star = "★" if take.starred else "☆"
    edit = "" if facts.verb in SPOKEN else _button("edit", "Edit", take.id, f"Edit take {number}")
    return (
        f'<li class="ad-take" data-take="{take.id}"{" data-starred" if take.starred else ""} '
        f'data-opened="{attribute(_opened(take, versions))}">'
        f'<img src="{attribute(file_url(facts.picture))}" alt="" loading="lazy">'
        f'<div><p class="ad-title">{as_html(title(take))}</p><p class="ad-small">{as_html(" · ".join(told))}</p></div>'
        '<div class="ad-buttons">'
        + _button("play", "Play", take.id, f"Play take {number}")
        + f'<button type="button" data-do="star" data-take="{take.id}" aria-pressed="{str(take.starred).lower()}" '
        f'aria-label="Star take {number}">{star}</button>'
        f'<button type="button" data-do="compare" data-take="{take.id}" aria-pressed="false" '
        f'aria-label="Compare take {number}">Compare</button>'
        + edit
        + f'<a href="{attribute(file_url(facts.path))}" download="{attribute(facts.path.name)}" '
        f'aria-label="Download take {number}">Download</a>'
        + _button("delete", "Delete", take.id, f"Delete take {number}")
        + "</div></li>"
    )


def _opened(take: Take, versions: Sequence[Take]) -> str:
    """Return what the large player shows of a take."""
    links = [
        f'<button type="button" data-do="play" data-take="{version.id}"'
        f"{' aria-current=true' if version.id == take.id else ''}>"
        f"{version.number} {as_html(MADE.get(version.facts.verb, version.facts.verb))}</button>"
        for version in versions
    ]
    row = f'<nav class="ad-versions" aria-label="Versions"><span>Versions:</span>{" → ".join(links)}</nav>'
    return (
        f"<h3>{as_html(title(take))}</h3>{player(f'take {take.number}', take.facts)}{row if len(versions) > 1 else ''}"
    )


def _button(what: str, text: str, take: str, label: str = "") -> str:
    named = f' aria-label="{attribute(label)}"' if label else ""
    of = f' data-take="{take}"' if take else ""
    return f'<button type="button" data-do="{what}"{of}{named}>{as_html(text)}</button>'


_MAIN = (
    '<section class="ad-main" aria-label="Player" hidden><div class="ad-ab" hidden>'
    '<button type="button" data-do="switch">Switch to B</button><button type="button" data-do="close">End comparing'
    '</button><span class="ad-small" role="status"></span></div>'
    '<div data-deck="a"></div><div data-deck="b" hidden></div></section>'
)
"""Where takes are played; filled by `static/takes.js`."""
