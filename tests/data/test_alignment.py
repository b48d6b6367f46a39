"""The aligner on synthesized speech whose borders are known: each phoneme a pulse train or noise of its own colour."""

import itertools

import numpy as np
import pytest

from audiodiff.data import alignment as alignment_module
from audiodiff.data.alignment import (
    Alignment,
    Transcript,
    align,
    fit_threshold,
    train_aligner,
    transcript,
    usual_pronunciations,
)
from audiodiff.data.phone_model import PhoneModel, features
from audiodiff.errors import AudiodiffError
from audiodiff.text.english import phonemes, pronunciations
from tests.data.synthetic_speech import PHONES, clip
from tests.refusals import refused

SALLY = ("S", "EH1", "L", "IY1")


@pytest.fixture(scope="module")
def corpus() -> tuple[list[np.ndarray], list[Transcript], list[list[int]]]:
    rng = np.random.default_rng(0)
    mels, texts, truths = [], [], []
    for _ in range(40):
        # Words of chance, so that no phoneme always stands beside the same other one.
        words = [tuple(rng.permutation(PHONES)[: rng.integers(2, 5)].tolist()) for _ in range(6)]
        marks = ["<,>" if rng.random() < 0.2 else "<sp>" for _ in words[:-1]] + ["<.>"]
        pauses = [int(rng.integers(12, 25)) if mark == "<,>" else 0 for mark in marks[:-1]] + [int(rng.integers(8, 20))]
        mel, durations = clip(words, pauses, rng)
        mels.append(mel)
        texts.append(Transcript(tuple((word,) for word in words), tuple(marks)))
        truths.append(durations)
    return mels, texts, truths


@pytest.fixture(scope="module")
def trained(corpus: tuple[list[np.ndarray], list[Transcript], list[list[int]]]) -> tuple[PhoneModel, list[Alignment]]:
    *_, (_, model, alignments) = train_aligner(corpus[0], corpus[1], rounds=10)
    return model, alignments


@pytest.mark.slow
def test_borders_are_found_from_a_flat_start(corpus, trained) -> None:  # type: ignore[no-untyped-def]
    inner, edges = [], []
    for alignment, truth, mel in zip(trained[1], corpus[2], corpus[0], strict=True):
        assert alignment.durations.sum() == mel.shape[1]
        assert len(alignment.durations) == len(alignment.symbols) == len(truth)
        error = np.abs(np.cumsum(alignment.durations) - np.cumsum(truth))[:-1]
        silent = np.array(
            [symbol[0] == "<" and length > 0 for symbol, length in zip(alignment.symbols, truth, strict=True)]
        )
        at_silence = silent[:-1] | silent[1:]
        inner.append(error[~at_silence])
        edges.append(error[at_silence])
    assert np.concatenate(inner).mean() < 1.0
    assert np.mean(np.concatenate(inner) <= 2) > 0.95
    assert np.concatenate(edges).mean() < 2.5  # the window of a frame hears a sound up to two frames ahead


@pytest.mark.slow
def test_likelihood_rises_and_states_settle(corpus) -> None:  # type: ignore[no-untyped-def]
    rounds = [entry for entry, _, _ in train_aligner(corpus[0], corpus[1], rounds=6)]
    likelihoods = [entry.log_likelihood for entry in rounds[:3]], [entry.log_likelihood for entry in rounds[3:]]
    assert all(later > earlier - 0.05 for part in likelihoods for earlier, later in itertools.pairwise(part))
    assert rounds[-1].changed < 0.1 < rounds[0].changed


def test_pauses_are_found_where_they_are(corpus, trained) -> None:  # type: ignore[no-untyped-def]
    for alignment, truth in zip(trained[1], corpus[2], strict=True):
        for symbol, found, true in zip(alignment.symbols, alignment.durations, truth, strict=True):
            if symbol in ("<sp>", "<,>"):
                assert abs(found - true) <= 5


def test_the_pronunciation_that_was_said_is_chosen(trained) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(7)
    choices = ((("S", "EH1", "L", "IY1"),), (("M", "UW1", "L"), ("F", "AA1", "L"), ("SH", "IY1")), (("EH1", "L"),))
    for said in range(3):
        mel, _ = clip([choices[0][0], choices[1][said], choices[2][0]], [0, 0, 10], rng)
        alignment = align(trained[0], mel, Transcript(choices, ("<sp>", "<sp>", "<.>")))
        assert alignment.chosen == (0, said, 0)
        assert alignment.symbols[6 : 6 + len(choices[1][said])] == choices[1][said]


def test_another_text_fits_worse(corpus, trained) -> None:  # type: ignore[no-untyped-def]
    limit = fit_threshold([alignment.fit for alignment in trained[1]])
    assert all(alignment.fit > limit for alignment in trained[1])
    wrong = [align(trained[0], corpus[0][number], corpus[1][number - 1]).fit for number in range(1, 10)]
    assert max(wrong) < limit


def test_another_microphone_is_adapted_to(corpus, trained) -> None:  # type: ignore[no-untyped-def]
    coloured = corpus[0][0] + np.linspace(1.5, -1.5, 80, dtype=np.float32)[:, None]
    plain, adapted = (align(trained[0], coloured, corpus[1][0], adaptations=count).fit for count in (0, 2))
    assert adapted > plain + 0.5


def test_long_clips_are_searched_near_the_best_path(corpus, trained) -> None:  # type: ignore[no-untyped-def]
    mel = np.concatenate(corpus[0][:8], axis=1)
    texts = corpus[1][:8]
    text = Transcript(
        tuple(choice for one in texts for choice in one.choices),
        tuple(mark for one in texts for mark in one.boundaries),
    )
    graph, scores = alignment_module._graph(text, False), trained[0].scores(features(mel))
    path, total = alignment_module._viterbi(scores, graph)
    whole, most = alignment_module._viterbi(scores, graph, np.inf)
    np.testing.assert_array_equal(path, whole)
    assert total == most
    # A beam that loses the end is widened.
    assert alignment_module._viterbi(scores[: len(graph.states) * 2 // 3], graph, 1.0)[1] > -np.inf
    # Also one that has stayed in the silence before the first word.
    scores[:, 0] += 1e4
    path, total = alignment_module._viterbi(scores, graph)
    assert graph.ends[path[-1]]
    assert total > -np.inf


def test_gain_does_not_matter(corpus, trained) -> None:  # type: ignore[no-untyped-def]
    louder = align(trained[0], corpus[0][0] + 1.5, corpus[1][0])
    assert np.abs(louder.durations - trained[1][0].durations).max() <= 1


def test_a_text_too_long_for_the_recording_is_refused(corpus, trained) -> None:  # type: ignore[no-untyped-def]
    text = Transcript(((SALLY,),) * 3, ("<sp>", "<sp>", "<.>"))
    refused("has 20 frames, and its text needs at least 24", lambda: align(trained[0], corpus[0][0][:, :20], text))
    refused("0 frames", lambda: align(trained[0], corpus[0][0][:, :0], text))
    with pytest.raises(AudiodiffError, match="clip 1 has 20 frames"):
        next(train_aligner([corpus[0][0], corpus[0][0][:, :20]], [corpus[1][0], text]))
    refused("one text a clip", lambda: next(train_aligner([], [])))


def test_the_usual_pronunciation_is_the_most_frequent() -> None:
    symbols = [("<start>", "T", vowel, "<sp>", "B", "IY1", "<.>", "<end>") for vowel in ("AH0", "UW1", "AH0")]
    found = [Alignment(one, np.ones(8, np.int64), (0, 0), 0.0, 0.0) for one in symbols]
    assert usual_pronunciations([("to", "be")] * 3, found) == {"to": ("T", "AH0"), "be": ("B", "IY1")}


def test_transcripts() -> None:
    text = transcript(phonemes("I read {HH AY1}, the end"), pronunciations)
    assert set(text.choices[1]) == {("R", "EH1", "D"), ("R", "IY1", "D")}
    assert text.choices[2] == (("HH", "AY1"),)
    assert text.boundaries == ("<sp>", "<sp>", "<,>", "<sp>", "<.>")
    refused("none of them empty", lambda: Transcript(((),), ("<.>",)))
    refused("one word or more", lambda: Transcript((), ()))
