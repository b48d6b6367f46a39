import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import nn

from audiodiff.cli.main import main
from audiodiff.data.manifest import read_manifest
from audiodiff.data.shards import LatentDataset
from audiodiff.models.adapter import merge_into, open_adapters
from audiodiff.models.checkpoint import load_checkpoint, save_checkpoint
from audiodiff.nn.adapters import AdapterConfig
from audiodiff.training.state import load_state
from audiodiff_recipes import voice
from audiodiff_recipes.adapt import AdaptSettings, adapt_model, prior_prompts
from audiodiff_recipes.adapting import keep_best
from audiodiff_recipes.latent_config import RECIPE as LATENT
from tests.models.vocoder.cases import ANCHORED, make
from tests.recipes.voice_corpus import write_voices
from tests.refusals import refused
from tests.synthesis.latent_models import write_latent_model

QUICK = {"train.batch_size": "2", "train.validate_every": "2", "train.warmup_steps": "1"}
LATENT_QUICK = {**QUICK, "data.crop_latents": "16", "validation.crops": "2"}
VOCODER_QUICK = {**QUICK, "data.crop_frames": "16"}


def write_clips(folder: Path, count: int = 3, seconds: float = 0.8) -> Path:
    folder.mkdir(parents=True)
    dice = np.random.default_rng(0)
    for index in range(count):
        time = np.arange(int(22050 * seconds)) / 22050
        sound = 0.2 * np.sin(2 * np.pi * 220 * (index + 1) * time) + 0.01 * dice.normal(size=len(time))
        soundfile.write(folder / f"clip{index}.wav", sound, 22050)
    (folder / "clip0.txt").write_text("a low tone")
    return folder


@pytest.fixture(scope="module")
def latent_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_latent_model(tmp_path_factory.mktemp("base") / "tiny")


@pytest.fixture(scope="module")
def vocoder_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base") / "voc"
    save_checkpoint(folder, make(ANCHORED), {"sampling": {"steps": 1, "sampler": "ddim"}})
    return folder


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("clips") / "mine")


@pytest.mark.slow
def test_an_adapter_of_a_latent_model(
    latent_base: Path, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made: list[float] = []
    encoded: list[tuple[float, float]] = []
    settings = AdaptSettings(
        str(clips), str(tmp_path / "run"), str(latent_base), rank=2, word="zorb", steps=4, changes=LATENT_QUICK
    )
    run = adapt_model(
        settings,
        on_encoded=lambda done, total: encoded.append((done, total)),
        on_clip=lambda done, total: made.append(total),
    )
    assert encoded[-1][0] == encoded[-1][1]
    assert f"first makes {made[0]:g} clips of" in capsys.readouterr().err
    (adapter,) = open_adapters([run])
    assert adapter.base.kind == "mel_latent"
    assert adapter.config == AdapterConfig(2, "lora", 16.0, ("network.*",))
    assert (run / "model.safetensors").stat().st_size < (latent_base / "model.safetensors").stat().st_size
    # what is kept is the best of the validations
    losses = {
        line["step"]: line["validation_loss"]
        for line in map(json.loads, (run / "log.jsonl").read_text().splitlines())
        if "validation_loss" in line
    }
    assert set(losses) == {2, 4}
    assert adapter.metadata["step"] == min(losses, key=lambda step: losses[step])
    # clips with and without a caption carry the word, one is held out, and the model's own samples are learnt along
    items = read_manifest(run / "data" / "clips" / "manifest.jsonl")
    assert [item.text for item in items] == ["zorb, a low tone", "zorb", "zorb"]
    assert sorted(item.split for item in items) == ["train", "train", "valid"]
    assert len(made) == made[0] == len(LatentDataset(run / "data" / "own" / "train")) + 1
    assert len(LatentDataset(run / "data" / "own" / "valid")) == 1
    own = LatentDataset(run / "data" / "own" / "train")
    told = own.index.metadata["corpus"]
    assert told["clips"] == made[0] - 1
    assert own.seconds > 0
    assert told["hours"] * 3600 == pytest.approx(own.seconds)
    assert json.loads((run / "train.json").read_text())["data"]["folder"].split(",") == [
        str(run / "data" / "clips-latents"),
        str(run / "data" / "own"),
    ]


@pytest.mark.slow
def test_a_stopped_run_goes_on_to_the_same_bits(vocoder_base: Path, clips: Path, tmp_path: Path) -> None:
    def settings(name: str, **more: str) -> AdaptSettings:
        return AdaptSettings(
            str(clips), str(tmp_path / name), str(vocoder_base), 2, "dora", steps=4, changes={**VOCODER_QUICK, **more}
        )

    whole = adapt_model(settings("whole"))
    half = adapt_model(settings("half", **{"train.stop_after_seconds": "0"}))
    assert main(["adapt", str(half), "--resume", "--stop_after_seconds", "none"]) == 0
    assert (half / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert (half / "best" / "model.safetensors").read_bytes() == (whole / "best" / "model.safetensors").read_bytes()
    (adapter,) = open_adapters([half])
    assert adapter.config.method == "dora"
    # the base is what it was
    before = load_checkpoint(vocoder_base, nn.Module).state_dict()
    torch.testing.assert_close(dict(before), dict(make(ANCHORED).state_dict()))


@pytest.mark.slow
def test_an_adapter_of_a_voice_leaves_its_statistics_alone(tmp_path: Path) -> None:
    corpus = write_voices(tmp_path / "corpus")
    given = {"data.folder": str(corpus), "data.cache": str(tmp_path / "cache"), "train.steps": "1"}
    base = voice.train(voice.configure("tiny-voice", {**given, "output": str(tmp_path / "base")}), resume=False)
    run = adapt_model(AdaptSettings(str(corpus), str(tmp_path / "run"), str(base), 2, steps=2, changes=QUICK))
    (adapter,) = open_adapters([run])
    assert adapter.base.kind == "voice"
    learnt, before = load_state(run).group("weights"), load_checkpoint(base, nn.Module)
    for name, value in before.named_buffers():
        if f"voice/{name}" in learnt:
            assert torch.equal(learnt[f"voice/{name}"], value), name
    assert "voice/residual_variance" in learnt
    merge_into(before, [adapter])


def test_recordings_to_keep_are_learnt_along(
    vocoder_base: Path, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prior = write_clips(tmp_path / "prior", 2)
    clips = Path(shutil.copytree(clips, tmp_path / "clips"))
    soundfile.write(clips / "nothing.wav", np.zeros(22050), 22050)
    settings = AdaptSettings(
        str(clips), str(tmp_path / "run"), str(vocoder_base), 2, prior=str(prior), steps=1, changes=VOCODER_QUICK
    )
    run = adapt_model(settings)
    (adapter,) = open_adapters([run])
    assert adapter.metadata["corpus"]["clips"] == 2 + 2  # one clip is held out
    assert "left out: " in (told := capsys.readouterr().err)
    assert "nothing.wav is silent" in told


def test_clips_that_cannot_be_learnt_from_are_refused(
    latent_base: Path, vocoder_base: Path, clips: Path, tmp_path: Path
) -> None:
    def adapt(folder: Path, base: Path = vocoder_base, **more: object) -> Callable[[], Path]:
        return lambda: adapt_model(AdaptSettings(str(folder), str(tmp_path / "run"), str(base), **more))  # type: ignore[arg-type]

    (tmp_path / "empty").mkdir()
    refused("no sound files", adapt(tmp_path / "empty"))
    refused("is not a folder", adapt(tmp_path / "nowhere"))
    refused("has one clip that can be learnt from; an adapter needs 2", adapt(write_clips(tmp_path / "one", 1)))
    silent = write_clips(tmp_path / "silent", 1)
    soundfile.write(silent / "silence.wav", np.zeros(22050), 22050)
    refused("one clip .*left out: .*silence.wav is silent", adapt(silent))
    (silent / "clip0.wav").unlink()
    refused("no clip .*left out: .*silent", adapt(silent))
    refused("takes no prompt; leave --word out", adapt(clips, word="zorb"))
    refused("of which no adapters are trained", adapt(clips, Path("upsample-speech")))
    refused("rank is 0", lambda: AdaptSettings("a", "b", rank=0))
    assert not (tmp_path / "run").exists()
    refused("has a comma", lambda: adapt_model(AdaptSettings(str(clips), f"{tmp_path}/a,b", str(vocoder_base))))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{}")
    refused("holds a model already", adapt(clips))


def test_an_adapter_needs_a_model_to_adapt() -> None:
    refused("without a model to adapt", lambda: LATENT.configure("tiny-latent", {"adapter.rank": 4}))


@pytest.mark.parametrize("given", ["network.blocks.*,network.modulation", '["network.blocks.*", "network.modulation"]'])
def test_patterns_of_layers_are_read_from_the_command_line(given: str) -> None:
    config = LATENT.configure("tiny-latent", {"adapter.targets": given})
    assert config.adapter.targets == ("network.blocks.*", "network.modulation")
    assert LATENT.configure("tiny-latent", {"adapter.targets": "*"}).adapter.targets == ("*",)
    refused("texts with commas", lambda: LATENT.configure("tiny-latent", {"adapter.targets": "[network"}))


def test_captions_of_the_model_are_of_its_own_words() -> None:
    words = {"vocabulary": {"genres": ["waltz"], "instruments": ["harp", "organ"], "moods": ["sad"]}}
    prompts = prior_prompts(words, 8, 0)
    assert set(prompts) == {"sad, waltz, harp", "sad, waltz, organ"}
    assert prompts == prior_prompts(words, 8, 0)
    assert prior_prompts({}, 2, 0) == ["", ""]


def test_the_best_stays_where_there_is_none(tmp_path: Path) -> None:
    keep_best(tmp_path)
    assert list(tmp_path.iterdir()) == []
