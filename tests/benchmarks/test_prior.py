import math
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiodiff.errors import AudiodiffError
from audiodiff.evaluation.music_clips import MusicClip, PointCache
from audiodiff.evaluation.music_scores import SetScores
from audiodiff.synthesis.generator import Generator
from audiodiff.synthesis.load import load_generator
from benchmarks import prior
from benchmarks.prior import Config, Likeness, likeness, report
from tests.synthesis.latent_models import RATE, write_latent_model, write_prior_model


class Points(PointCache):
    """Points that are the first samples of a clip."""

    def all_points(self, clips, on_progress=None):  # type: ignore[no-untyped-def]
        return {"log-mel": [clip.waveform[None, :2] for clip in clips]}


def clips(*points: tuple[str, float, float]) -> list[MusicClip]:
    return [MusicClip(name, np.array(place, np.float32), RATE) for name, *place in points]


def test_takes_are_compared_within_an_idea_and_between_ideas() -> None:
    made = clips(("a@0", 0, 0), ("a@1", 1, 0), ("a@2", 10, 0), ("a@3", 11, 0), ("b@0", 99, 0), ("b@1", 99, 1))
    plain = clips(("a@0", 0, 0), ("a@1", 3, 0), ("b@0", 50, 0), ("b@1", 50, 5))
    found = likeness(plain, made, 2, Points(None, ()))
    assert found["log-mel"] == Likeness(without=4.0, within=1.0, between=10.0)
    scores = [SetScores(name, 4, {"log-mel": 2.0}) for name in ("no prior", "prior")]
    text = report(found, scores, Config("model", Path("corpus"), Path("work"), ideas=2, takes=2))
    assert "| log-mel | 1.00 | 0.25 | 2.50 |" in text
    assert "| prior | – | – | 2 |" in text


def test_one_take_or_no_prior_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudiodiffError, match="2 or more of each"):
        prior.main(Config("music", tmp_path, tmp_path, takes=1))
    plain = Generator(load_generator(write_latent_model(tmp_path / "plain"), device="cpu"))
    with pytest.raises(AudiodiffError, match="has no prior"):
        prior.main(Config("plain", tmp_path, tmp_path), plain)


@pytest.mark.slow
def test_a_tiny_model_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dice, corpus = np.random.default_rng(0), tmp_path / "corpus"
    corpus.mkdir()
    rows = ["file_name,text,split,instrument"]
    for number in range(6):
        soundfile.write(corpus / f"{number}.wav", 0.1 * dice.normal(size=3 * RATE), RATE)
        kind = ("drum kit", "piano")[number % 2]
        rows.append(f"{number}.wav,solo {kind},{'train' if number < 4 else 'valid'},{kind}")
    (corpus / "metadata.csv").write_text("\n".join(rows) + "\n")
    monkeypatch.setattr(prior, "EMBEDDINGS", ("log-mel",))
    monkeypatch.setattr(prior, "CLASSIFIER_EMBEDDINGS", ())
    folder = write_prior_model(tmp_path / "model")
    config = Config(str(folder), corpus, tmp_path / "work", tmp_path / "out", prompts=1, ideas=2, takes=2, seconds=3.0)
    found = prior.main(config)["log-mel"]
    assert 0.0 < found.within < math.inf
    assert found.between != pytest.approx(found.within)
    assert "| log-mel | 1.00 |" in (tmp_path / "out" / "prior.md").read_text()
    made = sorted((tmp_path / "work" / "clips").rglob("*.flac"))
    assert len(made) == 8
    before = [path.stat().st_mtime_ns for path in made]
    assert prior.main(config)["log-mel"].within == pytest.approx(found.within, rel=1e-4)  # as they are kept: 24 bits
    assert [path.stat().st_mtime_ns for path in made] == before
