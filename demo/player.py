"""The player of the page: a waveform over a log-mel with a playhead, by wavesurfer.js from the package's own files.

The server lays a player out as HTML that plays even where no script runs; `static/player.js` takes over from there.
"""

import base64
import html
import json
import math
from functools import cache
from pathlib import Path
from urllib.parse import quote

from audiodiff.printable import printable

from .said import ENGLISH, Said, said, said_in, shown
from .shown import as_html
from .takes import TakeFacts

STATIC = Path(__file__).resolve().parent / "static"
SCRIPTS = ("wavesurfer/wavesurfer.min.js", "wavesurfer/regions.min.js", "player.js", "takes.js", "region.js", "aria.js")


SCRIPT_WORDS = (
    "Play",
    "Pause",
    "Play {name}",
    "Pause {name}",
    "Position in {name}",
    "{at} of {length} seconds",
    "cannot be fetched; try again",
    "{action}: {name}",
)
"""What `static/player.js` writes into the page, where each player brings it in the language of the page."""


@cache
def head() -> str:
    """Return what the page needs in its head: the scripts, written out, so that the page asks nobody for them."""
    notice = (STATIC / "wavesurfer" / "LICENSE").read_text("utf-8").replace("*/", "")
    scripts = "".join(f"<script>{(STATIC / name).read_text('utf-8')}</script>" for name in SCRIPTS)
    return f"<script>/* wavesurfer.js\n{notice}*/</script>{scripts}"


@cache
def css() -> str:
    """Return the style of players and takes."""
    return (STATIC / "takes.css").read_text("utf-8")


def attribute(text: str) -> str:
    """Return text as it may stand between the quotes of an HTML attribute."""
    return html.escape(printable(text), quote=True)


def file_url(path: Path) -> str:
    """Return where the page fetches a file, relative to the page, wherever a proxy serves it."""
    return f"gradio_api/file={quote(str(path))}"


def clock(seconds: float) -> str:
    """Return a time as players show it, `1:05.3`."""
    tenths = math.floor(max(0.0, seconds) * 10.0 + 1e-6)
    return f"{tenths // 600}:{tenths // 10 % 60:02d}.{tenths % 10}"


def player(name: str | Said, facts: TakeFacts, language: str = ENGLISH) -> str:
    """Return the player of a clip as HTML.

    Args:
        name: what the clip is called, as in "take 3".
        facts: of its file.
        language: of the page.
    """

    def labelled(text: str) -> str:
        return attribute(said(text, name=name).shown(language))

    called = attribute(shown(name, language))
    quiet = "" if math.isinf(facts.loudness) else f"{facts.loudness:.2f}"
    repeat = "true" if facts.loop else "false"
    return (
        f'<div class="ad-player" role="group" aria-label="{labelled("Player: {name}")}" data-name="{called}" '
        f'data-words="{attribute(json.dumps(_words(language)))}" '
        f'data-seconds="{facts.seconds:.4f}" data-loudness="{quiet}" '
        f'data-peaks="{base64.b64encode(facts.peaks).decode()}">'
        f'<div class="ad-screen"><img src="{attribute(file_url(facts.picture))}" '
        f'alt="{labelled("spectrogram of {name}")}" draggable="false"><div class="ad-wave"></div></div>'
        '<div class="ad-transport">'
        f'<button type="button" data-do="toggle" aria-label="{labelled("Play {name}")}">{labelled("Play")}</button>'
        f'<button type="button" data-do="repeat" aria-pressed="{repeat}" '
        f'aria-label="{labelled("Repeat {name}")}">{labelled("Repeat")}</button>'
        f'<span class="ad-time"><span class="ad-at">{clock(0.0)}</span> / {clock(facts.seconds)}</span></div>'
        f'<audio controls preload="none"{" loop" if facts.loop else ""} src="{attribute(file_url(facts.path))}">'
        "</audio>"
        "</div>"
    )


def _words(language: str) -> dict[str, str]:
    """Return what the script writes into players: English -> in a language; `{}` stands for a value."""
    return {text: said_in(language).get(text, text) for text in SCRIPT_WORDS}


def preview(jpeg: bytes, name: str) -> str:
    """Return the picture of a clip that is still being made as HTML."""
    source = base64.b64encode(jpeg).decode()
    return (
        f'<div class="ad-screen ad-coming"><img src="data:image/jpeg;base64,{source}" '
        f'alt="{attribute(name)}" draggable="false"></div>'
    )


def empty(text: str = "") -> str:
    """Return the place of a player that has nothing to play yet as HTML."""
    return f'<div class="ad-screen ad-coming"><span>{as_html(text)}</span></div>'
