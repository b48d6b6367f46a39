from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("gradio", reason="the extra demo")

from demo import handlers, region
from demo.app_state import AppState
from demo.handlers import ClipRequest
from demo.limits import Limits
from demo.widgets import ignore
from tests.refusals import refused


def test_a_clip_is_drawn_with_its_length(state: AppState, voice: Path) -> None:
    told = region.drawn(state, voice)
    assert 'data-seconds="1.0000"' in told
    assert 'alt="the clip, 1.0 s"' in told
    assert len(told) < 100_000
    assert voice.name not in told  # which others may have chosen
    assert region.drawn(state, None) == ""


def test_what_is_too_long_is_not_drawn(state: AppState, voice: Path) -> None:
    small = replace(state, limits=Limits(upload_seconds=0.5))
    refused("this demo takes up to", lambda: region.drawn(small, voice))


def test_the_script_writes_into_the_field_that_is_named() -> None:
    assert '(element, "here")' in region.picker("picture", "here").js_on_load


def test_a_clip_with_a_tempo_has_beats_to_snap_to(state: AppState, voice: Path) -> None:
    request = ClipRequest(prompt="piano", seed=3, steps=2, tempo=120.0)
    (made,) = handlers.generate(state, ignore, user="ann", request=request, seconds=1.2).clips
    told = region.drawn(state, made.path)
    assert "Snap to beats (120 bpm)" in told
    assert 'data-beats="0 0.5 1"' in told
    assert "Snap to beats" not in region.drawn(state, voice)


def test_beats_that_are_heard_come_before_those_that_are_counted() -> None:
    clicks = np.zeros(8 * 22_050, dtype=np.float32)
    clicks[round(0.23 * 22_050) :: 22_050 // 2] = 1.0
    found = region.beats(clicks, 22_050, 120.0)
    late = (np.array(found) - 0.23) % 0.5
    assert np.median(np.minimum(late, 0.5 - late)) < 0.06
    assert region.beats(np.zeros(22_050, dtype=np.float32), 22_050, 120.0) == (0.0, 0.5, 1.0)
