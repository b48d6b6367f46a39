import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file

import audiodiff
from audiodiff.errors import AudiodiffError
from audiodiff.models.checkpoint import save_checkpoint
from audiodiff.signal.meters import RmsMeter
from audiodiff.signal.resample import n_resampled, resample
from audiodiff.synthesis.files import run_file
from audiodiff.synthesis.load import load_generator, load_vocoder
from audiodiff.synthesis.provenance import read_provenance
from audiodiff.synthesis.replay import replay
from audiodiff.synthesis.settings import Sampling, changed
from audiodiff.synthesis.upsample import UpsamplerSynthesizer, load_upsampler
from audiodiff.synthesis.upsample_settings import UpsampleSettings
from tests.models.upsampler.cases import make, voice, write
from tests.refusals import refused

SAMPLING = {"steps": 2, "sampler": "ddim", "augmentation": 0.1}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("models") / "tiny", SAMPLING)


@pytest.fixture(scope="module")
def synth(checkpoint: Path) -> UpsamplerSynthesizer:
    return load_upsampler(checkpoint, device="cpu")


def speech(n_samples: int = 4_000, rate: int = 8_000) -> np.ndarray:
    return resample(voice(16_000), 16_000, rate)[0, :n_samples].numpy()


@pytest.mark.parametrize("rate", [8_000, 7_200, 11_025])
@pytest.mark.parametrize("n_samples", [1, 15, 16, 17, 2_001])
@pytest.mark.filterwarnings("ignore:the input is at")
def test_length_is_that_of_the_resampled_input(synth: UpsamplerSynthesizer, rate: int, n_samples: int) -> None:
    output = synth.upsample(speech(n_samples, rate), rate)
    assert output.shape == (n_resampled(n_samples, rate, 16_000),)
    assert np.isfinite(output).all()


def test_the_result_does_not_depend_on_the_level(synth: UpsamplerSynthesizer) -> None:
    loud = speech()
    output = synth.upsample(loud, 8_000)
    quiet = synth.upsample(0.01 * loud, 8_000)
    np.testing.assert_allclose(100 * quiet, output, atol=2e-3 * float(np.abs(output).max()))


def test_seed_and_augmentation_change_what_is_made(synth: UpsamplerSynthesizer) -> None:
    plain = synth.upsample(speech(), 8_000, seed=1)
    np.testing.assert_array_equal(plain, synth.upsample(speech(), 8_000, seed=1))
    for other in (
        synth.upsample(speech(), 8_000, seed=2),
        synth.upsample(speech(), 8_000, seed=1, augmentation=0.4),
        synth.upsample(speech(), 8_000, seed=1, steps=3),
        synth.upsample(speech(), 8_000, seed=1, sampler="heun"),
    ):
        assert np.abs(plain - other).max() > 1e-6
    recommended = synth.upsample(
        speech(), 8_000, settings=UpsampleSettings(Sampling(seed=1, steps=2), augmentation=0.1)
    )
    np.testing.assert_array_equal(plain, recommended)


def test_channels_have_noise_of_their_own_and_silence_stays(synth: UpsamplerSynthesizer) -> None:
    both = np.stack([speech(), speech(), np.zeros(4_000, np.float32)])
    output = synth.upsample(torch.from_numpy(both), 8_000)
    assert isinstance(output, torch.Tensor)
    assert output.shape == (3, 8_000)
    np.testing.assert_array_equal(output[0].numpy(), synth.upsample(speech(), 8_000))
    assert not torch.equal(output[0], output[1])
    assert not output[2].any()


def test_windows_make_what_the_whole_makes(synth: UpsamplerSynthesizer) -> None:
    low, meter = voice(16_000, 8_000), RmsMeter()
    meter.add(low)
    whole = synth.plan(UpsampleSettings())
    cut = replace(whole, window_frames=300)
    outputs = [torch.cat(list(synth.stream([low], meter, plan)), dim=-1) for plan in (whole, cut)]
    assert outputs[0].shape == (1, 32_000)
    torch.testing.assert_close(outputs[0], outputs[1], atol=1e-5, rtol=0)
    near = replace(cut, context_frames=0)
    torn = torch.cat(list(synth.stream([low], meter, near)), dim=-1)
    assert (torn - outputs[0]).abs().max() > 1e-3


def test_blocks_that_go_in_do_not_matter(synth: UpsamplerSynthesizer) -> None:
    low, meter = voice(6_000, 8_000), RmsMeter()
    meter.add(low)
    plan = replace(synth.plan(UpsampleSettings()), window_frames=200)
    outputs = [torch.cat(list(synth.stream(low.split(size, dim=-1), meter, plan)), dim=-1) for size in (333, 6_000)]
    assert torch.equal(*outputs)


def test_what_an_input_loses_is_said(synth: UpsamplerSynthesizer) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        synth.upsample(speech(500), 8_000)
    with pytest.warns(UserWarning, match=r"left out, and a new band takes its place\."):
        synth.upsample(speech(2_000, 11_025), 11_025)
    refused("has sound above 4000 Hz already", lambda: synth.upsample(voice(4_000)[0], 16_000))
    with pytest.warns(UserWarning, match="left out"):
        synth.upsample(voice(2_000)[0], 16_000, settings=UpsampleSettings(replace=True))


@pytest.mark.parametrize(
    ("waveform", "said"),
    [
        (np.zeros(0, np.float32), "empty"),
        (np.full(100, np.nan, np.float32), "not finite"),
        (np.zeros((2, 2, 2), np.float32), "expected"),
        (np.full(100, 3000.0, np.float32), "full scale"),
    ],
)
def test_bad_waveforms_are_refused(synth: UpsamplerSynthesizer, waveform: np.ndarray, said: str) -> None:
    refused(said, lambda: synth.upsample(waveform, 8_000))


def test_settings_are_checked(synth: UpsamplerSynthesizer) -> None:
    for settings in ({"steps": 0}, {"sampler": "magic"}, {"augmentation": -0.1}, {"seed": -1}, {"replace": 1}):
        with pytest.raises(AudiodiffError, match=next(iter(settings))):
            changed(UpsampleSettings(), settings)
    refused(r"augmentation is 0\.7, but .* up to 0\.5", lambda: synth.plan(UpsampleSettings(augmentation=0.7)))


def test_loading_by_kind(checkpoint: Path) -> None:
    assert isinstance(audiodiff.load(checkpoint, device="cpu"), UpsamplerSynthesizer)
    refused("is an upsampler, which only widens", lambda: load_generator(checkpoint, device="cpu"))
    refused("is an upsampler, which only widens", lambda: load_vocoder(checkpoint, device="cpu"))


def test_file_is_the_array_and_replays(checkpoint: Path, synth: UpsamplerSynthesizer, tmp_path: Path) -> None:
    source, target = tmp_path / "in.wav", tmp_path / "out.flac"
    soundfile.write(source, np.stack([speech(), 0.5 * speech()], axis=1), 8_000, subtype="FLOAT")
    settings = UpsampleSettings(Sampling(seed=5))
    report = run_file("upsample", synth, [source], target, settings, sidecar=True, watermark=False)
    written, rate = soundfile.read(target, dtype="float32")
    assert (rate, written.shape, report.notes, report.clipped) == (16_000, (8_000, 2), (), 0)
    expected = synth.upsample(np.stack([speech(), 0.5 * speech()]), 8_000, seed=5)
    np.testing.assert_allclose(written.T, expected, atol=1 / 32768)
    record = read_provenance(target)
    assert record.verb == "upsample"
    assert record.models[0].role == "upsampler"
    assert record.settings["augmentation"] == 0.1
    assert (tmp_path / "out.flac.json").is_file()
    again = replay(target, tmp_path / "again.flac", model=checkpoint, device="cpu")
    assert again.identical
    other = tmp_path / "other"
    save_checkpoint(other, make(), {"sampling": SAMPLING})
    weights = load_file(other / "model.safetensors")
    save_file({name: value + 1 for name, value in weights.items()}, other / "model.safetensors")
    refused("are not those that made", lambda: replay(target, tmp_path / "no.flac", model=other, device="cpu"))
    assert not (tmp_path / "no.flac").exists()


def test_files_that_cannot_be_used(synth: UpsamplerSynthesizer, tmp_path: Path) -> None:
    source, target = tmp_path / "in.wav", tmp_path / "out.wav"
    soundfile.write(source, speech(), 8_000)
    with pytest.raises(AudiodiffError, match="the rate asked for is 22050 Hz"):
        run_file("upsample", synth, [source], target, UpsampleSettings(rate=22_050))
    refused("is the input as well", lambda: run_file("upsample", synth, [source], source, UpsampleSettings()))
    soundfile.write(tmp_path / "wide.wav", voice(8_000)[0].numpy(), 16_000)
    refused("already", lambda: run_file("upsample", synth, [tmp_path / "wide.wav"], target, UpsampleSettings()))
    assert not target.exists()
    soundfile.write(tmp_path / "silent.wav", np.zeros(400), 8_000)
    assert run_file("upsample", synth, [tmp_path / "silent.wav"], target, UpsampleSettings()).silent_channels == 1
    assert not soundfile.read(target)[0].any()
