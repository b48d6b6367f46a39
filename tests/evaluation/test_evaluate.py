import csv
import io
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiodiff.cli import evaluate as command
from audiodiff.data.prepare import prepare
from audiodiff.errors import AudiodiffError
from audiodiff.evaluation import evaluate as module
from audiodiff.evaluation.evaluate import EvaluationClip, evaluate, folder_clips
from audiodiff.evaluation.report import RECORDINGS, ClipScores, EvaluationReport
from audiodiff.metrics.inputs import MissingPackageError
from audiodiff.models.kinds import KINDS
from audiodiff.signal.mel import PRESETS
from audiodiff.synthesis.settings import Resolved
from tests.refusals import refused

pytest.importorskip("scipy")

CHEAP = ("log_mel_l1", "mr_stft")


def clip(name="a.wav", seconds=0.3, sample_rate=16_000, group="all clips", seed=0):
    samples = 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * sample_rate))
    return EvaluationClip(name, samples.astype(np.float32), sample_rate, group)


def halve(waveform, sample_rate):
    return 0.5 * waveform


def refuse_short(waveform, sample_rate):
    if waveform.size < 4000:
        raise AudiodiffError("the clip is too short for this system.")
    return waveform


CLIPS = [clip("a.wav", seed=1), clip("b.wav", seed=2), clip("c.wav", seed=3, group="unseen", sample_rate=22_050)]


def test_known_systems_get_their_known_scores():
    report = evaluate({"half": halve, "copy": lambda waveform, sample_rate: waveform}, CLIPS, CHEAP)
    assert report.systems == (RECORDINGS, "half", "copy")
    assert report.groups == ("all clips", "unseen")
    half = report.row("half", "all clips")
    assert half.n_clips == 2
    assert half.seconds == pytest.approx(0.6)
    assert half.scores["log_mel_l1"].mean == pytest.approx(math.log(2), rel=1e-3)
    assert half.scores["log_mel_l1"].n == 2
    for system in (RECORDINGS, "copy"):
        assert report.row(system, "unseen").scores["mr_stft"].mean == 0.0
    assert report.difference("half", "copy", "log_mel_l1", "all clips").mean == pytest.approx(math.log(2), rel=1e-3)
    assert report.notes == ()


def test_speed_and_memory_are_of_the_system_alone():
    def slow(waveform, sample_rate):
        ballast = np.ones(20_000_000)  # 153 MiB
        module.time.sleep(0.05)
        return waveform + 0 * ballast[: waveform.size].astype(np.float32)

    report = evaluate({"slow": slow, "half": halve}, [clip(seconds=0.5)], CHEAP)
    slow_row, half_row, recordings = (report.row(name, "all clips") for name in ("slow", "half", RECORDINGS))
    assert slow_row.real_time_factor > 0.1  # at least 0.05 s for half a second
    assert half_row.real_time_factor < slow_row.real_time_factor
    assert (recordings.real_time_factor, recordings.peak_memory_mib) == (None, None)
    if os.access("/proc/self/clear_refs", os.W_OK):
        assert 100 < slow_row.peak_memory_mib - half_row.peak_memory_mib < 400


def test_a_refused_clip_is_noted_and_left_out():
    clips = [clip("short.wav", seconds=0.2), clip("long.wav", seconds=0.6)]
    report = evaluate({"picky": refuse_short}, clips, ("log_mel_l1", "stoi"), recordings=False)
    assert [result.clip for result in report.results] == ["long.wav"]
    assert "short.wav: picky could not run: the clip is too short" in report.notes[0]
    report = evaluate({"half": halve}, clips, ("log_mel_l1", "stoi"), recordings=False)
    assert report.row("half", "all clips").scores["log_mel_l1"].n == 2
    assert any("short.wav: half has no STOI" in note for note in report.notes)
    assert "short.wav" in report.markdown()


def test_a_missing_package_ends_the_evaluation(monkeypatch):
    monkeypatch.setitem(sys.modules, "pesq", None)
    with pytest.raises(MissingPackageError, match=r"audiodiff-synth\[eval\]"):
        evaluate({"half": halve}, [clip(seconds=1.0)], ("pesq_wb",))


@pytest.mark.parametrize(
    ("systems", "clips", "measures", "message"),
    [
        ({"half": halve}, CLIPS, ("loudness",), "no measure called 'loudness'"),
        ({"half": halve}, CLIPS, (), "no measure was chosen"),
        ({"half": halve}, [], CHEAP, "no clip"),
        ({RECORDINGS: halve}, CLIPS, CHEAP, "may not be called"),
        ({"picky": refuse_short}, [clip(seconds=0.02)], ("stoi",), "nothing could be scored"),
    ],
)
def test_bad_arguments_are_refused(systems, clips, measures, message):
    refused(message, lambda: evaluate(systems, clips, measures))


def test_progress_counts_systems_and_clips():
    seen = []
    evaluate({"half": halve}, CLIPS, CHEAP, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(n, 6) for n in range(1, 7)]


def _report():
    results = [
        ClipScores(system, name, "g", 2.0, 0.5, 0.25, {"pesq_wb": score, "distill_mos": 2 * score})
        for system, scores in ((RECORDINGS, (2.0, 2.0, 2.5)), ("ours", (1.0, 1.5, 1.25)))
        for name, score in zip("abc", scores, strict=True)
    ]
    return EvaluationReport(("pesq_wb", "distill_mos"), tuple(results), {"ours": 100.0}, ("a note",), {"model": "m"})


def test_the_table_says_what_was_measured():
    text = _report().markdown()
    # t(0.975, 2) = 4.3027; standard deviations 0.25 and 0.764 (of the differences -2, -1, -2.5), over sqrt(3).
    assert "| ours | 1.25 ± 0.62 | 2.50 ± 1.24 | -1.83 ± 1.90 | 0.2500 | 0.1250 | 100 |" in text
    assert "### g: 3 clips, 6 s" in text
    assert "PESQ-WB ↑" in text
    assert "- PESQ-WB: ITU-T P.862.2" in text
    assert "- model: m" in text
    assert "- a note" in text


def test_csv_and_json_hold_the_same_figures(tmp_path):
    written = _report().write(tmp_path / "deep" / "er")
    assert sorted(path.name for path in written) == ["clips.csv", "evaluation.csv", "evaluation.json", "evaluation.md"]
    assert sorted(os.listdir(tmp_path / "deep" / "er")) == sorted(path.name for path in written)
    data = json.loads((tmp_path / "deep/er/evaluation.json").read_text())
    rows = list(csv.DictReader(io.StringIO((tmp_path / "deep/er/evaluation.csv").read_text())))
    clips = list(csv.DictReader(io.StringIO((tmp_path / "deep/er/clips.csv").read_text())))
    assert [row["system"] for row in rows] == [row["system"] for row in data["rows"]] == [RECORDINGS, "ours"]
    assert float(rows[1]["pesq_wb"]) == data["rows"][1]["scores"]["pesq_wb"]["mean"] == 1.25
    assert float(rows[1]["pesq_wb_low"]) == pytest.approx(data["rows"][1]["scores"]["pesq_wb"]["low"], rel=1e-5)
    assert rows[0]["real_time_factor"] == ""
    assert len(clips) == len(data["clips"]) == 6
    assert clips[4]["pesq_wb"] == "1.5"


def test_one_clip_gives_valid_json_without_an_interval():
    report = evaluate({"half": halve}, [clip()], CHEAP)
    text = json.dumps(report.to_dict(), allow_nan=False)
    assert json.loads(text)["rows"][1]["scores"]["mr_stft"]["low"] is None
    assert "±" not in report.markdown().split("Mean ±", maxsplit=1)[0]


def test_an_unwritable_report_is_one_sentence_and_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("x")
    refused("choose another folder", lambda: _report().write(tmp_path / "file" / "below"))
    (tmp_path / "out" / "evaluation.json").mkdir(parents=True)
    with pytest.raises(AudiodiffError):
        _report().write(tmp_path / "out")
    assert os.listdir(tmp_path / "out") == ["evaluation.json"]


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    rows = [["file_name", "split", "speaker"]]
    for index in range(10):
        split, speaker = ("train", "anna") if index < 2 else ("test", "anna" if index % 2 else f"new{index}")
        sample_rate = 22_050 if speaker == "anna" else 16_000
        samples = clip(seconds=0.7, sample_rate=sample_rate, seed=index).waveform
        soundfile.write(folder / f"{index}.wav", samples, sample_rate)
        rows.append([f"{index}.wav", split, speaker])
    with (folder / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder


def test_clips_are_grouped_by_whether_training_knew_the_speaker(corpus):
    clips = folder_clips(corpus)
    assert [(c.name, c.group) for c in clips] == [
        *((f"{n}.wav", "known speakers") for n in (3, 5, 7, 9)),
        *((f"{n}.wav", "unseen speakers") for n in (2, 4, 6, 8)),
    ]
    assert [c.sample_rate for c in clips] == [22_050] * 4 + [16_000] * 4
    assert all(np.abs(c.waveform).max() == pytest.approx(0.95, rel=1e-6) for c in clips)


def test_the_limit_is_per_group_and_spread(corpus):
    clips = folder_clips(corpus, limit=2, max_seconds=0.1, peak=None)
    assert [c.name for c in clips] == ["3.wav", "7.wav", "2.wav", "6.wav"]
    assert [c.waveform.size for c in clips] == [2205, 2205, 1600, 1600]
    assert np.abs(clips[0].waveform).max() < 0.9
    refused("1 or more", lambda: folder_clips(corpus, limit=0))


def test_a_folder_without_metadata_is_one_group(corpus):
    (corpus / "metadata.csv").unlink()
    assert {c.group for c in folder_clips(corpus, None)} == {"all clips"}


class FakeSynthesizer:
    """A vocoder at 24 kHz whose copies are the recording itself, resampled."""

    sample_rate = 24_000
    mel_spec = PRESETS["hifigan-22k"]

    def __init__(self):
        self.calls = []

    defaults = Resolved(steps=6, sampler="euler", grid="uniform")

    def vocode(self, waveform, sample_rate, *, steps=None, sampler=None, grid=None, seed=None):
        self.calls.append((steps, sampler, grid, seed))
        return module.resampled(waveform, sample_rate, self.sample_rate)


@pytest.mark.parametrize(("sample_rate", "n_samples"), [(16_000, 4001), (22_050, 5003), (24_000, 4001), (44_100, 997)])
def test_the_vocoder_is_scored_at_the_rate_of_the_clip(sample_rate, n_samples):
    system = module.vocoder_system(FakeSynthesizer(), steps=3, seed=5)
    time = np.arange(n_samples) / sample_rate
    waveform = (0.5 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    output = system(waveform, sample_rate)
    assert output.shape == waveform.shape
    inner = slice(400, -400) if n_samples > 1000 else slice(300, -300)
    np.testing.assert_allclose(output[inner], waveform[inner], atol=2e-3)


def _run_command(monkeypatch, fake, *arguments):
    import argparse

    from audiodiff.synthesis import load

    monkeypatch.setattr(load, "load_vocoder", lambda name, device, adapters=(): fake)
    monkeypatch.setattr(command, "_model_and_kind", lambda name, part: (name, KINDS["vocoder"]))
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    return command.run(parser.parse_args(["evaluate", *map(str, arguments)]))


def test_the_command_prints_tables_and_writes_files(monkeypatch, corpus, tmp_path, capsys):
    fake = FakeSynthesizer()
    status = _run_command(
        monkeypatch,
        fake,
        *("--model", "runs/best", "--data", corpus, "--steps", "1,4", "--limit", 2, "--seed", 3),
        *("--measures", "log_mel_l1,mcd", "--output", tmp_path / "report"),
    )
    assert status == 0
    text = capsys.readouterr().out
    assert "### known speakers: 2 clips" in text
    assert "### unseen speakers: 2 clips" in text
    assert "| best, 1 step |" in text
    assert "| best, 4 steps |" in text
    assert "mel-cepstral distortion in dB, 10/ln(10)" in text
    assert {call[0] for call in fake.calls} == {1, 4}
    assert {call[3] for call in fake.calls} == {3}
    assert len(os.listdir(tmp_path / "report")) == 4


def test_a_folder_without_splits_is_scored_whole(monkeypatch, corpus, capsys):
    (corpus / "metadata.csv").unlink()
    assert _run_command(monkeypatch, FakeSynthesizer(), "--data", corpus, "--measures", "log_mel_l1") == 0
    text = capsys.readouterr().out
    assert "### all clips: 10 clips" in text
    assert "split all of corpus" in text


def test_the_command_runs_the_baselines(monkeypatch, corpus, capsys):
    pytest.importorskip("pyworld")
    arguments = ("--data", corpus, "--limit", 1, "--seconds", 0.3, "--measures", "log_mel_l1", "--baselines")
    assert _run_command(monkeypatch, FakeSynthesizer(), *arguments) == 0
    text = capsys.readouterr().out
    assert "| speech, 6 steps |" in text
    assert "| Griffin-Lim 200 |" in text
    assert "| WORLD |" in text
    assert "| Opus 6 kbit/s |" in text or "left out: Opus" in text


@pytest.mark.parametrize("steps", ["0", "1,x", "", "1,-2", "99999999"])
def test_bad_step_lists_are_refused(monkeypatch, corpus, steps, capsys):
    with pytest.raises(SystemExit) as stop:
        _run_command(monkeypatch, FakeSynthesizer(), "--data", corpus, "--steps", steps)
    assert stop.value.code == 2
    assert "list of step counts" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (("--measures", "pesq"), "no measure called 'pesq'"),
        (("--split", "valid"), "valid"),
        (("--limit", "0"), "1 or more"),
        (("--seconds", "-1"), "more than 0"),
        (("--seconds", "nan"), "more than 0"),
    ],
)
def test_bad_options_are_refused(monkeypatch, corpus, extra, message):
    refused(message, lambda: _run_command(monkeypatch, FakeSynthesizer(), "--data", corpus, *extra))


def test_a_file_as_output_is_refused_before_any_work(monkeypatch, corpus):
    with pytest.raises(AudiodiffError, match="is a file"):
        _run_command(monkeypatch, FakeSynthesizer(), "--data", corpus, "--output", corpus / "0.wav")
    with pytest.raises(AudiodiffError, match="not writable"):
        _run_command(monkeypatch, FakeSynthesizer(), "--data", corpus, "--output", corpus / "0.wav" / "x")


def test_the_command_line_does_not_load_torch():
    code = "import sys, audiodiff.cli.evaluate; print('torch' in sys.modules, 'numpy' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["False", "False"]


def test_a_prepared_folder_is_scored_like_the_folder(corpus, tmp_path):
    prepare(str(corpus), tmp_path / "ready", sample_rate=16_000, progress=False)
    plain, prepared = folder_clips(corpus), folder_clips(tmp_path / "ready")
    assert [Path(c.name).name for c in prepared] == [c.name for c in plain]
    assert [c.group for c in prepared] == [c.group for c in plain]
    assert len(folder_clips(tmp_path / "ready", None)) == 10
