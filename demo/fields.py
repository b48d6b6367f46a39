"""Fields that several tabs have, by the names of the command line's arguments."""

import secrets
from collections.abc import Sequence
from typing import Any

import gradio as gr

from audiodiff.diffusion.names import GRID_NAMES, SAMPLER_NAMES
from audiodiff.synthesis.vocode import VocoderSynthesizer

from . import prompts
from .app_state import AppState
from .cards import Card
from .checks import FORMATS, MOST_CHORDS
from .limits import CARDS
from .provenance import seed_of
from .widgets import guarded

DICE = 2**31
"""Seeds that the dice gives are smaller, so that they can be read out."""


def roll() -> int:
    """Return a seed."""
    return secrets.randbelow(DICE)


def seed_fields() -> tuple[gr.Number, gr.Button, gr.Checkbox]:
    """Lay out the seed, the dice, and whether every run draws one."""
    with gr.Row(equal_height=True):
        seed = gr.Number(0, label="Variation number", precision=0, minimum=0, min_width=110)
        dice = gr.Button("New number", min_width=90, scale=0)
    new_seed = gr.Checkbox(True, label="Different every time", container=False)
    return seed, dice, new_seed


def connect_seed(
    state: AppState, seed: gr.Number, dice: gr.Button, new_seed: gr.Checkbox, cards: Sequence[Card]
) -> None:
    """Let the dice and the cards set the seed, which stays from then on."""
    quiet: dict[str, Any] = {"api_visibility": "private", "queue": False, "show_progress": "hidden"}
    dice.click(lambda: (roll(), False), None, [seed, new_seed], **quiet)

    @guarded
    def keep(clip: str | None) -> tuple[int, bool]:
        return seed_of(state, clip), False

    for card in cards:
        card.reuse.click(keep, card.file, [seed, new_seed], **quiet)


def count_field(value: int, label: str = "Takes") -> gr.Slider:
    """Lay out how many clips to make."""
    return gr.Slider(1, CARDS, value=value, step=1, precision=0, label=label, min_width=140)


def tempo_and_key(state: AppState) -> dict[str, Any]:
    """Lay out tempo, key and chords, each where the model takes it."""
    model = state.models.capabilities
    fields: dict[str, Any] = {}
    if "tempo" in model.settings:
        # no field for numbers, which would show a 0 where there is none
        fields["tempo"] = gr.Textbox("", label="Tempo (bpm)", placeholder="from the prompt", min_width=110)
    if model.keys:
        listed = [("from the prompt", ""), *((name, name) for name in model.keys)]
        fields["key"] = gr.Dropdown(listed, value="", label="Key", min_width=110)
    if "chords" in model.settings:
        fields["chords"] = gr.Textbox(
            "",
            label="Chords",
            placeholder="Am F C G",
            info="one for each bar; in a key usual ones are drawn, N.C. for none",
            max_length=MOST_CHORDS,
            min_width=300,  # a line of its own, where the column is narrow
        )
    return fields


def negative_field(state: AppState) -> dict[str, Any]:
    """Lay out what to leave out, where the model takes it."""
    if "negative" not in state.models.capabilities.settings:
        return {}
    return {
        "negative": gr.Textbox(
            label="Leave out",
            placeholder="e.g. drums, strings",
            max_lines=3,
            max_length=state.limits.prompt_chars,
        )
    }


def variety_field(state: AppState) -> dict[str, Any]:
    """Lay out how far the takes differ, where the model knows how to."""
    if "variety" not in state.models.capabilities.settings:
        return {}
    return {
        "variety": gr.Slider(
            0.0,
            1.0,
            value=0.0,
            step=0.25,
            label="Variety",
            info="how far the takes differ; more follows the prompt less closely",
        )
    }


def loop_fields(state: AppState) -> dict[str, Any]:
    """Lay out whether the clip is a loop, and of how many bars, where the model makes loops."""
    if "loop" not in state.models.capabilities.settings:
        return {}
    loop = gr.Checkbox(False, label="Make it loop seamlessly", container=False)
    bars = gr.Dropdown(
        [("as the length says", ""), *((str(bars), str(bars)) for bars in (4, 8, 16))],
        value="",
        label="Bars of the loop",
        info="of four beats, at exactly the tempo asked for",
    )
    return {"loop": loop, "bars": bars}


def format_field() -> gr.Dropdown:
    """Lay out the format of the files."""
    said = {**FORMATS, "flac": "FLAC (lossless)", "wav": "WAV (lossless)", "wav-24": "WAV, 24 bits (lossless)"}
    return gr.Dropdown([(text, name) for name, text in said.items()], value="flac", label="File format", min_width=140)


def watermark_field() -> gr.Checkbox:
    """Lay out whether the samples get a watermark."""
    return gr.Checkbox(
        True, label="Inaudible watermark", info="tells that the sound is AI-generated, also where its tags are lost"
    )


def vocoder_steps_field(vocoder: VocoderSynthesizer, most: int) -> gr.Slider:
    """Return the slider for the steps of a model's vocoder, up to `most`."""
    return gr.Slider(
        1, most, value=min(vocoder.defaults.steps, most), step=1, precision=0, label="Vocoder steps", min_width=140
    )


def sampling_fields(state: AppState) -> dict[str, Any]:
    """Lay out how to sample; the values are what the model recommends."""
    model, usual, most = state.models.capabilities, state.models.require_generator().defaults, state.limits.steps
    fields: dict[str, Any] = {}
    with gr.Row():
        fields["steps"] = gr.Slider(
            1, most, value=min(usual.steps, most), step=1, precision=0, label="Steps", min_width=140
        )
        fields["guidance"] = gr.Slider(
            1.0,
            max(prompts.MOST_GUIDANCE, usual.guidance),
            value=usual.guidance,
            step=0.1,
            label="Guidance",
            info="how closely to follow the prompt; too high sounds harsh",
            min_width=140,
        )
    if {"sampler", "grid"} <= model.settings:
        with gr.Row():
            listed = choices(SAMPLER_NAMES, usual.sampler)
            fields["sampler"] = gr.Dropdown(listed, value="", label="Sampler", min_width=140)
            fields["grid"] = gr.Dropdown(choices(GRID_NAMES, usual.grid), value="", label="Step spacing", min_width=140)
    if model.vocoder is not None:
        with gr.Row():
            fields["rescale"] = gr.Slider(
                0.0,
                1.0,
                value=usual.rescale,
                step=0.05,
                label="Rescale",
                info="softens harshness at high guidance",
                min_width=140,
            )
            fields["vocoder_steps"] = vocoder_steps_field(model.vocoder, most)
    if model.sources:
        listed = [("any", ""), *((name, name) for name in model.sources)]
        fields["source"] = gr.Dropdown(
            listed,
            value="",
            label="Kind of sound",
            info="recorded: as played by people; rendered: as made by software instruments",
        )
    return fields


def choices(names: Sequence[str], usual: str | None) -> list[tuple[str, str]]:
    """Return the choices of a list that begins with what the model recommends."""
    return [("Automatic" + (f" ({usual})" if usual else ""), ""), *((name, name) for name in names)]
