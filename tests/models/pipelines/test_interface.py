"""What a pipeline is asked for."""

import pytest

from audiodiff.models.pipelines import PIPELINES, Request
from audiodiff.models.pipelines.interface import whole_number
from tests.refusals import refused


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
def test_a_pipeline_that_rounds_down_makes_all_samples(rate: int) -> None:
    lengths = range(1, 3 * rate, 97)
    made = [int(Request("", "", rate, length, 1, 1.0, 0).seconds * rate) for length in lengths]
    assert made == list(lengths)
    # without care, some of them would come out a sample short
    assert any(int(length / rate * rate) < length for length in range(1, 3 * rate)) or rate == 16000


def test_sizes_of_configs_are_looked_at() -> None:
    assert whole_number({"sampling_rate": 44100}, "sampling_rate") == 44100
    for value in (0, -1, 1 << 40, 1.5, True, "44100", None):
        refused("expected a whole number above 0", lambda value=value: whole_number({"size": value}, "size"))  # type: ignore[misc]
    refused("has size None", lambda: whole_number({}, "size"))


def test_every_class_is_found_by_its_name() -> None:
    assert all(name == row.name for name, row in PIPELINES.items())
    assert {"StableAudioPipeline", "AudioLDM2Pipeline", "AceStepPipeline"} <= PIPELINES.keys()
