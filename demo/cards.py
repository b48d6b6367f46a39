"""Where clips are shown: up to four, each with its player, its seed, and what can be done with it."""

import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
from PIL import Image

from audiodiff.synthesis.verb import seam_in_words

from . import player
from .app_state import AppState
from .edits import verb_again
from .handlers import ClipResult, Created, Report, Update
from .jobs import Outcome, User, stream
from .limits import CARDS
from .said import counted, said
from .sentences import translated
from .shown import as_html
from .strip import Strip
from .take_files import publish
from .takes import Take
from .widgets import as_error, status, status_line, user_of

AGAIN = {"subtle": "Vary a little", "strong": "Vary a lot", "extend": "Extend", "loop": "Loop this"}
"""What a click makes of a clip -> what the button says."""


_MOST_ENDS = 16
_JPEG_QUALITY = 70

_LIGHT = """
const player = () => document.querySelector('#PLAYER audio');
const light = () => {
  const playing = player() && !player().paused, now = playing ? player().currentTime : -1;
  element.querySelectorAll('span').forEach(word =>
    word.classList.toggle('ad-now', now >= Number(word.dataset.start) && now < Number(word.dataset.end)));
  if (playing) requestAnimationFrame(light);
};
document.addEventListener('play', event => { if (event.target === player()) light(); }, true);
"""
"""Lights words up while they are said."""


@dataclass(frozen=True)
class Card:
    """Where one clip is shown.

    `again` are the buttons that make more of it, by what they do; speech has none, but words and subtitles.
    """

    box: gr.Column
    player: gr.HTML
    caption: gr.Markdown
    again: Mapping[str, gr.Button]
    reuse: gr.Button
    download: gr.DownloadButton
    edit: gr.Button
    words: gr.HTML | None = None
    subtitles: gr.DownloadButton | None = None

    @property
    def file(self) -> gr.DownloadButton:
        """What has the path of the clip as its value."""
        return self.download

    @property
    def buttons(self) -> tuple[gr.components.Component, ...]:
        """What there is to click once the clip is there."""
        subtitles = [] if self.subtitles is None else [self.subtitles]
        return *self.again.values(), self.reuse, self.edit, *subtitles, self.download


class Ends:
    """What the cards of a page came to, until the page asks for it."""

    def __init__(self) -> None:
        """Begin without any."""
        self._held: OrderedDict[str, dict[Any, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, page: str, changes: dict[Any, Any]) -> None:
        """Keep what a page has to show; of pages that never ask, the oldest is forgotten."""
        with self._lock:
            self._held[page] = changes
            self._held.move_to_end(page)
            if len(self._held) > _MOST_ENDS:
                self._held.popitem(last=False)

    def take(self, page: str) -> dict[Any, Any]:
        """Return what a page has to show, once; nothing when there is nothing new."""
        with self._lock:
            return self._held.pop(page, {})


@dataclass(frozen=True)
class Cards:
    """All cards of a tab, and the line above them.

    Attributes:
        line: tells how far the work is.
        cards: one for each clip.
        strip: where all takes of the visit are listed.
        ends: what they came to.
        phonemes: shows what was said last, of speech.
    """

    line: gr.HTML
    cards: tuple[Card, ...]
    strip: Strip
    ends: Ends = field(default_factory=Ends)
    phonemes: gr.Textbox | None = None

    @property
    def outputs(self) -> list[gr.components.Component]:
        """Everything that `run` changes."""
        shown = [piece for card in self.cards for piece in (card.box, card.player, card.caption, *card.buttons)]
        words = [card.words for card in self.cards if card.words is not None]
        return [self.line, self.strip.html, *shown, *words, *([] if self.phonemes is None else [self.phonemes])]

    def run(
        self, work: Callable[[Report], Created], n_clips: int, user: User, begin: Mapping[Any, Any] | None = None
    ) -> Iterator[dict[Any, Any]]:
        """Do the work and yield what changes on the page.

        Args:
            work: called with the function that it reports to.
            n_clips: how many clips are to come.
            user: whose cards these are.
            begin: what changes besides at the beginning.

        Raises:
            gr.Error: what `work` raises, as the page shows it.
        """
        page, language = user.page, user.language
        self.ends.take(page)
        begin, takes = begin or {}, self.strip.state.takes
        made: dict[int, Take] = {}
        takes.begin(page, n_clips)
        yield {
            self.line: status(said("starting"), 0.0, language=language),
            **self._begin(n_clips, language),
            **begin,
        }

        def keep(report: Report) -> Created:
            def noted(update: Update) -> None:
                if update.made is not None:  # kept before anything is shown: the page may be gone by now
                    made[update.index] = self._keep(page, update.made)
                report(update)

            return work(noted)

        try:
            for item in stream(keep):
                if not isinstance(item, Outcome):
                    yield self._show(item, made, language) | self._listed(user, item.made is not None)
                    continue
                finish = self._finish(item.result, n_clips, language)
                takes.end(page)
                self.ends.put(page, {**begin, **self._all(item.result, made, language), **finish, **self._listed(user)})
                yield finish
        except Exception as error:
            takes.end(page)
            unmade = {card.box: gr.update(visible=index in made) for index, card in enumerate(self.cards)}
            failed = {self.line: status(), **unmade, **self._listed(user)}
            self.ends.put(page, failed)
            yield failed
            raise as_error(error, language) from None

    def _keep(self, page: str, made: ClipResult) -> Take:
        state = self.strip.state
        # away from the page's threads, each of which would keep the memory of the longest sound that it worked on
        return state.takes.add(page, state.jobs.off_queue(lambda: publish(state.workspace, made)))

    def _listed(self, user: User, changed: bool = True) -> dict[Any, Any]:
        return {self.strip.html: self.strip.drawn(user)} if changed else {}

    def connect(self, event: Any, state: AppState, *others: gr.components.Component) -> None:
        """Let the page ask for everything once more after an event that `run` answers.

        The changes of a stream are applied to parts of the page that may still be coming into being, and can get lost.

        Args:
            event: the event.
            state: the demo.
            others: what else changes at its beginning.
        """

        def settle(request: gr.Request) -> dict[Any, Any]:
            return self.ends.take(user_of(request, state).page) or {self.line: gr.skip()}

        for ended in (event.then, event.failure):  # after an error, Gradio 6.31 calls the second alone
            ended(settle, None, [*others, *self.outputs], queue=False, show_progress="hidden", api_visibility="private")

    def _all(self, created: Created, takes: Mapping[int, Take], language: str) -> dict[Any, Any]:
        """Return all that is to be seen of finished clips."""
        changes: dict[Any, Any] = {}
        for index, (card, made) in enumerate(zip(self.cards, created.clips, strict=False)):
            update = Update("", 1.0, index=index, made=made)
            changes |= {card.box: gr.update(visible=True), **self._show(update, takes, language)}
        return changes

    def _begin(self, n_clips: int, language: str) -> dict[Any, Any]:
        changes: dict[Any, Any] = {}
        for index, card in enumerate(self.cards):
            changes |= {
                card.box: gr.update(visible=index < n_clips),
                card.player: player.empty(said("waiting").shown(language)),
                card.caption: "",
                **{button: gr.update(interactive=False) for button in card.buttons},
                **({} if card.words is None else {card.words: ""}),
            }
        return changes

    def _show(self, item: Update, takes: Mapping[int, Take], language: str) -> dict[Any, Any]:
        line = status(item.text, item.fraction, aloud=item.made is not None, language=language)
        changes: dict[Any, Any] = {self.line: line} if item.text else {}
        card = self.cards[item.index]
        if item.preview is not None:
            changes |= {
                card.player: player.preview(
                    _jpeg(item.preview), said("clip {number} so far", number=item.index + 1).shown(language)
                )
            }
        if item.made is not None:
            made, take = item.made, takes[item.index]
            caption = said(
                "**Take {number}** · seed **{seed}** · {seconds:.1f} s · made in {elapsed:.1f} s",
                number=take.number,
                seed=made.seed,
                seconds=made.seconds,
                elapsed=made.elapsed,
            ).shown(language)
            seam = "" if made.seam is None else f" · {said(seam_in_words(made.seam)).shown(language)}"
            changes |= {
                card.player: player.player(said("take {number}", number=take.number), take.facts, language),
                card.caption: caption + seam,
                **{button: gr.update(interactive=True) for button in card.buttons},
                card.download: gr.update(value=str(made.path), interactive=True),
            }
            if card.words is not None:
                changes |= {card.words: _words(made)}
            if card.subtitles is not None:
                changes |= {card.subtitles: gr.update(value=str(made.subtitles), interactive=True)}
            if self.phonemes is not None:
                changes |= {self.phonemes: made.phonemes}
        return changes

    def _finish(self, created: Created, n_clips: int, language: str) -> dict[Any, Any]:
        n_made = len(created.clips)
        told = (translated(note, language) for clip in created.clips for note in clip.notes)
        notes = dict.fromkeys(f"{note[:1].upper()}{note[1:]}." for note in told)
        if created.stopped:
            text = said("stopped; {made} of {count} clips finished", made=n_made, count=n_clips)
        else:
            elapsed = sum(clip.elapsed for clip in created.clips)
            text = counted(
                "{count} clip in {elapsed:.1f} s of work",
                "{count} clips in {elapsed:.1f} s of work",
                n_made,
                elapsed=elapsed,
            )
        unmade = {card.box: gr.update(visible=False) for card in self.cards[n_made:]}
        return {self.line: status(text, notes=notes, language=language), **unmade}


def _jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()


def _words(made: ClipResult) -> str:
    """Return the words of a clip as HTML, each with its times."""
    words = (word for caption in made.captions for word in caption.words)
    spans = (
        f'<span data-start="{word.start:.3f}" data-end="{word.end:.3f}" title="{word.start:.2f} to {word.end:.2f} s">'
        f"{as_html(word.text)}</span>"
        for word in words
    )
    return f'<p class="ad-words">{" ".join(spans)}</p>'


def build(name: str, strip: Strip, *, hint: str, speech: bool = False) -> Cards:
    """Lay the cards out, two in a row where there is room; hidden until they are needed.

    Args:
        name: of the tab, for the identifiers of its elements.
        strip: where all takes of the visit are listed.
        hint: what the line above says at first.
        speech: whether they show speech.
    """
    line = status_line(f"{name}-status", hint)
    cards: list[Card] = []
    for _ in range(CARDS // 2):
        with gr.Row():
            for _ in range(2):
                cards.append(_card(name, len(cards) + 1, strip, speech=speech))
    return Cards(line, tuple(cards), strip)


def _card(name: str, number: int, strip: Strip, *, speech: bool) -> Card:
    words, subtitles = None, None
    with gr.Column(visible=False, min_width=300, elem_classes="ad-card") as box:
        sound = gr.HTML(player.empty(), elem_id=f"{name}-clip-{number}")
        caption = gr.Markdown("", padding=True)
        if speech:
            words = gr.HTML("", js_on_load=_LIGHT.replace("PLAYER", sound.elem_id or ""), padding=True)
        with gr.Row():
            again = {
                what: gr.Button(label, size="sm", min_width=60, interactive=False, elem_id=f"{name}-{what}-{number}")
                for what, label in AGAIN.items()
                if not speech and verb_again(what) in strip.state.models.capabilities.verbs
            }
        with gr.Row():
            reuse = gr.Button("Keep seed", size="sm", min_width=80, interactive=False, elem_id=f"{name}-seed-{number}")
            if speech:
                subtitles = gr.DownloadButton(
                    "Subtitles", size="sm", min_width=80, interactive=False, elem_id=f"{name}-subtitles-{number}"
                )
            edit = gr.Button("Edit", size="sm", min_width=60, interactive=False, elem_id=f"{name}-edit-{number}")
            download = gr.DownloadButton(
                "Download",
                size="sm",
                min_width=80,
                interactive=False,
                variant="primary",
                elem_id=f"{name}-download-{number}",
            )
    return Card(box, sound, caption, again, reuse, download, edit, words, subtitles)
