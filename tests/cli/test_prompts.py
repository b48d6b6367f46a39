import json
from dataclasses import replace

import numpy as np
import pytest

from audiodiff.signal.audio_io import write_audio
from audiodiff.text.library import get_prompt
from tests.synthesis.records import RECORD, write_provenance


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    path = tmp_path / "prompts.json"
    monkeypatch.setenv("AUDIODIFF_PROMPTS", str(path))
    return path


def test_the_life_of_a_prompt(command, tmp_path) -> None:
    empty = command("prompts", "list")
    assert (empty.status, empty.out) == (0, f"no prompts found (the library is {tmp_path / 'prompts.json'})\n")
    done = command(
        "prompts", "save", "rain", "slow piano", "--negative", "vocals", "--seed", 4, "--tag", "calm",
        "--set", "steps=20", "--set", "sampler=heun", "--set", "guidance=3.5",
    )  # fmt: skip
    assert (done.status, done.out, done.err) == (0, "saved 'rain'\n", "")
    assert command("prompts", "list").out == "rain  slow piano  [calm]\n"
    assert command("prompts", "tag", "rain", "night", "--remove", "calm").out == "'rain' has the tags night\n"
    shown = command("prompts", "show", "rain").out
    for words in ("slow piano", "vocals", "seed      4", "steps 20, sampler heun, guidance 3.5", "night", "created"):
        assert words in shown
    values = json.loads(command("prompts", "show", "rain", "--json").out)
    assert values["settings"] == {"steps": 20, "sampler": "heun", "guidance": 3.5}
    assert command("prompts", "search", "PIANO", "--tag", "night").out.startswith("rain ")
    assert json.loads(command("prompts", "search", "strings", "--json").out) == []
    assert command("prompts", "export", tmp_path / "out.json").out == f"{tmp_path / 'out.json'}: 1 prompt\n"
    assert command("prompts", "remove", "rain").out == "removed 'rain'\n"
    assert command("prompts", "import", tmp_path / "out.json").out == "1 prompt imported\n"
    assert json.loads(command("prompts", "list", "--json").out) == [values]


def test_names_that_are_taken(command, tmp_path) -> None:
    command("prompts", "save", "rain", "theirs")
    command("prompts", "export", tmp_path / "out.json", "rain")
    assert command("prompts", "save", "rain", "ours").status == 2
    assert command("prompts", "save", "rain", "ours", "--replace").status == 0
    refused = command("prompts", "import", tmp_path / "out.json")
    assert (refused.status, refused.out) == (2, "")
    skipped = command("prompts", "import", tmp_path / "out.json", "--skip")
    assert skipped.out == "0 prompts imported, 1 skipped whose names are taken\n"
    assert get_prompt("rain").prompt == "ours"
    command("prompts", "import", tmp_path / "out.json", "--replace")
    assert get_prompt("rain").prompt == "theirs"


def test_the_prompt_of_a_sound_is_saved(command, tmp_path) -> None:
    sound = tmp_path / "a.flac"
    write_audio(sound, np.zeros(800), 8000)
    write_provenance(sound, RECORD)
    assert command("prompts", "save", "köln", "--from", sound, "--set", "steps=9", "--tag", "city").status == 0
    saved = get_prompt("köln")
    assert (saved.prompt, saved.negative, saved.seed) == (RECORD.prompt, "vocals", 7)
    assert saved.settings == {**RECORD.settings, "steps": 9}
    assert "\n" not in command("prompts", "list").out.strip()
    write_provenance(sound, replace(RECORD, prompt="", verb="vocode"))
    bare = command("prompts", "save", "bare", "--from", sound)
    assert bare.status == 2
    assert "without a prompt" in bare.err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["sing"],
        ["show", "nothing"],
        ["remove", "nothing"],
        ["tag", "nothing"],
        ["tag", "nothing", "x"],
        ["save", "a"],
        ["save", "a", "b", "--from", "c.wav"],
        ["save", "a", "b", "--set", "steps"],
        ["save", "a", "b", "--seed", "-1"],
        ["save", "", "b"],
        ["import", "nothing.json"],
        ["import", "x.json", "--skip", "--replace"],
        ["words", "--model", "nonesuch"],
    ],
)
def test_bad_input(command, place, arguments) -> None:
    done = command("prompts", *arguments)
    assert (done.status, done.out) == (2, "")
    assert "Traceback" not in done.err
    assert not place.exists()


def test_the_words_of_a_model(command, checkpoint, tmp_path) -> None:
    none = command("prompts", "words", "--model", checkpoint)
    assert (none.status, none.out) == (2, "")
    assert "states no vocabulary" in none.err
    stated = {"genres": ["waltz", "reggae"], "moods": ["calm"]}
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text(json.dumps({"kind": "mel-latent", "metadata": {"vocabulary": stated}}))
    assert command("prompts", "words", "--model", model).out == "genres       waltz, reggae\nmoods        calm\n"
    assert json.loads(command("prompts", "words", "--model", model, "--json").out) == stated
