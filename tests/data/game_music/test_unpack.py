import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from audiodiff.data.game_music import unpack
from audiodiff.data.game_music.packages import GamePackage
from audiodiff.data.game_music.unpack import deb_files, file_names, is_installed, opened_track
from tests.data.game_music.deb import build
from tests.refusals import refused

GAME = GamePackage("game", "usr/share/game/", ("music/*.ogg",), "")
ZIPPED = GamePackage("game", "music/", ("*.ogg",), "", archive="usr/share/game/all.zip")
FILES = {
    "usr/share/doc/game/copyright": b"notes",
    "usr/share/game/music/a/b.ogg": b"b",
    "usr/share/game/music/c.txt": b"c",
    "usr/share/game/sound/d.ogg": b"d",
}


def test_only_what_is_needed_is_taken_out(tmp_path: Path) -> None:
    deb = build(tmp_path, "game", FILES)
    root = tmp_path / "root"
    assert not is_installed(GAME, root)
    unpack.unpack(deb, GAME, root)
    assert is_installed(GAME, root)
    assert sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()) == [
        "usr/share/doc/game/copyright",
        "usr/share/game/music/a/b.ogg",
    ]
    assert file_names(root, GAME) == ["usr/share/game/music/a/b.ogg"]
    with opened_track(root, GAME, "usr/share/game/music/a/b.ogg", tmp_path) as path:
        assert path.read_bytes() == b"b"


def test_nothing_is_written_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tool that puts out a tar with names that lead out of the folder, links among them."""
    tar = tmp_path / "data.tar"
    with tarfile.open(tar, "w") as file:
        for name in ("usr/share/game/music/../../../../../out.ogg", "./usr/share/game/music/in.ogg"):
            member = tarfile.TarInfo(name)
            member.size = 1
            file.addfile(member, io.BytesIO(b"x"))
        link = tarfile.TarInfo("usr/share/game/music/link.ogg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        file.addfile(link)
    tool = tmp_path / "tool"
    tool.write_text(f"#!/bin/sh\ncat {tar}\n")
    tool.chmod(0o755)
    monkeypatch.setattr(unpack, "deb_tool", lambda: str(tool))
    root = tmp_path / "a" / "b" / "c" / "d" / "e" / "root"
    unpack.unpack(tmp_path / "game.deb", GAME, root)
    assert [path.name for path in (tmp_path / "a").rglob("*.ogg")] == ["in.ogg"]
    assert not list(tmp_path.glob("*.ogg"))


def test_music_in_an_archive(tmp_path: Path) -> None:
    archive = tmp_path / ZIPPED.archive
    archive.parent.mkdir(parents=True)
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("music/a.ogg", b"a")
        file.writestr("sound/b.ogg", b"b")
    assert file_names(tmp_path, ZIPPED) == ["music/a.ogg"]
    with opened_track(tmp_path, ZIPPED, "music/a.ogg", tmp_path) as path:
        assert path.read_bytes() == b"a"
    assert not path.exists()
    archive.write_bytes(b"PK")
    refused(r"all\.zip cannot be opened .* install game again", lambda: file_names(tmp_path, ZIPPED))


def test_debs_by_package(tmp_path: Path) -> None:
    for name in ("game_1_all.deb", "game_2_all.deb", "other-game_1_all.deb", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    assert {name: path.name for name, path in deb_files(tmp_path).items()} == {
        "game": "game_2_all.deb",
        "other-game": "other-game_1_all.deb",
    }
