"""An exported latent model makes the clips of the model."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from audiodiff.errors import AudiodiffError
from audiodiff.exporting.export import export_onnx
from audiodiff.runtime import load
from audiodiff.runtime.music import Music
from audiodiff.synthesis.generator import Generator
from audiodiff.synthesis.load import load_latent
from tests.synthesis.latent_models import write_latent_model, write_prior_model

pytestmark = pytest.mark.slow  # the text encoder is written, 90 MB

_WITHOUT_TORCH = """
import sys

class Refuse:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "onnx", "scipy", "librosa"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refuse)
from audiodiff import runtime
assert runtime.load(sys.argv[1]).generate("piano", seconds=0.5).any()
assert "torch" not in sys.modules
print("DONE")
"""


@pytest.fixture(scope="module", params=[write_latent_model, write_prior_model])
def models(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Generator, Music, Path]:
    root = tmp_path_factory.mktemp("music")
    source = request.param(root / "model")
    export_onnx(source, root / "onnx")
    model = load(root / "onnx")
    assert isinstance(model, Music)
    return load_latent(source, device="cpu"), model, root / "onnx"


@pytest.mark.parametrize(
    ("prompt", "options"),
    [
        ("", {}),
        ("solo piano, 106 bpm, F# minor", {"seconds": 2.0, "seed": 3}),
        ("(loud drums:1.4) and bass | strings:0.5", {"negative": "noise", "guidance": 3.5, "rescale": 0.0, "steps": 2}),
        ("piano", {"guidance_hold": 0.5, "seconds": 2.0}),
        ("piano", {"guidance": 1.0, "sampler": "heun", "steps": 2, "seconds": 1.0}),
    ],
)
def test_a_clip_is_that_of_the_model(models: tuple[Generator, Music, Path], prompt: str, options: dict) -> None:
    theirs, ours, _ = models
    options = {"seconds": 3.5, **options}
    expected = theirs.generate(prompt, level="none", precision="fp32", **options)
    made = ours.generate(prompt, **options)
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(made, expected, rtol=0, atol=1e-4 * max(1.0, float(np.abs(expected).max())))


def test_chords_are_those_of_the_model(models: tuple[Generator, Music, Path]) -> None:
    theirs, ours, _ = models
    if not theirs.synthesizer.model.config.chords:
        with pytest.raises(AudiodiffError, match="takes no chords"):
            ours.generate("piano", chords="Am")
        assert ours.generate("piano", seconds=0.5, chords="N.C. N.C.").any()
        return
    made = {}
    for chords in ("", "auto", "N.C.", "Am F,C N.C."):
        options = {"seconds": 2.0, "seed": 3, "chords": chords}
        expected = theirs.generate("piano, F# minor", level="none", precision="fp32", **options)
        made[chords] = ours.generate("piano, F# minor", **options)
        np.testing.assert_allclose(made[chords], expected, rtol=0, atol=1e-4 * max(1.0, float(np.abs(expected).max())))
    np.testing.assert_array_equal(made[""], made["auto"])
    assert np.abs(made[""] - made["N.C."]).max() > 1e-3
    with pytest.raises(AudiodiffError, match="takes a key"):
        ours.generate("piano", chords="auto")


def test_it_generates_without_torch(models: tuple[Generator, Music, Path]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_TORCH, models[2]], capture_output=True, text=True, check=False
    )
    assert done.stdout == "DONE\n", done.stderr


def test_what_cannot_be_made_is_refused(models: tuple[Generator, Music, Path]) -> None:
    for options, message in (
        ({"seconds": 60.0}, "makes clips of 0.1 to"),
        ({"tempo": 1.0}, "tempo is 1.0"),
        ({"key": "H flat"}, 'key is "H flat"'),
        ({"guidance": -1.0}, "guidance is -1"),
        ({"steps": 999}, "not with 999"),
    ):
        with pytest.raises(AudiodiffError, match=message):
            models[1].generate("piano", **options)
