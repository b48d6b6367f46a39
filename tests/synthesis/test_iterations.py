"""More iterations of Griffin-Lim than a vocoder was trained with, and where they count."""

from dataclasses import replace

import pytest
import torch

from audiodiff.models.vocoder import FrontEndConfig, Vocoder
from audiodiff.signal.mel_spec import PRESETS
from audiodiff.synthesis.iterations import iterations_of, with_iterations
from audiodiff.synthesis.settings import Sampling, VocodeSettings
from audiodiff.synthesis.vocode import VocoderSynthesizer
from tests.refusals import refused
from tests.synthesis.test_live import HALVES, joined, mel_of, synthesizer

KEEP = VocodeSettings(Sampling(steps=2, sampler="consistency", seed=3), level="keep")


def iterated() -> VocoderSynthesizer:
    synth = synthesizer(HALVES)
    synth.model, synth.live = with_iterations(
        synth.stored, output_projections=3, output_half_projections=5, output_matching=1
    )
    return synth


def test_what_is_not_given_is_as_the_config_says() -> None:
    stored = synthesizer(HALVES).stored
    assert with_iterations(stored) == (stored, stored)
    assert with_iterations(stored, output_projections=1, output_half_projections=2) == (stored, stored)
    model, live = with_iterations(stored, renewals=4, output_projections=3)
    assert iterations_of(model) == {
        "renewals": 4,
        "output_projections": 3,
        "output_half_projections": 2,
        "output_momentum": 0.9,
        "output_matching": 0,
    }
    assert iterations_of(live) == {**iterations_of(stored), "renewals": 4}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("output_projections", -1),
        ("output_projections", "4"),
        ("output_half_projections", 1.5),
        ("output_half_projections", [4]),
        ("output_matching", 0.5),
        ("output_momentum", "0.9"),
        ("output_momentum", float("nan")),
    ],
)
def test_a_config_that_says_no_number_is_refused(name: str, value: object) -> None:
    refused(name, lambda: with_iterations(synthesizer(HALVES).stored, **{name: value}))  # type: ignore[arg-type]


def test_they_bring_the_magnitudes_of_the_waveform_closer_to_those_of_the_estimate() -> None:
    synth = synthesizer(HALVES)
    mel = mel_of(synth.mel_spec, 120)
    far = []
    for half in (0, 4, 16):
        model, _ = with_iterations(synth.stored, output_projections=1 + half // 4, output_half_projections=half)
        assert isinstance(model, Vocoder)
        synth.model = model
        made = synth.vocode_mel(mel, settings=KEEP)
        far.append(float((synth.mel(made[None], synth.sample_rate)[0][:, :120] - mel).abs().mean()))
    assert far[0] > far[1] > far[2]


@pytest.mark.parametrize("name", ["hifigan-22k", "bigvgan-44k"])
def test_matching_brings_the_mel_closer_to_the_one_asked_for(name: str) -> None:
    spec = PRESETS[name]
    synth = synthesizer(replace(HALVES, mel=spec, front_end=FrontEndConfig("stft", spec.n_fft, spec.hop_length)))
    mel = mel_of(spec, 120)
    far = []
    for matching in (0, 1, 2):
        synth.model, synth.live = with_iterations(synth.stored, output_matching=matching)
        made = synth.vocode_mel(mel, settings=KEEP)
        found = synth.mel(made[None], synth.sample_rate)[0][:, :120]
        far.append(float((found - mel).abs().mean()))
    assert far[0] > 1.1 * far[1]
    assert far[1] > far[2]


def test_a_mel_whose_levels_are_no_magnitudes_of_the_spectrum_is_refused() -> None:
    for change in ({"power": 2.0}, {"win_length": 800}, {"normalized": True}):
        config = replace(HALVES, mel=replace(HALVES.mel, **change))
        refused("output_matching is 1", lambda: with_iterations(Vocoder(config), output_matching=1))  # noqa: B023


def test_a_stream_keeps_those_of_the_config_and_its_look_ahead() -> None:
    synth, usual = iterated(), synthesizer(HALVES)
    mel = mel_of(synth.mel_spec, 150)
    found = joined(synth.stream(mel.split(9, dim=-1), settings=KEEP))
    torch.testing.assert_close(found, usual.vocode_mel(mel, settings=KEEP), rtol=0, atol=1e-5)
    assert (found - synth.vocode_mel(mel, settings=KEEP)).abs().max() > 1e-3


def test_long_mels_are_cut_where_it_changes_nothing() -> None:
    """The surroundings of a piece follow from the iterations."""
    synth = iterated()
    assert synth.plan(KEEP).context_frames > synthesizer(HALVES).plan(KEEP).context_frames
    mel = mel_of(synth.mel_spec, 700)
    whole = synth.vocode_mel(mel, settings=KEEP)
    synth.piece_frames = 250
    torch.testing.assert_close(synth.vocode_mel(mel, settings=KEEP), whole, rtol=0, atol=2e-5)
