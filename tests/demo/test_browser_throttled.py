"""Cards in a browser that is short of time: whatever is lost on the way, in the end each shows all that it has."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.demo import browsing
from tests.demo.browsing import Server, Visitor

browsing.need_browser()

pytestmark = pytest.mark.browser

THROTTLE = 8
"""Chromium runs the page this many times as slow."""

JOBS = int(os.environ.get("AUDIODIFF_CARD_JOBS", "2"))
"""First edits of a page, which is when cards were seen to stay blank; 40 make the measurement."""

EDITS = (("create-subtle-1", 4), ("create-extend-1", 1), ("create-strong-1", 4), ("create-loop-1", 1))


@pytest.mark.parametrize("job", range(JOBS))
def test_every_card_of_a_first_edit_is_complete(chromium: Any, served: Server, tmp_path: Path, job: int) -> None:
    button, clips = EDITS[job % len(EDITS)]
    with browsing.visitor(chromium, served.url, tmp_path) as visitor:
        throttle(visitor)
        visitor.create("solo flute, gentle")
        visitor.complete(1)
        visitor.run(button, "edit-status", f"{clips} clip{'' if clips == 1 else 's'} in")
        visitor.complete(clips)


def throttle(visitor: Visitor) -> None:
    visitor.page.context.new_cdp_session(visitor.page).send("Emulation.setCPUThrottlingRate", {"rate": THROTTLE})
