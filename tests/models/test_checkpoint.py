import json
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from audiodiff.models import byte_weights
from audiodiff.models.byte_weights import SCALE_ENDING
from audiodiff.models.checkpoint import autoencoder_hash, load_checkpoint, read_config, save_checkpoint, weights_hash
from audiodiff.models.mel_latent import MelLatent
from audiodiff.models.upsampler import Upsampler
from audiodiff.models.vocoder import Vocoder
from tests.models.upsampler import cases as upsampler_cases
from tests.models.vocoder.cases import ANCHORED, CONFIGS, make
from tests.refusals import refused
from tests.synthesis.latent_models import write_latent_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "model"
    save_checkpoint(target, make(ANCHORED), {"corpus": "test", "licence": "CC0-1.0"})
    return target


@pytest.mark.parametrize("name", CONFIGS)
def test_a_loaded_model_is_the_saved_one(name: str, tmp_path: Path) -> None:
    model = make(CONFIGS[name])
    save_checkpoint(tmp_path, model, {})
    loaded = load_checkpoint(tmp_path, Vocoder)
    assert not loaded.training
    assert loaded.config == load_checkpoint(tmp_path, Vocoder).config
    for key, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value), key


def test_an_upsampler_comes_back_and_is_no_vocoder(tmp_path: Path) -> None:
    model = upsampler_cases.make()
    save_checkpoint(tmp_path, model, {})
    loaded = load_checkpoint(tmp_path, Upsampler)
    assert not loaded.training
    assert loaded.config == model.config
    for key, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value), key
    refused('kind "upsampler"; expected "vocoder"', lambda: load_checkpoint(tmp_path, Vocoder))


def test_half_precision_halves_the_file_and_loads_as_float32(folder: Path, tmp_path: Path) -> None:
    model = make(ANCHORED)
    save_checkpoint(tmp_path / "half", model, {}, dtype=torch.float16)
    loaded = load_checkpoint(tmp_path / "half", Vocoder)
    sizes = [(item / "model.safetensors").stat().st_size for item in (folder, tmp_path / "half")]
    assert sizes[1] < 0.6 * sizes[0]
    for key, value in loaded.state_dict().items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, model.state_dict()[key], rtol=1e-3, atol=1e-4)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(byte_weights, "SMALLEST", 64)


@pytest.mark.usefixtures("small")
def test_a_byte_a_weight_quarters_the_file_and_loads_as_float32(folder: Path, tmp_path: Path) -> None:
    model = make(ANCHORED)
    save_checkpoint(tmp_path / "bytes", model, {}, dtype=torch.int8)
    stored = load_file(tmp_path / "bytes" / "model.safetensors")
    matrices = [name for name, value in stored.items() if value.dtype == torch.int8]
    assert matrices
    assert {value.dtype for name, value in stored.items() if name not in matrices} == {torch.float16}
    assert sum(value.nbytes for value in stored.values()) < 0.4 * sum(
        value.nbytes for value in load_file(folder / "model.safetensors").values()
    )
    for key, value in load_checkpoint(tmp_path / "bytes", Vocoder).state_dict().items():
        assert value.dtype == torch.float32
        theirs = model.state_dict()[key]
        assert (value - theirs).norm() <= 0.01 * theirs.norm() + 1e-6, key


@pytest.mark.usefixtures("small")
def test_a_model_within_another_keeps_what_its_latents_were_made_with(tmp_path: Path) -> None:
    folder = write_latent_model(tmp_path / "model")
    model = load_checkpoint(folder, MelLatent)
    save_checkpoint(tmp_path / "half", model, {}, dtype=torch.float16)
    save_checkpoint(tmp_path / "bytes", model, {}, dtype=torch.int8)
    half, small = (load_checkpoint(tmp_path / name, MelLatent) for name in ("half", "bytes"))
    assert autoencoder_hash(small.autoencoder) == autoencoder_hash(half.autoencoder)
    assert any(
        not value.equal(half.network.state_dict()[name]) for name, value in small.network.state_dict().items()
    ), "the network itself is in bytes"


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("damage", ["no scales", "do not fit", "takes none", "unknown"])
def test_scales_that_are_not_those_of_their_numbers_are_refused(tmp_path: Path, damage: str) -> None:
    save_checkpoint(tmp_path, make(ANCHORED), {}, dtype=torch.int8)
    path = tmp_path / "model.safetensors"
    stored = load_file(path)
    name = next(name for name, value in stored.items() if value.dtype == torch.int8)
    match damage:
        case "no scales":
            del stored[name + SCALE_ENDING]
        case "do not fit":
            stored[name + SCALE_ENDING] = stored[name + SCALE_ENDING][:-1].clone()
        case "takes none":
            stored[name] = stored[name].half()
        case _:
            stored["nobody" + SCALE_ENDING] = torch.ones(1, 1)
    save_file(stored, path)
    refused(damage, lambda: load_checkpoint(tmp_path, Vocoder))


def test_the_config_tells_where_the_model_comes_from(folder: Path) -> None:
    config = read_config(folder)
    assert config["metadata"] == {"corpus": "test", "licence": "CC0-1.0"}
    assert config["weights_sha256"] == weights_hash(folder / "model.safetensors")
    assert config["model"]["mel"]["hop_length"] == 256
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]


def test_both_files_can_be_read_by_whoever_may_read_a_new_file(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    modes = {path.stat().st_mode for path in (*folder.iterdir(), tmp_path / "plain")}
    assert len(modes) == 1


def test_a_truncated_file_is_named(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    refused("truncated", lambda: load_checkpoint(folder, Vocoder))


def test_a_foreign_file_is_named(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"RIFF not a tensor in sight")
    refused("not a safetensors file", lambda: load_checkpoint(folder, Vocoder))


def test_weights_of_another_model_are_refused(folder: Path, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "other", make(CONFIGS["folded"]), {})
    (folder / "model.safetensors").write_bytes((tmp_path / "other" / "model.safetensors").read_bytes())
    refused(r"does not fit its config\.json", lambda: load_checkpoint(folder, Vocoder))


def test_weights_that_are_not_finite_are_refused(folder: Path) -> None:
    model = make(ANCHORED)
    with torch.no_grad():
        model.wavenet.input_projection.weight[0, 0, 0] = float("nan")
    save_checkpoint(folder, model, {})
    refused("not finite", lambda: load_checkpoint(folder, Vocoder))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "mel-latent"}, 'kind "mel-latent"; expected "vocoder"'),
        ({"format": 99}, "Update audiodiff"),
        ({"model": None}, "\"model\" is 'None'; expected a table"),
    ],
)
def test_other_kinds_of_config_are_named(folder: Path, change: dict[str, object], message: str) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **change}))
    refused(message, lambda: load_checkpoint(folder, Vocoder))


def test_an_unknown_key_in_the_config_is_named(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["model"]["wavenet"]["chanels"] = 3
    (folder / "config.json").write_text(json.dumps(config))
    refused(r'config\.wavenet has an unknown key "chanels"', lambda: load_checkpoint(folder, Vocoder))


def test_missing_things_are_named(tmp_path: Path, folder: Path) -> None:
    refused("is nothing", lambda: load_checkpoint(tmp_path / "absent", Vocoder))
    refused("is a file", lambda: load_checkpoint(folder / "config.json", Vocoder))
    refused("found: model", lambda: load_checkpoint(tmp_path, Vocoder))
    (folder / "model.safetensors").unlink()
    refused("missing", lambda: load_checkpoint(folder, Vocoder))
    (folder / "config.json").write_text("{")
    refused("JSON", lambda: load_checkpoint(folder, Vocoder))


def test_a_folder_that_cannot_be_written_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("in the way")
    refused("cannot be written", lambda: save_checkpoint(blocker / "model", make(ANCHORED), {}))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_config_of_another_size_is_refused_before_it_is_built(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["model"]["wavenet"].update(channels=4096, layers=256)  # 68 GiB
    (folder / "config.json").write_text(json.dumps(config))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(r"does not fit its config\.json", lambda: load_checkpoint(folder, Vocoder))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024


def test_weights_of_another_type_are_refused(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    save_file({name: value.to(torch.int64) for name, value in state.items()}, folder / "model.safetensors")
    refused("of type I64; expected floating point", lambda: load_checkpoint(folder, Vocoder))


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5_000, "[]", '{"kind": "vocoder", "kind": 1}', "\udcff", "3"])
def test_a_config_that_is_no_table_is_one_sentence(folder: Path, text: str) -> None:
    (folder / "config.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    refused(r"config\.json is", lambda: load_checkpoint(folder, Vocoder))


def test_half_characters_in_the_metadata_survive(folder: Path) -> None:
    save_checkpoint(folder, load_checkpoint(folder, Vocoder), {"description": "caf\udce9"})
    assert read_config(folder)["metadata"] == {"description": "caf\udce9"}


_KILLED = """
import os, signal, sys
from audiodiff.models import checkpoint
from audiodiff.models.vocoder import Vocoder

def dying(source, target):
    os.kill(os.getpid(), signal.SIGKILL)

model = checkpoint.load_checkpoint(sys.argv[1], Vocoder)
os.replace = dying
checkpoint.save_checkpoint(sys.argv[1], model, {"step": 2})
"""


@pytest.mark.slow
def test_a_killed_writer_leaves_the_old_checkpoint_and_the_next_one_cleans_up(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    killed = subprocess.run([sys.executable, "-c", _KILLED, folder], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    assert len(list(folder.iterdir())) == len(before) + 1
    save_checkpoint(folder, load_checkpoint(folder, Vocoder), {"step": 3})
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
