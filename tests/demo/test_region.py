from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("gradio", reason="the extra demo")

from demo import region
from demo.app_state import AppState
from demo.limits import Limits
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
    assert "#here textarea" in region.picker("picture", "here").js_on_load
