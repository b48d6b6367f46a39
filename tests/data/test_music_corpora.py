"""Folders laid out like the real corpora, a clip or two in each corner."""

import csv
from pathlib import Path

import pytest

from audiodiff.data.corpora import corpus_items, fma_items, gtzan_items, maestro_items, musdb18_items, sc09_items
from audiodiff.data.music_corpora import FMA_PARTS
from audiodiff.data.prepare import prepare
from tests.data.corpus import clip, table
from tests.refusals import refused


def maestro(root: Path) -> Path:
    rows = []
    for composer, title, split, name in (
        ("Alban Berg", "Sonata Op. 1", "train", "2018/MIDI-Unprocessed_Chamber3_MID--AUDIO_10_R3_2018_wav--1"),
        ("Frédéric Chopin", "Étude in C, Op. 10, No. 1", "validation", "2004/MIDI-Unprocessed_XP_01"),
        ("Franz Schubert / Franz Liszt", "Erlkönig", "test", "2009/gone"),
    ):
        rows.append(
            {
                "canonical_composer": composer,
                "canonical_title": title,
                "split": split,
                "year": name[:4],
                "midi_filename": f"{name}.midi",
                "audio_filename": f"{name}.wav",
                "duration": "698.66116031",
            }
        )
    for row in rows[:2]:
        clip(root / row["audio_filename"], 0.1, 44100)
    table(root / "maestro-v3.0.0.csv", rows)
    return root


def test_maestro(tmp_path: Path) -> None:
    root = maestro(tmp_path / "maestro-v3.0.0")
    berg, chopin, gone = maestro_items(root)
    assert berg.text == "solo piano, Alban Berg, Sonata Op. 1"
    assert berg.extra["text1"] == "solo piano, Alban Berg"
    assert (berg.split, berg.licence, berg.sample_rate) == ("train", "CC-BY-NC-SA-4.0", 44100)
    assert (chopin.text, chopin.split) == ("solo piano, Frédéric Chopin, Étude in C, Op. 10, No. 1", "valid")
    assert (gone.split, gone.sample_rate) == ("test", 0)
    assert corpus_items("maestro", tmp_path, "valid") == [chopin]  # the folder around it will do
    (root / "maestro-v3.0.0.csv").write_text("canonical_composer,split\nBerg,train\n")
    refused("canonical_title", lambda: maestro_items(root))


def test_musdb18(tmp_path: Path) -> None:
    songs = (
        "train/A Classic Education - NightOwl",
        "train/ANiMAL - Rockshow",
        "test/Al James - Schoolboy - Facination",
    )
    for song in songs:
        clip(tmp_path / song / "mixture.wav", 0.1, 44100)
    for stem in ("vocals", "drums", "bass", "other"):
        clip(tmp_path / songs[0] / f"{stem}.wav", 0.1, 44100)
    items = {item.extra["artist"]: item for item in musdb18_items(tmp_path)}
    assert {artist: item.split for artist, item in items.items()} == {
        "A Classic Education": "train",
        "ANiMAL": "valid",
        "Al James": "test",
    }
    owl = items["A Classic Education"]
    assert owl.text == "song, A Classic Education, NightOwl"
    assert (owl.path.parent / owl.extra["stem_vocals"]).is_file()
    assert "stem_vocals" not in items["ANiMAL"].extra
    assert items["Al James"].extra["title"] == "Schoolboy - Facination"
    assert "academic" in owl.licence
    (tmp_path / "musdb18hq").mkdir()
    for part in ("train", "test"):
        (tmp_path / part).rename(tmp_path / "musdb18hq" / part)
    assert len(musdb18_items(tmp_path)) == 3
    (tmp_path / "stems" / "train").mkdir(parents=True)
    (tmp_path / "stems" / "train" / "A Classic Education - NightOwl.stem.mp4").write_bytes(b"")
    refused("WAV files", lambda: musdb18_items(tmp_path / "stems"))


def test_gtzan_leaves_out_what_cannot_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "Data" / "genres_original"
    for number in (53, 58, 59):
        clip(folder / "jazz" / f"jazz.{number:05d}.wav", 0.1, 22050)
    (folder / "jazz" / "jazz.00054.wav").write_bytes(b"\x80\x11 no RIFF")
    clip(folder / "hiphop" / "hiphop.00000.wav", 0.1, 22050)
    (folder / "hiphop" / "notes.txt").write_text("no sound")
    items = gtzan_items(tmp_path)
    assert [(item.path.stem, item.text, item.split) for item in items] == [
        ("hiphop.00000", "hiphop music", "train"),
        ("jazz.00053", "jazz music", "train"),
        ("jazz.00054", "jazz music", "train"),
        ("jazz.00058", "jazz music", "valid"),
        ("jazz.00059", "jazz music", "test"),
    ]
    assert gtzan_items(folder) == gtzan_items(folder.parent) == items
    done = prepare("gtzan", tmp_path / "ready", sample_rate=8000, root=tmp_path, progress=False)
    assert len(done.items) == 4
    assert [Path(path).name for path, _ in done.skipped] == ["jazz.00054.wav"]
    (tmp_path / "empty" / "genres").mkdir(parents=True)
    refused(r"GENRE/GENRE\.00000\.wav", lambda: gtzan_items(tmp_path / "empty"))


def fma(root: Path) -> Path:
    columns = [
        ("album", "title"),
        ("artist", "bio"),
        ("artist", "name"),
        ("set", "split"),
        ("set", "subset"),
        ("track", "genre_top"),
        ("track", "license"),
        ("track", "title"),
    ]
    licence = "Attribution-NonCommercial-ShareAlike 3.0 International"
    rows = [
        ("2", "long " * 40_000, "AWOL", "training", "small", "Hip-Hop", licence, "Food"),
        ("1039", "", "Cave, Man", "validation", "medium", "Rock", "CC0 1.0", "Second\nline"),
        ("133297", "", "Nobody", "test", "small", "Pop", licence, "Silent"),
        ("155320", "", "Big", "training", "large", "", licence, "Untold"),
    ]
    (root / "fma_metadata").mkdir(parents=True)
    with (root / "fma_metadata" / "tracks.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["", *(group for group, _ in columns)])
        writer.writerow(["", *(name for _, name in columns)])
        writer.writerow(["track_id", *[""] * len(columns)])
        for row in rows:
            writer.writerow([row[0], "an album", *row[1:]])
    return root


def mp3(path: Path) -> Path:
    return clip(path.with_suffix(".wav"), 0.2, 44100).rename(path)  # told by its content, not its name


def test_fma(tmp_path: Path) -> None:
    fma(tmp_path)
    mp3(tmp_path / "fma_small" / "000" / "000002.mp3")
    food, silent = fma_items(tmp_path)
    assert (food.text, food.extra["text1"], food.split) == ("Hip-Hop music, Food", "Hip-Hop music", "train")
    assert food.licence == "Attribution-NonCommercial-ShareAlike 3.0 International"
    assert (food.extra["artist"], food.sample_rate) == ("AWOL", 44100)
    assert (silent.path.relative_to(tmp_path).as_posix(), silent.split) == ("fma_small/133/133297.mp3", "test")
    assert silent.sample_rate == 0
    # the largest part there is, its folder itself, or the one that is asked for
    mp3(tmp_path / "fma_medium" / "001" / "001039.mp3")
    assert [item.path.stem for item in fma_items(tmp_path)] == ["000002", "001039", "133297"]
    assert [item.path.stem for item in fma_items(tmp_path / "fma_small")] == ["000002", "133297"]
    assert fma_items(tmp_path, part="fma_small") == [food, silent]
    (cave,) = corpus_items("fma", tmp_path, "valid")
    assert (cave.text, cave.licence) == ("Rock music, Second line", "CC0 1.0")
    # a track of several genres has no first one
    (tmp_path / "fma_full").mkdir()
    assert fma_items(tmp_path)[-1].text == "Untold"
    refused(", ".join(FMA_PARTS), lambda: fma_items(tmp_path, part="small"))
    refused("fma_large does not exist", lambda: fma_items(tmp_path, part="fma_large"))
    assert csv.field_size_limit() < 1_000_000  # as it was
    (tmp_path / "fma_metadata" / "tracks.csv").write_text("track_id,title\n2,Food\n")
    refused("set split", lambda: fma_items(tmp_path))


def test_sc09(tmp_path: Path) -> None:
    root = tmp_path / "SpeechCommands" / "speech_commands_v0.02"
    for name in ("seven/aa_nohash_0.wav", "seven/bb_nohash_0.wav", "yes/aa_nohash_1.wav", "zero/cc_nohash_1.wav"):
        clip(root / name, 0.05)
    (root / "validation_list.txt").write_text("seven/bb_nohash_0.wav\nyes/aa_nohash_1.wav\n")
    (root / "testing_list.txt").write_text("zero/cc_nohash_1.wav\n")
    items = sc09_items(tmp_path)
    assert [(item.split, item.text, item.extra["word"]) for item in items] == [
        ("train", "seven", "seven"),
        ("valid", "seven", "seven"),
        ("test", "zero", "zero"),
    ]


@pytest.mark.parametrize("name", ["maestro", "musdb18", "gtzan", "fma"])
def test_downloads_are_refused_with_the_place_to_go_to(tmp_path: Path, name: str) -> None:
    refused("cannot be downloaded by audiodiff; get it from", lambda: corpus_items(name, tmp_path, download=True))
