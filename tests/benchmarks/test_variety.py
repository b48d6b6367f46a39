from pathlib import Path

import numpy as np
import pytest

from audiodiff.errors import AudiodiffError
from audiodiff.evaluation.music_clips import MusicClip, PointCache
from audiodiff.evaluation.music_scores import Ears
from audiodiff.metrics.classifier import train_classifier
from benchmarks import variety
from benchmarks.variety import Config, Row, measure, report

RATE = 22050


class Points(PointCache):
    """Points that are the first samples of a clip."""

    def all_points(self, clips, on_progress=None):  # type: ignore[no-untyped-def]
        return {name: [clip.waveform[None, :2] for clip in clips] for name in variety.EMBEDDINGS}


def takes(*points: tuple[float, float]) -> list[MusicClip]:
    return [MusicClip(str(index), np.array(each, np.float32), RATE) for index, each in enumerate(points)]


@pytest.fixture
def ears() -> Ears:
    rng = np.random.default_rng(0)
    labels = ["drums", "piano"] * 20
    centres = {"drums": (-5.0, 0.0), "piano": (5.0, 0.0)}
    points = np.array([np.array(centres[label]) + rng.normal(0.0, 0.3, 2) for label in labels])
    table = np.concatenate([points, np.zeros_like(points)] * 2, axis=1)
    return Ears(train_classifier(table, labels, 1e-2))


def test_distances_and_instruments_are_measured(ears: Ears, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variety, "PROMPTS", {"drums": "drum kit", "piano": "solo piano"})
    cache = Points(None, ())
    alike = measure({"drums": takes((-5, 0), (-5, 1)), "piano": takes((5, 0), (5, 1))}, 0.0, ears, cache)
    apart = measure({"drums": takes((-5, 0), (5, 3)), "piano": takes((5, 0), (5, 1))}, 1.0, ears, cache)
    assert alike.distances["aisfx"] == pytest.approx({"drums": 1.0, "piano": 1.0})
    assert apart.distances["aisfx"]["drums"] == pytest.approx(109.0**0.5)
    assert (alike.heard, apart.heard) == ({"drums": 2, "piano": 2}, {"drums": 1, "piano": 2})
    text = report([alike, apart], Config(Path("corpus"), Path("work"), takes=2))
    assert "| 0 | 1.00 | 1.00 | 1.00 | 4 of 4 |" in text
    assert "| 1 | 5.72 | 5.72 | 5.72 | 3 of 4 |" in text
    assert "| drum kit | 1.00, 2 of 2 | 10.44, 1 of 2 |" in text


def test_rows_are_plain_values(ears: Ears) -> None:
    row = measure({"drums": takes((-5, 0), (-5, 1))}, 0.0, ears, Points(None, ()))
    assert isinstance(row, Row)
    assert all(type(value) is float for table in row.distances.values() for value in table.values())


def test_one_take_has_no_distance(tmp_path: Path) -> None:
    with pytest.raises(AudiodiffError, match="2 or more"):
        variety.main(Config(tmp_path, tmp_path, takes=1))
