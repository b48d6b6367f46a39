from dataclasses import replace
from itertools import combinations

import pytest

from audiodiff.models.mel_latent import KEY, MelLatentConfig
from audiodiff.synthesis.settings import GenerateSettings, Sampling
from audiodiff.synthesis.variety import drawn, place
from audiodiff.text.keys import KEYS
from tests.synthesis.latent_models import latent_model

CONFIG = latent_model().config


def draw(
    prompt: str, seed: int = 0, *, variety: float = 1.0, config: MelLatentConfig = CONFIG, **values: object
) -> GenerateSettings:
    asked = GenerateSettings(prompt, sampling=Sampling(seed=seed), variety=variety, **values)  # type: ignore[arg-type]
    return drawn(asked, guidance=4.0, config=config)


def test_no_variety_changes_nothing() -> None:
    asked = GenerateSettings("jazz", sampling=Sampling(seed=3))
    assert drawn(asked, guidance=4.0, config=CONFIG) is asked


def test_what_is_drawn_belongs_to_the_seed() -> None:
    """Literally, since the takes of a seed must stay what they are."""
    assert [draw("jazz", seed).key for seed in (0, 1, 2, 3, 2**63 - 1)] == KEYS_OF_SEEDS
    assert draw("jazz", 1) == draw("jazz", 1)
    assert draw("jazz", 1, variety=0.25).key == draw("jazz", 1).key


KEYS_OF_SEEDS = ["F minor", "B major", "E major", "Bb minor", "C minor"]


@pytest.mark.parametrize("first", [0, 1, 77, 462677299, 2**62])
def test_takes_that_are_made_together_are_far_apart(first: int) -> None:
    places = [place(first + take) for take in range(4)]
    assert min(abs(a - b) for a, b in combinations(places, 2)) > 0.19
    assert all(0.0 <= each < 1.0 for each in places)
    assert {draw("jazz", first + take).key for take in range(200)} == {*KEYS}


def test_more_variety_guides_less() -> None:
    found = [draw("jazz", variety=amount).sampling.guidance for amount in (0.25, 0.5, 1.0)]
    assert found == pytest.approx([3.4, 2.8, 1.6])
    for guidance in (0.0, 0.5, 1.0):  # which is no guidance to loosen
        asked = GenerateSettings("jazz", sampling=Sampling(guidance=guidance), variety=1.0)
        assert drawn(asked, guidance=4.0, config=CONFIG).sampling.guidance == guidance
    asked = GenerateSettings("jazz", sampling=Sampling(guidance=7.0), variety=1.0)
    assert drawn(asked, guidance=4.0, config=CONFIG).sampling.guidance == pytest.approx(2.2)


def test_what_is_asked_for_stays() -> None:
    assert draw("jazz in F minor").key == ""  # which the prompt says
    assert draw("jazz", key="E major").key == "E major"
    assert draw("jazz", chords="Am F").key == ""
    assert draw("jazz", chords="N.C.").key == ""
    assert draw("jazz", chords="auto").key
    for mode in ("minor", "major"):
        assert {draw(f"jazz, {mode} key", seed).key.split()[1] for seed in range(20)} == {mode}
    assert draw("jazz, from minor to major", 1).key == draw("jazz", 1).key


def test_a_model_without_keys_gets_none() -> None:
    plain = replace(CONFIG, classes=tuple(each for each in CONFIG.classes if each.name != KEY.name))
    assert draw("jazz", config=plain).key == ""
    assert draw("jazz", config=plain).sampling.guidance == pytest.approx(1.6)
