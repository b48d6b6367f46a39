import json

import numpy as np
import pytest
import soundfile

from audiodiff.synthesis.verbs.vocode import EXAMPLE
from benchmarks import marks

RATE = 16000


@pytest.fixture
def folders(tmp_path):
    """Two folders of recordings, of which the second has silence as well."""
    samples, rate = soundfile.read(EXAMPLE, dtype="float32")
    for name in ("speech", "music"):
        (tmp_path / name).mkdir()
        soundfile.write(tmp_path / name / "a.wav", np.tile(samples, 1 + 7 * rate // len(samples)), rate)
    soundfile.write(tmp_path / "music" / "silence.wav", np.zeros(7 * RATE), RATE)
    return [(tmp_path / "speech", "speech"), (tmp_path / "music", "music")]


def test_clips_are_cut_from_every_folder_in_turn_without_silence(folders) -> None:
    clips = marks.chosen(folders, 10)
    assert [clip.kind for clip in clips[:2]] == ["speech", "music"]
    assert all(len(clip.samples) == marks.SECONDS * clip.rate for clip in clips)
    assert all(np.abs(clip.samples).max() > 0.01 for clip in clips)
    assert len(marks.chosen(folders, 1)) == 1


class Fake:
    """Marks by a louder sound, and finds what is loud."""

    name = "audiodiff"

    def mark(self, clip):
        return clip.samples * 1.01

    def found(self, samples, rate):
        return float(np.abs(samples).max()) > 0.9, len(samples) > 4 * rate


def test_what_is_found_is_counted_by_kind_and_attack(monkeypatch) -> None:
    monkeypatch.setattr(marks, "pesq_wb", lambda plain, marked, rate: 4.0)
    loud, soft = (np.sin(np.arange(6 * RATE) * 0.3).astype(np.float32) * level for level in (0.95, 0.5))
    noise = np.random.default_rng(0).uniform(-0.95, 0.95, 6 * RATE).astype(np.float32)  # something in every band
    clips = [marks.Clip("speech", loud, RATE), marks.Clip("speech", soft, RATE), marks.Clip("music", noise, RATE)]
    found = marks.measure(Fake(), clips, 1)
    assert found["found"]["speech"]["as marked"] == [1, 2, 2]
    assert found["found"]["music"]["6 dB quieter"] == [0, 1, 1]
    assert found["found"]["speech"]["cut to 3 s"] == [1, 0, 2]
    assert (found["plain_hits"], found["pesq"], len(found["log_mel_db"])) == (2, [4.0], 1)
    assert found["log_mel_db"][0] == pytest.approx(0.0864, rel=0.01)
    text = marks.report({"engines": {"audiodiff": found}, "alarms": 3, "trials": 20_000})
    assert "| cut to 3 s | 50.0 % (1/2) | 100.0 % (1/1) | 0.0 % (0/3) |" in text
    assert "3 in 20000 trials (1.5e-04), allowed are 1e-04" in text


@pytest.mark.slow
def test_the_benchmark_runs(folders, tmp_path) -> None:
    arguments = ["--speech", str(folders[0][0]), "--music", str(folders[1][0]), "--clips", "2", "-o", str(tmp_path)]
    assert marks.main(arguments) == 0
    results = json.loads((tmp_path / "marks.json").read_text())
    found = results["engines"]["audiodiff"]["found"]
    assert all(counts[0] == counts[2] for kind in found.values() for counts in kind.values())
    assert results["trials"] == 2 * marks.OTHER_PATTERNS
    assert "PESQ-WB" in (tmp_path / "marks.md").read_text()
