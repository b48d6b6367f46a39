from pathlib import Path
from typing import Any

import pytest

from audiodiff.cli.main import main


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the command asked `encode_corpus` for."""
    seen: dict[str, Any] = {}

    def encode_corpus(folder: str, output: Path, **arguments: Any) -> dict[str, int]:
        seen.update(arguments, folder=folder, output=output)
        arguments["on_skip"]("jazz.00054.wav is not audio")
        return {"train": 3, "valid": 1}

    monkeypatch.setattr("audiodiff_recipes.encode.encode_corpus", encode_corpus)
    return seen


def test_encode_asks_for_what_the_preset_wants(given: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    words = ["encode", "SpeechCommands", "-o", "shards", "--autoencoder", "codec"]
    assert main([*words, "--preset", "sc09-latent"]) == 0
    assert (given["folder"], given["output"], given["autoencoder"]) == ("SpeechCommands", "shards", "codec")
    assert (given["corpus"], given["text_encoder"], given["numbers"]) == ("sc09", "minilm", ())
    assert [kind.name for kind in given["classes"]] == ["word"]
    told = capsys.readouterr()
    assert told.out == "shards: 3 clips of train, 1 clips of valid\n"
    assert told.err == "left out: jazz.00054.wav is not audio\n"

    assert main([*words, "--corpus", "gtzan", "--text", "t5:ORG/NAME"]) == 0
    assert (given["corpus"], given["text_encoder"]) == ("gtzan", "t5:ORG/NAME")
    assert [number.name for number in given["numbers"]] == ["tempo", "seconds"]


@pytest.mark.parametrize("words", [["--corpus", "gtzzan"], ["--preset", "sc09"]])
def test_unknown_names_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encode", "x", "-o", "y", "--autoencoder", "z", *words]) == 2
    assert words[1] in capsys.readouterr().err
