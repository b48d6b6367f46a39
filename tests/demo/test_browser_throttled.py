"""Cards in a browser that is short of time: whatever is lost on the way, in the end each shows all that it has.

Ten pages with four jobs each take minutes, so `.ci/run` leaves this file out; AUDIODIFF_CARD_PAGES is another number.
"""

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

PAGES = int(os.environ.get("AUDIODIFF_CARD_PAGES", "10"))
"""Pages that are opened, each of which makes a clip and edits it three times."""

EDITS = (("subtle", 4), ("extend", 1), ("strong", 4), ("loop", 1))
"""What a button of a card makes, and how many clips."""


@pytest.mark.parametrize("first", range(PAGES))
def test_every_card_is_complete(chromium: Any, served: Server, tmp_path: Path, first: int) -> None:
    """The first edit of a page, which brings the cards of its tab into being, is another one on each page."""
    with browsing.visitor(chromium, served.url, tmp_path) as visitor:
        throttle(visitor)
        visitor.create("solo flute, gentle")
        visitor.complete(1)
        for turn in range(3):
            what, clips = EDITS[(first + turn) % len(EDITS)]
            visitor.tab("Create")
            visitor.run(f"create-{what}-1", "edit-status", f"{clips} clip{'' if clips == 1 else 's'} in")
            visitor.complete(clips)


def throttle(visitor: Visitor) -> None:
    visitor.page.context.new_cdp_session(visitor.page).send("Emulation.setCPUThrottlingRate", {"rate": THROTTLE})
