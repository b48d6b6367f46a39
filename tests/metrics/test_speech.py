import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiodiff._torchaudio import import_torchaudio
from audiodiff.errors import AudiodiffError
from audiodiff.metrics import speech
from audiodiff.metrics.inputs import resampled
from audiodiff.metrics.scoring import MEASURES, named_measure
from tests.metrics.signals import voice, with_noise
from tests.refusals import refused

pytest.importorskip("pesq")
pytest.importorskip("pystoi")

INTRUSIVE = (speech.pesq_wb, speech.pesq_nb, speech.stoi, speech.estoi)


@pytest.mark.parametrize(
    ("measure", "ceiling"),
    [(speech.pesq_wb, 4.644), (speech.pesq_nb, 4.549), (speech.stoi, 1.0), (speech.estoi, 1.0)],
)
@pytest.mark.parametrize("sample_rate", [16_000, 22_050])
def test_identical_input_reaches_the_ceiling(measure, ceiling, sample_rate):
    clip = voice(sample_rate)
    assert measure(clip, clip, sample_rate) == pytest.approx(ceiling, abs=1e-3)


@pytest.mark.parametrize("measure", INTRUSIVE)
def test_more_noise_scores_lower(measure):
    clip = voice()
    scores = [measure(clip, with_noise(clip, snr), 16_000) for snr in (40, 20, 5)]
    assert scores[0] > scores[1] > scores[2]


def test_pesq_ignores_level():
    clip = voice()
    noisy = with_noise(clip, 20)
    assert speech.pesq_wb(clip, 0.25 * noisy, 16_000) == pytest.approx(speech.pesq_wb(clip, noisy, 16_000), abs=0.02)


def test_resampling_inside_agrees_with_the_packages_at_their_own_rate():
    import pesq
    import pystoi

    clip = voice()
    noisy = with_noise(clip, 10)
    assert speech.pesq_wb(clip, noisy, 16_000) == pytest.approx(pesq.pesq(16_000, clip, noisy, "wb"), abs=1e-6)
    assert speech.stoi(clip, noisy, 16_000) == pytest.approx(pystoi.stoi(clip, noisy, 16_000), abs=1e-9)
    assert speech.estoi(clip, noisy, 16_000) == pytest.approx(pystoi.stoi(clip, noisy, 16_000, True), abs=1e-6)


@pytest.fixture
def distillmos_package():
    if importlib.util.find_spec("distillmos") is None:
        pytest.skip("distillmos is not installed")
    import_torchaudio()
    return importlib.import_module("distillmos")


@pytest.mark.slow
def test_distill_mos_is_the_package_at_16_khz(distillmos_package):
    import torch

    clip = with_noise(voice(), 0)
    faster = resampled(clip, 16_000, 24_000)
    model = distillmos_package.ConvTransformerSQAModel().eval()
    with torch.inference_mode():
        expected = float(model(torch.from_numpy(clip)[None]))
        expected_faster = float(model(torch.from_numpy(resampled(faster, 24_000, 16_000))[None]))
    assert speech.distill_mos(clip, 16_000) == pytest.approx(expected, abs=1e-6)
    assert speech.distill_mos(clip, 16_000) == speech.distill_mos(clip, 16_000)
    assert speech.distill_mos(faster, 24_000) == pytest.approx(expected_faster, abs=1e-6)


def test_distill_mos_prefers_the_recording_to_the_noisy_one(distillmos_package):
    import audiodiff

    path = Path(audiodiff.__file__).parent / "assets" / "example.flac"
    clip, sample_rate = soundfile.read(path, dtype="float32")
    scores = [speech.distill_mos(x, sample_rate) for x in (clip, with_noise(clip, 20), with_noise(clip, 5))]
    assert scores[0] > scores[1] > scores[2]


@pytest.mark.parametrize("measure", INTRUSIVE)
@pytest.mark.parametrize(
    ("reference", "estimate", "sample_rate", "message"),
    [
        (voice(), voice()[:-1], 16_000, "align and crop"),
        (voice()[:4000], voice()[:4000], 16_000, "0.250 s"),
        (voice()[None], voice()[None], 16_000, "mono"),
        (np.zeros(0, np.float32), np.zeros(0, np.float32), 16_000, "empty"),
        (np.full(16_000, np.nan, np.float32), voice()[:16_000], 16_000, "reference holds NaN"),
        (voice(), voice(), 0, "sample rate"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(measure, reference, estimate, sample_rate, message):
    refused(message, lambda: measure(reference, estimate, sample_rate))


@pytest.mark.parametrize("measure", INTRUSIVE)
def test_a_silent_reference_is_refused(measure):
    silence = np.zeros(16_000, np.float32)
    with pytest.raises(AudiodiffError):
        measure(silence, voice()[:16_000], 16_000)


@pytest.mark.parametrize("package", ["pesq", "pystoi"])
def test_a_missing_package_names_the_extra(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    measure = speech.pesq_wb if package == "pesq" else speech.stoi
    refused(r"audiodiff-synth\[eval\]", lambda: measure(voice(), voice(), 16_000))


def test_an_unknown_measure_is_refused_with_those_there_are():
    assert named_measure("stoi") is MEASURES["stoi"]
    refused("pesq_wb", lambda: named_measure("mos"))


def test_every_measure_explains_itself():
    for name, measure in MEASURES.items():
        assert name.isidentifier()
        assert measure.label
        assert measure.definition


@pytest.mark.slow
def test_importing_the_measures_loads_no_optional_package():
    code = "import sys, audiodiff.metrics.scoring as _; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not set(loaded) & {
        "pesq",
        "pystoi",
        "distillmos",
        "torchaudio",
        "torchcrepe",
        "pyworld",
        "librosa",
    }
