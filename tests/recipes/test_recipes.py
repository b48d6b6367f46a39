"""Every recipe trains two steps on a corpus of seconds, goes on for a third, and leaves what it promises."""

from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from torch import nn

from audiodiff.models.autoencoder import MelAutoencoder
from audiodiff.models.checkpoint import kind_of, load_checkpoint, read_config
from audiodiff.models.kinds import KINDS
from audiodiff.models.mel_latent import MelLatent
from audiodiff.models.upsampler import Upsampler
from audiodiff.models.vocoder import Vocoder
from audiodiff.models.voice import Voice
from audiodiff.training.progress import read_log
from audiodiff_recipes import autoencoder, latent
from audiodiff_recipes.encode import encode_for
from audiodiff_recipes.latent_shards import open_shards
from audiodiff_recipes.presets import PRESETS
from tests.data.corpus import clip
from tests.recipes.latent_corpus import write_music
from tests.recipes.voice_corpus import write_voices

README = Path(__file__).parents[2] / "recipes" / "README.md"
WORDS = ("zero", "seven", "yes")


class Case(NamedTuple):
    """A recipe's preset, shrunk to nothing.

    Attributes:
        recipe: module of the recipes.
        preset: which of its presets.
        data: what of the place it learns from.
        module: class of the model in the checkpoint.
        changes: settings that make it small.
    """

    recipe: str
    preset: str
    data: str
    module: type[nn.Module]
    changes: dict[str, str]


SMALL_DIT = {"dit.width": "16", "dit.depth": "1", "dit.heads": "2", "train.batch_size": "2", "validation.crops": "2"}
CASES = (
    Case("vocoder", "tiny", "music", Vocoder, {"crop_frames": "16", "validation.clips": "0"}),
    Case(
        "vocoder",
        "music-vocoder",
        "music",
        Vocoder,
        {"channels": "8", "layers": "2", "train.batch_size": "2", "crop_frames": "16", "validation.clips": "0"},
    ),
    Case("upsampler", "tiny-upsampler", "music", Upsampler, {"channels": "8", "validation.clips": "0"}),
    Case("voice", "tiny-voice", "voices", Voice, {}),
    Case("autoencoder", "tiny-autoencoder", "music", MelAutoencoder, {}),
    Case("latent", "tiny-latent", "shards/music", MelLatent, {"autoencoder": "codec"}),
    Case(
        "latent",
        "sc09-latent",
        "shards/digits",
        MelLatent,
        {"autoencoder": "codec", "train.precision": "fp32", "data.crop_latents": "8", **SMALL_DIT},
    ),
)


def test_a_tiny_run_of_every_kind_is_among_the_cases() -> None:
    assert {kind_of(case.module).name for case in CASES if case.preset.startswith("tiny")} == {
        name for name, kind in KINDS.own.items() if kind.recipe
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Corpora of music and of spoken words, a codec that has seen a step, and its shards of both."""
    place = tmp_path_factory.mktemp("recipes")
    write_music(place / "music")
    write_voices(place / "voices")
    words = place / "SpeechCommands" / "speech_commands_v0.02"
    for word in WORDS:
        for number in range(3):
            clip(words / word / f"aa_nohash_{number}.wav", 0.4, seed=number)
    for number, name in ((1, "validation_list.txt"), (2, "testing_list.txt")):
        (words / name).write_text("".join(f"{word}/aa_nohash_{number}.wav\n" for word in WORDS))
    changes = {**places(place, "music", "codec"), "train.steps": "1", "validation.clips": "0"}
    codec = autoencoder.train(autoencoder.configure("tiny-autoencoder", changes), resume=False)
    for preset, corpus, shards in (("tiny-latent", "music", "music"), ("sc09-latent", "SpeechCommands", "digits")):
        encode_for(
            preset, str(place / corpus), place / "shards" / shards, autoencoder=codec, cache=str(place / "cache")
        )
    return place


def places(place: Path, data: str, run: str) -> dict[str, str]:
    cache = {} if data.startswith("shards") else {"data.cache": str(place / "cache")}
    return {"data.folder": str(place / data), "output": str(place / run), "device": "cpu", **cache}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.preset)
def test_a_recipe_trains_and_goes_on(place: Path, case: Case) -> None:
    recipe: Any = import_module(f"audiodiff_recipes.{case.recipe}")
    changes = {**places(place, case.data, f"run-{case.preset}"), **case.changes}
    if "autoencoder" in changes:
        changes["autoencoder"] = str(place / changes["autoencoder"])
    run = recipe.train(recipe.configure(case.preset, {**changes, "train.steps": "2"}), resume=False)
    assert run == place / f"run-{case.preset}"
    assert read_config(run)["metadata"]["step"] == 2
    assert recipe.train(recipe.configure(case.preset, {**changes, "train.steps": "3"}), resume=True) == run
    metadata = read_config(run)["metadata"]
    assert metadata["step"] == 3
    assert metadata["corpus"]["clips"] > 0
    assert case.preset in metadata["command"]
    assert [line["step"] for line in read_log(run) if "loss" in line] == [2, 3]
    assert {"config.json", "model.safetensors", "train.json", "log.jsonl", "state", "tensorboard"} <= {
        path.name for path in run.iterdir()
    }
    load_checkpoint(run, case.module)


def test_shards_of_a_preset_are_of_its_layout(place: Path) -> None:
    config = latent.configure("sc09-latent", places(place, "shards/digits", "none"))
    assert {clip.classes["word"] for clip in open_shards(config, "train").clips} == {"zero", "seven"}


def test_the_readme_names_every_preset() -> None:
    text = README.read_text(encoding="utf-8")
    for name, row in PRESETS.items():
        assert f"`{name}`" in text
        assert f"`{row.recipe}.py`" in text
