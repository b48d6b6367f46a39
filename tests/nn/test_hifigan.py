"""The generator of HiFi-GAN and BigVGAN; its numbers are compared with others' code in tests/models/gan_vocoder."""

from dataclasses import replace

import pytest
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.nn.hifigan import HifiGan, HifiGanConfig

TINY = HifiGanConfig(5, 8, (3, 2), (5, 4), "1", (3,), ((1, 2),))


@pytest.mark.parametrize("activation", ["leaky_relu", "snake", "snakebeta"])
def test_a_frame_becomes_a_hop_of_samples(activation: str) -> None:
    config = replace(TINY, activation=activation)
    model = HifiGan(config)
    with torch.no_grad():
        waveform = model(torch.randn(2, 5, 11))
    assert config.hop_length == 6
    assert waveform.shape == (2, 1, 66)
    assert float(waveform.abs().max()) <= 1.0


def test_v1_has_the_published_size() -> None:
    """13.92 million parameters (Kong et al. 2020, Table 1)."""
    with torch.device("meta"):
        model = HifiGan(HifiGanConfig())
    assert sum(parameter.numel() for parameter in model.parameters()) == pytest.approx(13.92e6, rel=2e-3)
    assert HifiGanConfig().hop_length == 256


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"upsample_kernel_sizes": (4, 4)}, "even number"),
        ({"upsample_rates": ()}, "as many"),
        ({"resblock_dilation_sizes": ()}, "as many"),
        ({"upsample_initial_channel": 6}, "halved"),
        ({"resblock_kernel_sizes": (4,)}, "odd"),
        ({"slope": 2.0}, "slope"),
    ],
)
def test_impossible_shapes_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(AudiodiffError, match=message):
        replace(TINY, **change)  # type: ignore[arg-type]
