from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from benchmarks.soak_requests import APIS, BAD, GOOD, Wish, plan


@pytest.mark.parametrize("clients", [1, 2, 3])
def test_the_warm_up_has_every_client_call_everything(clients: int) -> None:
    warmup = plan(200, clients)[0]
    for client in range(clients):
        mine = warmup[client::clients]
        assert [wish.api for wish in mine if not wish.bad] == list(APIS)
        assert sum(wish.bad for wish in mine) == 1


def test_the_plan_is_as_long_as_asked_for_and_has_everything_in_it() -> None:
    groups = plan(200, 2)
    rest = [wish for group in groups[1:] for wish in group]
    assert [len(group) for group in groups] == [22, 59, 60, 59]
    assert [wish.number for group in groups for wish in group] == list(range(200))
    bad = Counter(wish.api for wish in rest if wish.bad)
    assert sum(bad.values()) == 18
    assert set(bad) == set(APIS)
    good = Counter(wish.api for wish in rest if not wish.bad)
    assert set(good) == set(APIS)
    assert good["generate"] > good["interpolate"] > 8
    assert groups == plan(200, 2)
    assert [wish.api for wish in rest] != sorted(wish.api for wish in rest)


def test_a_short_plan_is_cut_within_the_warm_up() -> None:
    assert [len(group) for group in plan(5, 2)] == [5]


class Asker:
    steps = 4
    number = 1

    def __init__(self, folder: Path) -> None:
        self.voice = self.clip = self.made = folder / "voice.wav"
        self.junk = folder / "junk.wav"
        self.handle: Any = str
        soundfile.write(self.voice, np.zeros(16000), 8000)


def test_arguments_are_those_of_the_functions_and_tell_what_must_come_back(tmp_path: Path) -> None:
    asker = Asker(tmp_path)
    for number in range(8):
        for api in APIS:
            wish = Wish(api, False, number)
            given = GOOD[api](asker, wish)
            assert ("wanted" in given) == (api not in {"vocode", "inspect", "replay"})
            assert given.get("steps", 4) == 4
            refused = BAD[api](asker, wish)
            assert isinstance(refused["wanted"], str)
    assert GOOD["extend"](asker, Wish("extend", False, 0))["wanted"] == pytest.approx(3.0)
    assert {GOOD["generate"](asker, Wish("generate", False, n))["seconds"] for n in range(4)} == {1.0, 2.0, 3.0, 4.0}


def test_a_clip_that_has_grown_is_not_edited_again(tmp_path: Path) -> None:
    asker = Asker(tmp_path)
    asker.clip = tmp_path / "long.wav"
    soundfile.write(asker.clip, np.zeros(8000 * 5), 8000)
    assert GOOD["vary"](asker, Wish("vary", False, 0))["clip"] == str(asker.voice)
