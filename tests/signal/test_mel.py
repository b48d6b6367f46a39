import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from audiodiff._torchaudio import import_torchaudio
from audiodiff.signal import mel
from audiodiff.signal.mel import PRESETS, log_mel, preset
from tests.refusals import refused
from tests.signal.signals import clip, noise, tone

# Names, then (rate, n_fft, hop, win, bands, f_min, f_max), written down once more and by hand.
SIZES = {
    "hifigan-22k": (22050, 1024, 256, 1024, 80, 0, 8000),
    "matcha-22k": (22050, 1024, 256, 1024, 80, 0, 8000),
    "tacotron2-22k": (22050, 1024, 256, 1024, 80, 0, 8000),
    "diffwave-lmnt": (22050, 1024, 256, 1024, 80, 20, 11025),
    "wavegrad-lmnt": (22050, 2048, 300, 1200, 128, 20, 11025),
    "wavegrad-lmnt-24k": (24000, 2048, 300, 1200, 128, 20, 12000),
    "fastdiff-22k": (22050, 1024, 256, 1024, 80, 80, 7600),
    "vocos-24k": (24000, 1024, 256, 1024, 100, 0, 12000),
    "vocos-24k-same": (24000, 1024, 256, 1024, 100, 0, 12000),
    "rfwave-24k": (24000, 1024, 256, 1024, 100, 0, 12000),
    "bigvgan-22k": (22050, 1024, 256, 1024, 80, 0, 11025),
    "bigvgan-24k": (24000, 1024, 256, 1024, 100, 0, 12000),
    "bigvgan-44k": (44100, 2048, 512, 2048, 128, 0, 22050),
    "bigvgan-44k-256x": (44100, 1024, 256, 1024, 128, 0, 22050),
    "audioldm-16k": (16000, 1024, 160, 1024, 64, 0, 8000),
    "audioldm-48k": (48000, 2048, 480, 2048, 256, 20, 24000),
    "riffusion-44k": (44100, 17640, 441, 4410, 512, 0, 10000),
    "teticio-22k": (22050, 2048, 512, 2048, 256, 0, 11025),
}


def test_every_preset_is_pinned():
    assert set(SIZES) == set(PRESETS)


def by_librosa(name, waveform):
    import librosa

    rate, n_fft, hop, win, bands, low, high = SIZES[name]
    audio = waveform.numpy()
    if name == "teticio-22k":
        filters = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=bands)
        power = filters @ np.abs(librosa.stft(audio, n_fft=n_fft, hop_length=hop)) ** 2
        return librosa.power_to_db(power, ref=np.max, top_db=80)
    filters = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=bands, fmin=low, fmax=high)
    if name.startswith(("hifigan", "bigvgan", "matcha")):
        pad = (n_fft - hop) // 2
        spectrum = librosa.stft(np.pad(audio, pad, mode="reflect"), n_fft=n_fft, hop_length=hop, center=False)
        magnitude = np.sqrt(spectrum.real**2 + spectrum.imag**2 + 1e-9)
        value = np.log(np.clip(filters @ magnitude, 1e-5, None))
        return (value + 5.536622) / 2.116101 if name == "matcha-22k" else value
    mode = "constant" if name == "fastdiff-22k" else "reflect"
    magnitude = np.abs(librosa.stft(audio, n_fft=n_fft, hop_length=hop, win_length=win, pad_mode=mode))
    if name == "fastdiff-22k":
        return np.log10(np.maximum(1e-6, filters @ magnitude))
    return np.log(np.clip(filters @ magnitude, 1e-5, None))


def by_torchaudio(name, waveform):
    rate, n_fft, hop, win, bands, low, high = SIZES[name]
    transforms = import_torchaudio().transforms
    lmnt = name.endswith(("lmnt", "lmnt-24k"))
    same = name == "vocos-24k-same"
    if same:
        waveform = torch.nn.functional.pad(waveform[None], ((win - hop) // 2,) * 2, mode="reflect")[0]
    transform = transforms.MelSpectrogram(
        rate, n_fft, win, hop, low, high, n_mels=bands, power=1.0, normalized=lmnt, center=not same
    )
    value = transform(waveform)
    if lmnt:
        decibel = 20 * torch.log10(torch.clamp(value, min=1e-5)) - 20
        return torch.clamp((decibel + 100) / 100, 0.0, 1.0)
    if name == "riffusion-44k":
        return value**0.25
    value = torch.clip(value, min=1e-7)
    return torch.log10(value) if name == "rfwave-24k" else torch.log(value)


BY_TORCHAUDIO = (
    "diffwave-lmnt",
    "wavegrad-lmnt",
    "wavegrad-lmnt-24k",
    "vocos-24k",
    "vocos-24k-same",
    "rfwave-24k",
    "riffusion-44k",
)


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.filterwarnings("ignore::UserWarning")  # torchaudio's own: empty bands at the bottom
def test_preset_against_an_independent_formula(name):
    waveform = clip(SIZES[name][0])
    expected = by_torchaudio(name, waveform).numpy() if name in BY_TORCHAUDIO else by_librosa(name, waveform)
    ours = log_mel(waveform, preset(name)).numpy()
    assert ours.shape == expected.shape
    # Rounding in the other code's float32 shows where a value lies near its floor.
    assert np.abs(ours - expected).max() < (5e-3 if name == "teticio-22k" else 3e-3)
    assert np.abs(ours - expected).mean() < 2e-5
    assert np.ptp(ours) > 0.5


@given(n_samples=st.integers(1, 6000), name=st.sampled_from(["hifigan-22k", "vocos-24k", "audioldm-16k"]))
@settings(max_examples=40, deadline=None)
def test_number_of_frames(n_samples, name):
    spec = preset(name)
    if mel.n_frames(n_samples, spec) == 0:
        refused("pad it", lambda: log_mel(torch.zeros(n_samples), spec))
    else:
        assert log_mel(torch.zeros(n_samples), spec).shape == (spec.n_mels, mel.n_frames(n_samples, spec))


def test_any_leading_shape_and_batch_of_one():
    spec = preset("hifigan-22k")
    waveform = noise(6 * 5000).reshape(2, 3, 5000)
    together = log_mel(waveform, spec)
    assert together.shape == (2, 3, 80, 19)
    assert torch.allclose(together[1, 2], log_mel(waveform[1, 2], spec), atol=1e-5)


@pytest.mark.parametrize("amount", [3, 512])
@pytest.mark.parametrize("n_samples", [1, 2, 5, 300])
def test_short_clips_are_mirrored_as_often_as_needed(n_samples, amount):
    waveform = noise(n_samples)[None]
    expected = np.pad(waveform[0].numpy(), amount, mode="reflect")
    assert np.array_equal(mel._pad_ends(waveform, amount, "reflect")[0].numpy(), expected)


def test_a_tone_lands_in_its_band():
    spec = preset("hifigan-22k")
    edges = mel._band_edges(spec)
    for band in (10, 35, 60):
        frame = log_mel(tone(edges[band + 1], 22050, 0.3), spec)[:, 10]
        assert int(frame.argmax()) == band


def test_frames_are_centred_where_the_specification_says():
    spec = preset("hifigan-22k")
    for centring, centre in (("same", 10.5 * 256), ("center", 10 * 256)):
        waveform = torch.zeros(8192)
        waveform[int(centre)] = 1.0
        values = log_mel(waveform, dataclasses.replace(spec, centring=centring)).mean(dim=0)
        assert int(values.argmax()) == 10


def test_gain_silence_and_gradient():
    spec = preset("hifigan-22k")
    waveform = noise(8192)
    assert torch.allclose(log_mel(2 * waveform, spec) - log_mel(waveform, spec), torch.tensor(math.log(2.0)), atol=1e-4)
    silent = torch.zeros(4096, requires_grad=True)
    value = log_mel(silent, spec)
    assert torch.allclose(value, torch.tensor(math.log(1e-5)), atol=1e-5)
    (log_mel(waveform.requires_grad_(), spec).sum() + value.sum()).backward()
    assert torch.isfinite(waveform.grad).all()
    assert torch.isfinite(silent.grad).all()


def test_half_precision_input_is_computed_in_float32():
    waveform = noise(4096).bfloat16()
    value = log_mel(waveform, preset("hifigan-22k"))
    assert value.dtype == torch.float32
    assert torch.allclose(value, log_mel(waveform.float(), preset("hifigan-22k")))
    assert log_mel(waveform.double(), preset("hifigan-22k")).dtype == torch.float64


@pytest.mark.parametrize("name", [name for name in PRESETS if name not in ("riffusion-44k", "teticio-22k")])
def test_pseudo_inverse_has_the_same_mel(name):
    spec = preset(name)
    # White noise: a magnitude without holes, far above every floor and below lmnt's ceiling.
    value = log_mel(noise(spec.sample_rate // 2, 2, 0.003), spec)
    magnitude = mel.mel_to_magnitude(value, spec)
    assert magnitude.shape == (spec.n_fft // 2 + 1, value.shape[-1])
    again = mel.magnitude_to_log_mel(magnitude, spec)
    # Clamping negative ripples adds a little energy.
    scale = {"ln": 1.0, "log10": math.log(10.0), "db-lmnt": 100.0 / 20.0 * math.log(10.0)}[spec.log] * spec.scale
    assert float((again - value).abs().median()) * scale < 0.05
    kept = torch.arange(spec.n_fft // 2 + 1) * spec.sample_rate / spec.n_fft < spec.f_max
    truth = mel.magnitude(noise(spec.sample_rate // 2, 2, 0.003), spec)[kept]
    assert 0.75 < float(magnitude[kept].square().mean() / truth.square().mean()) < 1.1


def test_pseudo_inverse_undoes_power_two():
    spec = dataclasses.replace(preset("audioldm-16k"), power=2.0, floor=1e-10)
    waveform = noise(8000)
    ratio = mel.mel_to_magnitude(log_mel(waveform, spec), spec).mean() / mel.magnitude(waveform, spec).mean()
    assert 0.9 < float(ratio) < 1.2


# -- conversion --------------------------------------------------------------------------------------------------------
