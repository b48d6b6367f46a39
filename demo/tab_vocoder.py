"""The tab that reduces a recording to its mel, makes it a sound again, and lets one compare the two."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from audiodiff.models.find import ASSETS

from .compare import Comparison, Rows, note_rows, sampling_fields, sampling_rows
from .compare import build as build_comparison
from .studio import Studio
from .vocoding import vocode

EXAMPLE = ASSETS / "example.flac"


def build(studio: Studio) -> None:
    """Lay the tab out and connect it."""
    synthesizer = studio.models.require_vocoder()
    usual = synthesizer.defaults
    gr.Markdown(
        f"A recording becomes a log-mel of {synthesizer.mel_spec.n_mels} bands, and {synthesizer.name} makes a sound "
        "of that alone."
    )

    def fields() -> Mapping[str, gr.components.Component]:
        return {
            **sampling_fields(studio.limits, steps=usual.steps, sampler=usual.sampler),
            "keep_level": gr.Checkbox(False, label="Do not match the level of the training audio"),
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
    build_comparison(studio, tab)


def _rows(figures: Mapping[str, Any]) -> Rows:
    distance = figures["log_mel_l1"]
    told = "too short to tell" if distance is None else f"{distance:.3f} (natural log; lower is closer)"
    silence = "silence in, nothing above -80 dBFS, so silence came out"
    return [("log-mel L1", told), *sampling_rows(figures), *note_rows(figures, silence=silence)]


def _copy_of_example(studio: Studio) -> Path:
    """Return the package's example where the server may hand it out from."""
    target = studio.workspace.new_file(EXAMPLE.name)
    shutil.copyfile(EXAMPLE, target)
    return target
