import importlib.util
import math

import numpy as np
import pytest
import torch

from audiodiff.metrics import embeddings
from audiodiff.metrics.embeddings import EMBEDDINGS, MusicnnVGG, open_embedding, window_starts
from audiodiff.metrics.inputs import MissingPackageError
from tests.refusals import refused

PACKAGES = {
    "musicnn-mtt": "musicnn",
    "musicnn-msd": "musicnn",
    "aisfx": "aisfx",
    "basic-pitch": "basic_pitch",
    "log-mel": None,
}


def needs(name):
    package = PACKAGES[name]
    if package is not None and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    if package == "basic_pitch":
        pytest.importorskip("onnxruntime")


def tones(seconds=4.0, sample_rate=22_050, midi=(69,)):
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    waves = [np.sin(2 * np.pi * 440 * 2 ** ((n - 69) / 12) * t) for n in midi]
    return (0.3 * np.sum(waves, axis=0) / len(midi)).astype(np.float32)


@pytest.mark.parametrize("name", list(EMBEDDINGS))
def test_points_are_finite_repeat_and_tell_noise_from_tones(name):
    needs(name)
    embedding = open_embedding(name)
    clip = tones()
    noise = 0.1 * np.random.default_rng(0).standard_normal(len(clip)).astype(np.float32)
    points, again, other = (embedding.embed(x, 22_050) for x in (clip, clip, noise))
    assert embedding.name == name
    assert points.shape == (len(points), embedding.dim)
    assert points.dtype == np.float32
    assert len(points) >= 2
    assert np.isfinite(points).all()
    np.testing.assert_array_equal(points, again)
    apart = np.linalg.norm(points.mean(axis=0) - other.mean(axis=0))
    assert apart > 3 * np.linalg.norm(points.std(axis=0))
    short = embedding.embed(clip[:500], 22_050)
    assert short.shape[0] == 1
    assert np.isfinite(embedding.embed(np.zeros(9000, np.float32), 16_000)).all()


@pytest.mark.parametrize("name", ["musicnn-mtt", "aisfx", "basic-pitch", "log-mel"])
def test_the_sample_rate_hardly_matters(name):
    needs(name)
    embedding = open_embedding(name)
    points, same = (embedding.embed(tones(sample_rate=rate), rate).mean(axis=0) for rate in (44_100, 48_000))
    other = embedding.embed(tones(sample_rate=48_000, midi=(57, 60, 64)), 48_000).mean(axis=0)
    assert np.linalg.norm(points - same) < 0.2 * np.linalg.norm(points - other)


# From the package's own graph run by TensorFlow 2.15 on this input.
GOLDEN = {
    "musicnn-mtt": (
        (-0.70750934, 0.85906154, -0.32815108, -0.91033161),
        (0.15678340, 0.06829719, 0.06158018, 0.03688627, 0.02616289),
    ),
    "musicnn-msd": (
        (-0.21683784, -0.02810842, 1.12739849, -0.62052566),
        (0.08031759, 0.52186292, 0.03391786, 0.01731631, 0.00542535),
    ),
}


@pytest.mark.parametrize("name", list(GOLDEN))
def test_the_vgg_gives_what_tensorflow_gives(name):
    needs(name)
    embedding = open_embedding(name)
    assert isinstance(embedding, MusicnnVGG)
    frame, band = torch.arange(187.0)[:, None], torch.arange(96.0)[None]
    batch = (1.5 + 1.5 * torch.sin(0.05 * frame * (1.0 + band / 40.0)))[None]
    points = embedding.forward(batch).numpy()
    tags = embedding.tag(points)
    assert points[0, [0, 1, 100, 255]].tolist() == pytest.approx(GOLDEN[name][0], abs=2e-5)
    assert tags[0, [0, 4, 9, 20, 49]].tolist() == pytest.approx(GOLDEN[name][1], abs=2e-5)
    assert len(embedding.tags) == 50


def test_basic_pitch_hears_the_notes():
    needs("basic-pitch")
    points = open_embedding("basic-pitch").embed(tones(midi=(60, 67)), 22_050).mean(axis=0)
    keys = np.argsort(points[:88])[-2:] + 21  # MIDI number of the lowest key
    assert sorted(keys) == [60, 67]
    assert points[88:].max() < 0.5 * points[keys - 21].min()  # they start once and go on


def test_windows_cover_the_clip_evenly():
    assert window_starts(100, 100, 50) == window_starts(3, 100, 50) == [0]
    assert window_starts(101, 100, 50) == [0, 1]
    starts = window_starts(626, 187, 93)
    assert (starts[0], starts[-1]) == (0, 626 - 187)
    assert max(np.diff(starts)) <= 93


def test_log_mel_statistics_are_mean_and_deviation():
    quiet = open_embedding("log-mel").embed(0.1 * tones(), 22_050)
    loud = open_embedding("log-mel").embed(0.2 * tones(), 22_050)
    band = int(quiet[0, :64].argmax())
    assert loud[0, band] - quiet[0, band] == pytest.approx(math.log(2.0), abs=1e-3)


def test_a_missing_package_is_named_with_its_command(monkeypatch):
    monkeypatch.setattr(embeddings.importlib.util, "find_spec", lambda name: None)
    for name, command in {
        "musicnn-msd": "pip install --no-deps musicnn.",
        "aisfx": "pip install --no-deps aisfx.",
        "basic-pitch": "pip install --no-deps basic-pitch onnxruntime flatbuffers.",
    }.items():
        opener = EMBEDDINGS[name]
        fresh = getattr(opener, "__wrapped__", opener)  # past the cache
        with pytest.raises(MissingPackageError, match="not installed") as caught:
            fresh()
        assert command in str(caught.value)


def test_unknown_names_are_refused():
    refused("choose from musicnn-mtt", lambda: open_embedding("clap"))
