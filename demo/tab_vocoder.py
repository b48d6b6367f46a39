"""The tab that reduces a recording to its mel, makes it a sound again, and lets one compare the two."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from audiodiff.models.find import ASSETS

from .app_state import AppState
from .compare import Comparison, Rows, note_rows, sampling_fields, sampling_rows
from .compare import build as build_comparison
from .vocoding import vocode

EXAMPLE = ASSETS / "example.flac"


def build(state: AppState) -> None:
    """Lay the tab out and connect it."""
    synthesizer = state.models.require_vocoder()
    usual = synthesizer.defaults
    gr.Markdown(
        f"Voice re-synthesis (for developers): a recording becomes a log-mel of {synthesizer.mel_spec.n_mels} bands, "
        f"and {synthesizer.name} makes a sound of that alone."
    )

    def fields() -> Mapping[str, gr.components.Component]:
        return {
            **sampling_fields(state.limits, steps=usual.steps, sampler=usual.sampler),
            "keep_level": gr.Checkbox(False, label="Keep the recording's level"),
        }

    tab = Comparison(
        name="vocoder",
        verb="vocode",
        action="Resynthesise",
        sides=("the recording", "made from its mel"),
        fields=fields,
        work=vocode,
        example=_copy_of_example,
        rows=_rows,
    )
    build_comparison(state, tab)


def _rows(figures: Mapping[str, Any]) -> Rows:
    distance = figures["log_mel_l1"]
    told = "too short to measure" if distance is None else f"{distance:.3f} (natural log; lower is closer)"
    silence = "silence in, nothing above -80 dBFS, so silence came out"
    return [("log-mel L1", told), *sampling_rows(figures), *note_rows(figures, silence=silence)]


def _copy_of_example(state: AppState) -> Path:
    """Return the package's example where the server may hand it out from."""
    target = state.workspace.new_file(EXAMPLE.name)
    shutil.copyfile(EXAMPLE, target)
    return target
