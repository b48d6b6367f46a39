"""What samples depend on of a vocoder besides the settings, as files tell it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.iterations import ITERATIONS, iterations_of, with_iterations
from audiodiff.synthesis.provenance import ProvenanceRecord
from audiodiff.synthesis.settings import Sampling, VocodeSettings
from audiodiff.synthesis.told import setting
from audiodiff.synthesis.vocode import VocoderSynthesizer, frames_of

_FIRST_CALL_SECONDS = 8.0
"""The longest pieces when files did not tell them."""


def vocoder_values(synthesizer: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a file keeps of the vocoder that a loaded model is, or has: where it cuts, and how it draws noise.

    Args:
        synthesizer: the loaded model.
        values: what the file keeps besides. Where these have the vocoder's steps, its sampler and its grid at so many
            steps are kept, too, since the model may come to recommend others.
    """
    vocoder = getattr(synthesizer, "vocoder", synthesizer)
    if not isinstance(vocoder, VocoderSynthesizer):
        return {}
    kept = {"piece_frames": vocoder.piece_frames, **iterations_of(vocoder.model)}
    if "vocoder_steps" not in values:
        return kept
    used = vocoder.plan(VocodeSettings(Sampling(steps=values["vocoder_steps"]))).sampling
    return {**kept, "vocoder_sampler": used.sampler, "vocoder_grid": used.grid}


def set_vocoder_up(synthesizer: Any, record: ProvenanceRecord) -> None:
    """Let the vocoder that a loaded model is, or has, sample as a file tells, or as it was before files told.

    Raises:
        AudiodiffError: a value is out of range.
    """
    vocoder = getattr(synthesizer, "vocoder", synthesizer)
    if not isinstance(vocoder, VocoderSynthesizer):
        return
    first = min(vocoder.piece_frames, frames_of(_FIRST_CALL_SECONDS, vocoder.mel_spec))
    piece = setting(record, "piece_frames", int) if "piece_frames" in record.settings else first
    if piece < 1:
        raise AudiodiffError(f"the provenance record is damaged: piece_frames is {piece}.")
    vocoder.piece_frames = piece
    numbers = {"output_momentum": float}
    told = {name: setting(record, name, numbers.get(name, int)) for name in ITERATIONS if name in record.settings}
    vocoder.model, vocoder.live = with_iterations(vocoder.stored, **told)
    # Files that do not tell the sampler and grid of a model's vocoder are from before times were searched for it.
    sampling = Sampling(
        **{
            name: setting(record, f"vocoder_{name}", str)
            for name in ("sampler", "grid")
            if f"vocoder_{name}" in record.settings
        }
    )
    given = {name: value for name in ("sampler", "grid") if (value := getattr(sampling, name)) is not None}
    vocoder.defaults = replace(vocoder.defaults, searched=(), **given)
