import json
import sys
import types
from pathlib import Path

import pytest

from audiodiff.errors import AudiodiffError
from audiodiff.models import find
from audiodiff.models.find import find_checkpoint, find_vocoder, public_name, read_model_config
from tests.refusals import refused


def test_names_that_others_may_read(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(find, "PRETRAINED", tmp_path)
    (tmp_path / "choir").mkdir()
    (tmp_path / "choir" / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path / "choir")
    assert find_checkpoint("choir") == tmp_path / "choir"
    assert public_name("choir") == "choir"
    assert public_name("hf:somebody/something") == "hf:somebody/something"
    assert public_name("/home/alice/runs/mine/") == "mine"
    assert public_name(Path("runs/mine")) == "mine"
    assert public_name(".") == "choir"


def test_configs_of_any_kind_are_read(tmp_path) -> None:
    refused(r"no config\.json", lambda: read_model_config(tmp_path))
    for text, words in (("{", "JSON"), ("[]", "table")):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(AudiodiffError, match=words):
            read_model_config(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"kind": "something new"}))
    assert read_model_config(tmp_path) == {"kind": "something new"}


def write_config(folder: Path, kind: str) -> None:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"kind": kind}))


def test_a_vocoder_is_found_alone_or_in_a_latent_model(tmp_path: Path) -> None:
    for name, kind in (("voice", "vocoder"), ("music", "mel_latent"), ("bare", "mel_latent")):
        write_config(tmp_path / name, kind)
    write_config(tmp_path / "music" / "vocoder", "vocoder")
    assert find_vocoder(tmp_path / "voice") == tmp_path / "voice"
    assert find_vocoder(tmp_path / "music") == tmp_path / "music" / "vocoder"
    # whoever needs a vocoder says of it what it says of any model that is none
    assert find_vocoder(tmp_path / "bare") == tmp_path / "bare"


def test_the_vocoder_of_a_latent_model_comes_with_it_from_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub.utils import filter_repo_objects

    files = ["config.json", "model.safetensors", "vocoder/config.json", "vocoder/model.safetensors"]
    fetched: list[str] = []

    def fetch(repository: str, revision: str | None, allow_patterns: list[str]) -> str:
        others = ["README.md", "state/model.safetensors", "vocoder/state.safetensors"]
        fetched.extend(filter_repo_objects([*files, *others], allow_patterns=allow_patterns))
        return "somewhere"

    monkeypatch.setitem(sys.modules, "huggingface_hub", types.SimpleNamespace(snapshot_download=fetch))
    assert find_checkpoint("hf:somebody/music") == Path("somewhere")
    assert fetched == files


def test_a_revision_from_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str | None]] = []

    def fetch(repository: str, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append((repository, revision))
        return "somewhere"

    monkeypatch.setitem(sys.modules, "huggingface_hub", types.SimpleNamespace(snapshot_download=fetch))
    for name in ("hf:some/body", "hf:some/body@v1.0", "hf:some/body@refs/pr/3"):
        assert find_checkpoint(name) == Path("somewhere")
        assert public_name(name) == name
    assert asked == [("some/body", None), ("some/body", "v1.0"), ("some/body", "refs/pr/3")]
    for name in (
        "hf:",
        "hf:some/body@",
        "hf:@main",
        "hf:a/b/c",
        "hf:some/body@a@b",
        "hf:some body",
        "hf:../x/y",
        "hf:a/b@\n",
    ):
        with pytest.raises(AudiodiffError, match="hf:ORG/NAME@REVISION"):
            find_checkpoint(name)
