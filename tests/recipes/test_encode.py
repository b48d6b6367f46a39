import os
from collections.abc import Callable
from pathlib import Path

import fsspec
import numpy as np
import pytest
import soundfile

from audiodiff.cli.main import main
from audiodiff.data.items import AudioItem
from audiodiff.data.shards import LatentDataset
from audiodiff.data.shards.files import find_shards
from audiodiff.errors import AudiodiffError
from audiodiff.models.checkpoint import read_config
from audiodiff.models.mel_latent import CLASSES, KEY
from audiodiff_recipes import autoencoder, encode, latent
from audiodiff_recipes.clip_labels import classes_of
from audiodiff_recipes.encode import encode_corpus, with_validation
from audiodiff_recipes.latent_shards import shard_folders
from tests.recipes.corpus import tiny_changes, write_corpus
from tests.refusals import refused

Encode = Callable[..., dict[str, int]]


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("codec")
    write_corpus(place / "corpus")
    return autoencoder.train(autoencoder.configure("tiny-autoencoder", tiny_changes(place, "codec", 1)), resume=False)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Ten clips with captions, and nothing else known of them."""
    folder = tmp_path / "mine"
    folder.mkdir()
    dice = np.random.default_rng(0)
    for number in range(10):
        soundfile.write(folder / f"{number}.wav", 0.1 * dice.normal(size=9000), 22050)
    lines = [f"{number}.wav,tune {number}" for number in range(10)]
    (folder / "metadata.csv").write_text("\n".join(["file_name,text", *lines]) + "\n")
    return folder


@pytest.fixture
def run(corpus: Path, codec: Path, tmp_path: Path) -> Encode:
    def call(output: Path | str, **changes: object) -> dict[str, int]:
        arguments = {"autoencoder": codec, "cache": str(tmp_path / "cache"), **changes}
        return encode_corpus(str(corpus), output, **arguments)  # type: ignore[arg-type]

    return call


def test_without_splits_some_clips_are_held_out(run: Encode, tmp_path: Path) -> None:
    assert run(tmp_path / "shards") == {"train": 9, "valid": 1}
    clips = [clip for split in ("train", "valid") for clip in LatentDataset(tmp_path / "shards" / split).clips]
    assert len({clip.texts for clip in clips}) == 10


def test_what_is_held_out_depends_on_names_alone() -> None:
    items = [AudioItem(Path(f"/one/music/{number}.wav"), n_samples=1) for number in range(100)]
    moved = [AudioItem(Path(f"/two/mine/{number}.wav"), text="x", n_samples=1) for number in reversed(range(100))]
    held_out = [{item.path.name for item in with_validation(each) if item.split == "valid"} for each in (items, moved)]
    assert len(held_out[0]) == 5
    assert held_out[0] == held_out[1]
    given = [*items, AudioItem(Path("v.wav"), split="valid")]
    assert [item.split for item in with_validation(given)] == ["train"] * 100 + ["valid"]
    assert [item.split for item in with_validation(items[:1])] == ["train", "valid"]
    assert {item.split for item in with_validation([AudioItem(Path("t.wav"), split="test")])} == {"test"}


def test_a_run_that_was_stopped_goes_on(
    run: Encode, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "shards"
    done: list[str] = []
    segment = encode.encode_segment

    def stopped(*arguments: object) -> object:
        done.append("clip")
        if len(done) == 10:
            raise KeyboardInterrupt
        return segment(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(encode, "encode_segment", stopped)
        with pytest.raises(KeyboardInterrupt):
            run(output)
    assert [path.name for path in output.iterdir()] == ["train"]
    before = (output / "train" / "index.json").stat().st_mtime_ns
    told: list[str] = []
    assert run(output, on_skip=told.append) == {"train": 9, "valid": 1}
    assert told == ["the split train, whose shards are complete already"]
    assert (output / "train" / "index.json").stat().st_mtime_ns == before
    assert len(LatentDataset(output / "valid")) == 1
    # Other clips or settings are another corpus, and a clip recorded again is another clip.
    os.utime(corpus / "1.wav", (1, 1))
    refused("other clips or settings", lambda: run(output))
    assert run(tmp_path / "again") == {"train": 9, "valid": 1}
    output = tmp_path / "again"
    refused("other clips or settings", lambda: run(output, numbers=()))
    (corpus / "metadata.csv").write_text("file_name,text\n0.wav,x\n1.wav,y\n")
    refused("other clips or settings", lambda: run(output))
    (tmp_path / "other" / "valid").mkdir(parents=True)
    (tmp_path / "other" / "valid" / "shard-000000.tar").touch()
    refused("unfinished run", lambda: run(tmp_path / "other"))
    assert not (tmp_path / "other" / "train").exists()


def test_what_is_wrong_in_a_table_is_found_before_anything_is_encoded(
    run: Encode, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode, "encode_segment", lambda *_: pytest.fail("encoded"))
    for column in ("tempo", "first_beat"):
        (corpus / "metadata.csv").write_text(f"file_name,text,{column}\n0.wav,x,90\n1.wav,y,fast\n")
        with pytest.raises(AudiodiffError, match=rf"1\.wav has {column} 'fast'"):
            run(tmp_path / "shards", beats=True)
    assert not (tmp_path / "shards").exists()


def test_a_split_that_training_needs_is_missed_at_once(run: Encode, corpus: Path, tmp_path: Path) -> None:
    for number in range(10):  # whichever would be held out
        (corpus / f"{number}.wav").write_bytes(b"no sound") if number > 1 else None
    assert run(tmp_path / "shards") == {"train": 1, "valid": 1}
    (corpus / "metadata.csv").write_text("file_name,split\n0.wav,train\n2.wav,valid\n3.wav,test\n")
    refused("nothing of the split valid can be encoded", lambda: run(tmp_path / "no"))
    assert not (tmp_path / "no").exists()
    (corpus / "metadata.csv").write_text("file_name,split\n0.wav,train\n1.wav,valid\n3.wav,test\n")
    assert run(tmp_path / "yes") == {"train": 1, "valid": 1}


def test_splits_do_not_lead_out_of_the_output(run: Encode, corpus: Path, tmp_path: Path) -> None:
    for split in (str(tmp_path / "away"), "../away", "..", "a/b", "/dev/zero"):
        (corpus / "metadata.csv").write_text(f"file_name,text,split\n0.wav,x,{split}\n1.wav,y,train\n")
        with pytest.raises(AudiodiffError, match="line 2 is"):
            run(tmp_path / "out" / "shards")
        (corpus / "metadata.csv").unlink()
        (corpus / "manifest.jsonl").write_text(f'{{"path": "0.wav", "split": "{split}"}}\n')
        with pytest.raises(AudiodiffError, match="line 1: the split"):
            run(tmp_path / "out" / "shards")
        (corpus / "manifest.jsonl").unlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine"]


def test_what_is_left_out_is_told(run: Encode, corpus: Path, tmp_path: Path) -> None:
    (corpus / "3.wav").write_bytes(b"no sound")
    (corpus / "more.m4a").touch()
    told: list[str] = []
    run(tmp_path / "shards", on_skip=told.append)
    assert len(told) == 2
    assert ".m4a" in told[0]
    assert "3.wav" in told[1]


def test_shards_are_written_to_urls(run: Encode) -> None:
    assert run("memory://encoded") == {"train": 9, "valid": 1}
    assert run("memory://encoded/") == {"train": 9, "valid": 1}
    assert find_shards("memory://encoded/valid")[1][0].entry.clips == 1
    fsspec.filesystem("memory").rm("/encoded", recursive=True)
    refused("only hands out", lambda: run("http://127.0.0.1:9/x"))


def test_a_folder_whose_name_is_not_utf_8(corpus: Path, codec: Path, tmp_path: Path) -> None:
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    try:
        corpus.rename(odd)
    except OSError:
        pytest.skip("this file system has no such names")
    cache = str(tmp_path / "cache")
    assert encode_corpus(odd, tmp_path / "shards", autoencoder=codec, cache=cache) == {"train": 9, "valid": 1}
    assert LatentDataset(tmp_path / "shards" / "train").clips[0].source == "caf\ufffd"


def test_a_latent_model_learns_from_urls(run: Encode, codec: Path, tmp_path: Path) -> None:
    run("memory://music")
    for run_name, data in (("a", "memory://music/"), ("b", "memory://music/train/shard-{000000..000000}.tar")):
        changes = {"data.folder": data, "autoencoder": str(codec), "output": str(tmp_path / run_name)}
        config = latent.configure("tiny-latent", {**changes, "train.steps": "1", "data.crop_latents": "8"})
        assert read_config(latent.train(config, resume=False))["metadata"]["corpus"]["clips"] == 9
    fsspec.filesystem("memory").rm("/music", recursive=True)
    assert main(["train", "tiny-latent", "--data", "https://host/x/", "-o", "run", "--settings"]) == 0


def test_where_the_splits_are() -> None:
    def places(folder: str) -> list[str]:
        config = latent.configure("tiny-latent", {"data.folder": folder})
        return [place for split in ("train", "valid") for place in shard_folders(config, split)]

    assert places("https://host/x/, y") == ["https://host/x/train", "y/train", "https://host/x/valid", "y/valid"]
    assert places("s/train/shard-{00..12}.tar") == ["s/train/shard-{00..12}.tar", "s/valid"]
    assert places("s3://b/train/a.tar,s3://b/train/c.tar") == [
        *("s3://b/train/a.tar", "s3://b/train/c.tar"),
        *("s3://b/valid", "s3://b/valid"),
    ]


def test_a_clip_that_changes_its_key_is_not_said_to_be_in_one() -> None:
    said = {"key": "C major", "label_source": "exact"}
    kinds = (*CLASSES, KEY)
    assert classes_of(AudioItem(Path("a.wav"), extra=said), kinds) == {"source": "rendered", "key": "C major"}
    changed = AudioItem(Path("a.wav"), extra={**said, "modulation": "D major at 9.600"})
    assert classes_of(changed, kinds) == {"source": "rendered"}
