"""The tab that gives a narrow-band recording the band it lacks, and lets one compare the two."""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from .app_state import AppState
from .compare import Comparison, Rows, note_rows, sampling_fields, sampling_rows
from .compare import build as build_comparison
from .upsampling import take_example, upsample


def build(state: AppState) -> None:
    """Lay the tab out and connect it."""
    synthesizer = state.models.require_upsampler()
    usual, bands = synthesizer.defaults, synthesizer.bands
    gr.Markdown(
        f"A recording at {bands.low_rate / 1000:g} kHz, such as a telephone call, keeps what it has, and "
        f"{synthesizer.name} makes what is missing from {bands.kept_hz / 1000:g} to {bands.sample_rate / 2000:g} kHz."
    )

    def fields() -> Mapping[str, gr.components.Component]:
        return {
            **sampling_fields(state.limits, steps=usual.steps, sampler=usual.sampler),
            "augmentation": gr.Slider(
                0.0,
                synthesizer.model.config.augmentation_max,
                value=synthesizer.augmentation,
                step=0.01,
                label="How loosely to follow the input",
                info="0 suits a clean recording, more one that is noisy or compressed",
            ),
            "replace": gr.Checkbox(False, label="Replace the upper band if the recording has one"),
        }

    tab = Comparison(
        name="upsample",
        verb="upsample",
        action="Upsample",
        sides=("the recording, interpolated", "with the new band"),
        fields=fields,
        work=upsample,
        example=take_example,
        rows=_rows,
    )
    build_comparison(state, tab)


def _rows(figures: Mapping[str, Any]) -> Rows:
    low, high = figures["new_band_hz"]
    replaced = ", in the place of what was there" if figures["replace"] else ""
    silence = "silence in some channels" if figures["silent_channels"] < figures["channels"] else "the input is silence"
    return [
        ("new band", f"{low:g} to {high:g} Hz{replaced}"),
        ("rates", f"{figures['input_rate']} Hz in, {figures['sample_rate']} Hz out"),
        *sampling_rows(figures),
        ("following the input", f"{figures['augmentation']:g} (0 is to the last detail)"),
        *(("note", note) for note in figures["notes"]),
        *note_rows(figures, silence=f"{silence} (nothing above -80 dBFS), which stayed as it is"),
    ]
