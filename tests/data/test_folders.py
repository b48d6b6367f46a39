import os
import re

import pytest

from audiodiff.data.corpora import ljspeech_items
from audiodiff.data.folders import folder_items, folder_listing, walk
from tests.data.corpus import clip, table
from tests.refusals import refused


@pytest.fixture
def root(tmp_path):
    for name in "abc":
        clip(tmp_path / "music" / f"{name}.wav")
    return tmp_path / "music"


def write_table(root, *lines):
    (root / "metadata.csv").write_text("\n".join(("file_name,text,split", *lines)) + "\n")


def test_a_header_with_spaces_loses_nothing(root):
    (root / "metadata.csv").write_text("file_name, text, split\na.wav, a piano, valid\n")
    (item,) = folder_items(root)
    assert (item.text, item.split, item.extra) == ("a piano", "valid", {})


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("b.wav,x,../../out", "line 3.*plain name"),
        ("b.wav,x,/tmp/out", "line 3.*plain name"),
        ("b.wav,x,..", "line 3.*plain name"),
        ("a.wav,x,train", "line 3 names a.wav again, after line 2"),
        ("./a.wav,x,train", "again, after line 2"),
        (",x,train", "line 3 has no file_name"),
        ("/etc/passwd,x,train", "line 3 names /etc/passwd, outside"),
        ('b.wav,"12"" piano,train', "line 3 is not CSV"),
        ("b.wav,x", "line 3 has 2 cells"),
    ],
)
def test_lines_that_cannot_be_meant_are_named(root, line, words):
    write_table(root, "a.wav,x,train", line, "c.wav,x,train")
    refused(words, lambda: folder_items(root))


def test_what_is_left_out_is_told(root):
    assert folder_listing(root).notes == ()
    write_table(root, "a.wav,x,trian", "b.wav,y,train")
    (root / "b.txt").touch()
    clip(root / "deep" / "d.flac")
    for name in ("one.m4a", "deep/two.WMA", "metadata.jsonl", "deep/metadata.csv", "metadata.CSV", "captions.txt"):
        (root / name).touch()
    notes = folder_listing(root).notes
    assert len(notes) == 5
    for words, note in zip(
        (
            r"2 files of kinds that are not taken, \.m4a, \.wma: .*WAV or FLAC \(deep/two\.WMA, \.\.\.\)",
            r"2 sound files that metadata\.csv does not name \(c\.wav, \.\.\.\)",
            r"4 other tables",
            r"1 files next to clips, since .* \(b\.txt\)",
            r"1 clips of split 'trian', which training does not use",
        ),
        notes,
        strict=True,
    ):
        assert re.search(words, note), note


def test_columns_of_other_names_are_told(root):
    for header, words in (
        ("file_name,caption,subset", ["'caption': if it is meant as text", "'subset': if it is meant as split"]),
        ("file_name,Text,Split", ["'Text': if it is meant as text", "'Split': if it is meant as split"]),
        ("file_name,text,split", []),
        ("file_name,genre,mood", []),
    ):
        (root / "metadata.csv").write_text(f"{header}\n" + "".join(f"{name}.wav,x,train\n" for name in "abc"))
        notes = folder_listing(root).notes
        assert len(notes) == len(words)
        assert all(word in note for word, note in zip(words, notes, strict=True))


def test_without_a_table_too(root):
    (root / "x.aac").touch()
    (root / "captions.csv").touch()
    (root / "a.txt").write_text("a piano")
    listing = folder_listing(root)
    assert listing.items[0].text == "a piano"
    assert ["x.aac" in note or "captions.csv" in note for note in listing.notes] == [True, True]
    for name in "abc":
        (root / f"{name}.wav").unlink()
    refused(r"no sound files \(1 files of kinds that are not taken, \.aac", lambda: folder_items(root))


def test_a_table_that_is_a_broken_link_is_told(root):
    (root / "metadata.csv").symlink_to("nowhere.csv")
    (note,) = folder_listing(root).notes
    assert "(metadata.csv)" in note


def test_links_to_folders_are_followed_once(root, tmp_path):
    clip(tmp_path / "elsewhere" / "train" / "d.wav")
    (root / "train").mkdir()
    clip(root / "train" / "e.wav")
    for name, target in (
        ("again", "."),
        ("up", ".."),
        ("train/two", ".."),
        ("train/self", "self"),
        ("a-link", "train"),
        ("broken", "nowhere"),
        ("elsewhere", "../elsewhere"),
        ("once more", "../elsewhere"),
    ):
        (root / name).symlink_to(target)
    found = [item.path.relative_to(root).as_posix() for item in folder_items(root)]
    assert found == ["a.wav", "b.wav", "c.wav", "elsewhere/train/d.wav", "train/e.wav"]


@pytest.mark.skipif(os.name != "posix" or os.getuid() == 0, reason="the superuser may read everything")
def test_folders_that_may_not_be_read_are_told(root):
    (root / "closed").mkdir(mode=0)
    assert "1 folders that may not be read (closed)" in folder_listing(root).notes


def test_walk_names_what_it_cannot_read(root, monkeypatch):
    scandir = os.scandir

    def closed(folder):
        if folder.name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    (root / "closed").mkdir()
    monkeypatch.setattr(os, "scandir", closed)
    files, unread = walk(root)
    assert [path.name for path in files] == ["a.wav", "b.wav", "c.wav"]
    assert unread == [root / "closed"]
    assert "1 folders that may not be read (closed)" in folder_listing(root).notes


def test_the_shape_of_ljspeech_is_known_under_any_name(tmp_path):
    root = tmp_path / "my voice"
    clip(root / "wavs" / "x1.wav")
    clip(root / "wavs" / "x2.flac")
    clip(root / "wavs" / "x3.wav")
    (root / "metadata.csv").write_text("x1|one 1|one one\nx2|two\nx4|gone|gone\n")
    listing = folder_listing(root)
    assert [(item.path.name, item.text, item.sample_rate > 0) for item in listing.items] == [
        ("x1.wav", "one one", True),
        ("x2.flac", "two", True),
        ("x4.wav", "gone", False),
    ]
    assert len(listing.notes) == 1
    assert "does not name" in listing.notes[0]
    named = ljspeech_items(root)
    assert [item.text for item in named] == ["one one", "two", "gone"]
    assert {(item.split, item.speaker) for item in named} == {("train", "")}
    (root / "metadata.csv").write_text("x1|one\n../x2|two\n")
    refused("outside", lambda: folder_items(root))
    # A table of commas beside wavs is one of commas.
    table(root / "metadata.csv", [{"file_name": "wavs/x1.wav", "text": "a|b"}])
    assert folder_items(root)[0].text == "a|b"


def test_urls_are_not_folders():
    refused("http://host/x is a URL", lambda: folder_items("http://host/x"))


@pytest.mark.skipif(os.name != "posix", reason="file names are bytes")
def test_names_that_are_not_utf_8(root):
    os.rename(root / "a.wav", os.fsencode(root) + b"/caf\xe9.wav")
    assert len(folder_items(root)) == 3
