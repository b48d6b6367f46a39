import json
from pathlib import Path

import pytest
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.models.checkpoint import load_checkpoint, read_config
from audiodiff.models.upsampler import Upsampler
from audiodiff.training.progress import read_log
from audiodiff_recipes.upsampler import RECIPE, Config, configure, train
from tests.recipes.corpus import tiny_changes, write_corpus
from tests.refusals import refused


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write_corpus(tmp_path / "corpus")
    return tmp_path


def tiny(place: Path, run: str, steps: int = 3, **changes: str) -> Config:
    small = {"channels": "8", "validation.sounds": "false", "validation.clips": "1"}
    return configure("tiny-upsampler", {**tiny_changes(place, run, steps), **small, **changes})


def test_the_shipped_preset_fits_its_file() -> None:
    model = Upsampler(RECIPE.preset("upsampler-speech").model)
    assert 2 * sum(value.numel() for value in model.state_dict().values()) < 6 * 2**20


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data.level": "0.1"}, "model.level = 0.08"),
        ({"data.normalize": "none"}, "rms"),
        ({"full_noise": "1.5"}, "full_noise"),
        ({"sampler": "magic"}, "sampler"),
        ({"sampling.augmentation": "0.7"}, "augmentation_max = 0.5"),
        ({"low_rate": "7000"}, "whole multiple"),
        ({"kept": "quick"}, "number"),
    ],
)
def test_mistakes_in_settings_are_named(changes: dict[str, str], message: str) -> None:
    refused(message, lambda: configure("tiny-upsampler", changes))


def test_tiny_trains_to_a_checkpoint_and_resumes_to_the_same_bits(place: Path) -> None:
    whole = train(tiny(place, "whole", 4), resume=False)
    train(tiny(place, "parts", 4, **{"train.stop_after_seconds": "0"}), resume=False)
    assert read_config(place / "parts")["metadata"]["step"] == 1
    parts = train(tiny(place, "parts", 4), resume=True)
    states = [load_checkpoint(run, Upsampler).state_dict() for run in (whole, parts)]
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name
    metadata = read_config(whole)["metadata"]
    assert metadata["step"] == 4
    assert metadata["corpus"]["licences"] == ["CC0-1.0"]
    assert metadata["sampling"]["augmentation"] == RECIPE.preset("tiny-upsampler").sampling.augmentation
    assert metadata["command"].startswith("audiodiff train tiny-upsampler --data FOLDER --output RUN")
    assert str(place) not in json.dumps(metadata)


def test_init_starts_from_a_checkpoint_of_the_same_shape(place: Path) -> None:
    first = train(tiny(place, "first", 2), resume=False)
    second = train(tiny(place, "second", 0, init=str(first)), resume=False)
    for name, value in load_checkpoint(first, Upsampler).state_dict().items():
        assert torch.equal(value, load_checkpoint(second, Upsampler).state_dict()[name]), name
    with pytest.raises(AudiodiffError, match=r"wavenet\.channels is 8 there and 16 here"):
        train(tiny(place, "third", 2, init=str(first), channels="16"), resume=False)


def test_validation_measures_the_band(place: Path) -> None:
    run = train(tiny(place, "run", 2, **{"validate_every": "2"}), resume=False)
    (line,) = [line for line in read_log(run) if "validation_loss" in line]
    assert 0.0 < line["validation_lsd_above"] < 100.0
