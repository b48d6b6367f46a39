from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from audiodiff.synthesis.files import apply
from audiodiff.synthesis.generator import Generator
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.recording import encode_audio, load_init_audio, samples_per_latent
from audiodiff.synthesis.reference import encode_reference, loudest
from audiodiff.synthesis.windowed import PositionConditions, with_conditions
from tests.refusals import refused
from tests.synthesis.latent_models import RATE
from tests.synthesis.recordings import quick, tones


def test_the_loudest_stretch_is_found() -> None:
    samples = torch.full((105,), 0.1)
    samples[40:60] = -1.0
    assert loudest(samples, 10, 2) == 4
    assert loudest(samples, 10, 3) in (3, 4)
    assert loudest(samples, 10, 10) == 0
    assert loudest(samples, 10, 20) == 0


def test_a_third_of_the_window_is_heard_as_the_codec_has_it(tiny: LatentSynthesizer) -> None:
    waveform = tones(6.0, RATE)
    waveform[: 4 * RATE] *= 0.01
    reference = encode_reference(tiny, tiny.resolve(quick()), (waveform, RATE))
    count = tiny.window_latents // 3
    assert reference.latents.shape == (tiny.model.channels, count)
    recording = load_init_audio(tiny, waveform, RATE, mono=True)
    start = loudest(recording.samples[0], samples_per_latent(tiny), count)
    assert start > 0
    torch.testing.assert_close(reference.latents[None], encode_audio(tiny, recording.samples[0], start, start + count))
    short = encode_reference(tiny, tiny.resolve(quick()), (tones(0.5, RATE), RATE)).latents
    assert 1 <= short.shape[-1] < count


def test_every_window_follows_the_reference_and_is_told_so(
    tiny: LatentSynthesizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tiny.resolve(quick(prompt="flute", guidance=1.0))
    reference = encode_reference(tiny, settings, (tones(6.0, RATE), RATE))
    count, n = reference.latents.shape[-1], tiny.window_latents + 5
    seen: list[tuple[Tensor, Tensor, Tensor]] = []

    def denoiser(*given: object, **named: object):  # type: ignore[no-untyped-def]
        def denoise(x: Tensor, t: Tensor, cond: object) -> Tensor:
            seen.append((x, cond.known[0], cond.beats[0]))  # type: ignore[attr-defined]
            return x

        return denoise

    monkeypatch.setattr(tiny.model, "denoiser", denoiser)
    x, t = torch.randn(1, tiny.model.channels, n), torch.tensor([0.25])
    denoise = with_conditions(tiny.guided(settings, reference=reference)[0], PositionConditions(tiny.beats(90.0, 0, n)))
    torch.testing.assert_close(denoise(x, t), x)
    assert len(seen) > 1
    noise = tiny.noise(settings.sampling.seed, 0, -count, 0)
    for state, known, beats in seen:
        assert state.shape[-1] <= tiny.window_latents
        torch.testing.assert_close(state[0, :, :count], (0.75 * reference.latents + 0.25 * noise)[0])
        torch.testing.assert_close(known[:, :count], reference.latents)
        assert bool(known[:, count:].isnan().all())
        assert bool(beats[:count].isnan().all())
        assert bool(beats[count:].isfinite().all())


def test_the_reference_is_heard_in_the_clip(tiny: LatentSynthesizer) -> None:
    one, other = (tones(2.0, RATE, seed) for seed in (0, 1))
    plain = Generator(tiny).generate(seconds=1.0)
    first = Generator(tiny).generate(seconds=1.0, reference=(one, RATE))
    assert first.shape == (RATE,)
    np.testing.assert_array_equal(first, Generator(tiny).generate(seconds=1.0, reference=(torch.from_numpy(one), RATE)))
    for different in (
        plain,
        Generator(tiny).generate(seconds=1.0, reference=(other, RATE)),
        Generator(tiny).generate("flute", seconds=1.0, reference=(one, RATE)),
    ):
        assert np.abs(first - different).max() > 1e-4


def test_notes_are_about_the_recording_and_not_about_an_empty_prompt(tiny: LatentSynthesizer) -> None:
    stereo = np.stack([tones(2.0, RATE), tones(2.0, RATE, 1)])
    notes = apply("generate", tiny, [(stereo, RATE)], quick(seconds=0.5)).notes
    assert notes == ("the recording has 2 channels, which were mixed to one",)


def test_what_cannot_be_is_refused(tiny: LatentSynthesizer, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = (tones(1.0, RATE), RATE)
    refused("a loop takes no reference", lambda: apply("generate", tiny, [reference], quick(loop=True)))
    refused("empty", lambda: apply("generate", tiny, [(np.zeros(0, np.float32), RATE)], quick()))
    monkeypatch.setattr(tiny.model, "config", replace(tiny.model.config, known=False))
    refused("was not trained to take a reference", lambda: apply("generate", tiny, [reference], quick()))


def test_a_short_window_still_moves_on(tiny_folder: Path) -> None:
    from audiodiff.synthesis.load import load_generator

    model = load_generator(tiny_folder)
    model.window_seconds = 0.2
    assert Generator(model).generate(seconds=1.0, reference=(tones(1.0, RATE), RATE)).shape == (RATE,)
