import numpy as np
import pytest
import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.nn.condition import ProjectedCondition
from audiodiff.synthesis.circular_padding import pad_circle
from audiodiff.synthesis.files import apply
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.loop import circular_resample, circular_windowed, rolled, seam_score, tiled
from audiodiff.synthesis.settings import Sampling, VocodeSettings, changed
from audiodiff.synthesis.windowed import PositionConditions
from tests.synthesis.latent_models import RATE
from tests.synthesis.recordings import quick, tones

PER_LATENT = 1024
T = torch.tensor([0.5])


@pytest.mark.parametrize("seconds", [0.5, 2.0, 3.7, 9.0])
def test_a_loop_has_exactly_the_length_asked_for(tiny: LatentSynthesizer, seconds: float) -> None:
    clip = apply("generate", tiny, [], quick(seconds=seconds, loop=True))
    assert clip.waveform.size == round(seconds * RATE)
    older = apply("generate", tiny, [], quick(seconds=seconds, loop=True, bars=0))
    assert older.waveform.size % PER_LATENT == 0
    assert any(f"({older.waveform.size} samples)" in note for note in older.notes)
    fitting = quick(seconds=30 * PER_LATENT / RATE, loop=True)
    one, other = (apply("generate", tiny, [], changed(fitting, {"bars": bars})) for bars in (0, None))
    np.testing.assert_array_equal(one.waveform, other.waveform)  # nothing to stretch


@pytest.mark.parametrize(
    ("bars", "tempo", "seconds"), [(1, 110.0, 60 * 4 / 110), (4, 174.0, 60 * 16 / 174), (2, 97.3, 60 * 8 / 97.3)]
)
def test_bars_are_as_long_as_the_tempo_says_to_the_sample(
    tiny: LatentSynthesizer, bars: int, tempo: float, seconds: float
) -> None:
    for given in ({"tempo": tempo, "bars": bars}, {"prompt": f"{tempo:g} bpm", "bars": bars, "negative": ""}):
        settings = quick(**{**given, "prompt": ""}) if "tempo" in given else quick(**given)
        assert settings.loop
        clip = tiny.resolve(settings)
        assert (clip.bars, clip.seconds, clip.tempo) == (bars, pytest.approx(seconds), tempo)
    made = apply("generate", tiny, [], quick(tempo=tempo, bars=bars))
    assert made.waveform.size == round(seconds * RATE)
    assert not any("instead" in note for note in made.notes)
    assert made.seam is not None


def test_a_loop_with_a_tempo_has_the_bars_next_to_its_seconds(tiny: LatentSynthesizer) -> None:
    clip = apply("generate", tiny, [], quick(seconds=4.0, tempo=110.0, loop=True))
    assert clip.waveform.size == round(2 * 240 / 110 * RATE)
    assert any("2 at 110 bpm" in note for note in clip.notes)
    assert tiny.resolve(quick(seconds=0.6, tempo=110.0, loop=True)).bars == 1
    assert tiny.resolve(quick(seconds=4.0, tempo=110.0)).seconds == 4.0  # no loop
    for words, settings in (("without a tempo", quick(bars=4)), ("last 1200 s", quick(bars=100, tempo=20.0))):
        with pytest.raises(AudiodiffError, match=words):
            tiny.resolve(settings)
    for wrong in (-1, 2.5, 1000, True):
        with pytest.raises(AudiodiffError, match="bars is"):
            quick(bars=wrong, tempo=100.0)


@pytest.mark.parametrize(("n", "length"), [(100, 101), (101, 100), (100, 98), (99, 101), (100, 200), (7, 7)])
def test_a_period_is_resampled_without_a_seam(n: int, length: int) -> None:
    def wave(count: int) -> Tensor:
        angle = 2 * torch.pi * torch.arange(count, dtype=torch.float64) / count
        return torch.stack([(angle + 0.3).sin() + 0.5 * (3 * angle).cos(), torch.ones(count)])

    torch.testing.assert_close(circular_resample(wave(n), length), wave(length))


def test_a_loop_goes_through_the_circle_all_the_way(tiny: LatentSynthesizer, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    decode, vocode = tiny.model.autoencoder.decode, tiny.vocoder.vocode_frames

    def spy_decode(latents: Tensor, *, circular: bool = False) -> Tensor:
        seen.append(circular)
        return decode(latents, circular=circular)

    def spy_vocode(frames: Tensor, *arguments: object, circular: bool = False) -> Tensor:
        seen.append(circular)
        return vocode(frames, *arguments, circular=circular)  # type: ignore[arg-type]

    monkeypatch.setattr(tiny.model.autoencoder, "decode", spy_decode)
    monkeypatch.setattr(tiny.vocoder, "vocode_frames", spy_vocode)
    apply("generate", tiny, [], quick(seconds=0.5, loop=True))
    assert seen == [True, True]


@pytest.mark.parametrize("seconds", [1.0, 3.7, 9.0])
def test_the_seam_does_not_stand_out_wherever_the_loop_is_entered(tiny: LatentSynthesizer, seconds: float) -> None:
    spec = tiny.model.mel_spec
    clip = apply("generate", tiny, [], quick(seconds=seconds, loop=True, seed=1))
    waveform = torch.from_numpy(clip.waveform)
    assert clip.seam == pytest.approx(seam_score(waveform, spec).ratio)
    for shift in (0, waveform.numel() // 2, waveform.numel() // 3, 777):
        assert seam_score(waveform.roll(shift), spec).closed
    worst = max(seam_score(waveform.roll(shift), spec).ratio for shift in (0, waveform.numel() // 2))
    plain = torch.from_numpy(apply("generate", tiny, [], quick(seconds=seconds, seed=1)).waveform)
    assert seam_score(plain, spec).ratio > worst
    assert seam_score(plain.roll(plain.numel() // 2), spec).ratio < seam_score(plain, spec).ratio


def test_latents_are_decoded_around_the_circle(tiny: LatentSynthesizer) -> None:
    latents = torch.randn(1, 4, 50, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        mel = tiny.model.autoencoder.decode(latents, circular=True)[0]
        turned = tiny.model.autoencoder.decode(latents.roll(7, -1), circular=True)[0]
    torch.testing.assert_close(turned, mel.roll(28, -1), rtol=0, atol=1e-4)


def test_the_waveform_goes_on_at_its_beginning_as_it_ended(tiny: LatentSynthesizer) -> None:
    mel = tiny.model.autoencoder.decode(torch.randn(1, 4, 50), circular=True)[0].detach()
    loop = tiny.vocoder.vocode_mel(mel, steps=2, circular=True)
    plan = tiny.vocoder.plan(VocodeSettings(Sampling(steps=2)))
    padding = pad_circle(mel.shape[-1], plan)
    longer = tiny.vocoder.vocode_mel(mel[:, padding.frames], steps=2)
    hop, stop = 256, (padding.first + mel.shape[-1]) * 256
    # the end is what stands before the end of a longer signal, and the first sample what follows it there
    torch.testing.assert_close(loop[padding.overlap * hop :], longer[(padding.first + padding.overlap) * hop : stop])
    torch.testing.assert_close(loop[:1], longer[stop : stop + 1], rtol=0, atol=2e-3)
    straight = tiny.vocoder.vocode_mel(mel, steps=2)
    assert float((straight[:256] - loop[:256]).abs().max()) > 1e-3


def test_short_windows_of_a_loop_give_the_same_samples(tiny: LatentSynthesizer) -> None:
    mel = tiny.model.autoencoder.decode(torch.randn(1, 4, 40), circular=True)[0].detach()
    whole = tiny.vocoder.vocode_mel(mel, circular=True)
    parts = tiny.vocoder.vocode_mel(mel, circular=True, settings=VocodeSettings(window_seconds=0.3))
    assert whole.shape == (mel.shape[-1] * 256,)
    torch.testing.assert_close(parts, whole, rtol=0, atol=1e-4)


def test_the_circle_is_turned_at_every_call_and_turned_back() -> None:
    seen: list[Tensor] = []

    def denoise(x: Tensor, t: Tensor, conditions: PositionConditions) -> Tensor:
        assert torch.equal(x[0, 0], conditions.beats)  # what is known of a place goes with it
        seen.append(x.clone())
        return 2.0 * x

    x = torch.arange(12.0).reshape(1, 1, 12)
    turning = rolled(denoise, seed=0)
    for _ in range(6):
        assert torch.equal(turning(x, T, PositionConditions(x[0, 0])), 2.0 * x)
    assert len({int(state[0, 0, 0]) for state in seen}) > 2
    assert all(torch.equal(state.sort().values, x) for state in seen)
    first = [int(state[0, 0, 0]) for state in seen]
    seen.clear()
    again = rolled(denoise, seed=0)
    for _ in range(6):
        again(x, T, PositionConditions(x[0, 0]))
    assert [int(state[0, 0, 0]) for state in seen] == first  # the seed decides


def test_short_loops_are_shown_several_times_over() -> None:
    def denoise(x: Tensor, t: Tensor, conditions: PositionConditions) -> Tensor:
        assert torch.equal(x[0, 0], conditions.beats)
        return x + torch.arange(x.shape[-1], dtype=x.dtype)

    x = torch.randn(1, 2, 4)
    torch.testing.assert_close(
        tiled(denoise, 3)(x, T, PositionConditions(x[0, 0])), x + torch.tensor([4.0, 5.0, 6.0, 7.0])
    )
    assert tiled(denoise, 1) is denoise


@pytest.mark.parametrize(("length", "window", "overlap"), [(11, 10, 3), (50, 10, 3), (23, 10, 0), (40, 10, 9)])
def test_windows_go_round_the_circle(length: int, window: int, overlap: int) -> None:
    sizes: list[int] = []

    def local(x: Tensor, t: Tensor, conditions: PositionConditions) -> Tensor:
        assert torch.equal(x[0, 0], conditions.beats)
        sizes.append(x.shape[-1])
        return 3.0 * x

    x = torch.randn(1, 2, length)
    torch.testing.assert_close(circular_windowed(local, window, overlap)(x, T, PositionConditions(x[0, 0])), 3.0 * x)
    assert set(sizes) == {window}

    def ends(x: Tensor, t: Tensor, conditions: PositionConditions) -> Tensor:
        """Wrong by 1 at the ends of a window, as networks are worst there."""
        wrong = torch.zeros_like(x)
        wrong[..., 0] = wrong[..., -1] = 1.0
        return x + wrong

    if overlap:
        error = (circular_windowed(ends, window, overlap)(x, T, PositionConditions(x[0, 0])) - x)[0, 0]
        assert float(error.max()) < 0.6  # every end lies inside another window
        assert float(error[[0, -1]].max()) <= float(error.max())


def test_loops_longer_than_the_window_are_denoised_in_windows(
    tiny: LatentSynthesizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, bool]] = []
    forward = tiny.model.network.forward

    def spy(x, *args, **options):  # type: ignore[no-untyped-def]
        seen.append((x.shape[-1], options["circular"]))
        return forward(x, *args, **options)

    monkeypatch.setattr(tiny.model.network, "forward", spy)
    apply("generate", tiny, [], quick(seconds=9.0, loop=True))
    assert set(seen) == {(tiny.window_latents, False)}
    seen.clear()
    apply("generate", tiny, [], quick(seconds=3.0, loop=True))
    assert set(seen) == {(65, True)}
    seen.clear()
    apply("generate", tiny, [], quick(seconds=1.0, loop=True))
    assert set(seen) == {(22 * 3, True)}  # three times over, for less has never been heard


def test_clicks_and_jumps_are_heard_by_the_score(tiny: LatentSynthesizer) -> None:
    spec = tiny.model.mel_spec
    time = torch.arange(100 * 256) / RATE
    beats = torch.sin(2 * torch.pi * 220.5 * time) * (1.0 + 0.3 * torch.sin(2 * torch.pi * 5 * time))
    beats = beats + 0.003 * torch.randn(beats.numel(), generator=torch.Generator().manual_seed(0))
    usual = seam_score(beats.roll(5000), spec)
    step = beats.clone()
    step[:8000] *= 3.0  # at the seam, and once more inside
    click = beats.clone()
    click[-1] += 1.0
    assert seam_score(click, spec).ratio > max(1.25, 2.0 * usual.ratio)
    assert not seam_score(click, spec).closed
    assert seam_score(torch.zeros(30000), spec).ratio == 0.0
    assert seam_score(torch.from_numpy(tones(0.5, RATE)), spec).usual > 0.0


def test_seeds_of_loops(tiny: LatentSynthesizer) -> None:
    one, again, other = (
        apply("generate", tiny, [], quick(seconds=1.0, loop=True, seed=seed)).waveform for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 0.01
    assert np.abs(one).max() > 0.0


def test_a_loop_has_a_whole_number_of_beats(tiny: LatentSynthesizer, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Tensor] = []
    forward = tiny.model.network.forward

    def spy(x: Tensor, c_noise: Tensor, cond: ProjectedCondition, *args: object, **kwargs: object) -> Tensor:
        assert cond.beats is not None
        seen.append(cond.beats[0])
        return forward(x, c_noise, cond, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(tiny.model.network, "forward", spy)
    apply("generate", tiny, [], quick(bars=1, tempo=100.0, steps=1))
    assert float(seen[0][-1] - seen[0][0] + seen[0][1] - seen[0][0]) % 4.0 == pytest.approx(0.0, abs=1e-3)
    turn = 2.0 * torch.pi * seen[0].double()
    # The same turn from each latent to the next, also from the last to the first.
    steps = torch.exp(1j * turn) / torch.exp(1j * turn.roll(1))
    torch.testing.assert_close(steps, steps[:1].expand_as(steps), rtol=0, atol=1e-4)
    clip = apply(
        "generate", tiny, [], quick(seconds=3.6, loop=True, bars=0, tempo=94.0, steps=1)
    )  # as the first version
    assert any("whole number of beats" in note for note in clip.notes)
    apply("generate", tiny, [], quick(seconds=3.6, loop=True, steps=1))
