import dataclasses
import itertools

import pytest
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.signal import mel_convert
from audiodiff.signal.mel import PRESETS, log_mel, preset
from audiodiff.signal.mel_convert import check_mel, convert_log_mel, guess_preset
from tests.refusals import refused
from tests.signal.signals import clip, noise

BASE = preset("hifigan-22k")


@pytest.mark.parametrize(
    "changes",
    [
        {"log": "log10"},
        {"log": "root4"},
        {"log": "log10", "floor": 1e-4},
        {"offset": -5.536622, "scale": 2.116101},
        {"norm": None},
        {"normalized": True},
        {"norm": None, "normalized": True, "log": "db-lmnt"},
        {"log": "db-top80", "floor": 1e-3},
    ],
)
def test_conversion_is_exact(changes):
    target = dataclasses.replace(BASE, **changes)
    waveform = noise(12000, 5, 0.05)
    expected = log_mel(waveform, target)
    source = log_mel(waveform, BASE)
    assert torch.allclose(convert_log_mel(source, BASE, target), expected, atol=2e-5)
    if "top80" not in str(changes):
        back = convert_log_mel(expected, target, BASE)
        assert torch.allclose(back, source, atol=2e-3)


def test_conversion_takes_the_power_of_the_window_gain():
    for power in (1.0, 2.0):
        source = dataclasses.replace(BASE, power=power, floor=1e-10)
        target = dataclasses.replace(source, normalized=True)
        waveform = noise(12000, 5, 0.05)
        plain, expected = log_mel(waveform, source), log_mel(waveform, target)
        assert torch.allclose(convert_log_mel(plain, source, target), expected, atol=1e-4)
        assert torch.allclose(convert_log_mel(expected, target, source), plain, atol=1e-4)


def test_lmnt_decibels_to_ln_and_back():
    lmnt = preset("diffwave-lmnt")
    ln = dataclasses.replace(lmnt, log="ln", normalized=False)
    waveform = noise(12000, 5, 0.05)
    assert torch.allclose(convert_log_mel(log_mel(waveform, lmnt), lmnt, ln), log_mel(waveform, ln), atol=1e-4)


def test_values_cut_off_are_refused_or_kept():
    waveform = torch.cat([noise(8192), torch.zeros(8192)])
    deeper = dataclasses.replace(BASE, floor=1e-7)
    value = log_mel(waveform, BASE)
    with pytest.raises(AudiodiffError, match="cut off") as caught:
        convert_log_mel(value, BASE, deeper)
    assert "hifigan-22k" in str(caught.value)
    assert "custom" in str(caught.value)
    kept = convert_log_mel(value, BASE, deeper, at_floor="keep")
    assert torch.allclose(kept, value, atol=1e-5)
    # To a higher floor nothing is lost.
    shallow = dataclasses.replace(BASE, floor=1e-3)
    assert torch.allclose(convert_log_mel(value, BASE, shallow), log_mel(waveform, shallow), atol=1e-5)


def test_the_ceiling_of_lmnt_is_refused():
    lmnt = preset("diffwave-lmnt")
    ln = dataclasses.replace(lmnt, log="ln")
    loud = torch.ones(80, 4)
    refused("cut off", lambda: convert_log_mel(loud, lmnt, ln))


@pytest.mark.parametrize("name", [name for name in PRESETS if name not in ("hifigan-22k", "matcha-22k")])
def test_conversion_between_other_presets_is_refused_with_both_named(name):
    with pytest.raises(AudiodiffError) as caught:
        convert_log_mel(torch.zeros(80, 5), BASE, preset(name))
    assert "hifigan-22k" in str(caught.value)
    assert name in str(caught.value)


def test_relative_levels_cannot_be_made_absolute():
    source = preset("teticio-22k")
    refused("relative", lambda: convert_log_mel(torch.zeros(256, 5), source, dataclasses.replace(source, log="ln")))


# -- checks and guesses ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRESETS)
def test_a_mel_fits_its_own_specification(name):
    spec = preset(name)
    for waveform in (clip(spec.sample_rate), noise(spec.sample_rate, 1, 0.2), torch.zeros(spec.sample_rate)):
        check_mel(log_mel(waveform, spec), spec)


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "riffusion-44k"])
def test_the_preset_is_guessed_from_a_clip(name):
    spec = preset(name)
    guesses = guess_preset(log_mel(clip(spec.sample_rate), spec))
    best = PRESETS[guesses[0]]
    # Presets that share their compression cannot be told apart by their values.
    assert (best.log, best.floor, best.n_mels, best.offset) == (spec.log, spec.floor, spec.n_mels, spec.offset)
    assert name in guesses


def test_only_presets_of_that_many_bands_are_asked(monkeypatch):
    """The filters of "riffusion-44k" alone take 0.7 s and 135 MB, which every command would pay."""
    asked = []
    value_range = mel_convert.value_range
    monkeypatch.setattr(mel_convert, "value_range", lambda spec: asked.append(spec) or value_range(spec))
    guess_preset(torch.randn(80, 40))
    assert {spec.n_mels for spec in asked} == {80}


def test_nothing_is_guessed_from_nonsense():
    assert guess_preset(torch.zeros(7, 10)) == ()
    assert guess_preset(torch.full((80, 10), float("nan"))) == ()
    assert guess_preset(torch.zeros(80)) == ()


GROUPS = ("hifigan-22k", "matcha-22k", "diffwave-lmnt", "fastdiff-22k")


@pytest.mark.parametrize(("made", "expected"), list(itertools.permutations(GROUPS, 2)))
def test_another_recipe_of_equal_size_is_refused_by_name(made, expected):
    value = log_mel(clip(22050), preset(made))
    with pytest.raises(AudiodiffError) as caught:
        check_mel(value, preset(expected))
    assert expected in str(caught.value)
    assert made in str(caught.value)


def test_wrong_shapes_and_values_are_named():
    spec = preset("hifigan-22k")
    for value, words in (
        (torch.zeros(100, 80), "transposed"),
        (torch.zeros(100, 90), "expected"),
        (torch.zeros(80), "shape"),
        (torch.zeros(80, 0), "no frames"),
        (torch.full((80, 4), float("inf")), "infinite"),
        (torch.full((80, 4), -400.0), "possible"),
        (torch.full((80, 4), 2.0), "loud"),
    ):
        with pytest.raises(AudiodiffError, match=words):
            check_mel(value, spec)


# -- the specification itself ------------------------------------------------------------------------------------------
