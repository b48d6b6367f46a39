import csv
import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiodiff.data.corpora import folder_items
from audiodiff.data.game_music import make
from audiodiff.data.game_music.make import make_game_music
from audiodiff.data.game_music.packages import GamePackage
from audiodiff.errors import AudiodiffError
from tests.data.game_music.deb import RATE, beats, build, ogg
from tests.refusals import refused

GAME = GamePackage("game", "usr/share/game/music/", ("*.ogg",), "lively game music", source_folder="data/music/")
ZIPPED = GamePackage("zipped-game", "music/", ("*.ogg",), "calm music", archive="usr/share/zipped/all.zip")
SONGS = GamePackage(
    "songs", "usr/share/songs/", ("*.ogg",), "metal", stated=("is free", "MIT"), author="Band", by_folder=True
)
TABLE = (GAME, ZIPPED, SONGS)
COPYRIGHT = (
    "Files: *\nCopyright: Team\nLicense: GPL-2+\n\n"
    "Files: data/music/free_*.ogg data/music/short.ogg data/music/broken.ogg\nCopyright: 2001 Ann\nLicense: CC-BY-3.0\n"
)


@pytest.fixture(scope="module")
def debs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("debs")
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("music/one.ogg", ogg(beats(9.0, seed=1)[:1, : 9 * RATE : 2], RATE // 2))
        archive.writestr("sound/click.ogg", ogg(beats(1.0)))
    build(
        folder,
        "game",
        {
            "usr/share/doc/game/copyright": COPYRIGHT.encode(),
            "usr/share/game/music/free_one.ogg": ogg(beats(30.0)),
            "usr/share/game/music/free_two.ogg": ogg(beats(13.0, 100.0)),
            "usr/share/game/music/short.ogg": ogg(beats(1.0)),
            "usr/share/game/music/broken.ogg": b"OggS but no more",
            "usr/share/game/music/closed.ogg": ogg(beats(9.0)),
            "usr/share/game/sounds/free_click.ogg": ogg(beats(9.0)),
        },
    )
    build(
        folder,
        "zipped-game",
        {
            "usr/share/doc/zipped-game/copyright": b"Files: *\nCopyright: Bob\nLicense: CC0\n",
            "usr/share/zipped/all.zip": zipped.getvalue(),
        },
    )
    build(
        folder,
        "songs",
        {
            "usr/share/doc/songs/copyright": b"This is\nfree.",
            "usr/share/songs/a/song.ogg": ogg(beats(8.0)),
            "usr/share/songs/a/guitar.ogg": ogg(beats(9.0, seed=2)),
        },
    )
    return folder


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "metadata.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_corpus_of_debs(debs: Path, tmp_path: Path) -> None:
    done = make_game_music(tmp_path / "out", packages=debs, seconds=10.0, table=TABLE)
    rows = rows_of(tmp_path / "out")
    assert done.clips == len(rows) == 6
    assert done.refused == {"game": ["closed"]}
    assert done.missing == []
    assert [reason.split(":")[1] for reason in done.skipped] == [" broken"]
    assert sum(done.seconds.values()) == pytest.approx(30.0 + 13.0 + 9.0 + 9.0, abs=0.2)
    assert [row["title"] for row in rows] == ["free one"] * 3 + ["free two", "one", "a"]
    first = rows[0]
    assert first["license"] == "CC-BY-3.0"
    assert first["source"] == "Ann, game: free one"
    assert first["text"] == "lively game music, 120 bpm"
    assert float(first["tempo"]) == pytest.approx(120.0, rel=0.01)
    assert rows[4]["license"] == "CC0-1.0"
    assert float(rows[4]["bandwidth_hz"]) <= RATE / 4
    for row in rows:
        info = soundfile.info(tmp_path / "out" / row["file_name"])
        assert (info.samplerate, info.format, info.subtype) == (RATE, "FLAC", "PCM_16")
        assert info.channels == (1 if row["title"] == "one" else 2)
    left, right = soundfile.read(tmp_path / "out" / first["file_name"])[0].T
    assert left.std() > 1.1 * right.std()  # as recorded, not mixed down
    items = folder_items(tmp_path / "out")
    assert items[0].licence == "CC-BY-3.0"
    assert not [path for path in (tmp_path / "out").rglob("*") if path.name.startswith(".")]


def test_parts_of_a_song_are_mixed(debs: Path, tmp_path: Path) -> None:
    make_game_music(tmp_path, packages=debs, seconds=10.0, table=(SONGS,))
    mixed, _ = soundfile.read(tmp_path / rows_of(tmp_path)[0]["file_name"], dtype="float32")
    assert len(mixed) == pytest.approx(9.0 * RATE, abs=0.1 * RATE)
    whole = np.zeros_like(mixed)
    whole[: 8 * RATE] += beats(8.0).T[: len(whole)]
    whole += beats(9.0, seed=2).T[: len(whole)]
    assert np.corrcoef(mixed[:, 0], whole[:, 0])[0, 1] > 0.9


def test_a_run_goes_on_where_it_was(debs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_game_music(tmp_path, packages=debs, seconds=10.0, table=TABLE)
    before = rows_of(tmp_path)
    (tmp_path / "metadata.csv").unlink()
    read = []
    monkeypatch.setattr(make, "read_audio", lambda path: read.append(path.name) or beats_audio())
    make_game_music(tmp_path, packages=debs, seconds=10.0, table=TABLE)
    assert rows_of(tmp_path) == before
    assert read == ["broken.ogg"]
    # A clip that has gone is made again.
    lost = tmp_path / before[0]["file_name"]
    lost.unlink()
    monkeypatch.undo()
    make_game_music(tmp_path, packages=debs, seconds=10.0, table=TABLE)
    assert lost.is_file()
    refused("other settings", lambda: make_game_music(tmp_path, packages=debs, seconds=20.0, table=TABLE))


def beats_audio() -> None:
    raise AudiodiffError("still broken")


def test_tracks_held_out_elsewhere_are_left_out(debs: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text('file_name,source,split\na.wav,"Ann, game: Free-One",test\n', "utf-8")
    done = make_game_music(tmp_path / "out", packages=debs, exclude=other, seconds=10.0, table=(GAME,))
    assert done.excluded == ["game: free one"]
    assert {row["title"] for row in rows_of(tmp_path / "out")} == {"free two"}
    assert "held out by the other corpus: game: free one" in done.text()


def test_missing_packages_name_the_command(debs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = GamePackage("absent-game", "usr/share/absent/", ("*.ogg",), "")
    done = make_game_music(tmp_path / "out", packages=debs, seconds=10.0, table=(SONGS, absent))
    assert "apt install absent-game" in done.text()
    refused("apt install absent-game", lambda: make_game_music(tmp_path / "none", packages=debs, table=(absent,)))
    refused("is installed; apt install absent-game", lambda: make_game_music(tmp_path / "none", table=(absent,)))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AudiodiffError, match=r"dpkg-deb is needed .* apt install dpkg"):
        make_game_music(tmp_path / "none", packages=debs, table=TABLE)
    assert not (tmp_path / "none").exists()


def test_bad_input(debs: Path, tmp_path: Path) -> None:
    def refused(message: str, **arguments: object) -> None:
        with pytest.raises(AudiodiffError, match=message):
            make_game_music(tmp_path / "out", table=TABLE, **arguments)  # type: ignore[arg-type]
        assert not (tmp_path / "out").exists()

    refused("--seconds is nan", packages=debs, seconds=float("nan"))
    refused("--seconds is 1;", packages=debs, seconds=1.0)
    refused("not a folder", packages=tmp_path / "nowhere")
    refused(r"no \.deb files", packages=tmp_path)
    refused("cannot be read", packages=debs, exclude=tmp_path / "nowhere.csv")


@pytest.mark.parametrize("keep", [0.5, 0.999])
def test_a_damaged_deb(debs: Path, tmp_path: Path, keep: float) -> None:
    whole = (debs / "songs_1_all.deb").read_bytes()
    (tmp_path / "songs_1_all.deb").write_bytes(whole[: round(len(whole) * keep)])
    with pytest.raises(AudiodiffError, match=r"songs_1_all\.deb cannot be opened .* download it again"):
        make_game_music(tmp_path / "out", packages=tmp_path, table=(SONGS,))
    assert not list((tmp_path / "out").rglob("*.flac"))


def test_a_track_that_is_damaged_in_its_archive_is_skipped(tmp_path: Path) -> None:
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("music/one.ogg", ogg(beats(9.0)))
        archive.writestr("music/two.ogg", ogg(beats(9.0, seed=3)))
    content = bytearray(zipped.getvalue())
    content[2000] ^= 0xFF
    files = {
        "usr/share/doc/zipped-game/copyright": b"Files: *\nCopyright: Bob\nLicense: CC0\n",
        "usr/share/zipped/all.zip": bytes(content),
    }
    build(tmp_path, "zipped-game", files)
    done = make_game_music(tmp_path / "out", packages=tmp_path, seconds=10.0, table=(ZIPPED,))
    assert [row["title"] for row in rows_of(tmp_path / "out")] == ["two"]
    assert "install zipped-game again" in done.skipped[0]


def test_other_files_in_the_output_are_not_touched(debs: Path, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "mine.wav").write_bytes(b"")
    refused("choose another output", lambda: make_game_music(tmp_path, packages=debs, table=TABLE))
    assert os.listdir(tmp_path) == ["clips"]
