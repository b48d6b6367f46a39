import math

import numpy as np
import pytest
import torch

from audiodiff.diffusion.guidance import region_mask
from audiodiff.diffusion.samplers import Denoise
from audiodiff.errors import AudiodiffError
from audiodiff.signal.limiter import true_peak
from audiodiff.synthesis.edit_settings import EditSettings
from audiodiff.synthesis.files import apply
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.recording import encode_audio, load_init_audio
from audiodiff.synthesis.verbs.extend import ExtendSettings, _passes
from audiodiff.synthesis.verbs.inpaint import InpaintSettings, _groups
from tests.synthesis.latent_models import RATE
from tests.synthesis.recordings import quick, tones

SOUND = tones(6.0, RATE)


def changed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Places where samples differ."""
    return np.flatnonzero((np.atleast_2d(before) != np.atleast_2d(after)).any(axis=0))


@pytest.mark.parametrize("rate", [RATE, 44100, 16000])
def test_outside_the_regions_every_sample_is_kept(tiny: LatentSynthesizer, rate: int) -> None:
    sound = np.stack([tones(6.0, rate), 1.7 * tones(6.0, rate, seed=1)])
    clip = apply("inpaint", tiny, [(sound, rate)], InpaintSettings(((1.0, 2.0), (4.1, 4.2)), quick()))
    assert clip.sample_rate == rate
    assert clip.waveform.shape == sound.shape
    assert clip.waveform.dtype == np.float32
    conditions = changed(sound, clip.waveform) / rate
    assert conditions.min() >= 1.0
    assert conditions.max() < 4.2
    assert not ((conditions >= 2.0) & (conditions < 4.1)).any()
    inside = ((conditions >= 1.0) & (conditions < 2.0)).sum() / rate
    assert inside > 0.98  # all of it is new


@pytest.mark.parametrize(
    ("region", "kept"),
    [((0.0, 1.0), slice(RATE, None)), ((5.5, 6.0), slice(0, round(5.5 * RATE))), ((3.0, 3.02), slice(0, 3 * RATE))],
)
def test_regions_may_touch_the_ends_and_be_short(
    tiny: LatentSynthesizer, region: tuple[float, float], kept: slice
) -> None:
    clip = apply("inpaint", tiny, [(SOUND, RATE)], InpaintSettings((region,), quick()))
    assert clip.waveform.shape == SOUND.shape
    np.testing.assert_array_equal(clip.waveform[kept], SOUND[kept])
    assert changed(SOUND, clip.waveform).size > 0
    if region[0] == 0.0:
        assert abs(clip.waveform[0]) < 0.01 * np.abs(clip.waveform[:RATE]).max()  # faded in, for nothing is before it


def test_the_fill_grows_out_of_the_recording(tiny: LatentSynthesizer) -> None:
    def middle(crossfade: float) -> np.ndarray:
        settings = InpaintSettings(((2.0, 4.0),), quick(), crossfade=crossfade)
        return apply("inpaint", tiny, [(SOUND, RATE)], settings).waveform

    hard, soft = middle(0.0), middle(0.2)
    edge, fade = 2 * RATE, round(0.2 * RATE)
    assert np.abs(soft[edge : edge + 20] - SOUND[edge : edge + 20]).max() < 0.01
    assert np.abs(hard[edge : edge + 20] - SOUND[edge : edge + 20]).max() > 0.01
    differs = changed(hard, soft)
    assert set(differs) <= {*range(edge, edge + fade), *range(4 * RATE - fade, 4 * RATE)}


def test_the_noise_of_a_place_is_the_same_wherever_the_region_begins(
    tiny: LatentSynthesizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    states: list[tuple[int, torch.Tensor]] = []
    whole = LatentSynthesizer.sample

    def spy(self: LatentSynthesizer, settings, denoise, x, times, *, start=0, **others):  # type: ignore[no-untyped-def]
        states.append((start, x.clone()))
        return whole(self, settings, denoise, x, times, start=start, **others)

    monkeypatch.setattr(LatentSynthesizer, "sample", spy)
    for region in ((2.5, 3.0), (3.0, 3.5)):
        apply("inpaint", tiny, [(SOUND, RATE)], InpaintSettings((region,), quick(seed=4), strength=1.0))
    (first, one), (second, other) = states
    assert first < second < first + one.shape[-1]
    common = first + one.shape[-1] - second
    assert common > 10
    torch.testing.assert_close(one[..., -common:], other[..., :common], rtol=0, atol=0)


def test_what_a_region_held_is_not_heard(tiny: LatentSynthesizer, monkeypatch: pytest.MonkeyPatch) -> None:
    other = SOUND.copy()
    other[2 * RATE : 4 * RATE] = np.random.default_rng(0).standard_normal(2 * RATE) * 0.1
    other *= np.sqrt(np.square(SOUND).mean() / np.square(other).mean())  # clips are encoded at one level
    other[: 2 * RATE], other[4 * RATE :] = SOUND[: 2 * RATE], SOUND[4 * RATE :]
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    states: list[torch.Tensor] = []
    sample = tiny.sample

    def spy(denoise: Denoise, known: torch.Tensor, keep: torch.Tensor) -> Denoise:
        seen.append((known, keep))
        return region_mask(denoise, known, keep)

    def spy_sample(settings, denoise, x, times, **options):  # type: ignore[no-untyped-def]
        states.append(x)
        return sample(settings, denoise, x, times, **options)

    monkeypatch.setattr("audiodiff.synthesis.joining.region_mask", spy)
    monkeypatch.setattr(tiny, "sample", spy_sample)
    for strength in (1.0, 0.3):
        for sound in (SOUND, other):
            apply("inpaint", tiny, [(sound, RATE)], InpaintSettings(((2.0, 4.0),), quick(), strength))
    (one, keep), (two, _) = seen[:2]
    difference = (one - two).abs().amax(dim=(0, 1))
    assert float(difference[keep == 1].max()) < 0.25 * float(difference[keep == 0].max())
    assert int((keep == 0).sum()) <= math.ceil(2.0 * RATE / 1024) + 2
    assert torch.equal(states[0], states[1])  # all new: from noise alone
    assert float((states[2] - states[3]).abs().max()) > 0.1 * float(difference.max())  # in part: from what was there


@pytest.mark.parametrize("extending", [False, True])
def test_a_model_that_can_be_told_is_told_what_is_kept(
    tiny: LatentSynthesizer, monkeypatch: pytest.MonkeyPatch, extending: bool
) -> None:
    masks: list[tuple[torch.Tensor, torch.Tensor]] = []
    told: list[torch.Tensor | None] = []
    forward = tiny.model.network.forward

    def spy(denoise: Denoise, known: torch.Tensor, keep: torch.Tensor) -> Denoise:
        masks.append((known, keep))
        return region_mask(denoise, known, keep)

    def spy_forward(x, c_noise, cond, *args, **kwargs):  # type: ignore[no-untyped-def]
        told.append(cond.known)
        return forward(x, c_noise, cond, *args, **kwargs)

    monkeypatch.setattr("audiodiff.synthesis.joining.region_mask", spy)
    monkeypatch.setattr(tiny.model.network, "forward", spy_forward)
    if extending:
        apply("extend", tiny, [(SOUND[: 3 * RATE], RATE)], ExtendSettings(0.5, quick(guidance=2.0)))
    else:
        apply("inpaint", tiny, [(SOUND[: 4 * RATE], RATE)], InpaintSettings(((1.0, 2.0),), quick(guidance=2.0)))
    ((known, keep),) = masks
    rows = [row[None] for each in told for row in (torch.full((1, 1), torch.nan) if each is None else each)]
    given = [row for row in rows if not bool(row.isnan().all())]
    assert len(given) == len(rows) - len(given) > 0  # what is wanted is told, what guidance leads away from is not
    for row in given:
        assert torch.equal(row[0].isnan().any(dim=0), keep == 0)
        assert torch.equal(row[..., keep == 1], known[..., keep == 1])


def test_the_level_at_the_joins_is_that_of_the_recording(
    tiny: LatentSynthesizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(sound: np.ndarray) -> list[np.ndarray]:
        filled = apply("inpaint", tiny, [(sound, RATE)], InpaintSettings(((2.0, 4.0),), quick())).waveform[
            2 * RATE : 4 * RATE
        ]
        extended = apply("extend", tiny, [(sound, RATE)], ExtendSettings(1.0, quick())).waveform[sound.size :]
        return [filled, extended]

    usual = made(SOUND)
    for one, soft in zip(usual, made(0.1 * SOUND), strict=True):
        np.testing.assert_allclose(soft, 0.1 * one, atol=2e-3 * np.abs(one).max())
    # A model that is too loud by 4 dB everywhere, which what it makes of the kept sound tells; an untrained one is off
    # by more than the bound anyway.
    monkeypatch.setattr("audiodiff.signal.join.LARGEST_GAIN_DB", 60.0)
    usual = made(SOUND)
    waveform = tiny.waveform
    monkeypatch.setattr(tiny, "waveform", lambda *arguments: 1.6 * waveform(*arguments))
    for one, other in zip(usual, made(SOUND), strict=True):
        np.testing.assert_allclose(other, one, atol=1e-3 * np.abs(one).max())


def test_channels_are_filled_alike_and_each_by_itself(tiny: LatentSynthesizer) -> None:
    settings = InpaintSettings(((2.0, 3.0),), quick())
    other = tones(6.0, RATE, seed=1)
    mono = apply("inpaint", tiny, [(SOUND, RATE)], settings).waveform
    both = apply("inpaint", tiny, [(np.stack([SOUND, SOUND]), RATE)], settings).waveform
    np.testing.assert_array_equal(both, np.stack([mono, mono]))
    mixed = apply("inpaint", tiny, [(np.stack([SOUND, other, SOUND]), RATE)], settings).waveform
    np.testing.assert_array_equal(mixed[0], mixed[2])
    assert np.abs(mixed[0] - mixed[1]).max() > 0.01


def test_regions_outside_are_refused_or_cut_with_a_note(tiny: LatentSynthesizer) -> None:
    with pytest.raises(AudiodiffError, match=r"region 6:7 begins after the end .* 6\.00 s"):
        apply("inpaint", tiny, [(SOUND, RATE)], InpaintSettings(((1, 2), (6, 7)), quick()))
    clip = apply("inpaint", tiny, [(SOUND, RATE)], InpaintSettings(((5, 9),), quick()))
    assert "cut at the end" in clip.notes[0]
    assert clip.waveform.shape == SOUND.shape
    assert (
        "nothing of it is kept" in apply("inpaint", tiny, [(SOUND, RATE)], InpaintSettings(((0, 6),), quick())).notes[0]
    )
    assert "strength is 0" in apply("inpaint", tiny, [(SOUND, RATE)], InpaintSettings(((1, 2),), quick(), 0.0)).notes[0]


@pytest.mark.parametrize("seconds", [0.03, 0.5, 2.0])
def test_short_and_silent_recordings_are_filled(tiny: LatentSynthesizer, seconds: float) -> None:
    n_samples = round(seconds * RATE)
    for sound in (SOUND[:n_samples], np.zeros(n_samples, np.float32)):
        clip = apply("inpaint", tiny, [(sound, RATE)], InpaintSettings(((0.005, 0.025),), quick()))
        assert clip.waveform.shape == sound.shape
        assert np.isfinite(clip.waveform).all()
        conditions = changed(sound, clip.waveform)
        assert conditions.size == 0 or (conditions.min() >= 0.005 * RATE - 1 and conditions.max() <= 0.025 * RATE)


def test_steps_of_all_regions_and_channels_are_reported(tiny: LatentSynthesizer) -> None:
    seen: list[tuple[float, float]] = []
    sound = np.stack([tones(9.0, RATE), tones(9.0, RATE, seed=1)])
    settings = InpaintSettings(((1, 1.5), (7, 7.5)), quick(steps=2))
    apply("inpaint", tiny, [(sound, RATE)], settings, lambda done, total: seen.append((done, total)))
    # 2 steps and 1 of the vocoder, 2 channels, 2 regions far apart
    assert list(dict.fromkeys(seen)) == [(float(step), 12.0) for step in range(1, 13)]


def test_regions_near_each_other_are_filled_together() -> None:
    assert _groups([(0, 5), (8, 9), (30, 40)], 10) == [[0, 1], [2]]
    assert _groups([(0, 5)], 10) == [[0]]


# -- going on ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("rate", [RATE, 44100, 8000])
def test_the_recording_is_kept_sample_for_sample(tiny: LatentSynthesizer, before: bool, rate: int) -> None:
    sound = np.stack([tones(2.5, rate), tones(2.5, rate, seed=1)])
    clip = apply("extend", tiny, [(sound, rate)], ExtendSettings(5.3, quick(), before))
    added = round(5.3 * rate)
    assert clip.sample_rate == rate
    assert clip.waveform.shape == (2, sound.shape[1] + added)
    kept, new = (clip.waveform[:, added:], clip.waveform[:, :added]) if before else np.split(clip.waveform, [-added], 1)
    np.testing.assert_array_equal(kept, sound)
    for part in np.array_split(new, 5, axis=1):
        assert float(np.square(part).mean()) > 1e-6  # sound all the way


@pytest.mark.parametrize("name", ["extend", "lead in", "inpaint"])
@pytest.mark.parametrize("gain", [1.0, 3.2])
def test_what_is_new_is_never_clipped_and_joins_without_a_step(
    tiny: LatentSynthesizer, monkeypatch: pytest.MonkeyPatch, name: str, gain: float
) -> None:
    sound = (gain * tones(2.5, RATE)).clip(-1.0, 1.0)
    own = tiny.waveform
    monkeypatch.setattr(tiny, "waveform", lambda *arguments: 4.0 * own(*arguments))
    made = {}
    for level in ("none", "limit"):
        clip: EditSettings = ExtendSettings(2.0, quick(level=level), before=name == "lead in")
        if name == "inpaint":
            clip = InpaintSettings(((0.8, 1.7),), quick(level=level))
        made[level] = apply(name.replace("lead in", "extend"), tiny, [(sound, RATE)], clip)
    limited, plain = made["limit"].waveform, made["none"].waveform
    added = len(limited) - len(sound)
    new = {
        "extend": slice(len(sound), None),
        "lead in": slice(0, added),
        "inpaint": slice(round(0.8 * RATE), round(1.7 * RATE)),
    }[name]
    kept = np.ones(len(limited), bool)
    kept[new] = False
    np.testing.assert_array_equal(limited[kept], plain[kept])
    assert np.abs(limited[new]).max() <= max(10 ** (-1 / 20) * 1.01, np.abs(sound).max()) + 1e-6
    inside = torch.from_numpy(limited[new][round(0.06 * RATE) : -round(0.06 * RATE)])
    assert true_peak(inside * torch.hann_window(len(inside)) ** 0.01, RATE) <= 10 ** (-1 / 20) * 1.01
    assert made["limit"].clipped <= made["none"].clipped
    ends = [0] if name != "lead in" else [-1]
    for end in [0, -1] if name == "inpaint" else ends:
        assert abs(limited[new][end] - plain[new][end]) < 0.02


def test_the_new_sound_begins_where_the_recording_ends(tiny: LatentSynthesizer) -> None:
    time = np.arange(3 * RATE) / RATE
    tone = (0.3 * np.sin(2 * np.pi * 220.0 * time)).astype(np.float32)
    for before in (False, True):
        soft = apply("extend", tiny, [(tone, RATE)], ExtendSettings(1.0, quick(), before)).waveform
        hard = apply("extend", tiny, [(tone, RATE)], ExtendSettings(1.0, quick(), before, crossfade=0.0)).waveform
        join = RATE if before else tone.size
        usual = np.abs(np.diff(tone)).max()
        assert abs(soft[join] - soft[join - 1]) < 1.2 * usual
        assert abs(hard[join] - hard[join - 1]) > 1.2 * usual


def test_trimmed_samples_are_replaced(tiny: LatentSynthesizer) -> None:
    trimmed = round(0.25 * RATE)
    for before in (False, True):
        clip = apply("extend", tiny, [(SOUND, RATE)], ExtendSettings(1.0, quick(), before, trim=0.25))
        assert clip.waveform.size == SOUND.size + RATE
        there = clip.waveform[RATE:] if before else clip.waveform[: SOUND.size]
        conditions = changed(SOUND, there)
        low, high = (0, trimmed) if before else (SOUND.size - trimmed, SOUND.size)
        assert conditions.size > 0.95 * trimmed
        assert low <= conditions.min() <= conditions.max() < high
    with pytest.raises(AudiodiffError, match=r"trim is 7 s, but the recording has only 6\.00 s"):
        apply("extend", tiny, [(SOUND, RATE)], ExtendSettings(1.0, trim=7.0))


def test_what_goes_on_depends_on_what_was_heard(tiny: LatentSynthesizer) -> None:
    def after(sound: np.ndarray) -> np.ndarray:
        return apply("extend", tiny, [(sound, RATE)], ExtendSettings(1.0, quick(), crossfade=0.0)).waveform[
            SOUND.size :
        ]

    near, far = SOUND.copy(), SOUND.copy()
    near[-RATE:] = near[-RATE:][::-1]
    far[:RATE] = far[:RATE][::-1]  # beyond the half window that is listened to
    heard, unheard = (np.abs(after(sound) - after(SOUND)).max() for sound in (near, far))
    assert heard > 100.0 * unheard


@pytest.mark.parametrize("before", [False, True])
def test_each_window_goes_on_from_what_is_known(
    tiny: LatentSynthesizer, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    made: list[torch.Tensor] = []
    sample = tiny.sample

    def spy(denoise: Denoise, known: torch.Tensor, keep: torch.Tensor) -> Denoise:
        seen.append((known[0], keep))
        return region_mask(denoise, known, keep)

    def spy_sample(*arguments, **options):  # type: ignore[no-untyped-def]
        made.append(sample(*arguments, **options))
        return made[-1]

    monkeypatch.setattr("audiodiff.synthesis.joining.region_mask", spy)
    monkeypatch.setattr(tiny, "sample", spy_sample)
    apply("extend", tiny, [(SOUND, RATE)], ExtendSettings(6.0, quick(), before))
    window = tiny.window_latents
    n_whole = (SOUND.size - 512) // 1024
    latents = encode_audio(tiny, load_init_audio(tiny, SOUND, RATE, mono=True).samples[0], 0, n_whole)[0]
    assert len(seen) >= 3
    for index, (known, keep) in enumerate(seen):
        # As if time ran backwards, where the new sound comes before: what is known comes first.
        order = known.flip(-1) if before else known
        mask = keep.flip(-1) if before else keep
        heard = int(mask.sum())
        assert mask.numel() == window
        assert heard >= window // 2
        assert bool((mask[:heard] == 1).all())
        if index == 0:
            # The latent next to the join has heard what lies beyond it, so it is replaced.
            nearest = latents[:, 1 : 1 + heard].flip(-1) if before else latents[:, -heard:]
            torch.testing.assert_close(order[:, :heard], nearest, rtol=0, atol=1e-4)
        else:
            last = made[index - 1][0].flip(-1) if before else made[index - 1][0]
            torch.testing.assert_close(order[:, :heard], last[:, -heard:])


@pytest.mark.parametrize("n_samples", [1, 400, 3000])
@pytest.mark.parametrize("before", [False, True])
def test_the_shortest_recordings_go_on(tiny: LatentSynthesizer, n_samples: int, before: bool) -> None:
    clip = apply("extend", tiny, [(SOUND[:n_samples], RATE)], ExtendSettings(0.5, quick(), before))
    assert clip.waveform.size == n_samples + round(0.5 * RATE)
    assert np.isfinite(clip.waveform).all()
    assert ("too short to be continued" in " ".join(clip.notes)) == (n_samples < 1000)
    silent = apply("extend", tiny, [(np.zeros(n_samples, np.float32), RATE)], ExtendSettings(0.5, quick(), before))
    assert "silence" in silent.notes[0]


def test_seeds_and_tensors(tiny: LatentSynthesizer) -> None:
    settings = ExtendSettings(1.0, quick(seed=1))
    one = apply("extend", tiny, [(SOUND, RATE)], settings).waveform
    np.testing.assert_array_equal(one, apply("extend", tiny, [(torch.from_numpy(SOUND), RATE)], settings).waveform)
    assert (
        np.abs(one - apply("extend", tiny, [(SOUND, RATE)], ExtendSettings(1.0, quick(seed=2))).waveform).max() > 0.01
    )


@pytest.mark.parametrize(
    ("known", "total", "expected"),
    [
        (5, 10, [(0, 10)]),
        (5, 12, [(0, 10), (2, 12)]),
        (5, 21, [(0, 10), (5, 15), (10, 20), (11, 21)]),
        (0, 8, [(0, 8)]),
        (3, 8, [(0, 8)]),
        (5, 5, []),
    ],
)
def test_windows_move_on_and_know_half(known: int, total: int, expected: list[tuple[int, int]]) -> None:
    assert list(_passes(known, total, window=10, context=5)) == expected
