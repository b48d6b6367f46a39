"""A small voice with weights that are not 0."""

import torch

from audiodiff.models.voice import Voice, VoiceConfig

SMALL = {
    "width": 16,
    "encoder_blocks": 1,
    "encoder_layers": 1,
    "heads": 2,
    "decoder_blocks": 1,
    "prosody_width": 8,
    "duration_blocks": 1,
    "f0_blocks": 1,
    "denoiser_width": 8,
    "denoiser_blocks": 1,
    "time_width": 8,
}


def make(speakers: tuple[str, ...] = ()) -> Voice:
    """A model with random weights, so that its output depends on all that goes in."""
    torch.manual_seed(0)
    model = Voice(VoiceConfig(speakers=speakers, **SMALL))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.2)
    return model.eval()
