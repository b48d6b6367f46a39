"""What the clients of `benchmarks.demo_soak` ask for: which requests, in which order, with which arguments."""

import contextlib
import json
import random
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol
from urllib.error import HTTPError

import soundfile

SHARES: Mapping[str, int] = {
    "generate": 14,
    "vocode": 12,
    "upsample": 8,
    "vary": 11,
    "inpaint": 9,
    "extend": 9,
    "loop": 9,
    "interpolate": 8,
    "inspect": 10,
    "replay": 10,
}
"""Names of the API -> how many of a hundred right requests."""

APIS = tuple(SHARES)
BAD_SHARE = 0.1
"""How many requests are wrong."""

PROMPTS = ("solo piano, calm", "drum groove, 100 bpm", "(warm:1.3) strings | choir:0.5", "flute, gentle, 80 bpm")
SECONDS = (1.0, 2.0, 3.0, 4.0)
LONGEST = 4.0
"""Clips to edit are not longer: an edit would make them longer every time."""


@dataclass(frozen=True)
class Wish:
    """One request.

    Attributes:
        api: name of the function.
        bad: whether it must be refused.
        number: tells its arguments.
    """

    api: str
    bad: bool
    number: int


class Asker(Protocol):
    """Who asks: how many steps, from what recordings, with what seeds."""

    steps: int
    number: int
    voice: Path
    junk: Path
    clip: Path
    made: Path
    handle: Callable[[Path], Any]


Arguments = Callable[[Asker, Wish], dict[str, Any]]
"""The arguments of a request, and under `wanted` what must come back: seconds, or words of the refusal."""


def plan(requests: int, clients: int, parts: int = 3, seed: int = 0) -> list[list[Wish]]:
    """Return what is asked for: a warm-up in which every client calls everything once, then `parts` equal parts.

    In each, client `k` takes wish `k` and every `clients`-th after it.
    """
    warmup = [(api, False) for api in APIS for _ in range(clients)] + [("generate", True)] * clients
    left = max(0, requests - len(warmup))
    n_bad = round(BAD_SHARE * left)
    names = list(BAD)
    rest = [(names[index % len(names)], True) for index in range(n_bad)]
    whole = sum(SHARES.values())
    while len(rest) < left:
        # next comes what is furthest below its share
        counts = {api: sum(name == api and not bad for name, bad in rest) for api in APIS}
        rest.append((min(APIS, key=lambda api: (counts[api] + 1) * whole / SHARES[api]), False))
    random.Random(seed).shuffle(rest)
    cuts = [round(index * left / parts) for index in range(parts + 1)]
    groups = [warmup[:requests], *(rest[low:high] for low, high in pairwise(cuts))]
    found, number = [], 0
    for group in groups:
        found.append([Wish(api, bad, number + index) for index, (api, bad) in enumerate(group)])
        number += len(group)
    return [group for group in found if group]


def _seconds(wish: Wish) -> float:
    return SECONDS[wish.number % len(SECONDS)]


def _sampling(asker: Asker, wish: Wish) -> dict[str, Any]:
    return {"steps": asker.steps, "seed": 1000 * asker.number + wish.number}


def _length(path: Path) -> float:
    info = soundfile.info(path)
    return float(info.frames / info.samplerate)


def _clip(asker: Asker) -> Path:
    """The last clip, or the recording where that has grown long."""
    return asker.clip if _length(asker.clip) <= LONGEST + 0.1 else asker.voice


def _generate(asker: Asker, wish: Wish) -> dict[str, Any]:
    prompt, seconds = PROMPTS[wish.number % len(PROMPTS)], _seconds(wish)
    return {"prompt": prompt, "seconds": seconds, **_sampling(asker, wish), "wanted": seconds}


def _vocode(asker: Asker, wish: Wish) -> dict[str, Any]:
    return {"input": asker.handle(asker.voice), "seed": wish.number}


def _upsample(asker: Asker, wish: Wish) -> dict[str, Any]:
    return {"input": asker.handle(asker.voice), "seed": wish.number, "replace": True, "wanted": _length(asker.voice)}


def _vary(asker: Asker, wish: Wish) -> dict[str, Any]:
    clip = _clip(asker)
    strength = 0.2 + 0.2 * (wish.number % 4)
    return {"clip": asker.handle(clip), "strength": strength, **_sampling(asker, wish), "wanted": _length(clip)}


def _inpaint(asker: Asker, wish: Wish) -> dict[str, Any]:
    clip = _clip(asker)
    length = _length(clip)
    region = f"{0.3 * length:.3f}:{0.6 * length:.3f}"
    return {"clip": asker.handle(clip), "region": region, **_sampling(asker, wish), "wanted": length}


def _extend(asker: Asker, wish: Wish) -> dict[str, Any]:
    return {
        "clip": asker.handle(asker.voice),
        "seconds": 1.0,
        "before": wish.number % 2 == 0,
        "trim": 0.0,
        **_sampling(asker, wish),
        "wanted": _length(asker.voice) + 1.0,
    }


def _loop(asker: Asker, wish: Wish) -> dict[str, Any]:
    return {"clip": asker.handle(asker.voice), **_sampling(asker, wish), "wanted": _length(asker.voice)}


def _interpolate(asker: Asker, wish: Wish) -> dict[str, Any]:
    if wish.number % 2:
        prompts = [PROMPTS[0], PROMPTS[wish.number % len(PROMPTS)]]
        return {"prompts": prompts, "seconds": 2.0, "count": 2, **_sampling(asker, wish), "wanted": 2.0}
    pair = [asker.voice, _clip(asker)]
    clips = [asker.handle(clip) for clip in pair]
    return {"clips": clips, "count": 2, **_sampling(asker, wish), "wanted": min(_length(clip) for clip in pair)}


def _inspect(asker: Asker, wish: Wish) -> dict[str, Any]:
    return {"input": asker.handle(asker.clip)}


def _replay(asker: Asker, wish: Wish) -> dict[str, Any]:
    return {"input": asker.handle(asker.made)}


GOOD: Mapping[str, Arguments] = {
    "generate": _generate,
    "vocode": _vocode,
    "upsample": _upsample,
    "vary": _vary,
    "inpaint": _inpaint,
    "extend": _extend,
    "loop": _loop,
    "interpolate": _interpolate,
    "inspect": _inspect,
    "replay": _replay,
}


def _bad_generate(asker: Asker, wish: Wish) -> dict[str, Any]:
    wrong = (
        ({"steps": 100_000}, "steps is 100000"),
        ({"seconds": 1e6}, "seconds is"),
        ({"prompt": "(piano"}, "(piano"),
        ({"prompt": "piano " * 1000}, "this demo takes 2000"),
    )
    change, wanted = wrong[wish.number % len(wrong)]
    return {"prompt": "piano", "seconds": 1.0, "steps": asker.steps, **change, "wanted": wanted}


def _bad_edit(change: Mapping[str, Any], wanted: str) -> Arguments:
    return lambda asker, wish: {"clip": asker.handle(asker.voice), **change, "wanted": wanted}


def _bad_input(name: str, wanted: str) -> Arguments:
    return lambda asker, wish: {"input": asker.handle(getattr(asker, name)), "wanted": wanted}


BAD: Mapping[str, Arguments] = {
    "generate": _bad_generate,
    "vocode": _bad_input("junk", "junk.wav"),
    "upsample": _bad_input("voice", "has sound above 4000 Hz already"),
    "vary": _bad_edit({"strength": 7.0}, "strength is 7"),
    "inpaint": _bad_edit({"region": "1.5:0.5"}, "region 1.5:0.5"),
    "extend": _bad_edit({"seconds": 1.0, "format": "aiff"}, "choose one of flac"),
    "loop": _bad_edit({"new": 9.0}, "new is 9"),
    "interpolate": lambda asker, wish: {"clips": [asker.handle(asker.voice)], "wanted": "give two"},
    "inspect": _bad_input("junk", "junk.wav"),
    "replay": _bad_input("voice", "voice.wav"),
}
"""Requests that must be refused: name of the API -> arguments, `wanted` being words of the sentence."""


STRANGE_SECONDS = 30.0
"""How long a stranger waits for an answer."""


def be_strange(address: str, number: int) -> None:
    """Come once and never again, as browsers, scripts and scanners do: open the page, ask for what is refused, leave.

    Args:
        address: of the server, with a slash at its end.
        number: of the stranger, who has a session of that name.

    Raises:
        OSError: the server does not answer.
    """
    session = f"stranger-{number}"
    api = f"{address}gradio_api"
    _fetch(address if number % 2 else f"{address}config")
    event = json.loads(_fetch(f"{api}/call/inspect", {"data": [None]}) or b"{}").get("event_id", "none")
    if number % 3:  # others do not wait for the answer
        _fetch(f"{api}/call/inspect/{event}")
    _fetch(f"{api}/queue/join", {"data": [], "fn_index": 0, "session_hash": session})
    _fetch(f"{api}/queue/join", {"data": [], "fn_index": 10**6, "session_hash": session})
    _fetch(f"{api}/run/stop", {"data": [], "session_hash": f"{session}-api"})
    if number % 5 == 0:
        with contextlib.closing(
            urllib.request.urlopen(f"{api}/heartbeat/{session}", timeout=STRANGE_SECONDS)
        ) as open_page:
            open_page.read(4)


def _fetch(url: str, body: Mapping[str, Any] | None = None) -> bytes:
    """Return an answer, also where it is a refusal."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=STRANGE_SECONDS) as answer:
            return bytes(answer.read())
    except HTTPError as refusal:
        with refusal:
            return bytes(refusal.read())
