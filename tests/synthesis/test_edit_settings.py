import math

import pytest

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.edit_settings import clip_of_edit
from audiodiff.synthesis.settings import GenerateSettings, Sampling
from audiodiff.synthesis.verbs.extend import ExtendSettings
from audiodiff.synthesis.verbs.inpaint import InpaintSettings, parse_region
from audiodiff.synthesis.verbs.interpolate import InterpolateSettings
from audiodiff.synthesis.verbs.vary import VarySettings


def test_regions_come_in_order_and_joined() -> None:
    settings = InpaintSettings(((7, 8), (2, 4), (3.5, 5), (5, 6)))
    assert settings.regions == ((2.0, 6.0), (7.0, 8.0))


@pytest.mark.parametrize(
    ("text", "region"),
    [("2:4", (2.0, 4.0)), ("0.5:1.25", (0.5, 1.25)), ("1:02.5:1:10", (62.5, 70.0)), (" 2 : 4 ", (2.0, 4.0))],
)
def test_regions_are_read(text: str, region: tuple[float, float]) -> None:
    assert parse_region(text) == region


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2", "cannot be read"),
        ("a:b", "cannot be read"),
        ("1:2:3", "cannot be read"),
        ("", "cannot be read"),
        ("4:2", "is empty"),
        ("2:2", "is empty"),
        ("-1:2", "begins before"),
        ("nan:2", "not two numbers"),
        ("0:inf", "not two numbers"),
    ],
)
def test_what_is_no_region_is_refused(text: str, message: str) -> None:
    with pytest.raises(AudiodiffError, match=message) as caught:
        parse_region(text)
    assert "\n" not in str(caught.value)


LOOP = GenerateSettings(loop=True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: VarySettings(strength=-0.1), "strength is -0.1"),
        (lambda: VarySettings(strength=1.5), "from 0 to 1"),
        (lambda: VarySettings(strength=math.nan), "strength is nan"),
        (lambda: VarySettings(strength=True), "strength is True"),
        (lambda: VarySettings(strength=None), "strength is missing"),  # type: ignore[arg-type]
        (lambda: InpaintSettings(()), "no region"),
        (lambda: InpaintSettings(5), "no region"),  # type: ignore[arg-type]
        (lambda: InpaintSettings((3,)), "not a start and a stop"),  # type: ignore[arg-type]
        (lambda: InpaintSettings((("a", "b"),)), "not two numbers"),  # type: ignore[arg-type]
        (lambda: InpaintSettings(((2, 4),), crossfade=-1), "crossfade is -1"),
        (lambda: InpaintSettings(((2, 4),), LOOP), "loop"),
        (lambda: ExtendSettings(0.0), "seconds is 0"),
        (lambda: ExtendSettings(1e4), "seconds is 1"),
        (lambda: ExtendSettings(trim=-1.0), "trim is -1"),
        (lambda: ExtendSettings(before=1), "before is 1"),  # type: ignore[arg-type]
        (lambda: InterpolateSettings(1.1), "position is 1.1"),
        (lambda: InterpolateSettings(0.5, prompts=("a",)), "two texts"),  # type: ignore[arg-type]
        (lambda: InterpolateSettings(0.5, prompts=("a", 1)), "two texts"),  # type: ignore[arg-type]
        (lambda: GenerateSettings(loop=1), "loop is 1"),  # type: ignore[arg-type]
    ],
)
def test_settings_out_of_range_are_refused(make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(AudiodiffError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_without_anything_asked_for_there_is_no_guidance() -> None:
    assert clip_of_edit(VarySettings()).sampling.guidance == 1.0
    for asked in ({"prompt": "flute"}, {"negative": "drums"}, {"tempo": 90.0}, {"source": "recorded"}):
        assert clip_of_edit(VarySettings(GenerateSettings(**asked))).sampling.guidance is None  # type: ignore[arg-type]
    assert clip_of_edit(VarySettings(GenerateSettings(sampling=Sampling(guidance=4.0)))).sampling.guidance == 4.0
    assert clip_of_edit(InterpolateSettings(0.5)).sampling.guidance == 1.0
