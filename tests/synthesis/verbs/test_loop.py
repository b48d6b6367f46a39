from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.files import apply, run_file
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.replay import replay
from audiodiff.synthesis.source import Source
from audiodiff.synthesis.verbs.loop import LoopSettings, complete
from audiodiff.synthesis.verbs.vary import VarySettings
from tests.synthesis.latent_models import RATE
from tests.synthesis.recordings import quick, tones


def settings(bars: int | None = None, tempo: float | None = 120.0, **changes: float) -> LoopSettings:
    return LoopSettings(bars, quick(level="limit", tempo=tempo), **changes)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seconds", "bars", "expected"),
    [(4.1, None, 4.0), (5.9, None, 4.0), (7.4, None, 8.0), (2.0, None, 2.0), (5.0, 1, 2.0), (1.0, None, 1.0)],
)
@pytest.mark.parametrize("rate", [RATE, 48000])
def test_a_loop_of_a_clip_is_this_clip_in_whole_bars(
    tiny: LatentSynthesizer, seconds: float, bars: int | None, expected: float, rate: int
) -> None:
    sound = tones(seconds, rate)
    loop = apply("loop", tiny, [(sound, rate)], settings(bars))
    n_samples, side = round(expected * rate), round(0.2 * rate)
    assert (loop.sample_rate, loop.waveform.shape) == (rate, (n_samples,))
    kept = slice(side, min(n_samples, len(sound)) - side)
    np.testing.assert_array_equal(loop.waveform[kept], sound[kept])
    assert np.abs(loop.waveform[: side // 2]).max() > 0.0
    assert loop.seam is not None
    assert any("longer" in note for note in loop.notes) is (seconds == 1.0)


def test_the_end_leads_into_the_beginning(tiny: LatentSynthesizer) -> None:
    sound = np.stack([tones(4.0, RATE), tones(4.0, RATE, seed=1)])
    sound[:, -2000:] *= np.linspace(1, 0, 2000, dtype=np.float32)
    loop = apply("loop", tiny, [(sound, RATE)], settings()).waveform
    assert loop.shape == (2, 4 * RATE)
    step = np.abs(loop[:, 0] - loop[:, -1])
    assert (step < 3 * np.abs(np.diff(loop, axis=1)).max()).all()
    assert np.square(loop[:, -1500:]).mean() > 1e-6  # no fade


def test_start_new_and_what_cannot_be(tiny: LatentSynthesizer) -> None:
    sound = tones(6.0, RATE)
    loop = apply("loop", tiny, [(sound, RATE)], settings(1, start=1.5, new=0.2)).waveform
    inside = slice(RATE // 10, 2 * RATE - RATE // 10)
    np.testing.assert_array_equal(loop[inside], sound[round(1.5 * RATE) :][inside])
    whole = apply("loop", tiny, [(sound, RATE)], settings(tempo=None))
    assert whole.waveform.shape == sound.shape
    assert any("not known" in note for note in whole.notes)
    for words, wrong in (
        ("too few", settings(8)),
        ("too few", settings(1, start=5.9)),
        ("too few", settings(start=9.0)),
        ("too few", settings(1, new=4.0)),
        ("without a tempo", settings(2, None)),
    ):
        with pytest.raises(AudiodiffError, match=words):
            apply("loop", tiny, [(sound, RATE)], wrong)
    for changes in ({"bars": 0}, {"bars": 1.5}, {"start": -1.0}, {"new": 0.0}, {"new": 9.0}):
        with pytest.raises(AudiodiffError):
            LoopSettings(**changes)


def test_a_loop_takes_the_tempo_of_its_clip_and_is_replayed_and_varied_as_a_loop(
    tiny: LatentSynthesizer, tiny_folder: Path, tmp_path: Path
) -> None:
    clip, looped, varied = tmp_path / "clip.wav", tmp_path / "looped.wav", tmp_path / "varied.wav"
    run_file("generate", tiny, [], clip, quick(seconds=4.3, tempo=120.0))
    values = complete({}, [Source(clip)], lambda said: None)
    assert values["tempo"] == 120.0
    report = run_file("loop", tiny, [clip], looped, settings(tempo=values["tempo"]))
    assert report.seconds == 4.0
    assert replay(looped, tmp_path / "again.wav", model=tiny_folder).identical
    assert Source(looped).loops(RATE, 1024)
    again = run_file("vary", tiny, [looped], varied, VarySettings(quick()))
    assert (again.seconds, again.seam is None) == (4.0, False)
    cut, rate = soundfile.read(looped)
    soundfile.write(looped, cut[:-77], rate)
    assert not Source(looped).loops(RATE, 1024)
