import gc
import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from audiodiff.diffusion.names import SAMPLER_NAMES
from audiodiff.models.vocoder import HeadConfig, PriorConfig, VocoderConfig
from audiodiff.signal.levels import shift_log_mel
from audiodiff.signal.mel import PRESETS, MelSpec, log_mel
from audiodiff.synthesis.sampling import measure_levels
from audiodiff.synthesis.settings import Sampling, VocodeSettings
from audiodiff.synthesis.vocode import VocoderSynthesizer
from tests.models.vocoder.cases import ANCHORED, CONFIGS, LOW_RANK, MATCHED, make
from tests.refusals import refused

HALVES = replace(
    ANCHORED,
    head=HeadConfig(output_projections=1, output_half_projections=2, output_momentum=0.9),
    prior=PriorConfig("shaped", projections=1, half_projections=1, renewals=1, momentum=0.9),
)
STREAMED = {
    "projected": ANCHORED,
    "halves and renewals": HALVES,
    "matched": MATCHED,
    "shaped alone": replace(ANCHORED, prior=PriorConfig("shaped")),
    "white": replace(ANCHORED, prior=PriorConfig("white")),
    "delayed": VocoderConfig(PRESETS["vocos-24k"], wavenet=ANCHORED.wavenet),
}
KEEP = VocodeSettings(level="keep")


def synthesizer(config: VocoderConfig, **options) -> VocoderSynthesizer:
    return VocoderSynthesizer(make(config), delay=config.delay, reference_level_db=-20.0, **options)


def mel_of(spec: MelSpec, n_frames: int, level: float = 0.1) -> Tensor:
    """Noise that swells and fades, `[n_mels, n_frames]`."""
    samples = torch.randn(n_frames * spec.hop_length, generator=torch.Generator().manual_seed(n_frames))
    swell = 1.0 + 0.9 * torch.sin(torch.arange(len(samples)) / 3000.0)
    return log_mel(level * swell * samples, spec)[..., :n_frames]


def joined(parts: Iterator[Tensor]) -> Tensor:
    return torch.cat(list(parts), dim=-1)


@pytest.mark.parametrize("config", STREAMED.values(), ids=STREAMED)
@pytest.mark.parametrize("steps", [1, 3])
def test_a_stream_is_the_waveform_of_the_whole_mel(config: VocoderConfig, steps: int) -> None:
    synth = synthesizer(config)
    mel = mel_of(config.mel, 150)
    whole = synth.vocode_mel(mel, steps=steps, sampler="consistency", seed=3, settings=KEEP)
    parts = list(synth.stream(mel.split(9, dim=-1), steps=steps, sampler="consistency", seed=3, settings=KEEP))
    assert len(parts) > 4
    torch.testing.assert_close(joined(iter(parts)), whole, rtol=0, atol=1e-5)
    assert float(whole.abs().max()) > 0.1


@pytest.mark.parametrize("sampler", SAMPLER_NAMES)
def test_every_sampler_streams(sampler: str) -> None:
    synth, mel = synthesizer(HALVES), mel_of(HALVES.mel, 170)
    whole = synth.vocode_mel(mel, steps=3, sampler=sampler, settings=KEEP)
    parts = list(synth.stream([mel], steps=3, sampler=sampler, settings=KEEP))
    assert len(parts) > 2
    torch.testing.assert_close(joined(iter(parts)), whole, rtol=0, atol=2e-5)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 40), max_size=8), st.integers(1, 130))
def test_where_the_mel_is_cut_changes_no_bit(sizes: list[int], n_frames: int) -> None:
    synth, mel = synthesizer(HALVES), mel_of(HALVES.mel, n_frames)
    cuts = [0, *np.cumsum(sizes).clip(max=n_frames).tolist(), n_frames]
    chunks = [mel[:, start:stop] for start, stop in itertools.pairwise(cuts)]
    found = joined(synth.stream(chunks, steps=1))
    assert torch.equal(found, joined(synth.stream([mel], steps=1)))
    level_db = measure_levels([mel[None]], synth.mel_spec)[0].level_db
    whole = synth.vocode_mel(mel, steps=1)
    torch.testing.assert_close(joined(synth.stream(chunks, steps=1, level_db=level_db)), whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_any_vocoder_streams_the_samples_that_it_has_without(config: VocoderConfig) -> None:
    """Those without a streaming form in the pieces of other files, so to the bit."""
    synth = synthesizer(config, call_seconds=0.3)
    mel = mel_of(config.mel, 150)
    parts = list(synth.stream(mel.split(10, dim=-1), steps=2, settings=KEEP))
    assert len(parts) > 2
    whole = synth.vocode_mel(mel, steps=2, settings=KEEP)
    tolerance = 1e-5 if config in (ANCHORED, LOW_RANK, MATCHED) else 0.0
    torch.testing.assert_close(joined(iter(parts)), whole, rtol=0, atol=tolerance)


def test_samples_come_as_soon_as_they_are_final() -> None:
    """When the last frame that they depend on has come, and one more, for it must not be the last of all."""
    synth, mel = synthesizer(ANCHORED), mel_of(ANCHORED.mel, 120)
    hop, fed = synth.mel_spec.hop_length, 0

    def chunks() -> Iterator[Tensor]:
        nonlocal fed
        for chunk in mel.split(1, dim=-1):
            fed += 1
            yield chunk

    def made(mel: Tensor) -> Tensor:
        return joined(synth.stream([mel], steps=1, settings=KEEP))

    first = next(synth.stream(chunks(), steps=1, settings=KEEP, block_seconds=0.01))
    assert hop <= len(first) < 2 * hop
    changed = mel.clone()
    changed[:, fed - 1 :] += 1.0  # of the last frame only its being there counts
    differences = (made(changed) - made(mel)).abs()
    assert float(differences[: len(first)].max()) == 0.0
    assert float(differences[len(first) : fed * hop].max()) > 1e-3


@pytest.mark.slow
def test_a_limited_look_ahead_is_sooner_and_nearly_the_same() -> None:
    synth, mel, fed = synthesizer(HALVES), mel_of(HALVES.mel, 150), 0
    hop, block = synth.mel_spec.hop_length, 4

    def chunks() -> Iterator[Tensor]:
        nonlocal fed
        for chunk in mel.split(1, dim=-1):
            fed += 1
            yield chunk

    errors = []
    exact = joined(synth.stream([mel], steps=2, settings=KEEP))
    for frames in (1, 8, 1000):
        fed, made = 0, []
        options = {"block_seconds": block * hop / 22050, "look_ahead_seconds": frames * hop / 22050}
        for part in synth.stream(chunks(), steps=2, settings=KEEP, **options):
            made.append(part)
            assert sum(map(len, made)) in {(fed - 1 - frames) * hop, len(exact)} or frames == 1000
        found = torch.cat(made)
        assert len(found) == len(exact)
        errors.append(float((found - exact).square().mean() / exact.square().mean()))
    assert errors[2] < 1e-9 < errors[1] < 0.5 * errors[0] < 0.5


def test_the_limited_stream_ends_as_the_whole_one_does() -> None:
    """What has been guessed leaves no trace in what is final."""
    synth, mel = synthesizer(ANCHORED), mel_of(ANCHORED.mel, 120)
    whole = joined(synth.stream([mel], steps=1, settings=KEEP))
    hurried = joined(synth.stream([mel], steps=1, settings=KEEP, look_ahead_seconds=0.05))
    torch.testing.assert_close(hurried[-1000:], whole[-1000:], rtol=0, atol=1e-6)


def test_channels_arrays_and_blocks() -> None:
    synth = synthesizer(ANCHORED)
    mels = torch.stack([mel_of(ANCHORED.mel, 100), mel_of(ANCHORED.mel, 100, level=0.01)]).numpy()
    whole = synth.vocode_mel(mels, steps=2, settings=KEEP)
    for seconds in (0.02, 0.1, 3.0):
        parts = list(synth.stream([mels[..., :0], mels], steps=2, settings=KEEP, block_seconds=seconds))
        assert all(isinstance(part, np.ndarray) for part in parts)
        np.testing.assert_allclose(np.concatenate(parts, axis=-1), whole, rtol=0, atol=1e-5)


def test_an_unknown_level_is_that_of_the_beginning() -> None:
    synth, mel = synthesizer(ANCHORED), mel_of(ANCHORED.mel, 100, level=0.003)
    mel = mel.repeat(1, 2)  # as loud in the beginning as on the whole
    found, whole = joined(synth.stream([mel], steps=1)), synth.vocode_mel(mel, steps=1)
    assert (found - whole).square().mean() < 1e-4 * whole.square().mean()


def test_a_level_that_is_known_is_matched_exactly() -> None:
    synth, mel = synthesizer(ANCHORED), mel_of(ANCHORED.mel, 150)
    quiet = shift_log_mel(mel, synth.mel_spec, -12.0)
    level = measure_levels([quiet[None]], synth.mel_spec)[0].level_db
    found = joined(synth.stream([quiet], steps=1, level_db=level))
    torch.testing.assert_close(found, synth.vocode_mel(quiet, steps=1), rtol=0, atol=1e-5)


@pytest.mark.slow
def test_memory_does_not_grow() -> None:
    synth, mel = synthesizer(HALVES), mel_of(HALVES.mel, 64)
    held = []

    def chunks() -> Iterator[Tensor]:
        for index in range(30):
            if index in {10, 29}:
                gc.collect()
                held.append(sum(each.untyped_storage().nbytes() for each in gc.get_objects() if type(each) is Tensor))
            yield mel

    samples = sum(len(part) for part in synth.stream(chunks(), settings=VocodeSettings(Sampling(steps=2))))
    assert samples == 30 * 64 * 256
    assert held[1] < held[0] + 100_000


@pytest.mark.parametrize("bad", [[], [torch.zeros(80, 0)]])
def test_a_stream_without_a_frame_is_refused(bad: list[Tensor]) -> None:
    refused("at least one", lambda: list(synthesizer(ANCHORED).stream(bad)))


def test_what_cannot_be_streamed_is_one_sentence() -> None:
    synth, mel = synthesizer(ANCHORED), mel_of(ANCHORED.mel, 100)
    refused("chunk", lambda: list(synth.stream([mel, mel[:40]])))
    refused("after one of", lambda: list(synth.stream([mel, mel[None]])))
    refused("shape", lambda: list(synth.stream([mel[:40]])))
    refused("not finite", lambda: list(synth.stream([mel, mel * np.nan])))
    refused("NumPy array", lambda: list(synth.stream([mel.tolist()])))
    refused("does not fit|another", lambda: list(synth.stream([40.0 + mel])))
    refused("level_db", lambda: synth.stream([mel], level_db=np.nan))
    refused("look_ahead", lambda: synth.stream([mel], look_ahead_seconds=-1.0))
    plain = synthesizer(CONFIGS["stft"])
    refused("no streaming form", lambda: list(plain.stream([mel], look_ahead_seconds=0.1)))
    refused("block_seconds", lambda: synth.stream([mel], block_seconds=0.0))
    refused("steps", lambda: synth.stream([mel], steps=0))
