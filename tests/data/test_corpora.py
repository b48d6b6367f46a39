import os
import sys

import pytest

from audiodiff.data.corpora import CORPORA, corpus_items, folder_items, libritts_items, ljspeech_items, vctk_items
from tests.data.corpus import clip, table
from tests.refusals import refused


def test_a_folder_with_a_table(tmp_path):
    clip(tmp_path / "a" / "one.wav", 0.5)
    clip(tmp_path / "two.flac", 0.25, 22050)
    rows = [
        {
            "file_name": "a/one.wav",
            "text": "Grüße, world",
            "split": "train",
            "speaker": "x",
            "license": "CC0-1.0",
            "k": "v",
        },
        {"file_name": "two.flac", "text": "", "split": "validation", "speaker": "", "license": "", "k": ""},
    ]
    table(tmp_path / "metadata.csv", rows)
    one, two = folder_items(tmp_path)
    assert (one.text, one.split, one.speaker, one.licence) == ("Grüße, world", "train", "x", "CC0-1.0")
    assert (one.sample_rate, one.n_samples, one.seconds) == (16000, 8000, 0.5)
    assert one.extra == {"k": "v"}
    assert (two.split, two.sample_rate, two.n_samples) == ("valid", 22050, 5512)
    assert folder_items(tmp_path, "valid") == [two]
    assert folder_items(tmp_path, "dev") == [two]
    refused("train, valid", lambda: folder_items(tmp_path, "test"))


def test_a_folder_without_a_table(tmp_path):
    clip(tmp_path / "train" / "b.wav")
    clip(tmp_path / "test" / "deep" / "a.flac")
    clip(tmp_path / "c.OGG")
    clip(tmp_path / ".hidden.wav")
    (tmp_path / "notes.txt").write_text("no sound")
    (tmp_path / "c.txt").write_text(" spoken words \n")
    items = folder_items(tmp_path)
    assert [item.path.name for item in items] == ["c.OGG", "a.flac", "b.wav"]
    assert [item.split for item in items] == ["", "test", "train"]
    assert items[0].text == "spoken words"
    assert [item.path.name for item in folder_items(tmp_path, "train")] == ["b.wav"]


def test_unreadable_clips_stay_in_the_list(tmp_path):
    clip(tmp_path / "good.wav")
    (tmp_path / "bad.wav").write_text("nonsense")
    bad, good = folder_items(tmp_path)
    assert (bad.sample_rate, bad.n_samples, bad.seconds) == (0, 0, 0.0)
    assert good.sample_rate == 16000
    table(tmp_path / "metadata.csv", [{"file_name": "gone.wav"}])
    assert folder_items(tmp_path)[0].sample_rate == 0


def test_bad_folders_are_refused(tmp_path):
    refused("not a folder", lambda: folder_items(tmp_path / "missing"))
    refused("no sound files", lambda: folder_items(tmp_path))
    table(tmp_path / "metadata.csv", [{"name": "x"}])
    refused("file_name", lambda: folder_items(tmp_path))
    table(tmp_path / "metadata.csv", [{"file_name": "../x.wav"}])
    refused("outside", lambda: folder_items(tmp_path))
    (tmp_path / "metadata.csv").write_bytes(b"file_name\n\xff\xfe\x80\n")
    refused("UTF-8", lambda: folder_items(tmp_path))


@pytest.fixture
def ljspeech(tmp_path):
    root = tmp_path / "LJSpeech-1.1"
    lines = []
    for number in range(60):
        name = f"LJ001-{number:04d}"
        if number < 3 or number > 56:
            clip(root / "wavs" / f"{name}.wav", 0.1, 22050, number)
        lines.append(f'{name}|Chapter "{number}" of 2|Chapter "{number}" of two')
    (root / "metadata.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_ljspeech(ljspeech):
    items = ljspeech_items(ljspeech)
    assert len(items) == 60
    assert items[0].text == 'Chapter "0" of two'
    assert (items[0].sample_rate, items[0].n_samples, items[0].speaker) == (22050, 2205, "LJ")
    assert [item.split for item in items[-3:]] == ["train", "valid", "test"]
    assert items[5].sample_rate == 0
    # The corpus folder itself does as well.
    assert ljspeech_items(ljspeech / "LJSpeech-1.1") == items
    assert corpus_items("ljspeech", ljspeech, "test") == items[-1:]


def test_libritts(tmp_path):
    for part, speaker in (("train-clean-100", "19"), ("dev-clean", "84")):
        folder = tmp_path / "LibriTTS" / part / speaker / "198"
        for number in range(2):
            stem = f"{speaker}_198_000000_00000{number}"
            clip(folder / f"{stem}.wav", 0.1, 24000)
            (folder / f"{stem}.original.txt").write_text("Mr. A")
            (folder / f"{stem}.normalized.txt").write_text("Mister A\n")
    items = libritts_items(tmp_path)
    assert [item.split for item in items] == ["train", "train", "valid", "valid"]
    assert (items[2].speaker, items[2].text, items[2].sample_rate) == ("84", "Mister A", 24000)
    assert items[0].extra == {"chapter": "198", "part": "train-clean-100"}
    assert libritts_items(tmp_path / "LibriTTS", part="dev-clean") == items[2:]
    refused("train-clean-360", lambda: libritts_items(tmp_path, part="train"))
    refused("does not exist", lambda: libritts_items(tmp_path, part="test-clean"))


def test_vctk(tmp_path):
    root = tmp_path / "VCTK-Corpus-0.92"
    for speaker in ("p225", "p226", "p280", "s5"):
        for number in ("001", "002"):
            clip(root / "wav48_silence_trimmed" / speaker / f"{speaker}_{number}_mic2.flac", 0.05, 48000)
            text = root / "txt" / speaker / f"{speaker}_{number}.txt"
            text.parent.mkdir(parents=True, exist_ok=True)
            text.write_text("Please call Stella.\n")
    items = vctk_items(tmp_path)
    # torchaudio leaves out p280, whose second microphone failed.
    assert [item.speaker for item in items] == ["p225", "p225", "p226", "p226", "s5", "s5"]
    assert [item.split for item in items] == ["train", "train", "valid", "valid", "test", "test"]
    assert items[0].text == "Please call Stella."
    assert items[0].sample_rate == 48000
    refused("mic1", lambda: vctk_items(tmp_path, microphone="mic3"))


def test_speechcommands(tmp_path):
    root = tmp_path / "SpeechCommands" / "speech_commands_v0.02"
    names = ["yes/aa_nohash_0.wav", "yes/bb_nohash_0.wav", "no/aa_nohash_1.wav", "_background_noise_/hum.wav"]
    for name in names:
        clip(root / name, 0.05)
    (root / "validation_list.txt").write_text("yes/bb_nohash_0.wav\n")
    (root / "testing_list.txt").write_text("no/aa_nohash_1.wav\n")
    items = corpus_items("speechcommands", tmp_path)
    assert [(item.split, item.text, item.speaker) for item in items] == [
        ("train", "yes", "aa"),
        ("valid", "yes", "bb"),
        ("test", "no", "aa"),
    ]
    assert all(item.sample_rate == 16000 for item in items)


@pytest.mark.parametrize("name", CORPORA)
def test_a_missing_corpus_is_named(tmp_path, name):
    refused("does not exist", lambda: corpus_items(name, tmp_path))
    assert os.listdir(tmp_path) == []


def test_unknown_names_list_the_known(tmp_path):
    refused("folder, ljspeech, libritts, vctk, speechcommands", lambda: corpus_items("librispeech", tmp_path))
    refused("downloaded", lambda: corpus_items("folder", tmp_path, download=True))


def test_a_failed_download_is_one_sentence(tmp_path, monkeypatch):
    def offline(*args, **kwargs):
        raise OSError("no route to host")

    from audiodiff._torchaudio import import_torchaudio

    import_torchaudio()
    monkeypatch.setattr(sys.modules["torchaudio.datasets.ljspeech"], "download_url_to_file", offline)
    refused("no route to host", lambda: corpus_items("ljspeech", tmp_path / "new", download=True))
