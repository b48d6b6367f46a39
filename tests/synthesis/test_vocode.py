import math
import sys
import types

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from audiodiff.diffusion.process import CosineVP, Process, RectifiedFlow, VarianceExploding
from audiodiff.diffusion.seeds import channel_seed
from audiodiff.diffusion.times import uniform_grid
from audiodiff.errors import AudiodiffError
from audiodiff.models.vocoder import Vocoder, VocoderConfig
from audiodiff.nn.wavenet import WaveNetConfig
from audiodiff.signal.levels import shift_log_mel
from audiodiff.signal.mel import PRESETS, MelSpec, log_mel
from audiodiff.signal.meters import LevelMeter
from audiodiff.signal.resample import n_resampled, resample
from audiodiff.synthesis import vocode
from audiodiff.synthesis.arrays import check_rate
from audiodiff.synthesis.machine import open_device
from audiodiff.synthesis.sampling import count_network_calls, measure_levels
from audiodiff.synthesis.settings import Sampling, VocodeSettings, changed
from audiodiff.synthesis.streams import FrameReader
from audiodiff.synthesis.vocode import VocoderSynthesizer, vocode_blocks
from tests.refusals import refused
from tests.synthesis.vocoder_fakes import SPEC, FakeVocoder, recording, synthesizer


@pytest.mark.parametrize("process", [RectifiedFlow(), CosineVP(), VarianceExploding()])
def test_network_calls_are_counted(process: Process) -> None:
    for steps in (1, 2, 5):
        times = uniform_grid(process, steps)
        assert count_network_calls("heun", process, times) == 2 * steps - 1
        for name in ("ddpm", "ddim", "euler", "dpmpp_2m", "dpmpp_2m_sde", "unipc", "consistency"):
            assert count_network_calls(name, process, times) == steps


def test_windows_grow_with_the_context() -> None:
    synth = synthesizer(FakeVocoder(context_frames=100))
    few, many = synth.plan(VocodeSettings(Sampling(steps=1))), synth.plan(VocodeSettings(Sampling(steps=32)))
    assert few.window_pieces * few.piece_frames >= 90 * 8000 / 64
    assert many.window_pieces * many.piece_frames >= 8 * 3200
    assert few.piece_frames == many.piece_frames


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 7919])
@pytest.mark.parametrize("n_samples", [1, 63, 64, 65, 300, 4001])
def test_length_is_that_of_the_resampled_input(rate: int, n_samples: int) -> None:
    waveform = recording(1.0, rate)[:n_samples]
    output = synthesizer().vocode(waveform, rate)
    assert output.shape == (n_resampled(n_samples, rate, 8000),)
    assert np.isfinite(output).all()


def test_vocode_is_vocode_mel_of_mel() -> None:
    synth = synthesizer()
    waveform = recording(1.0)[: 64 * 100]
    mel = synth.mel(waveform, 8000)
    assert mel.shape == (20, 100)
    np.testing.assert_allclose(mel, log_mel(torch.from_numpy(waveform), SPEC).numpy(), atol=1e-5)
    from_mel = synth.vocode_mel(mel, seed=3)
    assert from_mel.shape == (6400,)
    np.testing.assert_array_equal(from_mel, synth.vocode(waveform, 8000, seed=3))


def test_the_same_kind_comes_out() -> None:
    synth = synthesizer()
    waveform = recording(0.5)
    array = synth.vocode(waveform, 8000)
    tensor = synth.vocode(torch.from_numpy(waveform), 8000)
    assert isinstance(array, np.ndarray)
    assert array.dtype == np.float32
    assert isinstance(tensor, torch.Tensor)
    np.testing.assert_array_equal(array, tensor.numpy())
    assert isinstance(synth.mel(torch.from_numpy(waveform), 8000), torch.Tensor)
    doubled: NDArray[np.float32] = synth.vocode(waveform.astype(np.float64), 8000)
    assert doubled.dtype == np.float32


def test_channels_are_vocoded_each_by_itself() -> None:
    synth = synthesizer()
    left, right = recording(0.5), recording(0.5, seed=1, level=0.02)
    stereo = synth.vocode(np.stack([left, right]), 8000, seed=5)
    assert stereo.shape == (2, 4000)
    np.testing.assert_allclose(stereo[0], synth.vocode(left, 8000, seed=5), atol=1e-7)
    np.testing.assert_allclose(stereo[1], synth.vocode(right, 8000, seed=channel_seed(5, 1)), atol=1e-7)
    twins = synth.vocode(np.stack([left, left]), 8000)
    assert np.abs(twins[0] - twins[1]).max() > 1e-3


def test_seed_decides() -> None:
    synth = synthesizer()
    waveform = recording(0.5)
    first = synth.vocode(waveform, 8000, seed=1)
    np.testing.assert_array_equal(first, synth.vocode(waveform, 8000, seed=1))
    assert np.abs(first - synth.vocode(waveform, 8000, seed=2)).max() > 1e-3
    seeds = [channel_seed(seed, channel) for seed in range(50) for channel in range(8)]
    assert len(set(seeds)) == len(seeds)


def test_output_follows_the_level_of_the_input() -> None:
    synth = synthesizer(reference_level_db=-20.0)
    waveform = recording(1.0)
    loud, quiet = synth.vocode(waveform, 8000), synth.vocode(0.03 * waveform, 8000)
    np.testing.assert_allclose(quiet, 0.03 * loud, atol=2e-4 * np.abs(loud).max())


def test_level_is_that_of_the_waveform() -> None:
    for name in ("hifigan-22k", "vocos-24k", "diffwave-lmnt", "fastdiff-22k", "bigvgan-24k"):
        spec = PRESETS[name]
        waveform = torch.from_numpy(recording(1.0, spec.sample_rate, level=0.05))
        # the mel sees its bands only: compare on audio that lies within all of them
        waveform = resample(resample(waveform, spec.sample_rate, 12000), 12000, spec.sample_rate)
        for gain_db in (0.0, -20.0):
            meter = LevelMeter(spec)
            meter.add(log_mel(waveform * 10 ** (gain_db / 20), spec))
            expected = 10 * math.log10(float(waveform.square().mean())) + gain_db
            assert abs(meter.level_db - expected) < 1.5, name


@pytest.mark.parametrize("name", sorted(name for name, spec in PRESETS.items() if spec.log != "db-top80"))
def test_silence_is_recognised_in_every_preset(name: str) -> None:
    spec = PRESETS[name]
    meter = LevelMeter(spec)
    meter.add(log_mel(torch.zeros(3 * spec.n_fft), spec))
    assert meter.silent
    assert meter.level_db == -math.inf


@pytest.mark.parametrize(
    "spec", [PRESETS["hifigan-22k"], PRESETS["matcha-22k"], PRESETS["diffwave-lmnt"], PRESETS["fastdiff-22k"]]
)
@pytest.mark.parametrize("gain_db", [-12.0, 7.0])
def test_shifted_mel_is_the_mel_at_another_level(spec: MelSpec, gain_db: float) -> None:
    waveform = torch.from_numpy(recording(1.0, spec.sample_rate, level=0.1))
    shifted = shift_log_mel(log_mel(waveform, spec), spec, gain_db)
    torch.testing.assert_close(shifted, log_mel(waveform * 10 ** (gain_db / 20), spec), atol=2e-3, rtol=0)


def test_silence_stays_silence() -> None:
    output = synthesizer().vocode(np.zeros(3000, np.float32), 8000)
    assert output.shape == (3000,)
    assert np.abs(output).max() == 0.0


@pytest.mark.parametrize(
    ("waveform", "rate", "message"),
    [
        (np.zeros(0, np.float32), 8000, "empty"),
        (np.zeros((2, 0), np.float32), 8000, "empty"),
        (np.full(100, np.nan, np.float32), 8000, "not finite"),
        (np.full(100, np.inf, np.float32), 8000, "not finite"),
        (np.zeros((100, 2), np.float32), 8000, "transpose"),
        (np.zeros((1, 1, 100), np.float32), 8000, "shape"),
        (np.zeros(100, np.int16), 8000, "floating-point"),
        (np.full(100, 2000, np.float32), 8000, "full scale"),
        ([0.0] * 100, 8000, "list"),
        (np.array([object()]), 8000, "object|numbers"),
        (np.zeros(100, np.float32), 0, "sample_rate"),
        (np.zeros(100, np.float32), 22050.5, "sample_rate"),
    ],
)
def test_bad_waveforms_are_refused(waveform: NDArray[np.float32], rate: int, message: str) -> None:
    refused(message, lambda: synthesizer().vocode(waveform, rate))


@pytest.mark.parametrize(
    ("mel", "message"),
    [
        (np.zeros((20, 0), np.float32), "shape"),
        (np.zeros(20, np.float32), "shape"),
        (np.zeros((80, 10), np.float32), "80"),
        (np.full((20, 10), np.nan, np.float32), "finite"),
    ],
)
def test_bad_mels_are_refused(mel: NDArray[np.float32], message: str) -> None:
    refused(message, lambda: synthesizer().vocode_mel(mel))


@pytest.mark.parametrize(
    "values",
    [
        {"steps": 0},
        {"steps": 1.5},
        {"seed": -1},
        {"sampler": "magic"},
        {"grid": "magic"},
        {"precision": "fp16"},
        {"level": "loud"},
        {"window_seconds": 0.0},
        {"window_seconds": math.nan},
    ],
)
def test_bad_settings_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(AudiodiffError):
        changed(VocodeSettings(), values)


def test_progress_counts_seconds() -> None:
    seen: list[tuple[float, float]] = []
    synthesizer(call_seconds=0.5).vocode(
        recording(2.0),
        8000,
        settings=VocodeSettings(window_seconds=0.5),
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == pytest.approx((2.0, 2.0))
    assert len(seen) >= 12


def test_unknown_models_are_refused(tmp_path) -> None:
    refused("no model 'nonesuch'", lambda: vocode.load("nonesuch"))
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"x")
    refused("is a file", lambda: vocode.load(file))
    refused("device", lambda: vocode.load("nonesuch", device="abacus"))


def test_models_from_the_hub(tmp_path, monkeypatch) -> None:
    asked: list[str] = []

    def fetch(repository: str, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append(repository)
        if repository == "nobody/nothing":
            raise OSError("no such\nrepository")
        return str(tmp_path)

    monkeypatch.setitem(sys.modules, "huggingface_hub", types.SimpleNamespace(snapshot_download=fetch))
    assert vocode.find_checkpoint("hf:somebody/something") == tmp_path
    assert asked == ["somebody/something"]
    refused("no such repository", lambda: vocode.load("hf:nobody/nothing"))
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    refused("pip install huggingface_hub", lambda: vocode.load("hf:somebody/something"))


@pytest.mark.parametrize("name", ["vocos-24k", "vocos-24k-same"])
@pytest.mark.parametrize("n_extra", [0, 1, 200])
def test_what_comes_out_lies_where_it_lay_in_the_recording(name: str, n_extra: int) -> None:
    """Noise in bursts through a network that knows nothing but keeps magnitudes: energies stay in their places."""
    torch.manual_seed(0)
    small = WaveNetConfig(channels=8, layers=2, dilation_cycle=2, cond_channels=8, embedding_width=16)
    model = Vocoder(VocoderConfig(mel=PRESETS[name], wavenet=small)).eval()
    synth = VocoderSynthesizer(model, delay=model.config.delay, call_seconds=0.5, window_seconds=2.0)
    period, length, count = 8192, 2048, 24
    waveform = 1e-4 * torch.randn(period * count + n_extra)
    for burst in range(count):
        start = burst * period + 3000
        waveform[start : start + length] += 0.1 * torch.randn(length)
    output = synth.vocode(waveform, 24000, steps=1, seed=3)
    assert output.shape == waveform.shape
    shifts = []
    for burst in range(count):
        part = slice(burst * period, (burst + 1) * period)
        energies = [x[part].square() for x in (waveform, output)]
        places = [float((energy * torch.arange(period)).sum() / energy.sum()) for energy in energies]
        shifts.append(places[1] - places[0])
    assert abs(sum(shifts) / count) < 40.0  # half a hop is 128


@pytest.mark.parametrize("n_frames", [1, 7, 93, 94, 95])
def test_a_delayed_state_is_the_same_in_any_pieces(n_frames: int) -> None:
    """Loops, short mels and mels that end with a piece have all their samples, streamed or not."""
    torch.manual_seed(0)
    small = WaveNetConfig(channels=8, layers=2, dilation_cycle=2, cond_channels=8, embedding_width=16)
    model = Vocoder(VocoderConfig(mel=PRESETS["vocos-24k"], wavenet=small)).eval()
    synth = VocoderSynthesizer(model, delay=model.config.delay, call_seconds=0.5)
    mel = log_mel(0.1 * torch.randn(256 * n_frames), PRESETS["vocos-24k"])[..., :n_frames]
    whole = synth.vocode_mel(mel, steps=1)
    assert whole.shape == (256 * n_frames,)
    plan = synth.plan(VocodeSettings(Sampling(steps=1), window_seconds=0.3))
    meters = measure_levels([mel[None]], synth.mel_spec)
    blocks = list(vocode_blocks(synth, FrameReader([mel[None]]), n_frames, meters, plan))
    assert torch.equal(torch.cat(blocks, dim=-1)[0], whole)
    assert synth.vocode_mel(mel, steps=1, circular=True).shape == whole.shape


@pytest.mark.parametrize("rate", [math.inf, math.nan, -1, 0, 999, 768_001, 22050.5, True, "22050", None])
def test_a_rate_that_is_none_is_one_sentence(rate) -> None:
    refused("sample_rate", lambda: check_rate(rate))


@pytest.mark.parametrize("rate", [22050, 22050.0, np.int32(22050), np.float32(22050.0)])
def test_a_rate_may_be_any_kind_of_whole_number(rate) -> None:
    assert check_rate(rate) == 22050
    assert type(check_rate(rate)) is int


def test_a_device_that_is_not_here_is_answered_with_those_that_are(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name in ("cuda", "cuda:7", "tpu", ""):
        with pytest.raises(AudiodiffError, match="here are auto, cpu") as caught:
            open_device(name)
        assert "cuda" not in str(caught.value).split("here are")[1]
