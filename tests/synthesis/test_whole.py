import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis import recording
from audiodiff.synthesis.files import apply
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.recording import encode_audio
from audiodiff.synthesis.settings import GenerateSettings, Sampling, changed
from audiodiff.synthesis.verbs.interpolate import InterpolateSettings, slerp
from audiodiff.synthesis.verbs.vary import VarySettings
from tests.refusals import refused
from tests.synthesis.latent_models import RATE
from tests.synthesis.recordings import quick, tones

SOUND = tones(3.5, RATE)


def caught_latents(tiny: LatentSynthesizer, monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """What goes to the autoencoder's decoder from now on."""
    seen: list[torch.Tensor] = []
    decode = tiny.model.autoencoder.decode

    def spy(latents: torch.Tensor, **options: bool) -> torch.Tensor:
        seen.append(latents.clone())
        return decode(latents, **options)

    monkeypatch.setattr(tiny.model.autoencoder, "decode", spy)
    return seen


def test_the_more_strength_the_farther_from_the_recording(
    tiny: LatentSynthesizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = caught_latents(tiny, monkeypatch)
    strengths = (0.0, 0.1, 0.3, 0.5, 0.8)
    for strength in strengths:
        for seed in range(2):
            apply("vary", tiny, [(SOUND, RATE)], VarySettings(quick(seed=seed, steps=5), strength))
    own = seen[0]
    distances = [
        float(torch.stack([(latents - own).square().mean().sqrt() for latents in seen[at : at + 2]]).mean())
        for at in range(0, len(seen), 2)
    ]
    assert distances[0] == 0.0
    assert all(one < other for one, other in itertools.pairwise(distances)), distances


@pytest.mark.parametrize(("n_samples", "rate"), [(1, RATE), (700, RATE), (SOUND.size, RATE), (40001, 16000)])
def test_a_variation_is_as_long_as_the_recording(tiny: LatentSynthesizer, n_samples: int, rate: int) -> None:
    clip = apply("vary", tiny, [(np.resize(SOUND, n_samples), rate)], VarySettings(quick()))
    assert clip.sample_rate == RATE
    assert clip.waveform.shape == (-(-n_samples * RATE // rate),)
    assert clip.waveform.dtype == np.float32
    assert np.isfinite(clip.waveform).all()
    assert clip.notes == ()


def test_the_seed_and_the_prompt_of_a_variation_are_heard(tiny: LatentSynthesizer) -> None:
    def make(**changes: object) -> np.ndarray:
        return apply(
            "vary", tiny, [(SOUND, RATE)], VarySettings(changed(GenerateSettings(level="none"), changes))
        ).waveform

    base = make()
    np.testing.assert_array_equal(base, make())
    for changes in ({"seed": 1}, {"prompt": "death metal"}, {"negative": "flute"}, {"steps": 9}):
        assert np.abs(make(**changes) - base).max() > 1e-4, changes


def test_full_strength_is_generation(tiny: LatentSynthesizer) -> None:
    settings = quick(seed=5, seconds=3.5, level="peak")
    clip = apply("vary", tiny, [(SOUND, RATE)], VarySettings(settings, 1.0))
    np.testing.assert_allclose(clip.waveform, apply("generate", tiny, [], settings).waveform, atol=1e-5)
    assert "nothing of the recording is left" in clip.notes[0]


def test_no_strength_is_said(tiny: LatentSynthesizer) -> None:
    clip = apply("vary", tiny, [(SOUND, RATE)], VarySettings(quick(), 0.0))
    assert "nothing is varied" in clip.notes[0]
    assert clip.waveform.shape == SOUND.shape


def test_a_soft_recording_has_the_variation_of_a_loud_one_at_its_own_level(tiny: LatentSynthesizer) -> None:
    loud = apply("vary", tiny, [(SOUND, RATE)], VarySettings(quick()))
    soft = apply("vary", tiny, [(0.1 * SOUND, RATE)], VarySettings(quick()))
    np.testing.assert_allclose(soft.waveform, 0.1 * loud.waveform, atol=1e-3 * np.abs(loud.waveform).max())
    assert np.abs(apply("vary", tiny, [(SOUND, RATE)], VarySettings(quick(level="peak"))).waveform).max() > 0.85


def test_nothing_is_clipped_for_being_as_loud_as_the_recording(
    tiny: LatentSynthesizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    waveform = tiny.waveform
    monkeypatch.setattr(tiny, "waveform", lambda *arguments: 100.0 * waveform(*arguments))
    clip = apply("vary", tiny, [(SOUND, RATE)], VarySettings(quick()))
    assert np.abs(clip.waveform).max() == pytest.approx(10 ** (-1 / 20), rel=1e-3)
    assert clip.clipped == 0
    assert "softer than the recording" in clip.notes[0]


def test_channels_are_mixed_and_silence_is_taken(tiny: LatentSynthesizer) -> None:
    stereo = apply("vary", tiny, [(np.stack([SOUND, SOUND]), RATE)], VarySettings(quick()))
    mono = apply("vary", tiny, [(SOUND, RATE)], VarySettings(quick()))
    np.testing.assert_array_equal(stereo.waveform, mono.waveform)
    assert "mixed to one" in stereo.notes[0]
    assert "silence" in apply("vary", tiny, [(np.zeros(999, np.float32), RATE)], VarySettings(quick())).notes[0]
    refused("empty", lambda: apply("vary", tiny, [(np.zeros(0, np.float32), RATE)], VarySettings()))


def test_steps_are_reported(tiny: LatentSynthesizer) -> None:
    seen: list[tuple[float, float]] = []
    apply(
        "vary",
        tiny,
        [(SOUND, RATE)],
        VarySettings(quick(steps=10), 0.5),
        lambda done, total: seen.append((done, total)),
    )
    assert list(dict.fromkeys(seen)) == [(float(step), 6.0) for step in range(1, 7)]  # the last one is the vocoder's


# -- between two -------------------------------------------------------------------------------------------------------


def test_the_ends_are_variations_of_the_two(tiny: LatentSynthesizer) -> None:
    other = tones(3.5, RATE, seed=1)
    for position, sound in ((0.0, SOUND), (1.0, other)):
        settings = InterpolateSettings(position, quick(seed=3), 0.6)
        between = apply("interpolate", tiny, [(SOUND, RATE), (other, RATE)], settings)
        np.testing.assert_array_equal(
            between.waveform, apply("vary", tiny, [(sound, RATE)], VarySettings(quick(seed=3), 0.6)).waveform
        )


def test_latents_go_from_one_to_the_other(tiny: LatentSynthesizer, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tones(5.0, RATE, seed=1)
    ends = [encode_audio(tiny, torch.from_numpy(sound[: SOUND.size]), 0, 76) for sound in (SOUND, other)]
    seen = caught_latents(tiny, monkeypatch)
    for position in (0.1, 0.3, 0.5, 0.7, 0.9):
        clip = apply("interpolate", tiny, [(SOUND, RATE), (other, RATE)], InterpolateSettings(position, quick(), 0.2))
        assert clip.waveform.shape == SOUND.shape
        assert "the first 3.50 s were taken" in clip.notes[0]
    nearer = [float((item - ends[0]).norm() - (item - ends[1]).norm()) for item in seen]
    assert nearer == sorted(nearer)
    assert nearer[-1] - nearer[0] > 0.1 * float((ends[0] - ends[1]).norm())


def test_the_ends_of_two_prompts_are_those_of_each(tiny: LatentSynthesizer) -> None:
    prompts = ("solo flute, 90 bpm", "drums:0.5 | piano")
    settings = GenerateSettings(sampling=Sampling(seed=2), seconds=1.0)
    made = {
        position: apply("interpolate", tiny, [], InterpolateSettings(position, settings, prompts=prompts)).waveform
        for position in (0.0, 0.5, 1.0)
    }
    for position, prompt in ((0.0, prompts[0]), (1.0, prompts[1])):
        alone = apply("generate", tiny, [], replace(settings, prompt=prompt)).waveform
        np.testing.assert_array_equal(made[position], alone)
        assert np.abs(made[0.5] - alone).max() > 1e-3


def test_clips_and_prompts_may_go_together(tiny: LatentSynthesizer) -> None:
    settings = InterpolateSettings(0.5, quick(), prompts=("flute", "drums"))
    clip = apply("interpolate", tiny, [(SOUND, RATE), (SOUND, RATE)], settings)
    without = apply("interpolate", tiny, [(SOUND, RATE), (SOUND, RATE)], replace(settings, prompts=None))
    assert np.abs(clip.waveform - without.waveform).max() > 1e-4


def test_nothing_to_go_between_is_refused(tiny: LatentSynthesizer) -> None:
    refused("nothing to interpolate", lambda: apply("interpolate", tiny, [], InterpolateSettings(0.5)))
    with pytest.raises(AudiodiffError, match="takes 0 or 2 recordings, and 1 was given"):
        apply("interpolate", tiny, [(SOUND, RATE)], InterpolateSettings(0.5))
    clip = apply("interpolate", tiny, [(SOUND, RATE), (SOUND, RATE)], InterpolateSettings(0.5, quick(), 0.0))
    assert "as they are" in clip.notes[0]


def test_slerp_keeps_the_norm_of_noises_and_the_ends() -> None:
    first, second = torch.randn(2, 1, 4, 500, generator=torch.Generator().manual_seed(0)).unbind(0)
    assert torch.equal(slerp(first, second, 0.0), first)
    assert torch.equal(slerp(first, second, 1.0), second)
    assert float(slerp(first, second, 0.5).std()) == pytest.approx(1.0, abs=0.03)
    assert float((0.5 * first + 0.5 * second).std()) < 0.8  # what a straight line would make of them
    torch.testing.assert_close(slerp(first, first, 0.3), first)
    assert torch.isfinite(slerp(first, -first, 0.5)).all()
    assert not slerp(torch.zeros(3), torch.zeros(3), 0.5).any()


def test_between_two_prompts_the_tempo_moves_evenly(tiny: LatentSynthesizer) -> None:
    def tempo(first: str, second: str, position: float) -> float | None:
        return tiny.resolve(GenerateSettings(), between=((first, second), position)).beat

    assert tempo("waltz, 80 bpm", "polka, 125 bpm", 0.5) == pytest.approx(100.0)
    assert tempo("waltz, 80 bpm", "polka, 125 bpm", 0.0) == 80.0
    assert [tempo("waltz, 80 bpm", "polka", at) for at in (0.0, 0.9, 1.0)] == [80.0, 80.0, None]
    assert [tempo("waltz", "polka, 99 bpm", at) for at in (0.0, 0.1, 1.0)] == [None, 99.0, 99.0]
    assert tempo("waltz", "polka", 0.5) is None


def test_a_variation_keeps_the_beat_of_the_recording(tiny: LatentSynthesizer, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []
    forward = tiny.model.network.forward

    def spy(x, c_noise, cond, *args, **kwargs):  # type: ignore[no-untyped-def]
        seen.append(cond.beats[0])
        return forward(x, c_noise, cond, *args, **kwargs)

    monkeypatch.setattr(tiny.model.network, "forward", spy)
    monkeypatch.setattr(recording, "track_beats", lambda *_: (0.3, 0.9, 1.5, 2.1))
    apply("vary", tiny, [(SOUND, RATE)], VarySettings(quick(tempo=100.0, steps=2)))
    places = (torch.arange(len(seen[0])) + 0.5) / tiny.model.latents_per_second
    torch.testing.assert_close(seen[0], ((places - 0.3) / 0.6).float(), rtol=0, atol=1e-4)
    apply("vary", tiny, [(SOUND, RATE)], VarySettings(quick(steps=2)))
    assert seen[-1].isnan().all()
    monkeypatch.setattr(recording, "track_beats", lambda *_: ())
    clip = apply("vary", tiny, [(SOUND, RATE)], VarySettings(quick(tempo=100.0, steps=2)))
    torch.testing.assert_close(seen[-1], (places / 0.6).float(), rtol=0, atol=1e-4)
    assert any("no steady beat of 100 bpm" in note for note in clip.notes)


def test_a_varied_loop_is_a_loop_wherever_it_is_entered(
    tiny: LatentSynthesizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = tones(2.0, RATE)[: 40 * 1024]
    turned = np.roll(loop, 11 * 1024)
    seen = caught_latents(tiny, monkeypatch)
    for sound, looping in ((loop, True), (turned, True), (loop, False), (turned, False)):
        clip = apply("vary", tiny, [(sound, RATE)], VarySettings(quick(loop=looping), 0.0))
        assert clip.waveform.shape == loop.shape
        assert (clip.seam is None) is not looping
    # encoded around the circle: the place where it is cut open makes no difference
    torch.testing.assert_close(seen[1], seen[0].roll(11, dims=-1), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(seen[3][..., :40], seen[2][..., :40].roll(11, dims=-1), atol=1e-2)


def test_a_varied_loop_goes_round_the_circle_at_every_step(
    tiny: LatentSynthesizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    forward = tiny.model.network.forward

    def spy(x, *args, circular=False, **kwargs):  # type: ignore[no-untyped-def]
        seen.append(circular)
        return forward(x, *args, circular=circular, **kwargs)

    decode, vocode_mel = tiny.model.autoencoder.decode, tiny.vocoder.vocode_mel

    def spy_decode(latents, *, circular=False):  # type: ignore[no-untyped-def]
        seen.append(circular)
        return decode(latents, circular=circular)

    def spy_vocode(mel, *, circular=False, **options):  # type: ignore[no-untyped-def]
        seen.append(circular)
        return vocode_mel(mel, circular=circular, **options)

    monkeypatch.setattr(tiny.model.network, "forward", spy)
    monkeypatch.setattr(tiny.model.autoencoder, "decode", spy_decode)
    monkeypatch.setattr(tiny.vocoder, "vocode_mel", spy_vocode)
    loop = tones(2.0, RATE)[: 40 * 1024]
    clip = apply("vary", tiny, [(loop, RATE)], VarySettings(quick(loop=True, steps=4), 0.6))
    assert len(seen) > 2
    assert all(seen)
    assert clip.seam is not None
    again = apply("vary", tiny, [(loop, RATE)], VarySettings(quick(loop=True, steps=4), 0.6))
    assert np.array_equal(clip.waveform, again.waveform)


def test_a_loop_of_any_length_is_varied_as_a_loop(tiny: LatentSynthesizer) -> None:
    clip = apply("vary", tiny, [(SOUND, RATE)], VarySettings(quick(loop=True)))
    assert clip.waveform.size == SOUND.size
    assert SOUND.size % 1024
    assert clip.seam is not None
