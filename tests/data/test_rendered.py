import csv
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiodiff.composer.compose import compose
from audiodiff.composer.soundfont import PLACES, find_soundfonts, unpacked
from audiodiff.data import render
from audiodiff.data import rendered as make
from audiodiff.data.render import LEVEL_DB, SAMPLE_RATE, play
from audiodiff.data.rendered import make_rendered
from audiodiff.errors import AudiodiffError
from tests.refusals import refused

REAL = shutil.which("fluidsynth") is not None and any(any(place.glob("*.sf[23]")) for place in PLACES)


def soundfont(path: Path) -> Path:
    """Enough of a soundfont to be taken for one."""
    path.write_bytes(b"RIFF\4\0\0\0sfbk")
    return path


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Put a program in FluidSynth's place; it is the body of a Python script with `out` the file to write."""

    def install(body: str) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        program = folder / "fluidsynth"
        program.write_text(f"#!/bin/sh\nwhile [ $1 != -F ]; do shift; done\nout=$2\n{body}\n")
        program.chmod(program.stat().st_mode | stat.S_IEXEC)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        return soundfont(tmp_path / "font.sf2")

    return install


@pytest.fixture
def playing(fake, tmp_path: Path) -> Path:
    """A synthesiser that plays the same 12 seconds of noise every time, louder than full scale."""
    noise = np.random.default_rng(0).standard_normal((12 * SAMPLE_RATE, 2)) * 0.8
    soundfile.write(tmp_path / "noise.wav", noise, SAMPLE_RATE, "FLOAT")
    return fake(f"cp {tmp_path}/noise.wav $out")


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "metadata.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_folder(playing: Path, tmp_path: Path) -> None:
    done = make_rendered(tmp_path / "out", hours=9 / 3600, seconds=3.0, soundfont=playing, jobs=2)
    assert (done.clips, done.made, done.seconds) == (3, 3, 9.0)
    assert "3 clips, 0.1 min" in done.text()
    rows = table(tmp_path / "out")
    assert [row["split"] for row in rows] == ["valid", "train", "train"]
    for row in rows:
        waveform, rate = soundfile.read(tmp_path / "out" / row["file_name"])
        assert (rate, waveform.shape) == (SAMPLE_RATE, (3 * SAMPLE_RATE, 2))
        assert np.abs(waveform[:, 0] - waveform[:, 1]).max() > 0.01
        assert 20 * np.log10(np.sqrt(np.mean(waveform**2))) == pytest.approx(LEVEL_DB, abs=0.1)
        assert np.abs(waveform).max() < 1.0
        assert row["source"].endswith("rendered with font")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"clips", "metadata.csv", "rendered.json"}


def test_resumes_and_grows(playing: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    make_rendered(folder, hours=6 / 3600, seconds=3.0, soundfont=playing)
    first, second = (folder / row["file_name"] for row in table(folder))
    before = first.stat().st_mtime_ns
    second.unlink()
    done = make_rendered(folder, hours=12 / 3600, seconds=3.0, soundfont=playing)
    assert (done.clips, done.made) == (4, 3)
    assert "1 were there" in done.text()
    assert first.stat().st_mtime_ns == before
    assert len(table(folder)) == 4


def test_other_settings_are_refused(playing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "out"
    make_rendered(folder, hours=3 / 3600, seconds=3.0, soundfont=playing)
    refused(r"seed 0.*seed 1", lambda: make_rendered(folder, hours=3 / 3600, seconds=3.0, soundfont=playing, seed=1))
    monkeypatch.setattr(make, "RECIPE", 0)
    refused(r"recipe 2.*recipe 0", lambda: make_rendered(folder, hours=3 / 3600, seconds=3.0, soundfont=playing))
    (folder / "rendered.json").write_text("{")
    refused("damaged", lambda: make_rendered(folder, hours=3 / 3600, seconds=3.0, soundfont=playing))
    (folder / "rendered.json").unlink()
    refused("missing", lambda: make_rendered(folder, hours=3 / 3600, seconds=3.0, soundfont=playing))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("echo 'fluidsynth: error: no memory' >&2; exit 1", "error: no memory"),
        ("exit 3", "status 3"),
        ("true", "status 0"),
        # what FluidSynth does with a soundfont that it cannot read
        ("cp SILENCE $out; echo 'fluidsynth: error: Failed to load SoundFont' >&2", "Failed to load"),
        ("cp SILENCE $out", "silent"),
        ("echo nonsense > $out", "not audio"),
        ("sleep 20", "did not finish"),
    ],
)
def test_failures_are_one_sentence(fake, tmp_path: Path, monkeypatch, body: str, message: str) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros((SAMPLE_RATE, 2)), SAMPLE_RATE)
    monkeypatch.setattr(render, "_PATIENCE_SECONDS", 0.5)
    font = fake(body.replace("SILENCE", f"{tmp_path}/silence.wav").replace("sleep", "exec sleep"))
    with pytest.raises(AudiodiffError, match=message) as raised:
        make_rendered(tmp_path / "out", hours=0.01, seconds=3.0, soundfont=font)
    assert "\n" not in str(raised.value)
    assert not list((tmp_path / "out" / "clips").iterdir()), "no half-written clip"
    assert not (tmp_path / "out" / "metadata.csv").exists()


def test_an_interrupted_run_leaves_whole_clips_only(playing: Path, tmp_path: Path, monkeypatch) -> None:
    rendered = []

    def stopped(piece, path, *others) -> None:
        if len(rendered) == 2:
            raise KeyboardInterrupt
        rendered.append(path.name)
        render.render(piece, path, *others)

    monkeypatch.setattr(make, "render", stopped)
    with pytest.raises(KeyboardInterrupt):
        make_rendered(tmp_path / "out", hours=0.1, seconds=3.0, soundfont=playing)
    assert sorted(path.name for path in (tmp_path / "out" / "clips").iterdir()) == sorted(rendered)
    assert not (tmp_path / "out" / "metadata.csv").exists()


def test_the_table_grows_with_the_clips(playing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make, "_SAVE_EVERY", 2)
    folder = tmp_path / "out"

    def stopped(piece, path, *others) -> None:
        if piece.index == 5:
            raise KeyboardInterrupt
        render.render(piece, path, *others)

    monkeypatch.setattr(make, "render", stopped)
    with pytest.raises(KeyboardInterrupt):
        make_rendered(folder, hours=0.1, seconds=3.0, soundfont=playing)
    rows = table(folder)
    assert len(rows) == 4
    assert all((folder / row["file_name"]).is_file() and row["key"] for row in rows)


def test_an_interrupt_asks_for_no_more_clips(playing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(results: Iterator[bool], **_: object) -> Iterator[bool]:
        yield next(results)
        raise KeyboardInterrupt

    monkeypatch.setattr("tqdm.tqdm", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make_rendered(tmp_path / "out", hours=0.02, seconds=3.0, soundfont=playing)
    assert 1 <= len(list((tmp_path / "out" / "clips").iterdir())) < 10


@pytest.mark.parametrize(
    "sizes", [{"hours": 0.0}, {"hours": float("nan")}, {"hours": 1, "seconds": 1.0}, {"hours": 1, "jobs": 0}]
)
def test_sizes(sizes: dict[str, float], tmp_path: Path) -> None:
    refused("expected", lambda: make_rendered(tmp_path / "out", **sizes))
    assert not (tmp_path / "out").exists()


def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audiodiff.composer.soundfont.PLACES", (tmp_path / "none",))
    monkeypatch.delenv("AUDIODIFF_SOUNDFONT", raising=False)
    refused(r"apt-get install .*soundfont", find_soundfonts)
    monkeypatch.setenv("AUDIODIFF_SOUNDFONT", str(soundfont(tmp_path / "mine.sf2")))
    assert find_soundfonts() == [tmp_path / "mine.sf2"]
    (tmp_path / "cut.sf2").write_bytes(b"RIFF\x50\0\0\0sfbk")
    for bad in ("cut.sf2", "missing.sf2"):
        with pytest.raises(AudiodiffError, match="whole"):
            find_soundfonts(tmp_path / bad)
    monkeypatch.setenv("PATH", str(tmp_path))
    refused("fluidsynth is not installed", lambda: make_rendered(tmp_path / "out", hours=1))


def test_which_installed_soundfonts_play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compressed ones only where there is no other, and none whose licence would reach the recordings."""
    monkeypatch.setattr("audiodiff.composer.soundfont.PLACES", (tmp_path,))
    monkeypatch.delenv("AUDIODIFF_SOUNDFONT", raising=False)
    small = soundfont(tmp_path / "small.sf3")
    soundfont(tmp_path / "TimGM6mb.sf2")
    assert find_soundfonts() == [small]
    plain = soundfont(tmp_path / "plain.sf2")
    assert find_soundfonts() == [plain]
    assert find_soundfonts(tmp_path / "TimGM6mb.sf2") == [tmp_path / "TimGM6mb.sf2"]


@pytest.mark.skipif(not REAL, reason="fluidsynth or its soundfonts are not installed")
def test_real_fluidsynth(tmp_path: Path) -> None:
    """The clip is as long as asked, begins with sound, and is the same again."""
    font = unpacked(find_soundfonts()[0], tmp_path)
    piece = compose(0, 2, 4.0)
    waveform = play(piece, font, "fluidsynth")
    assert waveform.shape == (2, 4 * SAMPLE_RATE)
    blocks = np.sqrt(np.square(waveform.reshape(2, 8, -1)).mean(axis=(0, 2)))
    assert blocks.min() > 0.01
    assert np.corrcoef(waveform)[0, 1] < 0.999
    assert np.array_equal(waveform, play(piece, font, "fluidsynth"))
