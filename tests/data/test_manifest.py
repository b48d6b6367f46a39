import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiodiff.data.corpora import AudioItem
from audiodiff.data.manifest import load_items, load_listing, read_manifest, write_manifest
from audiodiff.errors import AudiodiffError
from tests.data.corpus import clip
from tests.refusals import refused

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)


@given(text=TEXT, speaker=TEXT, extra=st.dictionaries(TEXT, TEXT, max_size=3), count=st.integers(0, 10**10))
@settings(max_examples=20, deadline=None)
def test_round_trip(tmp_path_factory, text, speaker, extra, count):
    folder = tmp_path_factory.getbasetemp().resolve() / "round"
    items = [
        AudioItem(folder / "sub" / "a.wav", text, "train", speaker, 22050, count, "CC0-1.0", extra),
        AudioItem(folder.parent / "b.wav"),
    ]
    write_manifest(items, folder / "m.jsonl")
    assert read_manifest(folder / "m.jsonl") == items


def test_clips_beside_the_manifest_move_with_it(tmp_path):
    one = tmp_path.resolve() / "one"
    clip(one / "a.wav")
    write_manifest([AudioItem(one / "a.wav")], one / "manifest.jsonl")
    assert json.loads((one / "manifest.jsonl").read_text())["path"] == "a.wav"
    one.rename(tmp_path / "two")
    (item,) = load_items(tmp_path / "two")
    assert item.path.is_file()


def test_load_items_takes_folder_and_manifest(tmp_path):
    clip(tmp_path / "train" / "a.wav")
    (plain,) = load_items(tmp_path, "train")
    write_manifest([plain], tmp_path / "manifest.jsonl")
    for source in (tmp_path, tmp_path / "manifest.jsonl"):
        assert load_items(source)[0].split == "train"
        with pytest.raises(AudiodiffError, match="test"):
            load_items(source, "test")
    refused("not a folder", lambda: load_items(tmp_path / "nothing"))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("not json", "line 2"),
        ("[1]", "no path"),
        ('{"text": "x"}', "no path"),
        ('{"path": "x", "rate": 3}', "rate"),
        ('{"path": "x", "sample_rate": "3"}', "type"),
        ('{"path": "x", "n_samples": -1}', "type"),
        ('{"path": "x", "n_samples": true}', "type"),
        ('{"path": "x", "text": 1}', "type"),
        ('{"path": "x", "split": "../../out"}', "line 2: the split of"),
        ('{"path": "x", "split": "/dev/zero"}', "line 2: the split of"),
        ('{"path": "a\\u0000b"}', "line 2 has a path with a NUL"),
        ('{"path": "\\ud800"}', "line 2: .* cannot be a file name"),
    ],
)
def test_bad_lines_are_named(tmp_path, line, words):
    path = tmp_path / "m.jsonl"
    path.write_text('{"path": "a.wav"}\n' + line + "\n")
    refused(words, lambda: read_manifest(path))


def test_empty_missing_and_unwritable(tmp_path):
    (tmp_path / "m.jsonl").touch()
    refused("empty", lambda: read_manifest(tmp_path / "m.jsonl"))
    refused("cannot be read", lambda: read_manifest(tmp_path / "no.jsonl"))
    refused("cannot be written", lambda: write_manifest([], tmp_path / "m.jsonl" / "x.jsonl"))


@pytest.mark.skipif(os.name != "posix", reason="file names are bytes")
def test_names_that_are_not_utf_8(tmp_path):
    odd = tmp_path.resolve() / os.fsdecode(b"caf\xe9.wav")
    items = [AudioItem(odd, "café"), AudioItem(tmp_path.resolve() / "b.wav", "日本")]
    write_manifest(items, tmp_path / "m.jsonl")
    assert read_manifest(tmp_path / "m.jsonl") == items


def test_splits_that_training_does_not_use_are_told(tmp_path):
    write_manifest([AudioItem(tmp_path / "a.wav"), AudioItem(tmp_path / "b.wav", split="trian")], tmp_path / "m.jsonl")
    (note,) = load_listing(tmp_path / "m.jsonl").notes
    assert "1 clips of split 'trian'" in note
