import json
from pathlib import Path

import pytest
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.models.checkpoint import save_checkpoint
from audiodiff.synthesis.settings import Resolved
from audiodiff.synthesis.voice import VoiceSynthesizer, load_voice
from audiodiff.synthesis.voice_settings import Manner
from audiodiff.text.english import phonemes
from tests.models.voice.cases import make
from tests.refusals import refused

METADATA = {
    "vocoder": "speech",
    "sampling": {"steps": 2, "variation": 0.5, "rhythm": 0.6, "vocoder_steps": 3},
    "pronunciations": {"either": "IY1 DH ER0"},
    "training": {"data": {"level": 0.05}},
}
SAMPLING = Resolved(steps=2, sampler="euler", grid="uniform")
HELLO = phonemes("Hello, world.")


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> VoiceSynthesizer:
    folder = tmp_path_factory.mktemp("voice")
    save_checkpoint(folder, make(("ann", "bob")), METADATA)
    return load_voice(folder, device="cpu")


def test_a_checkpoint_says_how_to_speak(voice: VoiceSynthesizer) -> None:
    assert (voice.defaults.steps, voice.manner.variation, voice.manner.rhythm, voice.vocoder.defaults.steps) == (
        2,
        0.5,
        0.6,
        3,
    )
    assert voice.level == 0.05
    assert voice.sample_rate == 22_050
    assert voice.speakers == ("ann", "bob")
    assert [model.role for model in voice.identity] == ["voice", "vocoder"]
    (utterance,) = voice.utterances("Either.")
    assert utterance.words[0].phones == ("IY1", "DH", "ER0")
    (utterance,) = voice.utterances("Either.", {"either": ("AY1", "DH", "ER0")})
    assert utterance.words[0].phones == ("AY1", "DH", "ER0")


def test_an_utterance_has_frames_for_all_of_it(voice: VoiceSynthesizer) -> None:
    spoken = voice.read(HELLO, SAMPLING)
    assert len(spoken.durations) == len(HELLO.symbols)
    assert sum(spoken.durations) == spoken.log_mel.shape[1] == len(spoken.f0)
    assert spoken.log_mel.shape[0] == 80
    assert torch.isfinite(spoken.log_mel).all()
    config = voice.model.config
    heard = spoken.f0[spoken.f0 > 0]
    assert ((heard > 0.99 * config.f0_min) & (heard < 1.01 * config.f0_max)).all()
    for symbol, duration in zip(HELLO.symbols, spoken.durations, strict=True):
        assert 2 <= duration <= 61 if not symbol.startswith("<") else duration <= 71
    assert spoken.durations[-2] == 0
    waveform = voice.waveform(spoken, SAMPLING, 1)
    assert waveform.shape == (256 * len(spoken.f0),)
    assert torch.equal(waveform, voice.waveform(spoken, SAMPLING, 1))


def test_takes_follow_their_seed_and_nothing_else(voice: VoiceSynthesizer) -> None:
    first = voice.read(HELLO, SAMPLING)
    torch.manual_seed(5)
    voice.read(phonemes("Something else that is longer."), SAMPLING)
    again = voice.read(HELLO, SAMPLING)
    other = voice.read(HELLO, Resolved(2, "euler", "uniform", seed=1))
    assert torch.equal(first.log_mel, again.log_mel)
    assert first.durations != other.durations or not torch.equal(first.f0, other.f0)
    seeds = [
        voice.read(HELLO, Resolved(2, "euler", "uniform", seed=seed), manner=Manner(0.0)).log_mel for seed in (0, 1)
    ]
    assert torch.equal(*seeds)


def test_speed_pitch_and_speaker_do_what_they_say(voice: VoiceSynthesizer) -> None:
    plain = voice.read(HELLO, SAMPLING, manner=Manner(0.0))
    slow = voice.read(HELLO, SAMPLING, manner=Manner(0.0), speed=0.5)
    assert len(slow.f0) == pytest.approx(2 * len(plain.f0), abs=2)
    high = voice.read(HELLO, SAMPLING, manner=Manner(0.0), durations=plain.durations, pitch=3.0)
    both = (plain.f0 > 0) & (high.f0 < 499)
    assert torch.allclose(high.f0[both], plain.f0[both] * 2 ** (3 / 12), rtol=1e-4)
    other = voice.read(HELLO, SAMPLING, manner=Manner(0.0), speaker="bob")
    assert other.log_mel.shape != plain.log_mel.shape or not torch.equal(other.log_mel, plain.log_mel)


def test_intonation_moves_pitch_about_its_middle(voice: VoiceSynthesizer) -> None:
    plain = voice.read(HELLO, SAMPLING)
    wide = voice.read(HELLO, SAMPLING, durations=plain.durations, manner=Manner(0.5, 0.6, intonation=1.2))
    heard = (plain.f0 > 0) & (wide.f0 > 70) & (wide.f0 < 495)
    assert heard.sum() > 10
    middle = float(plain.f0[plain.f0 > 0].log2().mean())
    moved = (wide.f0[heard].log2() - middle) / (plain.f0[heard].log2() - middle)
    assert float(moved.median()) == pytest.approx(1.2, abs=0.02)
    assert torch.equal(voice.read(HELLO, SAMPLING, manner=Manner(0.5, 0.6)).log_mel, plain.log_mel)


def test_a_sentence_ends_in_silence(voice: VoiceSynthesizer) -> None:
    plain, ended = (voice.read(HELLO, SAMPLING, manner=Manner(ending=ending)).durations for ending in (0.0, 0.5))
    assert plain[-1] < ended[-1] == 43
    assert ended[0] >= 3
    assert ended[1:-1] == plain[1:-1]


def test_half_precision_says_the_same(voice: VoiceSynthesizer) -> None:
    full = voice.read(HELLO, SAMPLING, manner=Manner(0.0))
    half = voice.read(HELLO, Resolved(2, "euler", "uniform", "bf16"), manner=Manner(0.0), durations=full.durations)
    assert half.log_mel.dtype == half.f0.dtype == torch.float32
    assert (half.log_mel - full.log_mel).abs().mean() < 0.3


def test_pauses_that_are_asked_for_are_exact(voice: VoiceSynthesizer) -> None:
    utterance = phonemes("[pause 0.5] Hello [pause 3] world. [pause 1]")
    durations = voice.read(utterance, SAMPLING).durations
    asked = [index for index, pause in enumerate(utterance.pauses) if pause is not None]
    frames = 22_050 / 256
    assert [durations[index] for index in asked] == [round(0.5 * frames), round(3 * frames), 0]
    assert durations[-1] == round(frames)


def test_what_is_kept_of_a_mel_stays(voice: VoiceSynthesizer) -> None:
    spoken = voice.read(HELLO, SAMPLING)
    keep = torch.ones(len(spoken.f0), dtype=torch.bool)
    keep[5:15] = False
    hole = spoken.log_mel.clone()
    hole[:, 5:15] = torch.nan
    made = voice.complete(HELLO, spoken.durations, spoken.f0, hole, keep, SAMPLING)
    assert torch.equal(made[:, keep], spoken.log_mel[:, keep])
    assert torch.isfinite(made).all()
    with pytest.raises(AudiodiffError, match="expected as many each"):
        voice.complete(HELLO, spoken.durations, spoken.f0[1:], hole, keep, SAMPLING)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"speed": 0.0}, "speed"),
        ({"pitch": 99.0}, "pitch"),
        ({"speaker": "eve"}, "expected one of ann, bob"),
        ({"durations": (1, 2)}, "2 durations were given"),
    ],
)
def test_what_cannot_be_said_is_refused(voice: VoiceSynthesizer, settings: dict[str, object], message: str) -> None:
    with pytest.raises(AudiodiffError, match=message):
        voice.read(HELLO, SAMPLING, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"pronunciations": {"a": "XX"}}, "unknown phoneme in the word 'a'"),
        ({"pronunciations": ["a"]}, "table of words"),
        ({"sampling": {"variation": 9.0}}, "recommends what does not exist: variation"),
        ({"sampling": {"vocoder_steps": 0}}, "recommends what does not exist: vocoder_steps"),
        ({"sampling": {"speed": 9.0}}, 'unknown sampling key "speed"'),
        ({"vocoder": "music"}, "another mel|latent"),
        ({"training": {"data": {"level": "loud"}}}, "recommends what does not exist: level is 'loud'"),
    ],
)
def test_checkpoints_with_nonsense_are_refused(tmp_path: Path, metadata: dict[str, object], message: str) -> None:
    save_checkpoint(tmp_path, make(), json.loads(json.dumps(metadata)))
    refused(message, lambda: load_voice(tmp_path, device="cpu"))
