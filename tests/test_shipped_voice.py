"""The voice in the package loads, is small, says sentences in their time, and no two takes are alike."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from audiodiff.models.checkpoint import read_config, weights_hash
from audiodiff.models.find import PRETRAINED
from audiodiff.signal.f0 import track_f0
from audiodiff.signal.mel import log_mel
from audiodiff.synthesis.voice import VoiceSynthesizer, load_voice

FOLDER = PRETRAINED / "kathleen"
TEXT = "The train to Boston leaves at seven, and nobody knows when it will arrive."


@pytest.fixture(scope="module")
def voice() -> VoiceSynthesizer:
    return load_voice(device="cpu")


def test_it_is_small_and_says_where_it_comes_from() -> None:
    config = read_config(FOLDER, "voice")
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 12 * 2**20
    assert config["weights_sha256"] == weights_hash(FOLDER / "model.safetensors")
    metadata = config["metadata"]
    assert metadata["corpus"]["licences"] == ["CC0-1.0"]
    assert metadata["command"].startswith("audiodiff train kathleen --data FOLDER --output RUN")
    assert (FOLDER / "MODEL_CARD.md").is_file()


@pytest.mark.slow
def test_a_sentence_takes_its_time_at_the_pitch_of_the_speaker(voice: VoiceSynthesizer) -> None:
    (utterance,) = voice.utterances(TEXT)
    spoken = voice.read(utterance, voice.defaults)
    seconds = len(spoken.f0) * 256 / voice.sample_rate
    assert 3.0 < seconds < 6.5
    heard = spoken.f0[spoken.f0 > 0]
    assert 120 < heard.median() < 230
    assert 0.4 < len(heard) / len(spoken.f0) < 0.9
    # What sounds is the mel and the pitch that were meant.
    waveform = voice.waveform(spoken, voice.defaults)
    again = log_mel(waveform[None], voice.vocoder.mel_spec)[0]
    assert (again - spoken.log_mel).abs().mean() < 0.5
    track = track_f0(waveform, voice.vocoder.mel_spec)
    both = (spoken.f0.numpy() > 0) & track.voiced
    assert np.abs(np.log2(track.hertz[both] / spoken.f0.numpy()[both])).mean() < 0.1
    assert both.sum() > 0.8 * len(heard)


@pytest.mark.slow
def test_takes_differ_and_slow_speech_is_longer(voice: VoiceSynthesizer) -> None:
    (utterance,) = voice.utterances(TEXT)
    takes = [voice.read(utterance, replace(voice.defaults, seed=seed)) for seed in (0, 1)]
    assert takes[0].durations != takes[1].durations
    heights = [
        voice.read(utterance, replace(voice.defaults, seed=seed), durations=takes[0].durations).f0 for seed in (2, 3)
    ]
    both = (heights[0] > 0) & (heights[1] > 0)
    assert torch.corrcoef(torch.stack([height[both].log2() for height in heights]))[0, 1] < 0.97
    slow = voice.read(utterance, voice.defaults, speed=0.8)
    assert len(slow.f0) == pytest.approx(len(takes[0].f0) / 0.8, rel=0.03)
    assert math.isfinite(float(slow.log_mel.abs().max()))


@pytest.mark.slow
@pytest.mark.parametrize(
    "text", ["No.", "Sixth sick sheik's sixth sheep's sick.", "NO NO NO NO NO!", " ".join(["word"] * 60) + "."]
)
def test_odd_sentences_neither_skip_nor_run_away(voice: VoiceSynthesizer, text: str) -> None:
    for utterance in voice.utterances(text):
        spoken = voice.read(utterance, voice.defaults)
        phones = [
            length for symbol, length in zip(utterance.symbols, spoken.durations, strict=True) if symbol[0] != "<"
        ]
        assert min(phones) >= 2
        assert 3 < np.mean(phones) < 25
