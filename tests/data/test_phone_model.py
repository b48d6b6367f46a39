"""Gaussians of phonemes: their arithmetic, and states that were never seen."""

from pathlib import Path

import numpy as np

from audiodiff.data.phone_model import STATE_INDEX, STATES, estimate, features, load_phone_model, states_of
from tests.refusals import refused

RNG = np.random.default_rng(0)
CLIPS = [RNG.standard_normal((400, 5)) * 2 + 1, RNG.standard_normal((300, 5))]
LABELS = [RNG.integers(0, 4, 400), RNG.integers(0, 4, 300)]


def test_scores_are_log_densities() -> None:
    model = estimate(CLIPS, LABELS)
    scores = model.scores(CLIPS[0])
    precision = model.whiteners[2] @ model.whiteners[2].T
    shift = CLIPS[0] - model.means[2]
    density = -0.5 * np.einsum("td,de,te->t", shift, precision, shift)
    density += 0.5 * np.linalg.slogdet(precision)[1] - 2.5 * np.log(2 * np.pi)
    assert np.allclose(scores[:, 2], density)


def test_a_state_that_was_never_seen_takes_after_its_phoneme() -> None:
    labels = [np.where(label == 2, 1, label) for label in LABELS]
    model = estimate(CLIPS, labels)
    own = np.concatenate(CLIPS)[np.isin(np.concatenate(labels), (1, 3))]
    assert np.allclose(model.means[2], own.mean(axis=0))
    assert np.isfinite(model.scores(CLIPS[0])).all()


def test_the_states_of_phonemes() -> None:
    assert states_of("AA1") == states_of("AA0")
    assert states_of("AH1") != states_of("AH0")
    assert len(STATES) == len(STATE_INDEX) == 1 + 3 * 40


def test_features_do_not_depend_on_the_level() -> None:
    mel = RNG.standard_normal((80, 50)).astype(np.float32)
    assert features(mel).shape == (50, 14)
    assert features(mel, slopes=True).shape == (50, 28)
    assert np.array_equal(features(mel, slopes=True)[:, :14], features(mel))
    assert np.allclose(features(mel), features(mel + 3), atol=1e-4)


def test_file(tmp_path: Path) -> None:
    model = estimate(CLIPS, LABELS)
    model.save(tmp_path / "a.safetensors")
    assert np.allclose(load_phone_model(tmp_path / "a.safetensors").scores(CLIPS[1]), model.scores(CLIPS[1]), atol=1e-3)
    refused("no phoneme model", lambda: load_phone_model(tmp_path / "b.safetensors"))
    (tmp_path / "c.safetensors").write_bytes(b"nothing")
    refused("no phoneme model", lambda: load_phone_model(tmp_path / "c.safetensors"))
