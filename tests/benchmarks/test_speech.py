import json
from pathlib import Path

import numpy as np
import pytest

from audiodiff.metrics.inputs import MissingPackageError, optional_package
from benchmarks.speech import Config, merge, parse
from benchmarks.speech_measures import (
    Count,
    Moments,
    compare,
    contour,
    contour_correlation,
    count_errors,
    heard_faults,
    length_faults,
    longest_run,
    pitch,
    rate,
    spoken_words,
    spread,
    spread_ratio,
)
from benchmarks.speech_report import report
from benchmarks.speech_scores import Score
from benchmarks.speech_sentences import odd_sentences, other_sentences


@pytest.mark.parametrize(
    ("text", "heard", "errors"),
    [
        ("He paid $5 on May 3rd.", "he paid five dollars on May third", 0),
        ("It's Mr. Smith's well-known dog!", "Its mister Smiths well known dog", 0),
        ("The FBI called.", "The F.B.I. called", 0),
        ("The train at 6:15 in the morning.", "the train at 6.15 in the morning", 0),
        ("one two three", "one three", 1),
        ("one two three", "one two two three", 1),
        ("one two three", "one four three", 1),
        ("one two three", "", 3),
        ("a b c d", "d c b a", 4),
        ("hello", "Привет ♪", 1),
    ],
)
def test_words_heard_wrong(text: str, heard: str, errors: int) -> None:
    wanted = spoken_words(text)
    assert count_errors(wanted, spoken_words(heard)) == Count(errors, len(wanted))


def test_runs_of_missed_and_added_words() -> None:
    steps = compare("abcdefghi", "aefghixyz")
    assert [longest_run(steps, kind) for kind in ("same", "missed", "added", "other")] == [5, 3, 3, 0]


def test_an_error_rate_counts_words_not_sentences() -> None:
    found = rate([Count(1, 1), Count(0, 9)] * 20)
    assert found.mean == pytest.approx(10.0)
    assert 4.0 < found.low < 10.0 < found.high < 20.0
    assert rate([Count(0, 5)] * 8).high == 0.0
    assert rate([Count(1, 4)]).low == -np.inf


def test_the_interval_covers_the_true_rate() -> None:
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(40):
        found = rate([Count(int(errors), 10) for errors in random.binomial(10, 0.2, 50)])
        covered += found.low <= 20.0 <= found.high
    assert covered >= 34


def test_spread_of_several_clips_is_that_of_all_values() -> None:
    random = np.random.default_rng(0)
    parts = [random.normal(mean, 2.0, 500) for mean in (0.0, 3.0, -3.0, 1.0)]
    found = spread([Moments.of(part) for part in parts])
    assert found.mean == pytest.approx(np.concatenate(parts).std())
    wider = [Moments.of(1.2 * part) for part in parts]
    ratio = spread_ratio(wider, [Moments.of(part) for part in parts])
    assert [ratio.mean, ratio.low, ratio.high] == pytest.approx([120.0] * 3)


def test_pitch_in_semitones() -> None:
    rate_ = 22_050
    hertz = 200 * 2 ** (np.sin(2 * np.pi * 2 * np.arange(2 * rate_) / rate_) * 2 / 12)  # two semitones up and down
    phase = 2 * np.pi * np.cumsum(hertz) / rate_
    sound = sum(np.sin(k * phase) / k for k in range(1, 8)).astype(np.float32)
    found = spread([pitch(0.1 * sound, rate_)])
    assert found.mean == pytest.approx(2 / np.sqrt(2), rel=0.08)


def test_takes_compare_by_symbols() -> None:
    slow = np.repeat([0.0, 200.0, 250.0, 300.0, 0.0], 8).astype(np.float32)
    fast = np.repeat([0.0, 100.0, 125.0, 150.0, 0.0], 4).astype(np.float32)
    high = np.repeat([0.0, 300.0, 250.0, 200.0, 0.0], 8).astype(np.float32)
    first, second, third = contour(slow, [8] * 5), contour(fast, [4] * 5), contour(high, [8] * 5)
    assert contour_correlation([first, second]) == pytest.approx(1.0)
    assert contour_correlation([first, third]) == pytest.approx(-1.0, abs=0.05)
    assert np.isnan(contour(slow, [0, 8, 32])[:4]).all()
    assert np.isnan(contour_correlation([first, contour(0 * slow, [8] * 5)]))


@pytest.mark.parametrize(
    ("seconds", "durations", "faults"),
    [
        (1.0, [0.1, 0.2, 0.2, 0.5], []),
        (4.0, [0.1, 0.2, 0.2, 0.5], ["runs away"]),
        (0.05, [0.0, 0.02, 0.02, 0.01], ["rushed"]),
        (1.4, [0.1, 0.9, 0.2, 0.2], ["runs away"]),
        (1.5, [0.1, 0.2, 0.2, 1.0], []),
        (2.1, [0.1, 0.2, 0.2, 1.6], ["runs away", "runs away"]),
    ],
)
def test_lengths_are_bounded(seconds: float, durations: list[float], faults: list[str]) -> None:
    found = length_faults(seconds, ("<start>", "AH0", "B", "<end>"), durations, 4)
    assert [fault.split(":")[0] for fault in found] == faults


@pytest.mark.parametrize(
    ("heard", "phones", "faults"),
    [
        ("one two three four five six", 1.0, []),
        ("one six", 0.4, ["skips"]),
        ("one six", 0.9, []),
        ("one two three four five six four five six", 1.6, ["repeats"]),
        ("one two three four five six four five six", 1.1, []),
    ],
)
def test_words_skipped_or_said_again_need_both_recognisers(heard: str, phones: float, faults: list[str]) -> None:
    found = heard_faults(["one", "two", "three", "four", "five", "six"], heard.split(), phones)
    assert [fault.split(":")[0] for fault in found] == faults


def test_the_sentences() -> None:
    other, odd = other_sentences(), odd_sentences()
    assert len({sentence.text for sentence in other}) == 200
    assert len(odd) == 300
    assert odd == odd_sentences()
    assert all(spoken_words(sentence.text) for sentence in (*other, *odd))
    assert all(len(sentence.text.split()) == 60 for sentence in odd if sentence.kind == "sixty words")


def test_the_report_says_which_targets_are_met() -> None:
    def row(system: str, errors: int, mos: float, pitch_: float, **more: object) -> dict[str, object]:
        moments = Moments.of(pitch_ * np.array([-1.0, 1.0, -1.0, 1.0]))
        return {"part": "test", "system": system, "kind": "test", "seconds": 2.0, "recording_seconds": 2.0} | {
            "words": Count(errors, 10),
            "mos": mos,
            "pitch": moments,
            **more,
        }

    rows = [
        row(system, errors, mos, pitch_, name=f"clip {number}")
        for number in range(4)
        for system, errors, mos, pitch_ in (("recordings", 1, 4.0, 3.0), ("voice", 1, 2.5, 2.8))
    ]
    scores = [Score.from_record(one) for one in json.loads(json.dumps(rows))]
    record = {"models": {}, "speaker": "a", "speed": {}, "takes": [], "command": "c"}
    text = report(record, scores)
    assert "| WER within 2 points of the recordings' 10.0 % | 10.0 (10.0–10.0) | yes |" in text
    assert "| DistillMOS 3.3 | 2.50 (2.50–2.50) | no |" in text
    assert "| F0 spread within 10 % of the recordings' | 93 (93–93) | yes |" in text


def test_a_run_keeps_what_another_measured_but_not_of_other_weights(tmp_path: Path) -> None:
    def row(part: str, system: str, errors: int) -> Score:
        return Score(part, system, part, "one", 2.0, words=Count(errors, 10))

    def written() -> list[tuple[str, str, int]]:
        scores = json.loads((tmp_path / "speech.json").read_text())["scores"]
        return [(score["part"], score["system"], score["words"][0]) for score in scores]

    config = Config(tmp_path, None, tmp_path)
    merge(config, {}, [row("other", "flite", 1), row("test", "flite", 2)], [], {})
    first = {"voice": {"name": "a", "sha256": "1"}}
    merge(config, first, [row("test", "voice", 3), row("takes", "voice", 4)], [{"name": "x", "correlation": 0.5}], {})
    merge(config, {}, [row("other", "flite", 5)], [], {})
    everything = [("test", "voice", 3), ("test", "flite", 2), ("other", "flite", 5), ("takes", "voice", 4)]
    assert written() == everything
    text = merge(config, {"voice": {"name": "a", "sha256": "2"}}, [row("test", "voice", 6)], [], {})
    assert written() == [("test", "voice", 6), *everything[1:3]]
    assert "Takes" not in text


def test_unknown_parts_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(["--data", "x", "--voice", "", "--parts", "test,odd"]).voice is None
    with pytest.raises(SystemExit):
        parse(["--data", str(Path()), "--parts", "tests"])
    assert "choose from test, other" in capsys.readouterr().err


def test_a_missing_package_names_its_extra() -> None:
    with pytest.raises(MissingPackageError, match=r"audiodiff-synth\[speech-bench\]"):
        optional_package("no_such_package", extra="speech-bench")
