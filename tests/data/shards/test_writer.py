import io
import json
import os
import tarfile

import numpy as np
import pytest
import torch

from audiodiff.data.shards import writer as module
from audiodiff.data.shards.writer import ShardWriter
from audiodiff.errors import AudiodiffError
from tests.data.latents import INDEX, clip, latent_of, states_of, write
from tests.refusals import refused


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_shards_follow_the_conventions_of_webdataset(tmp_path):
    folder = write(tmp_path / "deep" / "out")
    assert names(folder) == ["index.json", *(f"shard-00000{n}.{kind}" for n in range(3) for kind in ("json", "tar"))]
    samples, order = {}, []
    for number in range(3):
        with tarfile.open(folder / f"shard-00000{number}.tar") as tar:
            for member in tar:
                assert (member.mtime, member.uid, member.gid, member.uname, member.mode) == (0, 0, 0, "", 0o644)
                key, _, kind = member.name.partition(".")
                if key not in samples:
                    order.append(key)
                assert order[-1] == key  # the files of a clip stand together
                samples.setdefault(key, {})[kind] = tar.extractfile(member).read()
    assert order == [f"clip-{number}" for number in range(5)]
    captions = [[], ["text.npy"], ["text0.npy", "text1.npy"], [], ["text.npy"]]
    for number, files in enumerate(samples.values()):
        assert list(files) == ["latent.npy", *captions[number], "json"]
        latent = np.load(io.BytesIO(files["latent.npy"]))
        assert latent.dtype == np.float16
        assert np.array_equal(latent, latent_of(number, latent.shape[1]).numpy())
        for caption, name in enumerate(captions[number]):
            states = np.load(io.BytesIO(files[name]))
            assert states.dtype == np.float16
            assert np.array_equal(states, states_of(number, caption).numpy())
        assert json.loads(files["json"]) == {
            "texts": list(clip(number).texts),
            "numbers": dict(clip(number).numbers),
            "classes": dict(clip(number).classes),
            "source": clip(number).source,
            "licence": "CC0-1.0",
            "seconds": clip(number).seconds,
            "beats": list(clip(number).beats),
            "chords": [list(chord) for chord in clip(number).chords],
        }


def test_the_table_points_at_the_files(tmp_path):
    folder = write(tmp_path / "out")
    for number in range(3):
        content = (folder / f"shard-00000{number}.tar").read_bytes()
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            places = {member.name: [member.offset_data, member.size] for member in tar}
        for record in json.loads((folder / f"shard-00000{number}.json").read_text("utf-8")):
            assert record["latent"] == places[f"{record['key']}.latent.npy"]
            stored = [place for name, place in places.items() if name.startswith(f"{record['key']}.text")]
            assert record["states"] == stored
    values = json.loads((folder / "index.json").read_text("utf-8"))
    assert [shard["clips"] for shard in values["shards"]] == [2, 2, 1]
    assert [shard["bytes"] for shard in values["shards"]] == [
        (folder / shard["name"]).stat().st_size for shard in values["shards"]
    ]
    assert values["clips"] == 5
    assert values["seconds"] == pytest.approx(100 / 21.5)


def test_the_same_clips_give_the_same_bytes(tmp_path):
    one, two = write(tmp_path / "one"), write(tmp_path / "two")
    os.utime(two / "index.json", (1, 1))
    assert names(one) == names(two)
    for name in names(one):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    numbers = {"tempo_bpm": 60.0, "seconds": 2.0}
    for name, order in (("three", 1), ("four", -1)):
        with ShardWriter(tmp_path / name, INDEX) as writer:
            writer.add(clip(0, numbers=dict(list(numbers.items())[::order])))
    for name in ("shard-000000.tar", "shard-000000.json"):
        assert (tmp_path / "three" / name).read_bytes() == (tmp_path / "four" / name).read_bytes()


def test_shards_have_a_size(tmp_path):
    with ShardWriter(tmp_path, INDEX, bytes_per_shard=20_000) as writer:
        for number in range(12):
            writer.add(clip(number, captions=1, beats=()))
        writer.add(clip(12, latent=torch.zeros(2, 9000)))
        writer.add(clip(13))
    sizes = [path.stat().st_size for path in sorted(tmp_path.glob("*.tar"))]
    counts = [shard["clips"] for shard in json.loads((tmp_path / "index.json").read_text())["shards"]]
    assert max(sizes[:-2]) <= 20_480
    assert sizes[-2] > 36_000
    assert counts[-2:] == [1, 1]
    assert sum(counts) == 14
    assert len(counts) == len(sizes) == 4


def test_a_run_that_fails_leaves_nothing(tmp_path):
    def failing():
        for number in range(5):
            yield clip(number)
        assert len(names(tmp_path)) == 5
        raise KeyboardInterrupt

    def run():
        with ShardWriter(tmp_path, INDEX, clips_per_shard=2) as writer:
            for item in failing():
                writer.add(item)

    with pytest.raises(KeyboardInterrupt):
        run()
    assert names(tmp_path) == []
    with pytest.raises(AudiodiffError, match="No clip"), ShardWriter(tmp_path, INDEX):
        pass
    assert names(tmp_path) == []


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module.tarfile.TarFile, "addfile", full)
        with pytest.raises(AudiodiffError, match="No space"), ShardWriter(tmp_path, INDEX) as writer:
            writer.add(clip(0))

    def carry_on():
        with ShardWriter(tmp_path, INDEX) as writer:
            writer.add(clip(0))
            with monkeypatch.context() as patch:
                patch.setattr(module.tarfile.TarFile, "addfile", full)
                refused("No space", lambda: writer.add(clip(1)))

    refused("could not be written", carry_on)
    assert names(tmp_path) == []


def test_folders_that_hold_shards_are_left_alone(tmp_path):
    folder = write(tmp_path / "out")
    before = {name: (folder / name).read_bytes() for name in names(folder)}
    refused("holds shards already", lambda: ShardWriter(folder, INDEX))
    assert {name: (folder / name).read_bytes() for name in names(folder)} == before
    (folder / "index.json").unlink()
    refused(r"shard-000000\.json of an unfinished run", lambda: ShardWriter(folder, INDEX))
    (tmp_path / "file").write_text("")
    refused("cannot be written", lambda: ShardWriter(tmp_path / "file", INDEX))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"key": "a.b"}, "another key"),
        ({"key": ""}, "another key"),
        ({"key": "../a"}, "another key"),
        ({"key": "a" * 81}, "another key"),
        ({"key": "clip-0"}, "stands twice"),
        ({"latent": torch.zeros(3, 5)}, r"shape \[3, 5\]"),
        ({"latent": torch.zeros(2, 0)}, r"shape \[2, 0\]"),
        ({"latent": torch.zeros(2)}, r"shape \[2\]"),
        ({"latent": torch.full((2, 3), 1e5)}, "65504"),
        ({"latent": torch.full((2, 3), torch.nan)}, "not finite"),
        ({"states": ()}, "2 captions but 0 states"),
        ({"states": (torch.zeros(4, 3), torch.zeros(4, 4))}, r"text states of shape \[4, 4\]"),
        ({"numbers": {"bpm": 1.0}}, "'bpm' is not in the shard index"),
        ({"numbers": {"tempo_bpm": float("nan")}}, "leave unknown numbers out"),
        ({"seconds": float("inf")}, "not finite"),
    ],
)
def test_clips_that_do_not_fit_are_refused_and_the_rest_goes_on(tmp_path, changes, words):
    with ShardWriter(tmp_path, INDEX) as writer:
        writer.add(clip(0))
        refused(words, lambda: writer.add(clip(2, **changes)))
        writer.add(clip(1))
    assert json.loads((tmp_path / "index.json").read_text())["clips"] == 2


def test_bad_settings(tmp_path):
    for settings in ({"clips_per_shard": 0}, {"bytes_per_shard": 0}):
        with pytest.raises(AudiodiffError, match="room for one clip"):
            ShardWriter(tmp_path, INDEX, **settings)
    refused("JSON values", lambda: ShardWriter(tmp_path, module.replace(INDEX, metadata={"path": tmp_path})))
