import json
from pathlib import Path

import pytest
import torch

from audiodiff.data.phone_model import load_phone_model
from audiodiff.errors import AudiodiffError
from audiodiff.models.checkpoint import load_checkpoint, read_config
from audiodiff.models.find import PHONE_MODEL_FILE
from audiodiff.models.voice import Voice
from audiodiff.training.progress import read_log
from audiodiff_recipes import voice
from audiodiff_recipes.voice import RECIPE, Config, configure, train
from tests.recipes.voice_corpus import TEXTS, write_voices
from tests.refusals import refused


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("voices")
    write_voices(place / "corpus")
    return place


def tiny(place: Path, run: str, steps: int = 3, **changes: str) -> Config:
    places = {"data.folder": str(place / "corpus"), "data.cache": str(place / "cache"), "output": str(place / run)}
    return configure("tiny-voice", {**places, "train.steps": str(steps), "device": "cpu", **changes})


def test_the_shipped_preset_fits_its_file() -> None:
    model = Voice(RECIPE.preset("kathleen").model)
    assert 2 * sum(value.numel() for value in model.state_dict().values()) < 12 * 2**20


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data.gain_db": "-3,3"}, "without random gains"),
        ({"data.normalize": "none"}, "rms"),
        ({"sampler": "magic"}, "sampler"),
        ({"sampling.variation": "3"}, "variation"),
        ({"model.heads": "3"}, "heads"),
    ],
)
def test_mistakes_in_settings_are_named(changes: dict[str, str], message: str) -> None:
    refused(message, lambda: configure("tiny-voice", changes))


def test_tiny_trains_to_a_checkpoint_and_resumes_to_the_same_bits(place: Path) -> None:
    whole = train(tiny(place, "whole", 4, validate_every="2"), resume=False)
    train(tiny(place, "parts", 4, **{"train.stop_after_seconds": "0"}), resume=False)
    assert read_config(place / "parts")["metadata"]["step"] == 1
    parts = train(tiny(place, "parts", 4), resume=True)
    states = [load_checkpoint(run, Voice).state_dict() for run in (whole, parts)]
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name
    metadata = read_config(whole)["metadata"]
    assert metadata["corpus"]["licences"] == ["CC0-1.0"]
    assert metadata["vocoder"] == "speech"
    assert metadata["pronunciations"]["three"] == "TH R IY1"
    assert metadata["command"].startswith("audiodiff train tiny-voice --data FOLDER --output RUN")
    assert str(place) not in json.dumps(metadata)
    lines = [line for line in read_log(whole) if "validation_loss" in line]
    assert [line["step"] for line in lines] == [2, 4]
    assert load_phone_model(whole / PHONE_MODEL_FILE).means.shape[1] == 14  # what `align` needs
    assert lines[0].keys() >= {"validation_mean", "validation_durations", "validation_f0", "validation_residual"}


def test_a_speaker_is_chosen_or_each_is_a_voice_of_its_own(place: Path) -> None:
    _, own, _ = voice.open_voices(tiny(place, "one", speaker="ann"), tell=False)
    assert {item.speaker for item in own.data.items} == {"ann"}
    config, both, _ = voice.open_voices(tiny(place, "all", speaker="all"), tell=False)
    assert config.model.speakers == ("ann", "bob")
    assert [config.model.speakers[number] for number in both.speakers] == [
        both.data.items[index].speaker for index in both.clips.arrays["index"].tolist()
    ]
    assert load_checkpoint(train(tiny(place, "run-all", 1, speaker="all"), resume=False), Voice).speakers is not None
    refused("no clip of speaker 'eve'", lambda: voice.open_voices(tiny(place, "none", speaker="eve"), tell=False))


def test_clips_without_a_text_or_in_another_language_are_left_out(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, corpus, _ = voice.open_voices(tiny(place, "said"), tell=True)
    assert len(corpus) == len(TEXTS) - 1
    assert "clip7.wav" in capsys.readouterr().out


def test_every_clip_is_learnt_from_before_one_comes_again(place: Path) -> None:
    _, corpus, _ = voice.open_voices(tiny(place, "groups"), tell=False)
    steps = [voice.clips_of_step(corpus, 2, 0, step) for step in range(4)]
    for epoch in (steps[:2], steps[2:]):
        assert len({clip for group in epoch for clip in group}) == 4
    assert steps == [voice.clips_of_step(corpus, 2, 0, step) for step in range(4)]
    assert [len(voice.clips_of_step(corpus, 16, 0, step)) for step in (0, 1)] == [16, 16]  # more than there are


def test_init_starts_from_a_voice_of_the_same_shape(place: Path) -> None:
    first = train(tiny(place, "first", 1), resume=False)
    second = train(tiny(place, "second", 0, init=str(first)), resume=False)
    theirs = load_checkpoint(second, Voice).state_dict()
    for name, value in load_checkpoint(first, Voice).state_dict().items():
        assert torch.equal(value, theirs[name]) or name.startswith("f0_"), name
    with pytest.raises(AudiodiffError, match=r"model\.width is 32 there and 16 here"):
        train(tiny(place, "third", 1, init=str(first), **{"model.width": "16"}), resume=False)
