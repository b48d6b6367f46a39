from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.models.vocoder import FrontEndConfig, HeadConfig, PriorConfig, Vocoder, VocoderConfig
from audiodiff.nn.wavenet import WaveNetConfig
from audiodiff.signal.mel import MelSpec, preset
from audiodiff.signal.resample import n_resampled
from audiodiff.synthesis import mel_file, streams
from audiodiff.synthesis.files import run_file
from audiodiff.synthesis.gain import read_reference_level
from audiodiff.synthesis.mel_file import open_mel
from audiodiff.synthesis.settings import Sampling, VocodeSettings
from audiodiff.synthesis.verbs.vocode import VERB, VocodeFileSettings
from audiodiff.synthesis.vocode import DEFAULTS, VocoderSynthesizer
from tests.refusals import refused
from tests.synthesis.vocoder_fakes import SPEC, FakeVocoder, recording, synthesizer


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "READ_SAMPLES", 999)
    monkeypatch.setattr(mel_file, "READ_FRAMES", 17)
    monkeypatch.setattr(streams, "MEL_BLOCK_FRAMES", 23)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("rate", [8000, 11025])
@pytest.mark.parametrize("window_seconds", [0.3, None])
def test_a_streamed_file_is_what_the_array_gives(tmp_path, rate, window_seconds) -> None:
    waveform = np.stack([recording(3.0, rate), recording(3.0, rate, seed=1)])[:, :-7]  # not a whole number of hops
    soundfile.write(tmp_path / "in.wav", waveform.T, rate, subtype="FLOAT")
    model = FakeVocoder()
    report = run_file(
        "vocode",
        synthesizer(model, call_seconds=0.5),
        [tmp_path / "in.wav"],
        tmp_path / "out.flac",
        VocodeFileSettings(VocodeSettings(Sampling(seed=4), window_seconds=window_seconds)),
        watermark=False,
    )
    expected = synthesizer().vocode(waveform, rate, seed=4)
    written, written_rate = soundfile.read(tmp_path / "out.flac", dtype="float32", always_2d=True)
    assert (written_rate, report.channels, report.sampling.steps, report.resolved.plan.network_calls) == (8000, 2, 3, 3)
    assert len(written) == n_resampled(3 * rate - 7, rate, 8000)
    assert report.seconds == pytest.approx(3.0, abs=1e-3)
    assert 0.01 < np.abs(expected).max() < 1.0
    np.testing.assert_allclose(written.T, expected, atol=1e-4)


@pytest.mark.usefixtures("small_blocks")
def test_a_streamed_mel_is_what_the_array_gives(tmp_path) -> None:
    synth = synthesizer()
    mel = synth.mel(recording(2.0), 8000)
    np.save(tmp_path / "mel.npy", mel)
    run_file(
        "vocode",
        synth,
        [tmp_path / "mel.npy"],
        tmp_path / "out.wav",
        VocodeFileSettings(VocodeSettings(window_seconds=0.4)),
        watermark=False,
    )
    written, _ = soundfile.read(tmp_path / "out.wav", dtype="float32")
    np.testing.assert_allclose(written, synth.vocode_mel(mel), atol=1e-4)


def test_what_is_beyond_full_scale_is_counted(tmp_path) -> None:
    synth = synthesizer(reference_level_db=None)
    waveform = recording(1.0, level=0.9)
    soundfile.write(tmp_path / "in.wav", waveform, 8000, subtype="FLOAT")
    settings = VocodeFileSettings()
    report = run_file("vocode", synth, [tmp_path / "in.wav"], tmp_path / "out.wav", settings, watermark=False)
    expected = synth.vocode(waveform, 8000)
    assert report.clipped == int((np.abs(expected) > 1).sum()) > 0
    written, _ = soundfile.read(tmp_path / "out.wav")
    assert np.abs(written).max() <= 1.0
    assert np.sign(written[np.argmax(np.abs(expected))]) == np.sign(expected[np.argmax(np.abs(expected))])


def test_a_silent_channel_stays_silent(tmp_path) -> None:
    waveform = np.stack([recording(1.0), np.zeros(8000, np.float32)])
    soundfile.write(tmp_path / "in.wav", waveform.T, 8000)
    report = run_file("vocode", synthesizer(), [tmp_path / "in.wav"], tmp_path / "out.wav", VocodeFileSettings())
    written = soundfile.read(tmp_path / "out.wav")[0]
    assert report.silent_channels == 1
    assert np.abs(written[:, 1]).max() == 0.0 < np.abs(written[:, 0]).max()


@pytest.mark.usefixtures("small_blocks")
def test_a_late_nan_in_a_mel_leaves_nothing(tmp_path) -> None:
    mel = synthesizer().mel(recording(2.0), 8000)
    mel[3, -1] = np.nan
    np.save(tmp_path / "mel.npy", mel)
    with pytest.raises(AudiodiffError, match="not finite"):
        run_file("vocode", synthesizer(), [tmp_path / "mel.npy"], tmp_path / "out.wav", VocodeFileSettings())
    assert {path.name for path in tmp_path.iterdir()} == {"mel.npy"}


@pytest.mark.parametrize("shape", [(20,), (2, 20, 5), (1, 1, 20, 5), (0, 5), (20, 0)])
def test_shapes_of_stored_mels(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "mel.npy", np.zeros(shape, np.float32))
    refused("shape", lambda: open_mel(tmp_path / "mel.npy"))


@pytest.mark.parametrize(
    "config",
    [
        VocoderConfig(
            mel=preset("hifigan-22k"),
            wavenet=WaveNetConfig(channels=8, layers=3, dilation_cycle=3, cond_channels=8, embedding_width=8),
            prior=PriorConfig("shaped", projections=1),
        ),
        VocoderConfig(
            mel=preset("hifigan-22k"),
            wavenet=WaveNetConfig(channels=8, layers=2, dilation_cycle=2, cond_channels=8, embedding_width=8),
            head=HeadConfig("plain"),
            prior=PriorConfig("white"),
        ),
    ],
    ids=["anchored", "plain"],
)
def test_windows_equal_one_shot_with_the_real_model(config: VocoderConfig) -> None:
    torch.manual_seed(0)
    model = Vocoder(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.2)
    waveform = recording(4.0, 22050)
    whole = VocoderSynthesizer(model).vocode(waveform, 22050, steps=2, settings=VocodeSettings(window_seconds=1e9))
    assert SPEC.sample_rate == 8000  # the fake's own, so that nothing here comes from it
    synth = VocoderSynthesizer(model, call_seconds=0.4)
    parts = synth.vocode(waveform, 22050, steps=2, settings=VocodeSettings(window_seconds=0.9))
    assert np.abs(whole).max() > 0.01
    assert np.abs(whole - parts).max() < 1e-4


def test_defaults_come_from_the_metadata(tmp_path) -> None:
    metadata = {"sampling": {"steps": 3, "grid": "karras"}, "reference_level_db": -23}
    read = Sampling.from_metadata(metadata, tmp_path).resolve(DEFAULTS)
    assert (read.steps, read.grid, read.sampler, read.precision) == (3, "karras", "euler", "fp32")
    assert read_reference_level(metadata, tmp_path) == -23.0
    refused("config", lambda: read_reference_level({"reference_level_db": "x"}, tmp_path))


def test_training_still_works_after_vocoding() -> None:
    spec = MelSpec(sample_rate=9000, n_fft=128, hop_length=32, win_length=128, n_mels=16, f_max=4000.0)
    wavenet = WaveNetConfig(channels=4, layers=1, dilation_cycle=1, cond_channels=4, embedding_width=4)
    model = Vocoder(VocoderConfig(mel=spec, front_end=FrontEndConfig("stft", 128, 32), wavenet=wavenet))
    VocoderSynthesizer(model).vocode(recording(0.2, 9000), 9000, steps=1)
    waveform = torch.from_numpy(recording(0.3, 9000)[: 32 * 64])[None]
    loss = model.loss(waveform, torch.tensor([4500.0]), torch.tensor([0.5]), torch.randn(1, 1, 2048))
    loss.per_item.sum().backward()
    assert any(parameter.grad is not None for parameter in model.parameters())


def test_a_limited_look_ahead_is_for_streams() -> None:
    refused("--stream", lambda: VERB.resolve(synthesizer(), VocodeFileSettings(look_ahead=0.05)))
    refused("look_ahead", lambda: VocodeFileSettings(look_ahead=-0.1))
