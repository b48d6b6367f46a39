"""Everything that makes sound tells how far it is, up to its last step, and stops when told to."""

from collections.abc import Callable

import numpy as np
import pytest

from audiodiff.synthesis.clip import OnProgress, stages
from audiodiff.synthesis.files import apply
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.verbs.extend import ExtendSettings
from audiodiff.synthesis.verbs.inpaint import InpaintSettings
from audiodiff.synthesis.verbs.interpolate import InterpolateSettings
from audiodiff.synthesis.verbs.vary import VarySettings
from tests.synthesis.latent_models import RATE
from tests.synthesis.recordings import quick, tones

SOUND = tones(3.0, RATE)
STEREO = np.stack([SOUND, 0.5 * SOUND[::-1]])
SAMPLING = quick(steps=4, vocoder_steps=3)

VERBS: dict[str, Callable[[LatentSynthesizer, OnProgress], object]] = {
    "generate": lambda tiny, told: apply("generate", tiny, [], quick(steps=4, vocoder_steps=3, seconds=1.0), told),
    "loop": lambda tiny, told: apply(
        "generate", tiny, [], quick(steps=4, vocoder_steps=3, seconds=1.0, loop=True), told
    ),
    "vary": lambda tiny, told: apply("vary", tiny, [(SOUND, RATE)], VarySettings(SAMPLING, 0.5), told),
    "vary nothing": lambda tiny, told: apply("vary", tiny, [(SOUND, RATE)], VarySettings(SAMPLING, 0.0), told),
    "inpaint": lambda tiny, told: apply(
        "inpaint", tiny, [(STEREO, RATE)], InpaintSettings(((0.5, 1.0),), SAMPLING), told
    ),
    "extend": lambda tiny, told: apply("extend", tiny, [(STEREO, RATE)], ExtendSettings(5.0, SAMPLING), told),
    "interpolate": lambda tiny, told: apply(
        "interpolate", tiny, [(SOUND, RATE), (SOUND[::-1].copy(), RATE)], InterpolateSettings(0.5, SAMPLING), told
    ),
}


@pytest.mark.parametrize("verb", VERBS)
def test_progress_goes_forward_to_the_end(tiny: LatentSynthesizer, verb: str) -> None:
    seen: list[tuple[float, float]] = []
    VERBS[verb](tiny, lambda done, total: seen.append((done, total)))
    assert len({total for _, total in seen}) == 1
    parts = [done / total for done, total in seen]
    assert parts == sorted(parts)
    assert 0.0 < parts[0] < parts[-1] == 1.0


@pytest.mark.parametrize("verb", VERBS)
def test_what_progress_raises_stops_it_even_in_the_vocoder(tiny: LatentSynthesizer, verb: str) -> None:
    class Stop(Exception):
        pass

    seen: list[float] = []

    def told(done: float, total: float) -> None:
        seen.append(done / total)
        if done / total > 0.9:
            raise Stop

    with pytest.raises(Stop):
        VERBS[verb](tiny, told)
    assert sum(part > 0.9 for part in seen) == 1


def test_stages_count_their_own_work() -> None:
    seen: list[tuple[float, float]] = []
    begin, end = stages(lambda done, total: seen.append((done, total)), 6, 2)
    assert begin is not None
    assert end is not None
    begin(1.0, 3.0)
    begin(3.0, 3.0)
    end(5.0, 10.0)
    end(10.0, 10.0)
    assert seen == [(2.0, 8.0), (6.0, 8.0), (7.0, 8.0), (8.0, 8.0)]
    assert stages(None, 6, 2) == (None, None)
