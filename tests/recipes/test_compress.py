from pathlib import Path

import pytest
import torch

from audiodiff.cli.main import main
from audiodiff.models.checkpoint import load_checkpoint, read_config, save_checkpoint
from audiodiff.models.mel_latent import MelLatent
from audiodiff.models.vocoder import Vocoder
from audiodiff.nn.low_rank import LowRank
from audiodiff.training.devices import open_devices
from audiodiff.training.state import saved_step
from audiodiff_recipes import vocoder as recipe
from audiodiff_recipes.compress import CompressSettings, compress_model
from audiodiff_recipes.corpus import RandomCrops, open_corpus
from tests.models.vocoder.cases import ANCHORED, make
from tests.recipes.corpus import tiny_changes, write_corpus
from tests.recipes.test_adapt import LATENT_QUICK, VOCODER_QUICK, write_clips
from tests.synthesis.latent_models import write_latent_model

SAMPLING = {"steps": 1, "sampler": "ddim", "grid": "uniform", "precision": "fp32"}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "voc"
    save_checkpoint(folder, make(ANCHORED), {"sampling": SAMPLING, "reference_level_db": -20.0})
    return folder


def of_low_rank(model: torch.nn.Module) -> bool:
    return any(isinstance(part, LowRank) for part in model.modules())


def test_without_recordings_the_weights_are_cut_alone(
    original: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "small"
    assert main(["compress", str(original), "-o", str(run), "--keep", "0.4"]) == 0
    said = capsys.readouterr()
    assert f"--model {run}" in said.out
    assert "without --data the weights are only cut" in said.err
    assert of_low_rank(load_checkpoint(run, Vocoder))
    assert read_config(run)["metadata"]["compressed"]["keep"] == 0.4
    assert not (run / "train.json").exists()
    assert main(["compress", str(original), "-o", str(run)]) == 2
    assert "holds a model already" in capsys.readouterr().err


def test_it_learns_the_estimates_of_the_original_and_goes_on(original: Path, tmp_path: Path) -> None:
    corpus, run = write_clips(tmp_path / "clips"), tmp_path / "small"
    words = ["compress", str(original), "--data", str(corpus), "-o", str(run), "--steps", "2", "--seed", "3"]
    words += ["--data.cache", str(tmp_path / "cache"), "--validation.clips", "1"]
    words += [word for key, value in VOCODER_QUICK.items() for word in (f"--{key}", value)]
    assert main(words) == 0
    config = read_config(run)
    metadata = config["metadata"]
    assert config["model"] == read_config(run / "start")["model"]
    assert of_low_rank(load_checkpoint(run, Vocoder))
    assert metadata["step"] == 2
    assert metadata["compressed"]["weights_sha256"] == read_config(original)["weights_sha256"]
    assert metadata["origins"]["teacher"]["weights_sha256"] == read_config(original)["weights_sha256"]
    assert metadata["sampling"] == SAMPLING  # as the original, whatever the preset has
    assert metadata["reference_level_db"] == -20.0
    assert main(["train", "--resume", str(run), "--steps", "3"]) == 0
    assert saved_step(run) == 3
    assert read_config(run)["metadata"]["compressed"] == metadata["compressed"]


def vocoder_losses(original: Path, tmp_path: Path, teacher: str) -> float:
    changes = {**tiny_changes(tmp_path, "run"), "init": str(original), "teacher": teacher}
    config = recipe.configure("tiny", changes)
    config = recipe.RECIPE.from_dict({**recipe.RECIPE.to_dict(config), "model": read_config(original)["model"]})
    data, _ = open_corpus(config.data, 1, 22050, tell=False)
    crops = RandomCrops(data, config.data, 0, 16 * 256, config.train.batch_size)
    model = recipe.build_model(config)
    (trained,) = recipe.models_with_losses(model, crops, config, open_devices("cpu"))
    return trained.loss_fn(0, torch.Generator().manual_seed(0)).loss.item()


def test_the_original_has_nothing_to_learn_from_itself(original: Path, tmp_path: Path) -> None:
    write_corpus(tmp_path / "corpus")
    alone, taught = (vocoder_losses(original, tmp_path, teacher) for teacher in ("", str(original)))
    assert taught < 1e-2 * alone


def test_a_teacher_of_another_mel_is_refused(
    original: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_corpus(tmp_path / "corpus")
    words = [word for key, value in tiny_changes(tmp_path, "run").items() for word in (f"--{key}", value)]
    assert main(["train", "tiny", *words, "--teacher", str(original)]) == 2
    assert "is of another shape: model.prior" in capsys.readouterr().err


@pytest.mark.slow
def test_a_latent_model_learns_the_estimates_of_the_original(tmp_path: Path) -> None:
    base = write_latent_model(tmp_path / "tiny")
    clips = write_clips(tmp_path / "clips", count=4)
    settings = CompressSettings(str(base), str(tmp_path / "small"), 0.5, str(clips), 3, changes=LATENT_QUICK)
    run, found = compress_model(settings)
    assert found.parameters < found.before
    model = load_checkpoint(run, MelLatent)
    assert of_low_rank(model.network)
    before = load_checkpoint(run / "start", MelLatent)
    assert any(
        not torch.equal(ours, theirs)
        for ours, theirs in zip(model.network.parameters(), before.network.parameters(), strict=True)
    )
    metadata = read_config(run)["metadata"]
    assert metadata["compressed"]["keep"] == 0.5
    assert metadata["sampling"] == read_config(base)["metadata"]["sampling"]


def test_bad_input_is_one_sentence_and_leaves_nothing(
    original: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, empty = tmp_path / "small", tmp_path / "empty"
    empty.mkdir()
    for words, expected in (
        ([str(original)], "give -o RUN"),
        ([str(original), "-o", str(run), "--keep", "1.5"], "keep is 1.5"),
        ([str(original), "-o", str(run), "--keep", "0.001"], "rank 1"),
        ([str(original), "-o", str(run), "--steps", "3"], "give --data FOLDER"),
        ([str(original), "-o", str(run), "--learning_rate", "3"], "give --data FOLDER"),
        ([str(original), "-o", str(run), "--data", str(empty)], "empty"),
        ([str(original), "-o", str(run), "--data", str(empty), "--colour", "red"], "colour"),
        (["upsample-speech", "-o", str(run), "--data", str(empty)], "leave --data out"),
        (["nothing", "-o", str(run)], "nothing"),
    ):
        assert main(["compress", *words]) == 2
        told = capsys.readouterr().err
        assert expected in told
        assert told.count("\n") == 1
        assert not run.exists()
