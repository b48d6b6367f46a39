import pytest

from audiodiff.errors import AudiodiffError
from audiodiff.signal import mel_spec
from audiodiff.signal.mel_spec import PRESETS, MelSpec, preset
from tests.refusals import refused


@pytest.mark.parametrize("name", PRESETS)
def test_round_trip_through_a_dictionary(name):
    assert mel_spec.from_dict(mel_spec.to_dict(PRESETS[name])) == PRESETS[name]
    assert mel_spec.from_dict(name) == PRESETS[name]


def test_bad_dictionaries_are_refused():
    values = mel_spec.to_dict(preset("hifigan-22k"))
    for changed, words in (
        ({**values, "hop": 3}, "hop"),
        ({key: value for key, value in values.items() if key != "floor"}, "floor"),
        ({**values, "n_fft": 1024.5}, "n_fft"),
        ({**values, "normalized": 1}, "normalized"),
        ({**values, "log": "log2"}, "log2"),
        ({**values, "f_max": 12000}, "half the sample rate"),
    ):
        with pytest.raises(AudiodiffError, match=words):
            mel_spec.from_dict(changed)
    refused("hifigan-22k", lambda: preset("hifigan"))


@pytest.mark.parametrize(
    "changes",
    [{"hop_length": 0}, {"win_length": 2048}, {"f_min": 9000.0}, {"hop_length": 255}, {"floor": 0.0}, {"norm": "x"}],
)
def test_impossible_specifications_are_refused(changes):
    with pytest.raises(AudiodiffError):
        MelSpec(**changes)
