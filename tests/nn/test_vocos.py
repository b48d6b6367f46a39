"""Vocos; its numbers are compared with the package of its authors in tests/models/gan_vocoder."""

import pytest
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.nn.vocos import Vocos, VocosConfig


def test_the_published_model_has_the_published_size() -> None:
    """13.5 million parameters (Siuzdak 2024, Table 2)."""
    with torch.device("meta"):
        model = Vocos(VocosConfig())
    assert sum(parameter.numel() for parameter in model.parameters()) == pytest.approx(13.5e6, rel=5e-3)


@pytest.mark.parametrize("padding", ["center", "same"])
def test_the_inverse_stft_is_that_of_torch(padding: str) -> None:
    """A spectrum of torch's own STFT comes back, from the first sample to the last frame's."""
    model = Vocos(VocosConfig(3, 4, 4, 1, 32, 8, padding))
    waveform = torch.randn(1, 8 * 20, generator=torch.Generator().manual_seed(0))
    spectrum = torch.stft(waveform, 32, 8, window=torch.hann_window(32), center=True, return_complex=True)
    made = model._overlapped(spectrum)
    first = 0 if padding == "center" else 4  # "same" begins half a hop before the first frame's centre
    torch.testing.assert_close(made[:, first : first + 150], waveform[:, :150], rtol=0, atol=1e-5)
    assert made.shape[-1] == 8 * spectrum.shape[-1]


@pytest.mark.parametrize("change", [{"n_fft": 31}, {"n_fft": 256, "hop_length": 200}, {"num_layers": 0}, {"dim": -1}])
def test_impossible_shapes_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(AudiodiffError, match="vocos"):
        VocosConfig(**change)
