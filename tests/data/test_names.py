import os
import subprocess
import sys
from pathlib import Path

import pytest

from audiodiff.data.items import AudioItem
from audiodiff.data.names import file_below, is_url, path_from, path_part, path_text
from audiodiff.errors import AudiodiffError
from tests.refusals import refused


@pytest.mark.parametrize("name", ["train", "valid", "hold out 2", "prüfung", "v1.0", "a-b_c"])
def test_plain_names_are_parts_of_paths(name):
    assert path_part(name, "the split") == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "/x",
        "a/b",
        "/dev/zero",
        "a\\b",
        "C:",
        "a\0b",
        "a\nb",
        "\x1b[2J",
        ".hidden",
        " x",
        "x" * 300,
    ],
)
def test_other_names_are_refused(name):
    refused("the split is", lambda: path_part(name, "the split"))
    if name:
        refused("the split of", lambda: AudioItem(Path("a.wav"), split=name))


@pytest.mark.parametrize(
    "name", ["/x.wav", "../x.wav", "a/../../x.wav", "C:\\x.wav", "..\\x.wav", "\\\\host\\x.wav", "/dev/zero"]
)
def test_files_of_tables_stay_below_their_folder(name):
    refused(r"table line 2 names .*outside", lambda: file_below(Path("folder"), name, "table line 2"))


def test_paths_and_text():
    assert file_below(Path("folder"), "a/b..c.wav", "x") == Path("folder/a/b..c.wav")
    odd = Path(os.fsdecode(b"caf\xe9.wav"))
    assert path_from(path_text(odd)) == odd
    for text in ("a\0.wav", "a\ud800.wav"):
        with pytest.raises(AudiodiffError, match="cannot be a file name"):
            path_from(text)
    assert is_url("http://host/x")
    assert not is_url(Path("http://host/x"))


def test_text_means_the_same_file_in_an_ascii_locale(tmp_path):
    (tmp_path / "é.wav").touch()
    code = f"""
from pathlib import Path
from audiodiff.data.names import path_from, path_text
(path,) = Path({str(tmp_path)!r}).iterdir()
assert path_text(Path(path.name)) == "\\u00e9.wav", ascii(path)
assert (path.parent / path_from("\\u00e9.wav")).is_file()
"""
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
