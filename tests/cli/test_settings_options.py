"""Options come from the settings of the verbs, and their help from the docstrings."""

import argparse
from pathlib import Path

import pytest

from audiodiff.cli.main import build_parser
from audiodiff.cli.settings_options import given
from audiodiff.synthesis.described import attribute_docs, described
from audiodiff.synthesis.settings import GenerateSettings, built, changed
from audiodiff.synthesis.verbs import VERBS
from audiodiff.synthesis.verbs.extend import ExtendSettings
from audiodiff.synthesis.verbs.inpaint import InpaintSettings
from audiodiff.synthesis.verbs.vocode import EXAMPLE

GIVEN = {
    "interpolate": {"prompts": ["a", "b"]},
    "vocode": {"input": EXAMPLE},
    "speak": {"text": "Hello."},
    "respeak": {"replace": [["a", "b"]]},
}
"""What makes a command line complete."""


def parser_of(verb: str) -> argparse.ArgumentParser:
    (action,) = (each for each in build_parser(verb)._actions if isinstance(each, argparse._SubParsersAction))
    return action.choices[verb]


@pytest.mark.parametrize("name", VERBS)
def test_options_are_the_values_of_the_settings(name: str) -> None:
    verb = VERBS[name]
    actions = {action.dest: action for action in parser_of(name)._actions}
    about_files = {"help", "debug", "output", "bits", "no_provenance", "no_latents", "no_watermark", "sidecar", "sign"}
    about_files |= {"model", "device", "adapters"} if verb.model else set()
    about_files |= {"engine"} if verb.makes_latents else set()
    assert {*actions} - about_files == verb.values
    assert all(action.help for action in actions.values())
    settings = {*described(verb.settings)}
    assert {*verb.hidden} <= settings
    missing = settings - verb.values - {*verb.hidden} - {*verb.from_input}
    assert not missing


@pytest.mark.parametrize("name", VERBS)
def test_without_options_the_settings_are_the_usual_ones(name: str) -> None:
    verb = VERBS[name]
    words = [word for each in verb.arguments if each.needed for word in ([each.flag] if each.flag else []) + ["0:1"]]
    words += ["-o", "out.wav"]
    _, values = verb.read({**given(parser_of(name).parse_args(words), verb), **GIVEN.get(name, {})})
    usual = InpaintSettings(((0.0, 1.0),)) if name == "inpaint" else verb.settings()
    values.pop("count", None)
    settings = built(verb.settings, values)
    assert settings == changed(
        usual, {key: values[key] for key in ("prompt", "prompts", "text", "replace") if key in values}
    )


def test_options_reach_the_settings_that_they_are_of() -> None:
    words = ["clip.wav", "--steps", "3", "--seconds", "2", "--interval", "0.1", "0.5", "--before", "--sampler", "arc"]
    words += ["--key", "A", "--trim", "0.5"]
    files, values = VERBS["extend"].read(given(parser_of("extend").parse_args(words), VERBS["extend"]))
    settings = built(ExtendSettings, {key: value for key, value in values.items() if key != "count"})
    assert files == [Path("clip.wav")]
    assert (settings.seconds, settings.before, settings.trim, settings.clip.seconds) == (2.0, True, 0.5, 10.0)
    assert (settings.clip.guidance_interval, settings.clip.key) == ((0.1, 0.5), "A")
    assert (settings.clip.sampling.steps, settings.clip.sampling.sampler) == (3, "adams_pc")


def test_what_a_docstring_says_of_a_value() -> None:
    said = attribute_docs(GenerateSettings)
    assert said["negative"] == "what to avoid."
    assert said["level"].startswith("`streaming` brings the clip to -16 LUFS")
    for verb in VERBS.values():
        assert all(text for _, _, text in described(verb.settings).values())
