import itertools

import numpy as np
import pytest
import torch

from audiodiff.diffusion.process import CosineVP, DiscreteVP, LinearVP, Process, RectifiedFlow, VarianceExploding
from audiodiff.diffusion.times import GRIDS, check_grid
from audiodiff.synthesis.clip import part_of
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.recording import (
    ENCODE_RMS,
    encode_audio,
    init_state,
    load_init_audio,
    samples_per_latent,
    start_time,
    times_from,
)
from tests.refusals import refused
from tests.synthesis.latent_models import RATE
from tests.synthesis.recordings import quick, tones

PROCESSES = [RectifiedFlow(), CosineVP(), LinearVP(), DiscreteVP((0.01,) * 50), VarianceExploding()]


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: type(process).__name__)
def test_time_grows_with_strength_from_clean_to_noise(process: Process) -> None:
    strengths = [0.0, 1e-9, 0.01, 0.2, 0.4, 0.6, 0.8, 1.0]
    times = [start_time(process, strength) for strength in strengths]
    assert times[0] == 0.0
    assert times[-1] == process.t_max
    assert all(one <= other for one, other in itertools.pairwise(times))
    assert times[2] < times[5]
    at = torch.tensor(times[4], dtype=torch.float64)
    alpha, sigma = float(process.alpha(at)), float(process.sigma(at))
    if times[4] < process.t_max:
        assert sigma / (alpha + sigma) == pytest.approx(0.4, abs=1e-6)


def test_on_a_rectified_flow_strength_is_time() -> None:
    assert start_time(RectifiedFlow(), 0.37) == pytest.approx(0.37, abs=1e-12)


@pytest.mark.parametrize("grid", sorted(GRIDS))
@pytest.mark.parametrize("start", [1e-6, 0.04, 0.0501, 0.3, 0.999, 1.0])
def test_the_rest_of_a_grid_is_a_grid(grid: str, start: float) -> None:
    process = RectifiedFlow()
    times = GRIDS[grid](process, 20)
    rest = times_from(times, start)
    check_grid(process, rest)
    assert float(rest[0]) == start
    assert len(rest) - 1 <= 20
    steps = -rest.diff()
    if len(steps) > 1:
        assert float(steps[0]) > 0.4 * float(steps[1])  # no call for next to nothing


def test_less_noise_takes_fewer_steps() -> None:
    counts = [len(times_from(GRIDS["uniform"](RectifiedFlow(), 20), strength)) - 1 for strength in (0.1, 0.4, 1.0)]
    assert counts == [2, 8, 20]


def test_a_recording_is_brought_to_the_level_and_rate_of_the_model(tiny: LatentSynthesizer) -> None:
    sound = 0.05 * np.stack([tones(1.0, 44100), tones(1.0, 44100, seed=1)])
    recording = load_init_audio(tiny, sound, 44100, mono=False)
    assert recording.samples.shape == (2, RATE)
    assert float(recording.samples.square().mean().sqrt()) == pytest.approx(ENCODE_RMS, rel=1e-3)
    assert recording.notes == ()
    np.testing.assert_array_equal(recording.original.numpy(), sound)
    mixed = load_init_audio(tiny, sound, 44100, mono=True)
    assert mixed.original.shape == (1, 44100)
    assert "2 channels" in mixed.notes[0]


@pytest.mark.parametrize("sound", [np.zeros(500, np.float32), 1e-6 * tones(0.1, RATE)])
def test_silence_is_said_and_not_amplified(tiny: LatentSynthesizer, sound: np.ndarray) -> None:
    recording = load_init_audio(tiny, sound, RATE, mono=True)
    assert recording.gain == 1.0
    assert "silence" in recording.notes[0]


@pytest.mark.parametrize(
    ("sound", "rate", "message"),
    [
        (np.zeros(0, np.float32), RATE, "empty"),
        (np.zeros((0, 5), np.float32), RATE, "empty"),
        (np.zeros((2, 2, 2), np.float32), RATE, "shape"),
        (np.array([0.1, np.nan], np.float32), RATE, "not finite"),
        (np.array([1, 2], np.int16), RATE, "int16"),
        (np.full(10, 30000.0, np.float32), RATE, "full scale"),
        (np.zeros(10, np.float32), 0, "sample_rate is 0"),
        (np.zeros(600_001, np.float32), 1000, "at most 600 s"),
    ],
)
def test_what_is_no_recording_is_refused(tiny: LatentSynthesizer, sound: np.ndarray, rate: int, message: str) -> None:
    refused(message, lambda: load_init_audio(tiny, sound, rate, mono=True))


def test_a_piece_is_encoded_as_within_the_whole(tiny: LatentSynthesizer) -> None:
    samples = torch.from_numpy(tones(6.0, RATE))
    whole = encode_audio(tiny, samples, 0, 120)
    for start, stop in ((0, 30), (7, 8), (40, 90), (100, 120)):
        torch.testing.assert_close(encode_audio(tiny, samples, start, stop), whole[..., start:stop], rtol=0, atol=1e-4)
    assert encode_audio(tiny, samples, 500, 503).shape == (1, 4, 3)  # silence beyond the end
    assert encode_audio(tiny, samples[:1], 0, 2).shape == (1, 4, 2)


def test_where_denoising_begins(tiny: LatentSynthesizer) -> None:
    latents = torch.randn(1, 4, 30, generator=torch.Generator().manual_seed(0))
    noise = tiny.noise(3, 0, 5, 35)
    state, times = init_state(tiny, tiny.resolve(quick(seed=3, steps=10)).sampling, latents, 0.25, start=5)
    torch.testing.assert_close(state, 0.75 * latents + 0.25 * noise)
    assert float(times[0]) == pytest.approx(0.25, abs=1e-12)
    state, times = init_state(tiny, tiny.resolve(quick(seed=3, steps=10)).sampling, latents, 1.0, start=5)
    torch.testing.assert_close(state, noise)
    assert len(times) == 11


def test_progress_of_parts_is_that_of_the_whole() -> None:
    seen: list[tuple[float, float]] = []
    for index in range(2):
        report = part_of(lambda done, total: seen.append((done, total)), index, 2)
        assert report is not None
        for step in (1.0, 2.0, 3.0):
            report(step, 3.0)
    assert seen == [(float(done), 6.0) for done in range(1, 7)]
    assert part_of(None, 0, 2) is None


def test_a_latent_stands_for_its_samples(tiny: LatentSynthesizer) -> None:
    assert samples_per_latent(tiny) == 1024


def test_opposite_phases_leave_nothing_to_edit_in_mono(tiny: LatentSynthesizer) -> None:
    sound = tones(1.0, RATE)
    refused("opposite phase", lambda: load_init_audio(tiny, np.stack([sound, -sound]), RATE, mono=True))
    assert load_init_audio(tiny, np.stack([sound, -sound]), RATE, mono=False).gain > 0.0
