"""Files and folders appear whole or not at all, whoever writes them, and nothing of dead runs stays."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from audiodiff.atomic import atomic_file, atomic_folder, check_target, scratch_folder
from audiodiff.errors import AudiodiffError
from tests.refusals import refused

WRITE_AND_WAIT = """
import sys, time
from audiodiff.atomic import atomic_file, atomic_folder
with {kind}(sys.argv[1]) as temporary:
    (temporary / "part" if temporary.is_dir() else temporary).write_text("half")
    print("begun", flush=True)
    time.sleep(60)
"""

WRITE_PAST_A_LIMIT = """
import resource, signal, sys
from audiodiff.atomic import atomic_file
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
from audiodiff.errors import AudiodiffError
try:
    with atomic_file(sys.argv[1]) as temporary:
        temporary.write_bytes(bytes(5000))
except AudiodiffError as error:
    print(error)
    sys.exit(2)
"""


def write(path: Path, text: str = "new") -> None:
    with atomic_file(path) as temporary:
        temporary.write_text(text)


def half_write(path: Path) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text("half")
        raise KeyError


def half_fill(path: Path) -> None:
    with atomic_folder(path) as temporary:
        (temporary / "part").write_text("half")
        raise KeyError


def lose_the_folder(path: Path) -> None:
    with atomic_file(path) as temporary:
        temporary.unlink()
        path.parent.rmdir()


def test_a_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    with atomic_file(target) as temporary:
        temporary.write_text("whole")
        assert not target.exists()
        assert temporary.parent == target.parent
    assert target.read_text() == "whole"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(KeyError):
        half_write(target)
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_the_permissions_of_a_replaced_file_are_kept(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    target.chmod(0o600)
    write(target)
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there/real.txt")
    for _ in range(2):  # dangling, then not
        write(tmp_path / "link")
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "there/real.txt").read_text() == "new"


def test_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    refused("leads back to itself", lambda: write(tmp_path / "a"))


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    longest = tmp_path / ("n" * 255)
    write(longest)
    assert longest.read_text() == "new"
    refused("too long", lambda: write(tmp_path / ("n" * 256)))


def test_what_is_no_place_for_a_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("")
    for path, said in [
        (tmp_path, "is a folder"),
        (tmp_path / "pipe", "a pipe"),
        (Path("/dev/null"), "a device"),
        (tmp_path / "none" / "a", "does not exist"),
        (tmp_path / "file" / "a", "cannot be written"),
        (tmp_path / "a\0b", "null"),
    ]:
        for attempt in (check_target, write):
            with pytest.raises(AudiodiffError, match=said):
                attempt(path)
    assert sorted(os.listdir(tmp_path)) == ["file", "pipe"]


def test_a_checked_target_is_not_made(tmp_path: Path) -> None:
    check_target(tmp_path / "a.txt")
    assert os.listdir(tmp_path) == []


def test_a_folder_that_vanishes_is_one_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    refused("vanished", lambda: lose_the_folder(folder / "a.txt"))


def test_an_error_about_another_file_is_not_taken_for_ours(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_file(tmp_path / "a.txt"):
        (tmp_path / "input").read_text()


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    command = [sys.executable, "-c", WRITE_PAST_A_LIMIT, str(target)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "")
    assert "could not be written" in done.stdout
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("kind", ["atomic_file", "atomic_folder"])
def test_what_a_killed_run_left_is_removed_by_the_next(kind: str, tmp_path: Path) -> None:
    script = WRITE_AND_WAIT.format(kind=kind)
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "a")], stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.readline()
        write(tmp_path / "b")
        assert len(os.listdir(tmp_path)) == 2, "a living run keeps its temporary file"
        running.send_signal(signal.SIGKILL)
    assert len(os.listdir(tmp_path)) == 2
    write(tmp_path / "b")
    assert os.listdir(tmp_path) == ["b"]


def test_a_folder_appears_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "run"
    with atomic_folder(target) as temporary:
        (temporary / "part").write_text("whole")
        assert not target.exists()
    assert (target / "part").read_text() == "whole"
    assert os.listdir(tmp_path) == ["run"]
    with pytest.raises(AudiodiffError, match="not an empty folder"), atomic_folder(target):
        pass
    with pytest.raises(KeyError):
        half_fill(tmp_path / "other")
    assert os.listdir(tmp_path) == ["run"]


def test_a_scratch_folder_goes_with_what_was_left_in_it(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as scratch:
        (scratch / "kept").write_text("x")
        (scratch / "left").write_text("y")
        (scratch / "kept").rename(tmp_path / "kept")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    with pytest.raises(AudiodiffError, match="does not exist"), scratch_folder(tmp_path / "absent"):
        pass
