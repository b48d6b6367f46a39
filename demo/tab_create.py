"""The tab that makes clips from a prompt: up to four at a time, each in a card of its own."""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from audiodiff.synthesis.settings import GRID_NAMES, MIN_SECONDS, SAMPLER_NAMES

from . import handlers, prompts
from .checks import FORMATS
from .jobs import Outcome, stream
from .limits import CARDS, Limits
from .studio import Studio
from .widgets import as_error, choices, connect_stop, picture, status, user_of

DICE = 2**31
"""Seeds that the dice gives are smaller, so that they can be read out."""


@dataclass(frozen=True)
class Card:
    """Where one clip is shown."""

    box: gr.Column
    picture: gr.Image
    player: gr.Audio
    caption: gr.Markdown
    seed: gr.State
    reuse: gr.Button
    download: gr.DownloadButton


@dataclass(frozen=True)
class CreateTab:
    """What other tabs need of this one.

    Attributes:
        controls: the fields by the names of the command line's arguments.
        new_seed: whether every run draws a seed.
        cards: where clips are shown.
        limits: what the fields allow.
        sources: kinds of sound that the model knows.
    """

    controls: Mapping[str, gr.components.Component]
    new_seed: gr.Checkbox
    cards: tuple[Card, ...]
    limits: Limits
    sources: tuple[str, ...]

    @property
    def filled(self) -> list[gr.components.Component]:
        """The components that `fill` gives values for, in its order."""
        return [*self.controls.values(), self.new_seed]

    def fill(self, values: Mapping[str, Any]) -> list[Any]:
        """Return updates that put values into the fields; fields without one stay."""
        fitting = prompts.fields(self.limits, values, self.sources)
        updates = [gr.update(value=fitting[name]) if name in fitting else gr.update() for name in self.controls]
        return [*updates, gr.update(value=False) if "seed" in fitting else gr.update()]


def build(studio: Studio) -> CreateTab:
    """Lay the tab out and connect it."""
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            controls, new_seed, run, stop, dice = _fields(studio)
        with gr.Column(scale=3, min_width=320):
            line = gr.HTML(status("Clips appear here."), elem_id="create-status")
            cards = _cards()
    tab = CreateTab(controls, new_seed, cards, studio.limits, _sources(studio))
    shown = [piece for card in cards for piece in (card.box, card.picture, card.player, card.caption)]
    shown += [piece for card in cards for piece in (card.seed, card.download)]

    def create(request: gr.Request, draw: bool, *values: Any) -> Iterator[dict[Any, Any]]:
        asked = dict(zip(controls, values, strict=True))
        if draw:
            asked["seed"] = secrets.randbelow(DICE)
        n_cards = min(CARDS, max(1, int(asked["count"] or 1)))
        yield {
            line: status("starting", 0.0),
            controls["seed"]: gr.update(value=asked["seed"]),
            **{card.box: gr.update(visible=index < n_cards) for index, card in enumerate(cards)},
            **{card.picture: gr.update(value=None) for card in cards},
            **{card.player: gr.update(value=None) for card in cards},
            **{card.caption: "" for card in cards},
            **{card.download: gr.update(interactive=False) for card in cards},
        }
        try:
            for item in stream(lambda report: handlers.generate(studio, report, user=user_of(request), **asked)):
                if isinstance(item, Outcome):
                    yield _finished(item.result, cards, line, n_cards)
                else:
                    yield _update(item, cards, line)
        except Exception as error:
            yield {line: status(), **{card.box: gr.update(visible=False) for card in cards}}
            raise as_error(error) from None

    started = {
        "fn": create,
        "inputs": [new_seed, *controls.values()],
        "outputs": [line, controls["seed"], *shown],
        "show_progress": "hidden",
        "concurrency_limit": None,
        "api_visibility": "private",
    }
    gr.on([run.click, controls["prompt"].submit, controls["negative"].submit], **started)
    dice.click(
        lambda: (secrets.randbelow(DICE), False),
        None,
        [controls["seed"], new_seed],
        api_visibility="private",
        queue=False,
    )
    for card in cards:
        card.reuse.click(
            lambda seed: (seed, False), card.seed, [controls["seed"], new_seed], api_visibility="private", queue=False
        )
    connect_stop(stop, studio, line)
    return tab


def _update(item: handlers.Update, cards: tuple[Card, ...], line: gr.HTML) -> dict[Any, Any]:
    changes: dict[Any, Any] = {line: status(item.text, item.fraction)} if item.text else {}
    card = cards[item.index]
    if item.preview is not None:
        changes |= {card.picture: gr.update(value=item.preview)}
    if item.made is not None:
        made = item.made
        changes |= {
            card.picture: gr.update(value=made.picture),
            card.player: gr.update(value=str(made.path)),
            card.caption: f"seed **{made.seed}** · {made.seconds:.1f} s · made in {made.elapsed:.1f} s",
            card.seed: made.seed,
            card.download: gr.update(value=str(made.path), interactive=True),
        }
    return changes


def _finished(created: handlers.Created, cards: tuple[Card, ...], line: gr.HTML, asked: int) -> dict[Any, Any]:
    n_made = len(created.clips)
    notes = dict.fromkeys(f"{note[:1].upper()}{note[1:]}." for clip in created.clips for note in clip.notes)
    if created.stopped:
        text = f"stopped; {n_made} of {asked} clips finished"
    else:
        elapsed = sum(clip.elapsed for clip in created.clips)
        text = f"{n_made} clip{'' if n_made == 1 else 's'} in {elapsed:.1f} s of work"
    unmade = {card.box: gr.update(visible=False) for card in cards[n_made:]}
    return {line: status(text, notes=notes), **unmade}


def _fields(
    studio: Studio,
) -> tuple[dict[str, gr.components.Component], gr.Checkbox, gr.Button, gr.Button, gr.Button]:
    """Lay out the fields; their names are those of the command line's arguments."""
    synthesizer, limits = studio.models.require_generator(), studio.limits
    usual = synthesizer.defaults
    config = synthesizer.model.config
    controls: dict[str, Any] = {}
    controls["prompt"] = gr.Textbox(
        label="Prompt",
        info="Shift+Enter creates. (warm:1.3) weighs words, piano | distant choir:0.5 blends prompts.",
        placeholder="solo piano, slow, minor key",
        lines=2,
        max_lines=6,
        max_length=limits.prompt_chars,
        autofocus=True,
        elem_id="prompt",
    )
    controls["negative"] = gr.Textbox(
        label="Negative prompt", placeholder="what to avoid", lines=1, max_lines=3, max_length=limits.prompt_chars
    )
    with gr.Row():
        run = gr.Button("Create", variant="primary", elem_id="create")
        stop = gr.Button("Stop", variant="stop", elem_id="stop")
    with gr.Row():
        longest = max(MIN_SECONDS, limits.seconds)
        controls["seconds"] = gr.Slider(
            MIN_SECONDS, longest, value=min(10.0, longest), step=0.5, label="Seconds", min_width=140
        )
        controls["count"] = gr.Slider(1, CARDS, value=CARDS, step=1, precision=0, label="Clips", min_width=140)
    with gr.Row(equal_height=True):
        controls["seed"] = gr.Number(0, label="Seed", precision=0, minimum=0, min_width=110)
        dice = gr.Button("🎲 Roll", min_width=90, scale=0, elem_id="dice")
    new_seed = gr.Checkbox(True, label="New seed every time", container=False)
    with gr.Accordion("Settings", open=False):
        with gr.Row():
            controls["steps"] = gr.Slider(
                1, limits.steps, value=min(usual.steps, limits.steps), step=1, precision=0, label="Steps", min_width=140
            )
            controls["guidance"] = gr.Slider(
                1.0,
                max(prompts.MOST_GUIDANCE, usual.guidance),
                value=usual.guidance,
                step=0.1,
                label="Guidance",
                info="how closely to follow the prompt",
                min_width=140,
            )
        with gr.Row():
            controls["sampler"] = gr.Dropdown(
                choices(SAMPLER_NAMES, usual.sampler), value="", label="Sampler", min_width=140
            )
            if any(known.name == "tempo" for known in config.numbers):
                controls["tempo"] = gr.Number(
                    None, label="Tempo (bpm)", placeholder="as the prompt says", minimum=10, maximum=400, min_width=140
                )
            if sources := _sources(studio):
                listed = [("any", ""), *((name, name) for name in sources)]
                controls["source"] = gr.Dropdown(listed, value="", label="Source", min_width=140)
        with gr.Row():
            controls["grid"] = gr.Dropdown(
                choices(GRID_NAMES, usual.grid), value="", label="Step spacing", min_width=140
            )
            controls["rescale"] = gr.Slider(
                0.0, 1.0, value=usual.rescale, step=0.05, label="Rescale", info="tames strong guidance", min_width=140
            )
        with gr.Row():
            controls["vocoder_steps"] = gr.Slider(
                1,
                limits.steps,
                value=min(synthesizer.vocoder.defaults.steps, limits.steps),
                step=1,
                precision=0,
                label="Vocoder steps",
                min_width=140,
            )
            controls["level"] = gr.Dropdown(
                [("-1 dBFS peak", "peak"), ("-23 LUFS loudness", "loudness"), ("as it comes", "none")],
                value="peak",
                label="Level",
                min_width=140,
            )
            controls["format"] = gr.Dropdown(list(FORMATS), value="flac", label="File", min_width=140)
    return controls, new_seed, run, stop, dice


def _sources(studio: Studio) -> tuple[str, ...]:
    classes = studio.models.require_generator().model.config.classes
    return next((known.values for known in classes if known.name == "source"), ())


def _cards() -> tuple[Card, ...]:
    """Lay out the places for clips, two in a row where there is room; hidden until they are needed."""
    cards: list[Card] = []
    for _ in range(CARDS // 2):
        with gr.Row():
            for _ in range(2):
                index = len(cards) + 1
                with gr.Column(visible=False, min_width=300, elem_classes="ad-card") as box:
                    drawn = picture(f"clip {index}")
                    player = gr.Audio(
                        label=f"Clip {index}", type="filepath", interactive=False, buttons=[], elem_id=f"clip-{index}"
                    )
                    caption = gr.Markdown("", padding=True)
                    seed = gr.State(0)
                    with gr.Row():
                        reuse = gr.Button("Use this seed", size="sm", min_width=100)
                        download = gr.DownloadButton("Download", size="sm", min_width=100, interactive=False)
                cards.append(Card(box, drawn, player, caption, seed, reuse, download))
    return tuple(cards)
