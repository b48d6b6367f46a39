"""The table of kinds, and what a package adds to it."""

import json
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import nn

import audiodiff
from audiodiff.cli.main import main
from audiodiff.errors import AudiodiffError
from audiodiff.models.checkpoint import kind_of, load_checkpoint, read_config, save_checkpoint
from audiodiff.models.find import find_vocoder
from audiodiff.models.gan_vocoder import GanVocoder, GanVocoderConfig
from audiodiff.models.kinds import KINDS, RECIPES
from audiodiff.nn.hifigan import HifiGanConfig
from audiodiff.plugins import plugins
from audiodiff.signal.mel_spec import preset
from audiodiff.synthesis.load import load_generator
from audiodiff.text.encoders import open_encoder
from audiodiff_recipes.presets import PRESETS
from tests.models.upsampler.cases import make as make_upsampler
from tests.models.vocoder.cases import CONFIGS, make
from tests.models.voice.cases import make as make_voice
from tests.refusals import refused
from tests.synthesis.latent_models import latent_model, write_latent_model

ENTRY_POINTS = """
[audiodiff.kinds]
echo = echoes:ECHO
[audiodiff.recipes]
echo = echoes
[audiodiff.processes]
slow = echoes:Slow
[audiodiff.encoders]
letters = echoes:open_letters
"""
TINY_HIFIGAN = HifiGanConfig(80, 8, (16, 16), (32, 32), "2", (3,), ((1,),))
MODELS: dict[str, Callable[[], nn.Module]] = {
    "vocoder": lambda: make(CONFIGS["anchored"]),
    "gan_vocoder": lambda: GanVocoder(GanVocoderConfig(preset("hifigan-22k"), hifigan=TINY_HIFIGAN)),
    "autoencoder": lambda: latent_model().autoencoder,
    "mel_latent": latent_model,
    "upsampler": make_upsampler,
    "voice": make_voice,
}


def write(kind: str, folder: Path) -> Path:
    """A checkpoint of a kind, with the models that it needs to be heard."""
    if kind == "mel_latent":
        return write_latent_model(folder)
    save_checkpoint(folder, MODELS[kind](), {"description": f"tiny {kind}", "sampling": {"steps": 1}})
    return folder


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Install the package `echoes` from a folder, as pip leaves it: its module and its metadata."""

    def install(entries: str) -> None:
        place = tmp_path / "site-packages"
        metadata = place / "echoes-1.0.dist-info"
        metadata.mkdir(parents=True)
        shutil.copy(Path(__file__).with_name("echoes.py"), place / "echoes.py")
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: echoes\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(entries)
        monkeypatch.syspath_prepend(str(place))
        monkeypatch.delitem(sys.modules, "echoes", raising=False)

    return install


@pytest.mark.parametrize("name", KINDS.own)
def test_every_kind_is_saved_and_loaded(name: str, tmp_path: Path) -> None:
    folder = write(name, tmp_path / "model")
    kind = KINDS[name]
    assert kind.name == name == read_config(folder)["kind"]
    model = load_checkpoint(folder, kind.module_class())
    again = load_checkpoint(folder, nn.Module)
    assert kind_of(type(model)) is kind
    assert type(again) is type(model)
    assert isinstance(model.config, kind.config_class())
    assert model.config == again.config
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in model.state_dict().items())
    assert all((folder / part).is_dir() and inner in KINDS for part, inner in kind.parts.items())
    others = [other.module_class() for other in KINDS.own.values() if name not in (other.name, *other.embeds.values())]
    for other in set(others) - {KINDS[inner].module_class() for inner in kind.embeds}:
        with pytest.raises(AudiodiffError, match=f'of kind "{name}"; expected'):
            load_checkpoint(folder, other)


@pytest.mark.parametrize("name", KINDS.own)
def test_every_kind_is_described_exported_and_checked(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, kind = write(name, tmp_path / "model"), KINDS[name]
    assert kind.label.split()[0] in ("a", "an")
    assert main(["inspect", str(folder)]) == 0
    assert f"a model of kind {name}, tiny" in capsys.readouterr().out
    assert main(["export", str(folder), "-o", str(tmp_path / "out")]) == 0
    assert read_config(tmp_path / "out", name)["metadata"] == read_config(folder)["metadata"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {path.name for path in folder.iterdir()}
    capsys.readouterr()
    main(["doctor", "--model", str(folder)])
    (line,) = (line for line in capsys.readouterr().out.splitlines() if f"model {folder}" in line)
    if kind.synthesizer:
        assert line.startswith("ok ")
        assert "real-time factor" in line
        assert audiodiff.load(folder, device="cpu").sample_rate > 0
    else:
        assert line.startswith("FAIL")
        assert "makes no sound by itself" in line


@pytest.mark.parametrize("name", [name for name, kind in KINDS.own.items() if kind.recipe])
def test_every_kind_that_is_trained_has_a_recipe_with_a_tiny_preset(name: str) -> None:
    recipe = plugins(RECIPES)[KINDS[name].recipe].load()
    tiny = [preset for preset, row in PRESETS.items() if row.recipe == KINDS[name].recipe and "tiny" in preset]
    assert tiny
    assert isinstance(recipe.RECIPE.configure(tiny[0], {}).model, KINDS[name].config_class())
    assert callable(recipe.train)
    assert "{folder}" in recipe.NEXT


def test_a_kind_of_another_package_is_trained_saved_loaded_and_used(
    install: Callable[[str], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(ENTRY_POINTS)
    assert list(KINDS) == [*KINDS.own, "echo"]
    assert len(KINDS) == len(list(KINDS))
    run, sound = tmp_path / "run", tmp_path / "in.wav"
    assert main(["train", "echo-tiny", "--data", str(tmp_path), "--output", str(run), "--gain", "0.75"]) == 0
    assert "audiodiff vocode" in capsys.readouterr().out
    config = json.loads((run / "config.json").read_text())
    assert config["kind"] == "echo"
    assert config["model"]["process"] == {"name": "slow", "scale": 3.0}
    model = load_checkpoint(run, nn.Module)
    assert model.gain.item() == 0.75
    assert model.process.noise_label(torch.ones(1)) == 3.0
    assert find_vocoder(run) == run
    soundfile.write(sound, 0.1 * np.random.default_rng(0).standard_normal(22_050), 22_050)
    assert main(["vocode", str(sound), "-o", str(tmp_path / "out.wav"), "--model", str(run)]) == 0
    assert soundfile.info(tmp_path / "out.wav").frames == 22_050
    again = ["replay", str(tmp_path / "out.wav"), "-o", str(tmp_path / "again.wav")]
    assert main([*again, "--model", str(run), "--input", str(sound)]) == 0
    assert np.array_equal(soundfile.read(tmp_path / "again.wav")[0], soundfile.read(tmp_path / "out.wav")[0])
    assert main(["export", str(run), "-o", str(tmp_path / "handed-on")]) == 0
    capsys.readouterr()
    main(["doctor", "--model", str(run)])
    assert f"ok    model {run}: 22050 Hz" in capsys.readouterr().out
    refused("is an echo, which hardly does anything; generating needs a latent model", lambda: load_generator(run))


def test_an_encoder_of_another_package_is_opened_by_name(install: Callable[[str], None]) -> None:
    install(ENTRY_POINTS)
    encoder = open_encoder("letters:latin")
    assert encoder.name == "letters:latin"
    assert encoder.encode(["ab"])[0].tokens.shape == (2, 1)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ("[audiodiff.kinds]\necho = echoes_gone:ECHO", "ModuleNotFoundError"),
        ("[audiodiff.kinds]\necho = echoes:Echo", "echoes:Echo is no Kind"),
    ],
)
def test_a_broken_package_is_named(
    entries: str, words: str, install: Callable[[str], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write("vocoder", tmp_path / "model")
    install(entries)
    model = load_checkpoint(tmp_path / "model", nn.Module)  # harms no kind of this package
    save_checkpoint(tmp_path / "again", model, {})
    assert [kind.name for kind in KINDS.usable()] == list(KINDS.own)
    refused("Linear is no model of a known kind", lambda: save_checkpoint(tmp_path / "other", nn.Linear(1, 1), {}))
    assert main(["train", "no-such-preset", "--data", "x", "--output", "y"]) == 2
    assert "there is no preset 'no-such-preset'" in capsys.readouterr().err
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    (tmp_path / "model" / "config.json").write_text(json.dumps({**config, "kind": "echo"}))
    with pytest.raises(AudiodiffError, match="the model kind 'echo' of the package echoes cannot be loaded") as caught:
        load_checkpoint(tmp_path / "model", nn.Module)
    assert words in str(caught.value)


def test_nobody_takes_the_place_of_a_kind_of_this_package(install: Callable[[str], None]) -> None:
    install("[audiodiff.kinds]\nvocoder = echoes:ECHO")
    assert KINDS["vocoder"].module == "audiodiff.models.vocoder:Vocoder"
    assert list(KINDS) == list(KINDS.own)
    assert "vocoder" in entry_points(group="audiodiff.kinds").names
