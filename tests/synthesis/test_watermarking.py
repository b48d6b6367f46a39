from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from audiodiff.signal.audio_io import read_audio
from audiodiff.signal.limiter import true_peak
from audiodiff.signal.watermark import mark_blocks
from audiodiff.signal.watermark_detector import find_watermark
from audiodiff.synthesis.clip import Clip
from audiodiff.synthesis.files import Job, run_file
from audiodiff.synthesis.load import no_model
from audiodiff.synthesis.replay import replay
from audiodiff.synthesis.settings import GenerateSettings, Sampling
from audiodiff.synthesis.source import Source
from audiodiff.synthesis.streams import Stream
from audiodiff.synthesis.verbs import VERBS
from audiodiff.synthesis.verbs.extend import ExtendSettings
from audiodiff.synthesis.verbs.inpaint import InpaintSettings
from audiodiff.synthesis.verbs.loop import LoopSettings
from audiodiff.synthesis.verbs.stretch import StretchSettings
from audiodiff.synthesis.verbs.vocode import EXAMPLE, VocodeFileSettings
from audiodiff.synthesis.watermarking import (
    ALREADY,
    any_marked,
    identifier_in,
    identifier_of,
    marked_clip,
    peaks_in,
    recorded,
)
from tests.refusals import refused
from tests.synthesis.latent_models import RATE
from tests.synthesis.recordings import quick, tones
from tests.synthesis.records import RECORD

CEILING = 10.0 ** (-1 / 20)
BRIEF = GenerateSettings(sampling=Sampling(steps=2), level="none")


def read(path):
    audio = read_audio(path)
    return audio.waveform, audio.sample_rate


def test_a_generated_file_has_the_mark_that_its_record_tells_of(tiny, tmp_path) -> None:
    report = run_file("generate", tiny, [], tmp_path / "a.wav", quick(seconds=6.0))
    sound, rate = read(report.path)
    assert report.watermark is not None
    assert report.record.settings["watermark"] == f"1:{report.watermark:08x}"
    assert identifier_in(report.record) == report.watermark
    found = find_watermark([sound], rate)
    assert found.identifiers == (report.watermark,)
    other = run_file("generate", tiny, [], tmp_path / "b.wav", quick(seconds=6.0, prompt="flute"))
    assert other.watermark != report.watermark
    again = run_file("generate", tiny, [], tmp_path / "c.wav", quick(seconds=6.0), provenance=False)
    assert again.watermark == report.watermark
    assert np.array_equal(read(again.path)[0], sound)


def test_without_a_watermark_the_file_is_what_it_was(tiny, tmp_path) -> None:
    """Records of files without one, as all old ones are, do not name it, and replay gives them none."""
    report = run_file("generate", tiny, [], tmp_path / "a.wav", quick(seconds=6.0), watermark=False)
    assert report.watermark is None
    assert "watermark" not in report.record.settings
    sound, rate = read(report.path)
    assert not find_watermark([sound], rate).found
    marked = run_file("generate", tiny, [], tmp_path / "b.wav", quick(seconds=6.0))
    expected = np.concatenate(list(mark_blocks([sound], rate, marked.watermark)), axis=1)
    assert np.abs(read(marked.path)[0] - expected).max() < 2e-4  # both are rounded to 16 bits


EDITS = {
    "inpaint": InpaintSettings(((0.5, 1.0), (1.4, 1.5)), BRIEF),
    "extend": ExtendSettings(1.0, BRIEF, trim=0.1),
    "before": ExtendSettings(1.0, BRIEF, before=True),
    "loop": LoopSettings(clip=BRIEF, new=0.5),
}


@pytest.mark.parametrize("name", EDITS)
def test_of_an_edit_only_what_is_new_is_marked(name, tiny, tmp_path) -> None:
    source = tmp_path / "in.wav"
    soundfile.write(source, np.stack([tones(3.0, RATE), tones(3.0, RATE, seed=1)], axis=1), RATE, subtype="FLOAT")
    verb = "extend" if name == "before" else name
    made = [
        run_file(verb, tiny, [source], tmp_path / f"{mark}.wav", EDITS[name], watermark=mark) for mark in (True, False)
    ]
    marked, plain = (read(report.path)[0] for report in made)
    changed = np.flatnonzero((marked != plain).any(axis=0))
    assert len(changed) > 0
    original, _ = read(source)
    regions = np.r_[RATE // 2 : RATE, round(1.4 * RATE) : round(1.5 * RATE)]
    side, end = round(0.25 * RATE), round(2.9 * RATE)
    kept, expected = {
        "inpaint": (np.delete(marked, regions, 1), np.delete(original, regions, 1)),
        "extend": (marked[:, :end], original[:, :end]),
        "before": (marked[:, -original.shape[1] :], original),
        "loop": (marked[:, side : marked.shape[1] - side], original[:, side : marked.shape[1] - side]),
    }[name]
    assert np.array_equal(kept, expected)


def test_replay_makes_the_same_mark(tmp_path, tiny) -> None:
    sound, rate = read(EXAMPLE)
    source = tmp_path / "in.wav"
    marked = np.concatenate(list(mark_blocks([np.tile(sound, 4)[:, : 7 * rate]], rate, 5)), axis=1)
    soundfile.write(source, marked.T, rate)
    # the speed takes the mark out, and the samples are still synthetic
    report = run_file("stretch", no_model(), [source], tmp_path / "out.wav", StretchSettings(factor=1.5))
    assert report.watermark is not None
    again = replay(report.path, tmp_path / "again.wav")
    assert again.identical
    assert again.again.settings["watermark"] == report.record.settings["watermark"]


def test_no_mark_is_put_twice_or_into_a_recording(tmp_path) -> None:
    sound, rate = read(EXAMPLE)
    plain, marked = np.tile(sound, 4)[:, : 7 * rate], tmp_path / "marked.wav"
    soundfile.write(tmp_path / "plain.wav", plain.T, rate)
    soundfile.write(marked, np.concatenate(list(mark_blocks([plain], rate, 5)), axis=1).T, rate)
    report = run_file("stretch", no_model(), [tmp_path / "plain.wav"], tmp_path / "a.wav", StretchSettings(factor=1.0))
    assert (report.watermark, report.notes) == (None, ())
    report = run_file("stretch", no_model(), [marked], tmp_path / "b.wav", StretchSettings(factor=1.0))
    assert (report.watermark, report.notes) == (None, (ALREADY,))
    assert find_watermark([read(report.path)[0]], rate).identifiers == (5,)


def test_identifiers_follow_what_is_told() -> None:
    assert identifier_of({"seed": 1, "verb": "a"}) == identifier_of({"verb": "a", "seed": 1})
    assert identifier_of({"seed": 1}) != identifier_of({"seed": 2})
    assert 0 <= identifier_of({}) < 1 << 32
    assert recorded(255) == "1:000000ff"


@pytest.mark.parametrize("told", ["2:3f2a91c0", "1:xyz", "1:-0000001", "1", 7, None])
def test_marks_that_cannot_be_made_again_are_refused(told) -> None:
    assert identifier_in(replace(RECORD, settings={"watermark": "1:3f2a91c0"})) == 0x3F2A91C0
    refused("watermark", lambda: identifier_in(replace(RECORD, settings={"watermark": told})))


def test_recordings_of_any_length_are_looked_at(tmp_path, monkeypatch) -> None:
    # What is vocoded comes in blocks and may last for hours.
    monkeypatch.setattr("audiodiff.synthesis.source.MAX_SECONDS", 1.0)
    soundfile.write(tmp_path / "long.wav", 0.1 * np.random.default_rng(0).standard_normal(4 * 22050), 22050)
    assert not any_marked([Source(tmp_path / "long.wav")])


def chord(seconds: float = 4.0):
    """Low tones that reach -1 dBFS again and again, `[n]`."""
    time = np.arange(round(seconds * RATE)) / RATE
    sound = sum(np.sin(2 * np.pi * hz * time + phase) for hz, phase in ((330, 0), (440, 1), (587, 2), (831, 3)))
    return (CEILING * sound / np.abs(sound).max()).astype(np.float32)


def clicks(samples) -> float:
    """Share of the power where only a cut-off peak has any."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    return float(spectrum[round(7800 * len(samples) / RATE) :].sum() / spectrum.sum())


def peak_of(samples) -> float:
    return true_peak(torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32)), RATE)


EVERYWHERE, PART = None, ((RATE // 2, 3 * RATE),)


@pytest.mark.parametrize("new", [EVERYWHERE, PART])
def test_a_clip_at_its_ceiling_gets_no_click(new) -> None:
    waveform = chord()
    clip = Clip(waveform, RATE, 0, 0.0, 0, (), new=new)
    marked = marked_clip(clip, 0x837D8CED)[0]
    assert np.abs(marked - waveform).max() > 0.01
    inside = slice(None) if new is None else slice(*new[0])
    assert clicks(marked[inside]) < 1e-8
    assert peak_of(marked) <= 1.005 * CEILING
    if new is not None:
        old = marked_clip(clip, 0x837D8CED, "clip")[0]
        assert clicks(old[inside]) > 1e-7
        assert np.array_equal(np.delete(marked, np.r_[inside]), np.delete(waveform, np.r_[inside]))


def test_a_stream_at_its_ceiling_gets_no_click(tiny, tmp_path) -> None:
    """And a record of one from before the limiter makes what it made."""
    waveform = torch.from_numpy(chord())[None]

    def make(*args):
        return Stream(iter(waveform.split(5000, dim=1)), RATE, 1, ())

    source, settings = Source(EXAMPLE), VocodeFileSettings()
    resolved = VERBS["vocode"].resolve(tiny.vocoder, settings)
    told = {}
    for peaks in ("limit", "clip"):
        path = tmp_path / f"{peaks}.wav"
        job = Job(replace(VERBS["vocode"], make=make), tiny.vocoder, [source], path, bits=24, peaks=peaks)
        told[peaks] = job.run(settings, resolved).record
        assert peaks_in(told[peaks]) == peaks
    limited, clipped = (read(tmp_path / f"{peaks}.wav")[0][0] for peaks in ("limit", "clip"))
    assert told["limit"].settings["watermark_peaks"] == "limit"
    assert "watermark_peaks" not in told["clip"].settings  # as in all old ones
    assert peak_of(limited) <= 1.005 * CEILING < peak_of(clipped)
    assert clicks(limited) < 1e-8
    assert clicks(clipped) > 5e-8
    assert np.abs(limited - waveform[0].numpy()).max() > 0.01


@pytest.mark.parametrize("peaks", ["limit", "clip"])
def test_replay_keeps_peaks_as_the_record_says(peaks, tmp_path) -> None:
    sound, rate = read(EXAMPLE)
    source = tmp_path / "in.wav"
    loud = np.tile(sound, 4)[:, : 7 * rate] / np.abs(sound).max()
    marked = np.concatenate(list(mark_blocks([loud], rate, 5)), axis=1)
    soundfile.write(source, marked.T, rate)
    job = Job(VERBS["stretch"], no_model(), [Source(source)], tmp_path / "out.wav", peaks=peaks)
    settings = StretchSettings(factor=1.5)
    report = job.run(settings, VERBS["stretch"].resolve(no_model(), settings))
    assert report.watermark is not None
    again = replay(report.path, tmp_path / "again.wav")
    assert again.identical
    assert again.again.settings == report.record.settings
    other = replace(job, target=tmp_path / "other.wav", peaks="clip" if peaks == "limit" else "limit")
    assert not np.array_equal(read(other.run(settings, report.resolved).path)[0], read(report.path)[0])


def test_peaks_that_cannot_be_kept_again_are_refused() -> None:
    assert peaks_in(RECORD) == "clip"
    refused("peaks", lambda: peaks_in(replace(RECORD, settings={"watermark_peaks": "squeeze"})))
