import json
from pathlib import Path

import pytest
import soundfile

from audiodiff.models.find import PHONE_MODEL_FILE
from audiodiff.synthesis import respeech
from audiodiff.synthesis import voice as voice_module
from tests.data.synthetic_speech import RATE, SPEC, phone_model, recording
from tests.synthesis.voice_fakes import FakeVoice

WORDS = [("S", "EH1", "L"), ("M", "IY1"), ("F", "AA1", "SH")]
TEXT = "Sell me, {F AA1 SH}!"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A voice that can align, and a recording."""
    made = tmp_path_factory.mktemp("voice")
    phone_model().save(made / PHONE_MODEL_FILE)
    soundfile.write(made / "in.wav", recording(WORDS, [0, 14, 10])[0], RATE)
    return made


def test_words_as_table_json_and_textgrid(command, folder, tmp_path) -> None:
    given = ["align", folder / "in.wav", "--voice", folder, "--text", TEXT]
    table = command(*given)
    assert table.status == 0, table.err
    assert [line.split()[2:] for line in table.out.splitlines()][:2] == [["sell", "S", "EH1", "L"], ["me", "M", "IY1"]]
    assert len(json.loads(command(*given, "--json").out)["words"]) == 3
    assert command(*given, "-o", tmp_path / "a.TextGrid").status == 0
    assert (tmp_path / "a.TextGrid").read_text("utf-8") == command(*given, "--textgrid").out
    (tmp_path / "text.txt").write_text(TEXT)
    again = command("align", folder / "in.wav", "--voice", folder, "--file", tmp_path / "text.txt")
    assert again.out == table.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--text", "All of us see Sally fell."], "not what is said"),
        (["--text", "  "], "empty"),
        ([], "does not tell what is said"),
        (["--text", TEXT, "--file", "a.txt"], "one text"),
        (["--text", TEXT, "-o", "a.csv"], "expected the name of a .json or .TextGrid"),
        (["--text", TEXT, "-o", "a.json", "--textgrid"], "a.json cannot be written"),
        (["--text", TEXT, "-o", "none/a.json"], "does not exist"),
        (["--text", TEXT, "--voice", "speech"], "has no phone_model"),
        (["--text", TEXT, "--voice", "nobody"], "no model 'nobody'"),
        (["--text", "Hello. " * 2000], "at most 10000"),
    ],
)
def test_bad_input_is_one_sentence(command, folder, tmp_path, monkeypatch, options, said) -> None:
    monkeypatch.chdir(tmp_path)
    done = command("align", folder / "in.wav", *(["--voice", folder] if "--voice" not in options else []), *options)
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert said in done.err
    assert not list(tmp_path.iterdir())


def test_respeak_takes_the_text_that_a_file_tells(command, folder, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(voice_module, "load_voice", lambda *_, **__: FakeVoice(SPEC))
    monkeypatch.setattr(respeech, "load_voice_phones", lambda _: phone_model())
    given = ["respeak", folder / "in.wav", "--text", TEXT, "--replace", "me", "{AA1 L IY1}", "-o", tmp_path / "a.wav"]
    done = command(*given, "--count", 2)
    assert done.status == 0, done.err
    assert {path.name for path in tmp_path.iterdir()} == {"a-seed0.wav", "a-seed1.wav"}
    missing = command("respeak", folder / "in.wav", "--text", TEXT, "-o", tmp_path / "b.wav")
    assert (missing.status, "--replace" in missing.err) == (2, True)
    itself = command(*given[:-1], folder / "in.wav")
    assert (itself.status, "is the input as well" in itself.err) == (2, True)
    silent = command("respeak", folder / "in.wav", "--replace", "me", "us", "-o", tmp_path / "b.wav")
    assert (silent.status, "does not tell what is said" in silent.err) == (2, True)
