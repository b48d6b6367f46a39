"""Settings take the numbers of NumPy as Python's own, and hold nothing that JSON cannot."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.edit_settings import ExtendSettings, InpaintSettings, InterpolateSettings, VarySettings
from audiodiff.synthesis.settings import GenerateSettings, VocodeSettings
from audiodiff.synthesis.upsample_settings import UpsampleSettings

SETTINGS = [
    VocodeSettings(steps=np.int32(4), seed=np.uint64(2**63 - 1), window_seconds=np.float32(2.0)),
    GenerateSettings(
        seconds=np.float32(2.5),
        steps=np.int64(4),
        guidance=np.float16(3.0),
        guidance_interval=(np.float64(0.1), np.float32(0.5)),
        seed=np.int16(7),
        tempo=np.int8(96),
    ),
    VarySettings(strength=np.float32(0.5)),
    InpaintSettings(regions=((np.float32(0.5), np.int64(2)),), crossfade=np.float64(0.01)),
    ExtendSettings(seconds=np.int64(3), trim=np.float32(0.5)),
    InterpolateSettings(position=np.float32(0.5)),
    UpsampleSettings(steps=np.int64(2), seed=np.int64(1), augmentation=np.float32(0.5)),
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: type(settings).__name__)
def test_numbers_of_numpy_become_plain(settings) -> None:
    def flat(value):
        if isinstance(value, dict):
            value = list(value.values())
        return [each for item in value for each in flat(item)] if isinstance(value, list | tuple) else [value]

    assert all(type(value) in (int, float, str, bool, type(None)) for value in flat(asdict(settings)))
    json.dumps(asdict(settings), allow_nan=False)


@pytest.mark.parametrize(
    "values",
    [
        {"seed": np.float64(1.0)},
        {"seed": np.int64(-1)},
        {"steps": np.float32(4.0)},
        {"seconds": np.float64("nan")},
        {"seconds": np.array([1.0, 2.0])},
        {"guidance": np.bool_(True)},
        {"guidance_interval": (None, 0.5)},
        {"guidance_interval": 0.5},
        {"guidance_interval": (0.1, 0.2, 0.3)},
    ],
)
def test_what_is_no_such_number_is_one_sentence(values) -> None:
    with pytest.raises(AudiodiffError, match=next(iter(values))):
        GenerateSettings(**values)


@pytest.mark.parametrize("seconds", ["2", None, -1.0, float("nan")])
def test_window_seconds_is_a_number(seconds) -> None:
    if seconds is None:
        assert VocodeSettings(window_seconds=None).window_seconds is None
        return
    with pytest.raises(AudiodiffError, match="window_seconds"):
        VocodeSettings(window_seconds=seconds)
