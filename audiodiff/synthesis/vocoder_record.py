"""What samples depend on of a vocoder besides the settings, as files tell it."""

from typing import Any

from audiodiff.errors import AudiodiffError
from audiodiff.models.vocoder import Vocoder
from audiodiff.synthesis.provenance import ProvenanceRecord
from audiodiff.synthesis.told import setting
from audiodiff.synthesis.vocode import VocoderSynthesizer, frames_of, set_renewals

_FIRST_CALL_SECONDS = 8.0
"""The longest pieces when files did not tell them."""


def vocoder_values(synthesizer: Any) -> dict[str, int]:
    """Return what a file keeps of the vocoder that a loaded model is, or has: where it cuts, and how it draws noise."""
    vocoder = getattr(synthesizer, "vocoder", synthesizer)
    if not isinstance(vocoder, VocoderSynthesizer):
        return {}
    renewals = vocoder.model.config.prior.renewals if isinstance(vocoder.model, Vocoder) else 0
    return {"piece_frames": vocoder.piece_frames, "renewals": renewals}


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
    set_renewals(vocoder, setting(record, "renewals", int) if "renewals" in record.settings else None)
