import json
from pathlib import Path

import pytest

from audiodiff.composer.captions import captions
from audiodiff.data.items import AudioItem
from benchmarks import adapter_steps, adapter_voice, adapters
from benchmarks.adapter_instrument import pieces
from tests.refusals import refused

VOICE = {
    "model": "kathleen",
    "speaker": "ann",
    "clips": 30,
    "minutes": 1.84,
    "held_out": 10,
    "sentences": 12,
    "steps": 400,
    "systems": {
        "recordings": {"similarity": 0.9, "base_similarity": 0.7},
        "LoRA": {
            "similarity": 0.8,
            "mean": 0.6,
            "loss": 2.5,
            "words_wrong": 3.25,
            "megabytes": 1.62,
            "train_seconds": 9,
        },
    },
}
INSTRUMENT = {
    "model": "music",
    "instrument": "dulcimer",
    "clips": 10,
    "prior": 10,
    "held_out": 8,
    "others": 36,
    "seconds": 5.0,
    "embeddings": ["aisfx"],
    "systems": {"all weights": {"distances": {"aisfx": 0.25}, "steps": 103, "loss": 0.6, "other_loss": 0.65}},
}


def test_the_time_of_a_step_is_that_of_most_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    marks = iter([0.0, 1.0, 2.0, 9.0, 10.0])  # a validation after the third
    monkeypatch.setattr("time.process_time", lambda: next(marks))
    times = adapter_steps.StepTimes()
    refused("two steps", lambda: times.per_step)
    for _ in range(5):
        times(None)
    assert times.per_step == 1.0


def test_as_long_is_as_many_steps_as_fit() -> None:
    assert adapter_steps.equal_time(120, 0.5, 0.6) == 100
    assert adapter_steps.equal_time(120, 0.6, 0.5) == 144
    assert adapter_steps.equal_time(1, 0.1, 9.0) == 1


def test_parts_are_kept_and_what_was_not_measured_is_a_dash(tmp_path: Path) -> None:
    adapters.save("voice", VOICE, tmp_path)
    adapters.save("instrument", INSTRUMENT, tmp_path)
    assert set(json.loads((tmp_path / "adapters.json").read_text())) == {"voice", "instrument"}
    text = (tmp_path / "adapters.md").read_text()
    assert "| recordings | – | – | – | – | 0.900 | 0.700 | – |" in text
    assert "| LoRA | 1.6 | 9 | 0.600 | 2.500 | 0.800 | – | 3.2 % |" in text
    assert "| all weights | – | 103 | – | 0.6000 | 0.6500 | 0.250 |" in text
    assert text.index("## A voice") < text.index("## An instrument")


def test_a_speaker_is_learnt_from_clips_that_are_not_measured() -> None:
    def item(name: str, split: str, seconds: float = 3.0, **more: str) -> AudioItem:
        told = {"text": "Hello.", "speaker": "ann"} | more
        language = {"language": told.pop("language", "en")}
        return AudioItem(
            Path(name), split=split, sample_rate=100, n_samples=round(100 * seconds), extra=language, **told
        )

    items = [
        *(item(f"t{number}", "train") for number in range(6)),
        item("v", "valid"),
        item("e", "test"),
        item("short", "train", 0.5),
        item("silent", "train", text=" "),
        item("spanish", "test", language="es"),
        item("other", "train", speaker="bob"),
    ]
    train, held_out = adapter_voice.chosen(items, "ann", 3)
    assert [each.path.name for each in train] == ["t0", "t2", "t4"]
    assert [each.path.name for each in held_out] == ["v", "e"]
    refused("6 clips of 'ann' to learn from and 2 others; expected 7", lambda: adapter_voice.chosen(items, "ann", 7))


def test_the_instrument_is_alone_and_the_only_one_that_captions_name() -> None:
    found = pieces(3)
    assert len({piece.index for piece in found}) == 3
    for piece in found:
        assert [each.program for each in piece.instruments] == [15]
        assert all("dulcimer" in caption and "guitar" not in caption for caption in captions(piece)[:1])


def test_a_bad_corpus_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert adapters.main(["voice", "--corpus", str(tmp_path / "nowhere"), "-o", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("adapters: ")
    assert not list(tmp_path.iterdir())
