"""Options come from the settings of the verbs, and their help from the docstrings."""

import argparse

import pytest

from audiodiff.cli.main import build_parser
from audiodiff.cli.settings_options import add_settings, attribute_docs, described, option_values
from audiodiff.synthesis.edit_settings import ExtendSettings, InpaintSettings, InterpolateSettings
from audiodiff.synthesis.settings import GenerateSettings, changed, values_of
from audiodiff.synthesis.verbs import VERBS

IN_OTHER_WORDS = {
    "generate": {"prompt"},
    "vary": {"loop"},
    "inpaint": {"regions"},
    "interpolate": {"position"},
    "vocode": {"guidance", "rescale", "window_seconds", "level"},
    "upsample": {"guidance", "rescale"},
}
"""Values that are arguments, options of another name, or none at all."""

BASES = {"inpaint": InpaintSettings(((1, 2),)), "interpolate": InterpolateSettings(0.5)}


def parser_of(verb: str) -> argparse.ArgumentParser:
    (action,) = (each for each in build_parser(verb)._actions if isinstance(each, argparse._SubParsersAction))
    return action.choices[verb]


@pytest.mark.parametrize("verb", VERBS)
def test_options_are_the_values_of_the_settings(verb: str) -> None:
    base = BASES.get(verb) or VERBS[verb].settings()
    own = {*vars(base)} if verb != "generate" else set()
    wanted = {*values_of(base)} - (set(VERBS[verb].from_input) - own) - IN_OTHER_WORDS.get(verb, set())
    options = {action.dest: action for action in parser_of(verb)._actions}
    assert wanted <= {*options}
    for name in wanted:
        assert options[name].help, name
    about_files = {"help", "debug", "output", "model", "device", "no_provenance", "sidecar", "count"}
    inputs = {"clip", "clips", "input", "example", "reference", "region", "keep_level", "prompt"}
    assert {*options} - about_files - inputs == wanted - inputs


@pytest.mark.parametrize("verb", VERBS)
def test_without_options_the_settings_are_the_usual_ones(verb: str) -> None:
    base = BASES.get(verb) or VERBS[verb].settings()
    skip = {"regions", "position", "prompts", "mel"}
    parser = argparse.ArgumentParser()
    add_settings(parser, VERBS[verb].settings, skip=skip)
    assert changed(base, option_values(parser.parse_args([]), VERBS[verb].settings, skip=skip)) == base


def test_options_reach_the_settings_that_they_are_of() -> None:
    parser = argparse.ArgumentParser()
    add_settings(parser, ExtendSettings)
    words = ["--steps", "3", "--seconds", "2", "--interval", "0.1", "0.5", "--before", "--sampler", "arc"]
    words += ["--level", "peak", "--key", "A"]
    settings = changed(ExtendSettings(), option_values(parser.parse_args(words), ExtendSettings))
    assert (settings.seconds, settings.before, settings.clip.seconds) == (2.0, True, 10.0)
    assert (settings.clip.guidance_interval, settings.clip.level, settings.clip.key) == ((0.1, 0.5), "peak", "A")
    assert (settings.clip.sampling.steps, settings.clip.sampling.sampler) == (3, "adams_pc")


def test_what_a_docstring_says_of_a_value() -> None:
    said = attribute_docs(GenerateSettings)
    assert said["negative"] == "what to avoid."
    assert said["level"].startswith("`peak` brings the clip to -1 dBFS, `loudness`")
    for verb in VERBS.values():
        assert all(text for _, _, text in described(verb.settings).values())
