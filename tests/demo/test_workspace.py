import os
import stat
import time
from pathlib import Path

from demo.workspace import Workspace
from tests.refusals import refused


def test_files_have_places_that_nobody_can_guess(tmp_path: Path) -> None:
    workspace = Workspace(60.0, tmp_path)
    one, other = workspace.new_file("clip.flac"), workspace.new_file("clip.flac")
    assert one != other
    assert one.name == other.name == "clip.flac"
    assert len(one.parent.name) == 32
    assert one.is_relative_to(workspace.folder)
    assert stat.S_IMODE(workspace.folder.stat().st_mode) == 0o700
    workspace.close()
    assert list(tmp_path.iterdir()) == []


def test_old_files_go_and_young_ones_stay(tmp_path: Path) -> None:
    workspace = Workspace(60.0, tmp_path)
    old, young = workspace.new_file("old.flac"), workspace.new_file("young.flac")
    for path in (old, young):
        path.write_bytes(b"sound")
    long_ago = time.time() - 61.0
    for path in (old, old.parent):
        os.utime(path, (long_ago, long_ago))
    assert workspace.sweep() == 1
    assert not old.exists()
    assert young.exists()
    assert workspace.sweep(now=time.time() + 61.0) == 1
    assert not young.exists()
    assert workspace.folder.is_dir()
    assert workspace.new_file("next.flac").parent.is_dir()


def test_what_a_job_holds_stays_until_it_is_done(tmp_path: Path) -> None:
    workspace = Workspace(60.0, tmp_path)
    upload, target = workspace.new_file("upload.flac"), workspace.new_file("target.flac")
    upload.write_bytes(b"sound")
    later = time.time() + 1e6
    with workspace.hold(upload, target.parent), workspace.hold(upload):
        assert workspace.sweep(now=later) == 0
        assert upload.exists()
        target.write_bytes(b"sound")
        assert workspace.sweep(now=later) == 0
        assert target.exists()
    assert workspace.sweep(now=later) == 2
    assert list(workspace.folder.iterdir()) == []
    workspace.close()


def test_two_jobs_may_hold_the_same_file(tmp_path: Path) -> None:
    workspace = Workspace(60.0, tmp_path)
    upload = workspace.new_file("upload.flac")
    upload.write_bytes(b"sound")
    with workspace.hold(upload):
        with workspace.hold(upload):
            pass
        assert workspace.sweep(now=time.time() + 1e6) == 0
    assert workspace.sweep(now=time.time() + 1e6) == 1
    workspace.close()


def test_it_sweeps_by_itself_and_leaves_nothing(tmp_path: Path) -> None:
    with Workspace(0.05, tmp_path) as workspace:
        path = workspace.new_file("a.flac")
        path.write_bytes(b"sound")
        deadline = time.monotonic() + 5.0
        while path.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not path.exists()
    assert not workspace.folder.exists()


def test_the_oldest_files_make_room_for_new_ones(tmp_path: Path) -> None:
    workspace = Workspace(60.0, tmp_path, most_bytes=1000)
    paths = [workspace.new_file(f"{number}.flac") for number in range(4)]
    for age, path in enumerate(reversed(paths)):
        path.write_bytes(bytes(250))
        os.utime(path, (time.time() - age, time.time() - age))
    workspace.make_room()
    assert all(path.exists() for path in paths)
    with workspace.hold(paths[0].parent):
        workspace.make_room(300)
        assert [path.exists() for path in paths] == [True, False, False, True]
        workspace.make_room(750)
        assert [path.exists() for path in paths] == [True, False, False, False]
        refused("keeps are in use; try again", lambda: workspace.make_room(751))
        paths[0].write_bytes(bytes(1001))
        refused("try again", lambda: workspace.new_file("next.flac"))
    workspace.new_file("next.flac")
    assert not paths[0].exists()
    workspace.close()
