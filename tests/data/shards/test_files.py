import dataclasses
import io
import json
import re
import tarfile

import fsspec
import numpy as np
import pytest

from audiodiff.data.shards import files as module
from audiodiff.data.shards.files import check_sizes, find_shards, read_ranges, read_records, scan
from audiodiff.data.shards.format import Range, array_bytes
from audiodiff.errors import AudiodiffError
from tests.data.latents import INDEX, write
from tests.refusals import refused


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(module, "_PAUSE", 0.0)


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "out")


def found(sources):
    return [shard.entry.name for shard in find_shards(sources)[1]]


def test_every_way_to_name_shards(folder, monkeypatch):
    every = [f"shard-00000{number}.tar" for number in range(3)]
    monkeypatch.chdir(folder.parent)
    for sources in (folder, str(folder), f"{folder}/", "out", [folder], folder / "shard-*.tar", f"file://{folder}"):
        assert found(sources) == every
    assert found(folder / every[1]) == every[1:2]
    assert found([str(folder / every[2]), folder / every[0], folder / every[2]]) == [every[2], every[0]]
    assert found([folder / every[2], folder]) == every
    assert found("out/shard-00000[12].tar") == every[1:]


def test_brackets_and_spaces_in_paths_are_ordinary(tmp_path):
    assert len(found(write(tmp_path / "my [best] music*"))) == 3
    assert len(found(tmp_path / "my [best] music*" / "shard-000001.tar")) == 1


def test_folders_are_joined_if_they_fit(tmp_path, folder):
    other = write(tmp_path / "other", range(5, 7), dataclasses.replace(INDEX, metadata={}))
    index, shards = find_shards([folder, other])
    assert index == INDEX
    assert [shard.entry.clips for shard in shards] == [2, 2, 1, 2]
    for number, (name, value) in enumerate(
        [
            ("encoder", "t5:a/b"),
            ("autoencoder", "ffff"),
            ("latent_rate", 10.0),
            ("numbers", ("seconds", "tempo_bpm")),
            ("classes", {"key": ("C", "D"), "genre": ("ballad", "waltz")}),
        ]
    ):
        differs = write(tmp_path / f"x{number}", range(1, 2), dataclasses.replace(INDEX, **{name: value}))
        with pytest.raises(AudiodiffError, match=f"differ in {name}"):
            find_shards([folder, differs])


def test_what_is_not_there_is_told(tmp_path, folder):
    for sources, words in (
        ([], "list of shards is empty"),
        (tmp_path / "nowhere", "holds no index.json"),
        (tmp_path, "holds no index.json"),
        (tmp_path / "nowhere" / "shard-000000.tar", "holds no index.json"),
        (folder / "shard-000007.tar", r"shard-000007\.tar is not in"),
        (folder / "part-*.tar", "No shard matches"),
        ("nosuch://bucket/data", "cannot be opened"),
    ):
        with pytest.raises(AudiodiffError, match=words) as caught:
            find_shards(sources)
        assert "\n" not in str(caught.value)
    values = json.loads((folder / "index.json").read_text())
    (folder / "index.json").write_text(json.dumps(values | {"shards": []}))
    refused("lists no shards", lambda: find_shards(folder))


def test_a_tar_without_a_table_is_scanned(folder):
    for shard in find_shards(folder)[1]:
        expected = read_records(shard)
        (folder / shard.entry.name).with_suffix(".json").unlink()
        assert read_records(shard) == expected


def test_a_damaged_table_is_told(folder):
    (folder / "shard-000001.json").write_text("[{}]")
    refused(r"shard-000001\.json, clip 0: .* is missing", lambda: read_records(find_shards(folder)[1][1]))


def foreign(files, tar_format=tarfile.PAX_FORMAT):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tar_format) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.uname = len(content), 1234.5, "björk"
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize("tar_format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_tars_of_other_tools_are_read(tar_format):
    latent, states = (array_bytes(np.full((2, 5), value, np.float16)) for value in (1.0, 2.0))
    content = foreign(
        {
            "songs/日本.1.json": b"{}",
            "songs/日本.text1.npy": states,
            "songs/日本.text0.npy": latent,
            "songs/日本.latent.npy": latent,
            "other.latent.npy": latent,
            "cover.jpg": b"jpeg",
        },
        tar_format,
    )
    one, two = scan(content, "x.tar")
    assert (one.key, one.n_latents, one.texts, one.source) == ("songs/日本", 5, (), "")
    assert [content[place.offset : place.offset + place.size] for place in (one.latent, *one.states)] == [
        *(latent, latent, states)
    ]
    assert (two.key, two.states) == ("other", ())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a tar"),
        (b"PK" * 500, "not a tar"),
        (foreign({"a.flac": b"x"}), r"holds no KEY\.latent\.npy \(found: a\.flac\)"),
        (foreign({}), "found: nothing"),
        (foreign({"a.latent.npy": b"x"}), r"a in x\.tar\.latent\.npy is truncated"),
        (
            foreign({"a.latent.npy": array_bytes(np.zeros((2, 5), np.float16)), "a.json": b"{"}),
            r"a in x\.tar\.json is damaged: it is not JSON",
        ),
        (
            foreign({"a.latent.npy": array_bytes(np.zeros((2, 5), np.float16)), "a.json": b"[1]"}),
            r"a in x\.tar\.json is no table",
        ),
    ],
)
def test_foreign_tars_are_refused(content, words):
    with pytest.raises(AudiodiffError, match=words) as caught:
        scan(content, "x.tar")
    assert "\n" not in str(caught.value)


def test_a_truncated_tar_is_told_wherever_it_ends(folder):
    path = folder / "shard-000000.tar"
    content = path.read_bytes()
    _, (shard, *rest) = find_shards(folder)
    check_sizes([shard, *rest])
    end = content.rstrip(b"\0")
    for stop in range(100, len(end), 700):
        with pytest.raises(AudiodiffError, match="truncated"):
            scan(content[:stop], "x.tar")
        path.write_bytes(content[:stop])
        for read in (shard.read, lambda: check_sizes([*rest, shard])):
            with pytest.raises(AudiodiffError, match=f"has {stop} bytes where {len(content)} belong"):
                read()
    path.unlink()
    for read in (shard.read, lambda: check_sizes([shard])):
        with pytest.raises(AudiodiffError, match=r"cannot be read .*shard-000000\.tar"):
            read()


def test_ranges_of_several_file_systems(folder):
    memory = fsspec.filesystem("memory")
    memory.pipe("/ranges/a.bin", b"0123456789")
    _, (local, *_) = find_shards(folder)
    remote = module.Shard(memory, "/ranges/a.bin", local.entry)
    content = local.read()
    assert read_ranges([remote, local, remote], [Range(2, 3), Range(100, 50), Range(0, 1)]) == [
        *(b"234", content[100:150], b"0")
    ]


class Flaky:
    """A file system that fails so many times; errors of ranges come back as results, as those of web servers do."""

    def __init__(self, failures, error=None, returned=False):
        self.failures, self.returned = failures, returned
        self.error = error or RuntimeError("server\nbusy")

    def cat_ranges(self, paths, starts, stops, on_error):
        self.failures -= 1
        if self.failures >= 0:
            if not self.returned:
                raise self.error
            return [b"first", self.error][: len(paths)]
        return [b"x"] * len(paths)


@pytest.mark.parametrize("returned", [False, True])
def test_a_server_gets_three_attempts(folder, returned):
    _, (shard, *_) = find_shards(folder)
    for failures in (0, 2):
        flaky = dataclasses.replace(shard, files=Flaky(failures, returned=returned))
        assert read_ranges([flaky] * 2, [Range(0, 1)] * 2) == [b"x"] * 2
    with pytest.raises(AudiodiffError, match=re.escape("(server busy)")):
        read_ranges([dataclasses.replace(shard, files=Flaky(3, returned=returned))] * 2, [Range(0, 1)] * 2)
    # What is not there will not come.
    flaky = dataclasses.replace(shard, files=Flaky(1, PermissionError("no"), returned))
    refused("check the path", lambda: read_ranges([flaky] * 2, [Range(0, 1)] * 2))
