"""What a model card says."""

import shlex

import pytest

from audiodiff.cli.main import build_parser
from audiodiff.errors import AudiodiffError
from audiodiff.models.card import model_card
from audiodiff.models.kinds import KINDS


def card(metadata: dict[str, object], **options: object) -> str:
    config = {"kind": "vocoder", "model": {}, "metadata": metadata}
    return model_card(config, "somebody/mine", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("licences", "expected"),
    [([], "other"), (["CC0-1.0"], "cc0-1.0"), (["Public-Domain"], "cc0-1.0"), (["MIT", "CC-BY-4.0"], "other")],
)
def test_the_licence_is_that_of_the_corpus_if_it_has_one_alone(licences: list[str], expected: str) -> None:
    text = card({"corpus": {"name": "voices", "licences": licences}})
    assert text.startswith(f"---\nlicense: {expected}\nlibrary_name: audiodiff\n")
    assert ("licences: " in text) == bool(licences)


def test_corpora_of_models_that_it_started_from_are_told() -> None:
    first = {"name": "first", "licences": ["MIT"], "origins": {"init": {"name": "second", "licences": ["CC0-1.0"]}}}
    text = card({"origins": {"init": first}})
    assert "- first" in text
    assert "- second" in text
    assert "license: other" in text


def test_long_lists_of_sources_are_cut() -> None:
    text = card({"corpus": {"name": "many", "sources": [f"piece {i}" for i in range(100)]}})
    assert "piece 59" in text
    assert "piece 60" not in text
    assert "and 40 more" in text


def test_examples_of_all_kinds_are_commands() -> None:
    for kind in KINDS.own.values():
        if kind.example:
            words = shlex.split(kind.example.format(model="hf:a/b"))
            assert words[0] == "audiodiff"
            build_parser().parse_args(words[1:])
        assert bool(kind.example) == bool(kind.synthesizer)


@pytest.mark.parametrize("licence", ["", "mit\nx: y", "[1]", "a" * 61])
def test_a_licence_is_a_name(licence: str) -> None:
    with pytest.raises(AudiodiffError, match="licence"):
        card({}, licence=licence)
