import json
from pathlib import Path

import pytest

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis import find
from audiodiff.synthesis.find import find_checkpoint, public_name, read_model_config


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
    with pytest.raises(AudiodiffError, match=r"no config\.json"):
        read_model_config(tmp_path)
    for text, words in (("{", "JSON"), ("[]", "table")):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(AudiodiffError, match=words):
            read_model_config(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"kind": "something new"}))
    assert read_model_config(tmp_path) == {"kind": "something new"}
