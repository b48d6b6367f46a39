from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.signal.limiter import true_peak
from audiodiff.signal.meters import loudness
from audiodiff.synthesis.clip import FADE_SECONDS
from audiodiff.synthesis.edit_settings import EditSettings
from audiodiff.synthesis.files import run_file
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.provenance import read_provenance
from audiodiff.synthesis.replay import replay
from audiodiff.synthesis.settings import changed, values_of
from audiodiff.synthesis.source import Source
from audiodiff.synthesis.verbs import VERBS
from audiodiff.synthesis.verbs.extend import ExtendSettings
from audiodiff.synthesis.verbs.inpaint import InpaintSettings
from audiodiff.synthesis.verbs.vary import VarySettings
from tests.synthesis.latent_models import RATE
from tests.synthesis.recordings import quick, tones
from tests.synthesis.records import write_provenance


@pytest.fixture
def mono(tmp_path: Path) -> Path:
    path = tmp_path / "mono.flac"
    soundfile.write(path, tones(1.6, RATE, seed=2), RATE)
    return path


@pytest.mark.parametrize("name", ["vary", "extend", "inpaint"])
def test_a_record_from_before_what_is_new_was_limited_gives_the_same_samples(
    tiny: LatentSynthesizer, tiny_folder: Path, tmp_path: Path, name: str
) -> None:
    loud, out = tmp_path / "loud.wav", tmp_path / "out.wav"
    soundfile.write(loud, np.clip(5 * tones(1.6, RATE), -1.0, 1.0), RATE)
    settings: dict[str, EditSettings] = {
        "vary": VarySettings(quick()),
        "extend": ExtendSettings(1.0, quick()),
        "inpaint": InpaintSettings(((0.5, 1.0),), quick()),
    }
    record = run_file(name, tiny, [loud], out, settings[name]).record
    assert record is not None
    later = ("fade_out",) if name == "vary" else ("fade_out", "level")
    without = {key: value for key, value in record.settings.items() if key not in later}
    write_provenance(out, replace(record, settings=without))
    assert replay(out, tmp_path / "again.wav", model=tiny_folder).identical
    now = run_file(name, tiny, [loud], out, changed(settings[name], {"level": "limit"})).record
    assert now is not None
    assert name == "vary" or now.audio.samples_sha256 != record.audio.samples_sha256
    assert replay(out, tmp_path / "again.wav", model=tiny_folder).identical


@pytest.mark.parametrize("verb", ["generate", "vary", "interpolate"])
def test_what_a_model_makes_is_as_loud_as_all_else(
    tiny: LatentSynthesizer, mono: Path, tmp_path: Path, verb: str
) -> None:
    sources = {"generate": [], "vary": [mono], "interpolate": [mono, mono]}[verb]
    settings = changed(VERBS[verb].settings(), {"guidance": 1.0})
    assert values_of(settings)["level"] == "streaming"
    run_file(verb, tiny, sources, tmp_path / "out.wav", settings, bits=24)
    samples, rate = soundfile.read(tmp_path / "out.wav", dtype="float32")
    assert loudness(torch.from_numpy(samples), rate) == pytest.approx(-16.0, abs=0.2)
    assert true_peak(torch.from_numpy(samples), rate) < 10 ** (-0.9 / 20)


@pytest.mark.parametrize(
    ("name", "bits", "encoding"),
    [("a.wav", 24, "PCM_24"), ("a.flac", 24, "PCM_24"), ("a.wav", None, "PCM_16"), ("a.mp3", None, "MPEG_LAYER_III")],
)
def test_every_format_is_written_with_its_record_and_replayed(
    tiny: LatentSynthesizer, tiny_folder: Path, tmp_path: Path, name: str, bits: int | None, encoding: str
) -> None:
    made = run_file("generate", tiny, [], tmp_path / name, quick(seconds=1.0), bits=bits)
    info = soundfile.info(tmp_path / name)
    assert (info.subtype, info.frames) == (encoding, RATE)
    assert read_provenance(tmp_path / name) == made.record
    assert replay(tmp_path / name, tmp_path / f"again{name}", model=tiny_folder).identical


def test_bits_that_a_format_lacks_are_refused_and_lost_ones_are_told(
    tiny: LatentSynthesizer, mono: Path, tmp_path: Path
) -> None:
    for target, bits in (("a.mp3", 24), ("a.ogg", 16), ("a.wav", 12)):
        with pytest.raises(AudiodiffError, match="bits"):
            run_file("generate", tiny, [], tmp_path / target, quick(), bits=bits)
        assert not (tmp_path / target).exists()
    fine, settings = tmp_path / "fine.wav", ExtendSettings(0.5, quick())
    soundfile.write(fine, tones(1.0, RATE), RATE, subtype="PCM_24")
    report = run_file("extend", tiny, [fine], tmp_path / "a.wav", settings, bits=16)
    assert "16 bits do not hold" in " ".join(report.notes)
    assert soundfile.info(tmp_path / "a.wav").subtype == "PCM_16"
    assert "MP3 keeps no sample" in " ".join(run_file("extend", tiny, [mono], tmp_path / "a.mp3", settings).notes)


def test_a_fade_out_is_in_the_record_and_made_again_where_the_clip_goes_on(
    tiny: LatentSynthesizer, tiny_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.wav"
    run_file("generate", tiny, [], out, quick(seconds=2.0, fade_out=1.5))
    plain = run_file("generate", tiny, [], tmp_path / "plain.wav", quick(seconds=2.0)).path
    faded, whole = soundfile.read(out)[0], soundfile.read(plain)[0]
    start, middle = RATE // 2, RATE + RATE // 4
    assert np.array_equal(faded[:start], whole[:start])
    assert np.abs(faded[middle] - whole[middle] * np.cos(np.pi / 4)) < 1e-3
    assert np.abs(faded[-200:]).max() < 0.02 * np.abs(whole).max()
    assert replay(out, tmp_path / "again.wav", model=tiny_folder).identical
    assert (Source(out).fade(before=False), Source(out).fade(before=True)) == (1.5, FADE_SECONDS)
