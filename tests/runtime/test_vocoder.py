"""An export gives what the model gives."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.exporting.vocoder import _Shift
from audiodiff.runtime import load
from audiodiff.runtime.vocoder import Vocoder
from audiodiff.signal.levels import shift_log_mel
from audiodiff.signal.mel_spec import preset
from audiodiff.synthesis.gain import gain_db
from audiodiff.synthesis.sampling import measure_levels
from audiodiff.synthesis.vocode import load as load_torch
from tests.cli.conftest import voice
from tests.models.vocoder.cases import CONFIGS

Exported = Callable[[str], tuple[Path, Path]]


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGS)
def test_an_export_sounds_like_the_model(name: str, exported: Exported) -> None:
    source, target = exported(name)
    ours, theirs = load(target), load_torch(source, device="cpu")
    samples = voice(0.1)
    np.testing.assert_allclose(ours.mel(samples, 22050), theirs.mel(samples, 22050), rtol=0, atol=1e-3)
    stereo = np.stack([samples, samples[::-1]])
    for options in ({}, {"steps": 1, "sampler": "euler"}, {"steps": 2, "sampler": "heun", "seed": 5}):
        expected = theirs.vocode(stereo, 22050, **options)
        made = ours.vocode(stereo, 22050, **options)
        assert np.abs(expected).max() > 1e-3
        np.testing.assert_allclose(made, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["anchored", "matched"])
def test_pieces_are_those_of_the_model(name: str, exported: Exported) -> None:
    """A long signal is shown to the network in pieces, whose surroundings are those that torch's have."""
    source, target = exported(name)
    ours, theirs = load(target), load_torch(source, device="cpu")
    ours._piece = theirs.piece_frames = 40
    mel = theirs.mel(voice(1.2), 22050)
    np.testing.assert_allclose(ours.vocode_mel(mel, seed=2), theirs.vocode_mel(mel, seed=2), rtol=0, atol=1e-4)


def test_level_and_silence(exported: Exported) -> None:
    source, target = exported("anchored")
    ours, theirs = load(target), load_torch(source, device="cpu")
    quiet = 0.01 * voice(0.2)
    np.testing.assert_allclose(ours.vocode(quiet, 16000), theirs.vocode(quiet, 16000), rtol=0, atol=1e-5)
    mel = theirs.mel(quiet, 22050)
    (meter,) = measure_levels([torch.from_numpy(mel)[None]], theirs.mel_spec)
    assert ours._gain(mel, True) == pytest.approx(gain_db(meter.level_db, -20.0), abs=1e-3)
    assert ours._gain(mel, True) > 10.0
    assert ours._gain(mel, False) == 0.0
    silent = ours.vocode(np.zeros(1000, np.float32), 22050)
    assert silent.shape == (1000,)
    assert not silent.any()


@pytest.mark.parametrize(
    "name", ["hifigan-22k", "matcha-22k", "diffwave-lmnt", "fastdiff-22k", "riffusion-44k", "teticio-22k"]
)
def test_a_mel_is_shifted_as_by_the_library(name: str) -> None:
    spec = preset(name)
    mel = torch.rand(1, spec.n_mels, 7, generator=torch.Generator().manual_seed(0))
    for gain in (-30.0, 0.0, 12.5):
        made = _Shift(spec)(mel, torch.tensor(gain))
        torch.testing.assert_close(made, shift_log_mel(mel, spec, gain), rtol=1e-5, atol=1e-5)


def test_what_cannot_be_used_is_refused(exported: Exported) -> None:
    model = load(exported("anchored")[1])
    assert isinstance(model, Vocoder)
    for call, message in (
        (lambda: model.vocode(np.zeros(0, np.float32), 22050), "at least one sample"),
        (lambda: model.vocode(np.zeros(9, np.int16), 22050), "int16"),
        (lambda: model.vocode(np.full(9, np.nan, np.float32), 22050), "not finite"),
        (lambda: model.vocode(np.zeros(9, np.float32), 0), "sample_rate"),
        (lambda: model.vocode(np.zeros(9, np.float32), 22050, steps=1000), "not with 1000"),
        (lambda: model.vocode_mel(np.zeros((80, 60_000), np.float32)), "takes up to 600 s"),
        (lambda: model.vocode_mel(np.zeros((3, 4), np.float32)), r"expected \[80"),
        (lambda: model.vocode_mel(np.full((80, 4), np.inf, np.float32)), "not finite"),
    ):
        with pytest.raises(AudiodiffError, match=message):
            call()


_WITHOUT_TORCH = """
import sys
import numpy as np

class Refuse:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "onnx", "scipy", "librosa"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refuse)
from audiodiff import runtime
model = runtime.load(sys.argv[1])
samples = model.vocode(np.sin(np.arange(4000) / 9.0).astype(np.float32), 16000, steps=1)
assert samples.shape == (5513,) and np.isfinite(samples).all() and samples.any()
assert "torch" not in sys.modules
print("DONE")
"""


def test_it_runs_without_torch(exported: Exported) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_TORCH, exported("anchored")[1]], capture_output=True, text=True, check=False
    )
    assert done.stdout == "DONE\n", done.stderr
