import os
import subprocess
import sys

import fsspec
import pytest

from audiodiff.data.shards.files import find_shards
from audiodiff.data.shards.output import check_empty, check_url, complete_folder
from audiodiff.data.shards.writer import ShardWriter
from audiodiff.errors import AudiodiffError
from tests.data.latents import INDEX, clip
from tests.refusals import refused


def write_to(target):
    with complete_folder(target) as folder, ShardWriter(folder, INDEX) as writer:
        writer.add(clip(0))
        assert not list(folder.parent.glob("train/*"))


@pytest.mark.parametrize("empty", [False, True])
def test_a_folder_appears_when_it_is_complete(tmp_path, empty):
    if empty:
        (tmp_path / "out" / "train").mkdir(parents=True)
    write_to(f"{tmp_path}/out/train")
    assert os.listdir(tmp_path / "out") == ["train"]
    assert len(find_shards(tmp_path / "out" / "train")[1]) == 1
    refused("holds shards already", lambda: check_empty(f"{tmp_path}/out/train"))


def test_an_error_leaves_nothing(tmp_path):
    def fail():
        with complete_folder(f"{tmp_path}/train") as folder:
            (folder / "x").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
def test_what_a_killed_run_has_left_is_removed_by_the_next(tmp_path):
    code = (
        "import os, sys\nfrom audiodiff.data.shards.output import complete_folder\n"
        "with complete_folder(sys.argv[1]) as folder:\n    (folder / 'shard-000000.tar').touch()\n    os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, f"{tmp_path}/train"], check=False).returncode == 9
    assert len(os.listdir(tmp_path)) == 1
    write_to(f"{tmp_path}/train")
    assert os.listdir(tmp_path) == ["train"]


def test_file_systems_of_fsspec_are_written(tmp_path):
    write_to("memory://made/train")
    index, shards = find_shards("memory://made/train")
    assert index == INDEX
    assert len(shards[0].read()) == shards[0].entry.bytes
    fsspec.filesystem("memory").rm("/made", recursive=True)


def test_targets_that_cannot_be_written(tmp_path):
    for target, words in (("http://host/x", "only hands out"), ("nosuch://host/x", "cannot be opened")):
        with pytest.raises(AudiodiffError, match=words):
            check_url(target)
    refused("is a file", lambda: check_empty(str(clip_file(tmp_path))))
    refused("cannot be written", lambda: write_to(f"{clip_file(tmp_path)}/train"))


def clip_file(folder):
    (folder / "file").touch()
    return folder / "file"
