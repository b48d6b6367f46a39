import pytest

from audiodiff.synthesis.settings import GenerateSettings, Sampling
from audiodiff.synthesis.variety import loosened


def left(variety: float, guidance: float | None = None) -> float | None:
    asked = GenerateSettings("jazz", sampling=Sampling(guidance=guidance), variety=variety)
    return loosened(asked, 4.0).sampling.guidance


def test_no_variety_changes_nothing() -> None:
    asked = GenerateSettings("jazz", sampling=Sampling(seed=3))
    assert loosened(asked, 4.0) is asked


def test_more_variety_guides_less() -> None:
    assert [left(amount) for amount in (0.25, 0.5, 1.0)] == pytest.approx([3.4, 2.8, 1.6])
    assert left(1.0, guidance=7.0) == pytest.approx(2.2)


@pytest.mark.parametrize("guidance", [0.0, 0.5, 1.0])
def test_without_guidance_there_is_none_to_loosen(guidance: float) -> None:
    assert left(1.0, guidance=guidance) == guidance
