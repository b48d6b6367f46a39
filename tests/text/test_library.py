import json
import os
import signal
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from audiodiff.errors import AudiodiffError
from audiodiff.text import library
from audiodiff.text.library import (
    SavedPrompt,
    export_prompts,
    get_prompt,
    import_prompts,
    library_path,
    remove_prompt,
    save_prompt,
    search_prompts,
    tag_prompt,
)
from tests.refusals import refused

RAIN = SavedPrompt(
    "Rain", "slow piano over rain", "vocals", {"steps": 20, "guidance": 3.5}, seed=4, tags=("piano", "calm")
)
NIGHT = SavedPrompt("nacht", "leise Straße, 雨", tags=("Calm",))


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch) -> Path:
    """A library of the test's own."""
    path = tmp_path / "data" / "prompts.json"
    monkeypatch.setenv("AUDIODIFF_PROMPTS", str(path))
    return path


def names(found: list[SavedPrompt]) -> list[str]:
    return [saved.name for saved in found]


# -- one user ----------------------------------------------------------------------------------------------------------


def test_saved_and_found_again(place) -> None:
    saved = save_prompt(RAIN)
    assert saved == replace(RAIN, created=saved.created)
    assert saved.created.endswith("+00:00")
    assert get_prompt("Rain") == saved
    save_prompt(NIGHT)
    assert names(search_prompts()) == ["nacht", "Rain"]
    assert json.loads(place.read_text("utf-8"))["audiodiff_prompts"] == 1
    assert "雨" in place.read_text("utf-8")


def test_an_empty_library_needs_no_file(place) -> None:
    assert search_prompts("anything") == []
    assert not place.parent.exists()
    refused("no prompt 'x'", lambda: get_prompt("x"))


@pytest.mark.parametrize(
    ("words", "tags", "expected"),
    [
        ("PIANO rain", (), ["Rain"]),
        ("rain slow", (), ["Rain"]),
        ("pia", (), ["Rain"]),
        ("vocals", (), ["Rain"]),
        ("STRASSE", (), ["nacht"]),
        ("calm", (), ["nacht", "Rain"]),
        ("", ("calm",), ["nacht", "Rain"]),
        ("", ("CALM", "piano"), ["Rain"]),
        ("", ("cal",), []),
        ("piano strings", (), []),
    ],
)
def test_search(words, tags, expected) -> None:
    save_prompt(RAIN)
    save_prompt(NIGHT)
    assert names(search_prompts(words, tags=tags)) == expected


def test_names_are_kept_apart(place) -> None:
    save_prompt(RAIN)
    before = place.read_bytes()
    refused("already", lambda: save_prompt(replace(RAIN, prompt="other")))
    assert place.read_bytes() == before
    save_prompt(replace(RAIN, prompt="other"), replace=True)
    assert get_prompt(" Rain ").prompt == "other"
    refused("did you mean 'Rain'", lambda: get_prompt("rain"))
    save_prompt(replace(RAIN, name="Ko\u0308ln"))  # the letter and its dots apart
    assert get_prompt("K\u00f6ln").prompt == RAIN.prompt


def test_tags_come_and_go() -> None:
    save_prompt(RAIN)
    assert tag_prompt("Rain", ["night", "PIANO"]).tags == ("calm", "night", "piano")
    assert tag_prompt("Rain", remove=["Night", "unknown"]).tags == ("calm", "piano")
    assert get_prompt("Rain").tags == ("calm", "piano")
    refused("no prompt", lambda: tag_prompt("Snow", ["cold"]))


def test_removed() -> None:
    save_prompt(RAIN)
    remove_prompt("Rain")
    assert search_prompts() == []
    refused("no prompt", lambda: remove_prompt("Rain"))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"name": ""}, "called"),
        ({"name": "a\nb"}, "called"),
        ({"name": "x" * 101}, "called"),
        ({"name": 3}, "text"),
        ({"prompt": "  "}, "empty"),
        ({"prompt": None}, "text"),
        ({"seed": -1}, "seed"),
        ({"seed": True}, "seed"),
        ({"tags": "calm"}, "list of words"),
        ({"tags": ("a,b",)}, "tag"),
        ({"tags": ("",)}, "tag"),
        ({"settings": {1: 2}}, "names and values"),
        ({"settings": {"a": float("nan")}}, "JSON"),
        ({"settings": {"a": Path("x")}}, "JSON"),
    ],
)
def test_what_cannot_be_saved(changed, words) -> None:
    refused(words, lambda: replace(RAIN, **changed))


# -- where it is -------------------------------------------------------------------------------------------------------


def test_the_data_folder_of_the_system(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("AUDIODIFF_PROMPTS")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    for platform, folder in (
        ("linux", tmp_path / "xdg"),
        ("darwin", tmp_path / "Library" / "Application Support"),
        ("win32", tmp_path / "local"),
    ):
        monkeypatch.setattr(library.sys, "platform", platform)
        assert library_path() == folder / "audiodiff" / "prompts.json"
    monkeypatch.setattr(library.sys, "platform", "linux")
    for unusable in ("", "relative/folder"):
        monkeypatch.setenv("XDG_DATA_HOME", unusable)
        assert library_path() == tmp_path / ".local" / "share" / "audiodiff" / "prompts.json"


def test_a_link_stays_a_link(place, tmp_path) -> None:
    place.parent.mkdir()
    (tmp_path / "dotfiles.json").write_text('{"audiodiff_prompts": 1, "prompts": []}')
    place.symlink_to(tmp_path / "dotfiles.json")
    save_prompt(RAIN)
    assert place.is_symlink()
    assert "slow piano" in (tmp_path / "dotfiles.json").read_text()


def test_rights_are_kept(place) -> None:
    save_prompt(RAIN)
    place.chmod(0o600)
    save_prompt(NIGHT)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600


# -- damaged, foreign, newer -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "damaged"),
        (b"{", "damaged"),
        (b"\xff\xfe", "damaged"),
        (b"[]", "no prompts"),
        (b'{"prompts": []}', "no prompts"),
        (b'{"audiodiff_prompts": 1}', "not a list"),
        (b'{"audiodiff_prompts": 1, "prompts": [3]}', "lacks"),
        (b'{"audiodiff_prompts": 1, "prompts": [{"name": "a"}]}', "lacks"),
        (b'{"audiodiff_prompts": 1, "prompts": [{"name": "a", "prompt": 1}]}', "text"),
        (b'{"audiodiff_prompts": 2, "prompts": []}', "update audiodiff"),
        (b"[" * 100_000, "damaged"),
    ],
)
def test_a_bad_library_is_never_written_over(place, content, words) -> None:
    place.parent.mkdir()
    place.write_bytes(content)
    for action in (search_prompts, lambda: save_prompt(RAIN), lambda: export_prompts(place.with_name("out.json"))):
        with pytest.raises(AudiodiffError, match=words) as caught:
            action()
        assert "\n" not in str(caught.value)
    assert place.read_bytes() == content
    assert not place.with_name("out.json").exists()


def test_what_a_newer_version_added_stays(place) -> None:
    save_prompt(RAIN)
    document = json.loads(place.read_text())
    document["prompts"][0]["rating"] = 5
    place.write_text(json.dumps(document))
    save_prompt(NIGHT)
    tag_prompt("Rain", ["new"])
    kept = {item["name"]: item for item in json.loads(place.read_text())["prompts"]}
    assert kept["Rain"]["rating"] == 5
    assert kept["Rain"]["tags"] == ["calm", "new", "piano"]


# -- from one library to another ---------------------------------------------------------------------------------------


def test_exported_and_imported(tmp_path) -> None:
    save_prompt(RAIN)
    save_prompt(NIGHT)
    everything = search_prompts()
    assert export_prompts(tmp_path / "all.json") == 2
    assert export_prompts(tmp_path / "one.json", ["nacht"]) == 1
    refused("no prompt 'x'", lambda: export_prompts(tmp_path / "none.json", ["nacht", "x"]))
    assert not (tmp_path / "none.json").exists()
    other = tmp_path / "other.json"
    assert import_prompts(tmp_path / "one.json", path=other) == (1, 0)
    assert import_prompts(tmp_path / "all.json", path=other) == (1, 0)  # the one that is there is the same
    assert search_prompts(path=other) == everything


def test_names_that_are_taken(tmp_path, place) -> None:
    theirs = tmp_path / "theirs.json"
    save_prompt(replace(RAIN, prompt="their rain"), path=theirs)
    save_prompt(NIGHT, path=theirs)
    save_prompt(RAIN)
    before = place.read_bytes()
    refused("another prompt by the name of 'Rain'; skip", lambda: import_prompts(theirs))
    assert place.read_bytes() == before
    assert import_prompts(theirs, on_conflict="skip") == (1, 1)
    assert (get_prompt("Rain").prompt, get_prompt("nacht").prompt) == (RAIN.prompt, NIGHT.prompt)
    assert import_prompts(theirs, on_conflict="replace") == (1, 0)
    assert get_prompt("Rain").prompt == "their rain"


def test_bad_files_are_refused(tmp_path, place) -> None:
    save_prompt(RAIN)
    refused("does not exist", lambda: import_prompts(tmp_path / "nothing.json"))
    refused("library itself", lambda: export_prompts(place))
    refused("does not exist", lambda: export_prompts(tmp_path / "no" / "folder.json"))
    (tmp_path / "half.json").write_text(
        json.dumps({"audiodiff_prompts": 1, "prompts": [NIGHT.to_dict(), {"name": "bad"}]})
    )
    refused("lacks", lambda: import_prompts(tmp_path / "half.json"))
    assert names(search_prompts()) == ["Rain"]


# -- several at once ---------------------------------------------------------------------------------------------------

WRITER = """
import sys
from audiodiff.text.library import SavedPrompt, save_prompt, search_prompts
me, number = sys.argv[1], int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for index in range(number):
    save_prompt(SavedPrompt(f"{me} {index}", "rain " * 200))
    search_prompts("rain")
"""


def test_two_programs_lose_nothing(place) -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    number = 25
    programs = [
        subprocess.Popen([sys.executable, "-c", WRITER, name, str(number)], **pipes)  # type: ignore[call-overload]
        for name in ("first", "second")
    ]
    for program in programs:
        assert program.stdout.readline() == "ready\n"
    for program in programs:  # both are there before either begins
        program.stdin.write("go\n")
        program.stdin.flush()
    for program in programs:
        _, told = program.communicate(timeout=60)
        assert program.returncode == 0, told
    expected = {f"{name} {index}" for name in ("first", "second") for index in range(number)}
    assert set(names(search_prompts())) == expected
    assert [item for item in os.listdir(place.parent) if item.endswith(".part")] == []


def test_threads_lose_nothing() -> None:
    def save(name: str) -> None:
        for index in range(10):
            save_prompt(SavedPrompt(f"{name} {index}", "rain"))

    workers = [threading.Thread(target=save, args=(name,)) for name in "abc"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(search_prompts()) == 30


def test_a_change_waits_no_longer_than_it_says(place, monkeypatch) -> None:
    monkeypatch.setattr(library, "LOCK_SECONDS", 0.05)
    save_prompt(RAIN)
    with library._locked(place):
        refused("in use by another program", lambda: save_prompt(NIGHT))
        assert names(search_prompts()) == ["Rain"]  # readers do not wait
    save_prompt(NIGHT)


KILLED = """
import os, signal
from audiodiff.text import library
library.os.replace = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)
library.save_prompt(library.SavedPrompt("new", "rain"))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL")
def test_being_killed_leaves_the_library_whole_and_free(place) -> None:
    save_prompt(RAIN)
    before = place.read_bytes()
    done = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert place.read_bytes() == before
    save_prompt(NIGHT)
    assert names(search_prompts()) == ["nacht", "Rain"]


def test_a_disk_without_locks_is_said(monkeypatch) -> None:
    fcntl = pytest.importorskip("fcntl")

    def refuse(*arguments: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    refused("AUDIODIFF_PROMPTS", lambda: save_prompt(RAIN))


def test_a_full_disk_keeps_the_library(place, monkeypatch) -> None:
    save_prompt(RAIN)
    before = place.read_bytes()

    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(library.os, "fsync", fail)
    refused("No space left", lambda: save_prompt(NIGHT))
    assert place.read_bytes() == before
    assert [item for item in os.listdir(place.parent) if item.endswith(".part")] == []


def test_a_full_disk_is_one_sentence_and_keeps_the_library(tmp_path: Path) -> None:
    library = tmp_path / "prompts.json"
    save_prompt(SavedPrompt("kept", "slow piano"), path=library)
    before = library.read_bytes()
    code = (
        "import os, resource, sys; from audiodiff.cli.main import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "sys.exit(main(['prompts', 'save', 'lost', 'x' * 500]))"
    )
    environment = {**os.environ, "AUDIODIFF_PROMPTS": str(library)}
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "could not be written" in line
    assert library.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} <= {"prompts.json", ".prompts.json.lock"}
