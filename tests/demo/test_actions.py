import pytest

from demo import actions
from demo.actions import Action


def test_actions_appear_with_what_does_them(monkeypatch: pytest.MonkeyPatch) -> None:
    there, not_there = (
        Action("vary", "Vary", "", "audiodiff.synthesis.load"),
        Action("loop", "Loop", "", "audiodiff.synthesis.no_such"),
    )
    monkeypatch.setattr(actions, "ACTIONS", (there, not_there))
    assert actions.available_actions() == (there,)
