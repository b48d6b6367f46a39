"""Folders of pipelines: what is in them, what is fetched, what is refused. No diffusers is needed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from audiodiff.models.pipelines import find_pipeline
from audiodiff.models.pipelines.folder import weights_sha256
from tests.models.hub_server import HubState, hub_server
from tests.refusals import refused

INDEX = {
    "_class_name": "StableAudioPipeline",
    "_diffusers_version": "0.35.0",
    "vae": ["diffusers", "AutoencoderOobleck"],
    "tokenizer": ["transformers", "T5TokenizerFast"],
    "projection_model": ["stable_audio", "StableAudioProjectionModel"],
    "safety_checker": [None, None],
}
FILES = {
    "vae/config.json": b'{"sampling_rate": 44100}',
    "vae/diffusion_pytorch_model.safetensors": b"weights",
    "tokenizer/tokenizer.json": b"{}",
    "projection_model/config.json": b"{}",
}
"""None of it is loaded here."""


def write(folder: Path, index: dict[str, Any] = INDEX) -> Path:
    for name, data in {**FILES, "model_index.json": json.dumps(index).encode()}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubState]:
    """A server that huggingface_hub takes for the Hub, with an empty cache."""
    pytest.importorskip("huggingface_hub")
    from huggingface_hub import constants

    with hub_server() as state:
        monkeypatch.setattr(constants, "ENDPOINT", state.url)
        template = state.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
        yield state


def test_a_folder_tells_its_class_components_and_configs(tmp_path: Path) -> None:
    found = find_pipeline(f"diffusers:{write(tmp_path)}")
    assert found.class_name == "StableAudioPipeline"
    assert found.components == ("projection_model", "tokenizer", "vae")
    assert found.config("vae") == {"sampling_rate": 44100}
    refused("lacks tokenizer/config.json", lambda: found.config("tokenizer"))


def test_the_hashes_are_those_of_weights_and_of_the_rest(tmp_path: Path) -> None:
    name = f"diffusers:{write(tmp_path / 'a')}"
    first = find_pipeline(name)
    copy = find_pipeline(f"diffusers:{write(tmp_path / 'b')}")
    assert (copy.weights_sha256, copy.config_sha256) == (first.weights_sha256, first.config_sha256)
    for other in ("vae/diffusion_pytorch_model.fp16.safetensors", "vae/diffusion_pytorch_model.bin", "notes.md"):
        (tmp_path / "a" / other).write_bytes(b"not loaded")
    assert weights_sha256(name) == first.weights_sha256
    assert find_pipeline(name).config_sha256 == first.config_sha256
    (tmp_path / "a" / "tokenizer" / "tokenizer.json").write_bytes(b'{"a": 1}')
    assert weights_sha256(name) == first.weights_sha256
    assert find_pipeline(name).config_sha256 != first.config_sha256
    (tmp_path / "a" / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"others")
    assert weights_sha256(name) != first.weights_sha256


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"_class_name": "StableDiffusionPipeline"}, "'StableDiffusionPipeline', which audiodiff cannot run"),
        ({"_class_name": ["evil", "StableAudioPipeline"]}, "cannot run"),
        ({"vae": ["evil", "AutoencoderOobleck"]}, "takes the component 'vae' from 'evil'"),
        ({"vae": ["os.path", "join"]}, "only classes of diffusers and transformers"),
        ({"vae": ["audioldm2", "AudioLDM2ProjectionModel"]}, "from 'audioldm2'"),
        ({"../vae": ["diffusers", "AutoencoderOobleck"]}, "takes the component '../vae'"),
    ],
)
def test_no_foreign_class_is_loaded(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    """Importing a module that a model names would run code that comes with it."""
    write(tmp_path, {**INDEX, **change})
    refused(words, lambda: find_pipeline(f"diffusers:{tmp_path}"))


def test_a_folder_that_is_no_pipeline_is_refused(tmp_path: Path) -> None:
    refused("holds no model_index.json", lambda: find_pipeline(f"diffusers:{tmp_path}"))
    refused("does not name a model; expected diffusers:ORG/NAME", lambda: find_pipeline("diffusers:"))
    refused("/nowhere/at/all is no folder", lambda: find_pipeline("diffusers:/nowhere/at/all"))


def test_only_what_is_loaded_is_fetched_from_the_hub(tmp_path: Path, hub: HubState) -> None:
    folder = write(tmp_path / "pipeline")
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    others = {
        "model.safetensors": b"the same weights in another layout",
        "vae/diffusion_pytorch_model.fp16.safetensors": b"a variant",
        "vae/diffusion_pytorch_model.bin": b"a pickle",
        "vae/code.py": b"code",
        "extra/model.safetensors": b"no component",
    }
    hub.files["ORG/NAME"] = {**files, **others}
    found = find_pipeline("diffusers:ORG/NAME")
    fetched = {path.relative_to(found.path).as_posix() for path in found.path.rglob("*") if path.is_file()}
    assert fetched == files.keys()
    assert found.weights_sha256 == find_pipeline(f"diffusers:{folder}").weights_sha256


def test_of_another_class_nothing_but_the_index_is_fetched(tmp_path: Path, hub: HubState) -> None:
    index = {**INDEX, "_class_name": "StableDiffusionPipeline"}
    hub.files["ORG/NAME"] = {**FILES, "model_index.json": json.dumps(index).encode()}
    refused("cannot run", lambda: find_pipeline("diffusers:ORG/NAME"))
    assert not list((tmp_path / "cache").rglob("*.safetensors"))
