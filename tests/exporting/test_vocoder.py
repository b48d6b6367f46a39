import dataclasses
from pathlib import Path

import pytest

from audiodiff.exporting.vocoder import vocoder_settings, write_vocoder
from audiodiff.models.vocoder import Vocoder
from audiodiff.synthesis.settings import Resolved, Sampling
from audiodiff.synthesis.vocode import VocoderSynthesizer
from tests.models.vocoder.cases import ANCHORED, LIVE, make
from tests.refusals import refused


def opened(full_noise: float) -> VocoderSynthesizer:
    config = dataclasses.replace(ANCHORED, loss=dataclasses.replace(ANCHORED.loss, full_noise=full_noise))
    return VocoderSynthesizer(Vocoder(config), name="mine", defaults=Resolved(1, "ddim", "uniform"))


@pytest.mark.parametrize(("full_noise", "most"), [(1.0, 1), (0.3, 50)])
def test_a_one_step_model_is_exported_with_one_step_alone(full_noise: float, most: int) -> None:
    steps = [run["steps"] for run in vocoder_settings(opened(full_noise), None)["schedules"]]
    assert min(steps) == 1
    assert max(steps) == most


def test_a_limited_look_ahead_has_no_export(tmp_path: Path) -> None:
    refused("looks ahead 1 frame", lambda: write_vocoder(VocoderSynthesizer(make(LIVE)), tmp_path, "vocoder"))
    assert not list(tmp_path.iterdir())


def test_further_steps_of_a_one_step_model_are_refused() -> None:
    refused("3 steps are asked for", lambda: vocoder_settings(opened(1.0), Sampling(steps=3)))
    steps = [run["steps"] for run in vocoder_settings(opened(0.3), Sampling(steps=60))["schedules"]]
    assert max(steps) == 60
