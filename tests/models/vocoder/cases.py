"""Small vocoders of every family for tests."""

import dataclasses

import torch

from audiodiff.models.vocoder import (
    FrontEndConfig,
    HeadConfig,
    LossConfig,
    PriorConfig,
    Vocoder,
    VocoderConfig,
)
from audiodiff.models.vocoder.lmnt import diffwave_config
from audiodiff.nn.low_rank import LowRankConfig
from audiodiff.nn.wavenet import WaveNetConfig
from audiodiff.signal.mel import preset

SPEC = preset("hifigan-22k")
_FRAMED = WaveNetConfig(channels=8, layers=3, dilation_cycle=2, cond_channels=6, embedding_width=10)

ANCHORED = VocoderConfig(
    SPEC,
    wavenet=_FRAMED,
    head=HeadConfig(input_projections=1, output_projections=1),
    prior=PriorConfig("shaped", projections=2),
)
FOLDED = VocoderConfig(
    SPEC,
    front_end=FrontEndConfig("folds", hop_length=32),
    wavenet=_FRAMED,
    head=HeadConfig("plain", output_projections=0),
    prior=PriorConfig("shaped"),
    parameterization={"name": "velocity"},
)
STFT_PLAIN = dataclasses.replace(
    FOLDED, front_end=FrontEndConfig("stft", 64, 32), prior=PriorConfig("white"), loss=LossConfig("l2", magnitude=0.0)
)
MATCHED = dataclasses.replace(ANCHORED, head=HeadConfig(output_projections=1, output_matching=2))
LOW_RANK = dataclasses.replace(ANCHORED, wavenet=dataclasses.replace(_FRAMED, low_rank=LowRankConfig(0.5)))
LIVE = dataclasses.replace(
    ANCHORED,
    wavenet=dataclasses.replace(_FRAMED, look_ahead=1),
    head=HeadConfig(output_projections=0),
    prior=PriorConfig("shaped"),
)
DIFFWAVE = diffwave_config(channels=8, layers=4, dilation_cycle=4)
CONFIGS = {"anchored": ANCHORED, "folded": FOLDED, "stft": STFT_PLAIN, "diffwave": DIFFWAVE, "low_rank": LOW_RANK}
CONFIGS["matched"] = MATCHED


def make(config: VocoderConfig, std: float = 0.05) -> Vocoder:
    """A vocoder with random weights everywhere (a fresh one is the zero function)."""
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Vocoder(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(std * torch.randn(parameter.shape, generator=generator))
    return model.eval()
