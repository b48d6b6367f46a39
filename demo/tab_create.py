"""The tab that makes clips from a prompt."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from audiodiff.synthesis.settings import MIN_SECONDS

from . import cards, handlers, prompts, tab_examples, words
from .app_state import AppState
from .busy import begin_busy, end_busy
from .cards import Cards
from .fields import (
    connect_seed,
    count_field,
    format_field,
    loop_fields,
    negative_field,
    roll,
    sampling_fields,
    seed_fields,
    tempo_and_key,
    variety_field,
    watermark_field,
)
from .handlers import ClipRequest
from .limits import CARDS, Limits
from .strip import Strip
from .tab_examples import serves_examples
from .widgets import connect_stop, heading, user_of


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
    cards: Cards
    limits: Limits
    sources: tuple[str, ...]

    @property
    def filled(self) -> list[gr.components.Component]:
        """The components that `fill` gives values for, in its order."""
        return [*self.controls.values(), self.new_seed]

    def fill(self, values: Mapping[str, Any]) -> list[Any]:
        """Return updates that put values into the fields; fields without one stay."""
        fitting = prompts.fields(self.limits, values, self.sources)
        if "tempo" in fitting:
            fitting["tempo"] = f"{fitting['tempo']:g}"
        updates = [gr.update(value=fitting[name]) if name in fitting else gr.update() for name in self.controls]
        return [*updates, gr.update(value=False) if "seed" in fitting else gr.update()]


def build(state: AppState, strip: Strip) -> CreateTab:
    """Lay the tab out and connect it."""
    limits, model = state.clip_limits, state.models.capabilities
    controls: dict[str, Any] = {}
    heading("Create")
    examples = gr.Column() if serves_examples(state) else None
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            controls["prompt"] = gr.Textbox(
                label="Prompt",
                info='Genre, instruments, mood, tempo: "jazz ballad, piano and upright bass, 72 bpm".',
                placeholder="solo piano, slow, minor key",
                lines=2,
                max_lines=6,
                max_length=limits.prompt_chars,
                autofocus=True,
                elem_id="prompt",
            )
            with gr.Row():
                run = gr.Button("Create", variant="primary", min_width=120, elem_id="create")
                lucky = gr.Button("Surprise me", min_width=110, visible=bool(state.models.words), elem_id="surprise")
                stop = gr.Button("Stop", min_width=80, elem_id="stop")
            words.build(state, controls["prompt"])
            with gr.Row():
                controls |= tempo_and_key(state)
            with gr.Row():
                longest = max(MIN_SECONDS, limits.seconds)
                controls["seconds"] = gr.Slider(
                    MIN_SECONDS, longest, value=min(10.0, longest), step=0.5, label="Length (s)", min_width=140
                )
                controls["count"] = count_field(CARDS)
            controls |= variety_field(state)
            controls |= loop_fields(state)
            with gr.Row():
                controls["level"] = gr.Dropdown(
                    [
                        ("Same for all takes (-16 LUFS)", "streaming"),
                        ("For broadcast (-23 LUFS)", "loudness"),
                        ("Peak -1 dB", "peak"),
                        ("Unchanged", "none"),
                    ],
                    value="streaming",
                    label="Loudness",
                    min_width=140,
                )
                controls["format"] = format_field()
            # Not one of the controls: what is kept with a prompt is no recording.
            with gr.Accordion("Use a reference recording", open=False, visible=model.reference):
                reference = gr.Audio(
                    label="Drop a recording: new music gets its sound and style; the prompt may stay empty",
                    sources=["upload", "microphone"],
                    type="filepath",
                    buttons=[],
                    elem_id="create-reference",
                )
            with gr.Accordion("Expert settings", open=False):
                gr.Markdown(
                    "In the prompt, (warm:1.3) gives a word more weight, and piano | distant choir:0.5 blends two "
                    "prompts. Shift+Enter creates.",
                    visible=model.prompt_weights,
                    elem_classes="ad-notes",
                )
                controls |= negative_field(state)
                controls["seed"], dice, new_seed = seed_fields()
                controls["fade_out"] = gr.Slider(
                    0.0, 10.0, value=0.0, step=0.5, label="Fade-out", info="seconds at the end; not for loops"
                )
                controls |= sampling_fields(state)
                controls["watermark"] = watermark_field()
        with gr.Column(scale=3, min_width=320):
            shown = cards.build("create", strip, hint="Clips appear here.")
    if examples is not None:
        with examples:
            tab_examples.build(state, controls["prompt"])

    def create(request: gr.Request, draw: bool, like: str | None, *values: Any) -> Iterator[dict[Any, Any]]:
        given = dict(zip(controls, values, strict=True))
        if draw:
            given["seed"] = roll()
        begin = {controls["seed"]: gr.update(value=given["seed"])}
        seconds, loop, bars, variety = (given.pop(name, None) for name in ("seconds", "loop", "bars", "variety"))
        user = user_of(request, state)
        yield from shown.run(
            lambda report: handlers.generate(
                state,
                report,
                user=user,
                request=ClipRequest(**given),
                seconds=seconds,
                loop=bool(loop),
                bars=int(bars) if bars else None,
                variety=variety,
                reference=like,
            ),
            int(given["count"] or 1),
            user,
            begin,
        )

    starts = [run.click, *(controls[name].submit for name in ("prompt", "negative") if name in controls)]
    begin_busy(starts, run, shown.line)
    event = gr.on(
        starts,
        create,
        [new_seed, reference, *controls.values()],
        [controls["seed"], *shown.outputs],
        show_progress="hidden",
        concurrency_limit=None,
        api_visibility="private",
    )
    shown.connect(event, state, controls["seed"])
    end_busy(event, run)
    lucky.click(
        lambda: words.surprise(state.models.words, random.SystemRandom()),
        None,
        controls["prompt"],
        api_visibility="private",
        queue=False,
        show_progress="hidden",
    )
    connect_seed(state, controls["seed"], dice, new_seed, shown.cards)
    connect_stop(stop, state, shown.line)
    return CreateTab(controls, new_seed, shown, limits, model.sources)
