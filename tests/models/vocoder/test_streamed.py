"""A look-ahead that is limited: what is final when, to the frame."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from audiodiff.diffusion.noise import positional_noise
from audiodiff.models.vocoder import HeadConfig, PriorConfig, VocoderConfig
from audiodiff.models.vocoder.prior import late_rows
from audiodiff.signal.mel import preset
from audiodiff.synthesis.live import SampleStream
from audiodiff.synthesis.sampling import measure_levels
from audiodiff.synthesis.settings import Sampling, VocodeSettings
from tests.models.vocoder.cases import ANCHORED, LIVE, SPEC, make
from tests.refusals import refused
from tests.synthesis.test_live import joined, mel_of, synthesizer

HOP = SPEC.hop_length


def looking(frames: int, **changes: object) -> VocoderConfig:
    return replace(LIVE, wavenet=replace(LIVE.wavenet, look_ahead=frames), **changes)


LIMITED = {
    "causal": looking(0),
    "one frame": LIVE,
    "white": looking(1, prior=PriorConfig("white")),
    "more than the stack": looking(5),  # which has dilations 1, 2, 1
    "projections": looking(
        1,
        prior=PriorConfig("shaped", projections=1, half_projections=1, renewals=2),
        head=HeadConfig(input_projections=1, output_projections=1, output_half_projections=1),
    ),
    "matched": looking(1, head=HeadConfig(output_projections=1, output_matching=2)),
    "centred": replace(VocoderConfig(preset("vocos-24k"), wavenet=LIVE.wavenet), head=LIVE.head, prior=LIVE.prior),
}
KEEP = VocodeSettings(Sampling(precision="fp32"), level="keep")


def stream(config: VocoderConfig, steps: int) -> SampleStream:
    synth = synthesizer(config)
    return SampleStream(synth.model, synth.plan(VocodeSettings(Sampling(steps=steps, sampler="consistency"))), 7)


@pytest.mark.parametrize(
    ("config", "steps", "samples"),
    [
        # What a window of 1024 overhangs its hop on one side is 384 samples; a frame of look-ahead is 256.
        (looking(0), 1, 384),
        (LIVE, 1, 384 + 256),
        (looking(2), 1, 384 + 2 * 256),
        (LIMITED["white"], 1, 384 + 256),
        # The conditioner spends what the stack of 4 leaves.
        (looking(5), 1, 384 + 5 * 256),
        # The second call sees a window of the first one's estimate: three frames, and its own one.
        (LIVE, 2, 384 + 256 + 4 * 256),
        # Three projections are three windows.
        (LIMITED["projections"], 1, 384 + 256 + 3 * 3 * 256),
        # A projection, and twice a window and a frame.
        (LIMITED["matched"], 1, 384 + 256 + (3 + 2 * 4) * 256),
        # Not limited: noise 9, its window 3, a projection before and one after the network 6, its stack 4.
        (ANCHORED, 1, 384 + (9 + 3 + 6 + 4) * 256),
    ],
)
def test_the_look_ahead_is_counted(config: VocoderConfig, steps: int, samples: int) -> None:
    assert stream(config, steps).look_ahead_samples == samples
    assert stream(config, steps).look_ahead == -(-samples // HOP)


@pytest.mark.parametrize(
    ("name", "steps"), [*((name, 1) for name in LIMITED), ("one frame", 2), ("white", 3), ("projections", 2)]
)
def test_what_is_final_depends_on_nothing_that_comes_later(name: str, steps: int) -> None:
    """Of the one-shot output: samples as far as they are counted stay, those of the next hop do not."""
    config = LIMITED[name]
    synth, known, later = synthesizer(config), 60, 40
    # What passes through several windows or layers is hardly to be seen at the edge of what they reach.
    near = HOP if steps == 1 and name not in {"projections", "matched", "more than the stack"} else 20 * HOP
    delay, final = config.delay, known * HOP - stream(config, steps).look_ahead_samples
    mel = mel_of(config.mel, known + later)
    options = {"steps": steps, "sampler": "consistency", "seed": 7, "settings": KEEP}
    whole, changed = synth.vocode_mel(mel, **options), mel.clone()
    changed[:, known:] += 1.0
    for other in (changed, mel[:, :known]):  # another end, and none
        found = synth.vocode_mel(other, **options)
        difference = (found - whole[: len(found)]).abs()
        assert float(difference[: final - delay].max()) < 1e-6
        assert float(difference[final - delay : final - delay + near].max()) > 3e-6
    # And the stream has put out just these when so many frames have come.
    running = stream(config, steps)
    states = torch.cat([running.push(part, last=False) for part in mel[:, :known].split(1, dim=-1)])
    assert len(states) == final
    torch.testing.assert_close(states[delay:], whole[: final - delay], rtol=0, atol=1e-5)


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.integers(0, 30), max_size=8), st.integers(1, 90), st.integers(1, 20), st.sampled_from(sorted(LIMITED))
)
def test_any_chunks_and_packets_are_the_whole(sizes: list[int], n_frames: int, packet: int, name: str) -> None:
    config = LIMITED[name]
    synth, mel = synthesizer(config), mel_of(config.mel, n_frames)
    whole = synth.vocode_mel(mel, steps=1, settings=KEEP)
    cuts = [0, *itertools.accumulate(sizes), n_frames]
    chunks = [mel[:, start:stop] for start, stop in itertools.pairwise(min(cut, n_frames) for cut in cuts)]
    seconds = packet * HOP / config.mel.sample_rate
    found = joined(synth.stream(chunks, steps=1, settings=KEEP, block_seconds=seconds))
    torch.testing.assert_close(found, whole, rtol=0, atol=1e-5)


def test_a_packet_leaves_with_the_frame_that_makes_it_final() -> None:
    synth, mel, fed = synthesizer(LIVE), mel_of(SPEC, 50), 0

    def frames() -> Iterator[Tensor]:
        nonlocal fed
        for frame in mel.split(1, dim=-1):
            fed += 1
            yield frame

    made = 0
    for part in synth.stream(frames(), steps=1, settings=KEEP, block_seconds=HOP / 22050):
        made += len(part)
        assert made in {fed * HOP - 640, 50 * HOP}
    assert made == 50 * HOP


def test_a_loud_beginning_is_no_other_mel_but_a_loud_second_is() -> None:
    """The first packet is made of four frames, too few to tell."""
    synth = synthesizer(LIVE)
    loud = torch.full((SPEC.n_mels, 100), 0.5)
    packets = synth.stream(loud.split(1, dim=-1), steps=1, settings=KEEP, block_seconds=HOP / 22050)
    assert len(next(packets)) > 0
    refused("would be loud", lambda: list(packets))


def test_noise_is_shaped_by_the_mel_of_a_moment_ago() -> None:
    rows = torch.arange(6.0).view(1, 6, 1)
    assert late_rows(rows, 2).flatten().tolist() == [0, 0, 0, 1, 2, 3]
    assert late_rows(rows, 0) is rows
    model, mel = make(LIVE), mel_of(SPEC, 40)[None]
    cut = mel.clone()
    cut[..., 20:] = -11.0
    noise = torch.randn(1, 1, 40 * HOP)
    before, after = (model.shape_noise(noise, model.condition(each)) for each in (mel, cut))
    start = (20 + 3) * HOP - 384  # where the first window begins that is shaped by frame 20
    assert torch.equal(before[..., :start], after[..., :start])
    assert not torch.equal(before[..., start : start + 2 * HOP], after[..., start : start + 2 * HOP])


def test_the_noise_of_training_is_that_of_sampling() -> None:
    model, mel = make(LIMITED["projections"]), mel_of(SPEC, 60)[None]
    white = positional_noise(5, 0, 0, 60 * HOP)[None]
    shaped = model.shape_noise(white, model.condition(mel))
    torch.testing.assert_close(model.noise(mel, 5, 0)(0), shaped, rtol=0, atol=1e-6)


def test_limits_that_have_no_meaning_are_refused() -> None:
    refused("anchored", lambda: replace(LIVE, head=HeadConfig("plain", output_projections=0)))


def test_a_level_that_is_known_is_matched_packet_by_packet() -> None:
    synth, mel = synthesizer(LIVE), mel_of(SPEC, 60, level=0.02)
    level = measure_levels([mel[None]], SPEC)[0].level_db
    found = joined(synth.stream(mel.split(1, dim=-1), steps=1, level_db=level, block_seconds=HOP / 22050))
    torch.testing.assert_close(found, synth.vocode_mel(mel, steps=1), rtol=0, atol=1e-5)
