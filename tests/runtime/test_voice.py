"""An exported voice says what the voice says."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audiodiff.errors import AudiodiffError
from audiodiff.exporting.export import export_onnx
from audiodiff.models.checkpoint import save_checkpoint
from audiodiff.runtime import load
from audiodiff.runtime.voice import Voice, lengthened
from audiodiff.synthesis.speaker import Speaker, load_speaker
from tests.models.vocoder.cases import ANCHORED
from tests.models.vocoder.cases import make as make_vocoder
from tests.models.voice.cases import make

TEXT = "Hello, [pause 1.2] world. It reads well!\n\nAnd again."


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> tuple[Speaker, Voice]:
    root = tmp_path_factory.mktemp("voice")
    sampling = {
        "steps": 3,
        "sampler": "euler",
        "precision": "fp32",
        "intonation": 1.3,
        "ending": 0.05,
        "variation": 1.0,
    }
    source: Path = root / "voice"
    metadata = {"sampling": sampling, "pronunciations": {"reads": "R EH1 D Z"}}
    save_checkpoint(source, make(("anna", "bert")), metadata)
    save_checkpoint(source / "vocoder", make_vocoder(ANCHORED), {"sampling": {"steps": 1, "precision": "fp32"}})
    export_onnx(source, root / "onnx")
    model = load(root / "onnx")
    assert isinstance(model, Voice)
    return load_speaker(source, device="cpu"), model


_WITHOUT_TORCH = """
import sys

class Refuse:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "onnx", "scipy", "librosa"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refuse)
from audiodiff import runtime
assert runtime.load(sys.argv[1]).speak("Hello.").any()
assert "torch" not in sys.modules
print("DONE")
"""


@pytest.mark.slow
def test_it_speaks_without_torch(voices: tuple[Speaker, Voice]) -> None:
    folder = voices[1]._graphs._folder
    done = subprocess.run([sys.executable, "-c", _WITHOUT_TORCH, folder], capture_output=True, text=True, check=False)
    assert done.stdout == "DONE\n", done.stderr


def test_a_text_sounds_like_the_voice(voices: tuple[Speaker, Voice]) -> None:
    theirs, ours = voices
    assert ours.speakers == ("anna", "bert")
    expected = theirs.speak(TEXT, seed=4, speaker="bert")
    made = ours.speak(TEXT, seed=4, speaker="bert")
    assert len(expected) > theirs.sample_rate
    np.testing.assert_allclose(made, expected, rtol=0, atol=1e-4)


def test_settings_count_as_in_the_library(voices: tuple[Speaker, Voice]) -> None:
    theirs, ours = voices
    (utterance,) = theirs.synthesizer.utterances("Quick brown fox")
    sampling = replace(theirs.defaults, steps=2, sampler="heun", seed=9)
    spoken = theirs.synthesizer.read(utterance, sampling, speed=1.5, pitch=3.0)
    options = {"steps": 2, "sampler": "heun", "grid": None}
    log_mel, durations = ours.read(utterance, seed=9, speed=1.5, pitch=3.0, options=options)
    assert tuple(durations) == spoken.durations
    np.testing.assert_allclose(log_mel, spoken.log_mel.numpy(), rtol=0, atol=1e-3)
    other, _ = ours.read(utterance, seed=9, speed=1.5, pitch=0.0, options=options)
    assert np.abs(other - log_mel).max() > 1e-2


def test_longer_silences_hold_their_middle() -> None:
    mel = np.arange(5, dtype=np.float32)[None]
    longer, durations = lengthened(mel, [2, 3], {1: 5})
    assert longer.tolist() == [[0, 1, 2, 3, 3, 3, 4]]
    assert durations == [2, 5]


def test_what_cannot_be_said_is_refused(voices: tuple[Speaker, Voice]) -> None:
    for text, options, message in (
        ("Hello.", {"speaker": "nobody"}, "no speaker 'nobody'; expected one of anna, bert"),
        ("Hello.", {"speed": 0.0}, "speed is 0"),
        ("Hello.", {"pitch": 99.0}, "pitch is 99"),
        ("Hello.", {"steps": 1000}, "not with 1000"),
        ("...", {}, "word"),
    ):
        with pytest.raises(AudiodiffError, match=message):
            voices[1].speak(text, **options)
