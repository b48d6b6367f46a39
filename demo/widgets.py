"""Small parts that the tabs share: who asks, what errors look like, how progress is shown."""

import functools
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ParamSpec, TypeVar

import gradio as gr
from gradio.context import LocalContext

from audiodiff.errors import AudiodiffError
from audiodiff.printable import printable

from .app_state import AppState
from .checks import public_message
from .jobs import Stopped, User
from .said import ENGLISH, Said, said, shown
from .sentences import translated
from .shown import as_html
from .visitors import language_asked, visitor

_OPENINGS = frozenset({"a", "an", "choose", "enter", "give", "no", "nothing", "the", "there", "this", "you"})
"""Words that sentences of ours begin with, and names of files do not."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

CSS = """
.gradio-container { --body-text-color-subdued: var(--neutral-600); --block-info-text-color: var(--neutral-600);
  --input-placeholder-color: var(--neutral-600); --button-primary-background-fill: var(--primary-700);
  --button-primary-background-fill-hover: var(--primary-800); --button-primary-text-color: white;
  --button-cancel-background-fill: #b91c1c; --button-cancel-background-fill-hover: #991b1b;
  --button-cancel-text-color: white; }
.gradio-container:not(.dark *) button[role="tab"][aria-selected="true"] { color: var(--primary-700); }
.dark .gradio-container, .gradio-container.dark { --body-text-color-subdued: var(--neutral-300);
  --block-info-text-color: var(--neutral-300); --input-placeholder-color: var(--neutral-300); }
.ad-status { display: flex; align-items: center; gap: 0.75rem; min-height: 1.75rem; flex-wrap: wrap; }
.ad-status progress { appearance: none; flex: 1 1 8rem; max-width: 20rem; height: 0.5rem; border: none;
  border-radius: 0.25rem; overflow: hidden; background: var(--border-color-primary); }
.ad-status progress::-webkit-progress-bar { background: var(--border-color-primary); }
.ad-status progress::-webkit-progress-value { background: var(--color-accent); }
.ad-status progress::-moz-progress-bar { background: var(--color-accent); }
.ad-notes { color: var(--body-text-color-subdued); margin: 0.25rem 0 0; }
table.ad-table { border: none; border-collapse: collapse; width: 100%; }
.ad-table tr, .ad-table th, .ad-table td { border: none; }
.ad-table th, .ad-table td { text-align: left; vertical-align: top; padding: 0.3rem 0.75rem 0.3rem 0;
  border-bottom: 1px solid var(--border-color-primary); overflow-wrap: anywhere; }
.ad-table th { font-weight: 600; white-space: nowrap; width: 1%; }
.ad-headline { font-weight: 600; overflow-wrap: anywhere; }
.ad-card { border: 1px solid var(--border-color-primary); border-radius: var(--block-radius); padding: 0.5rem;
  gap: 0.5rem; }
.ad-card .block { border-width: 0; }
.ad-card .row { gap: 0.5rem; }
.ad-card .row button { padding-left: 0.25rem; padding-right: 0.25rem; }
.gradio-container .component-wrapper { --neutral-400: var(--body-text-color-subdued); }
.ad-words .ad-now { background: var(--color-accent-soft); border-radius: 0.25rem; }
.ad-mel img { width: 100%; object-fit: fill; }
.ad-list .wrap { flex-direction: column; flex-wrap: nowrap; max-height: 22rem; overflow-y: auto; }
.ad-list label { white-space: normal; }
[data-testid="toast-text"] { white-space: pre-wrap; overflow-x: auto; font-family: var(--font-mono); }
"""
"""What Gradio's own style lacks; every colour is one of its variables, so that light and dark both work."""


def user_of(request: gr.Request | None, state: AppState) -> User:
    """Return who asks."""
    return visitor(request, state.listeners, LocalContext.event_id.get(None))


def as_error(error: Exception, language: str = ENGLISH) -> Any:
    """Return the `gr.Error` of an error: its sentence if it has one for users, never a path or a traceback.

    Args:
        error: whatever went wrong.
        language: of the page.
    """
    if isinstance(error, gr.Error):
        return error
    if isinstance(error, Stopped):
        shown = gr.Error(translated("Stopped.", language), print_exception=False, duration=3)
    elif isinstance(error, AudiodiffError):
        # the message may quote what others wrote, and Gradio shows HTML
        text = _sentence(as_html(public_message(error, language), lines=True))
        shown = gr.Error(text, print_exception=False, duration=20)
    else:
        print(printable("".join(traceback.format_exception(error)), lines=True), end="", file=sys.stderr)
        text = translated("Something went wrong on the server; its log says what.", language)
        shown = gr.Error(text, print_exception=False, duration=20)
    return shown


def _sentence(text: str) -> str:
    """Begin with a capital, unless what it begins with may be the name of a file."""
    return text[:1].upper() + text[1:] if text.partition(" ")[0] in _OPENINGS else text


def guarded(handler: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Return the handler with its errors as the page shows them."""

    @functools.wraps(handler)
    def guard(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            return handler(*args, **kwargs)
        except Exception as error:
            # Gradio knows whom it calls a function for, whether that takes the request or not
            raise as_error(error, language_asked(LocalContext.request.get(None))) from None

    return guard


def status(
    text: str | Said = "",
    fraction: float | None = None,
    notes: Iterable[str] = (),
    *,
    aloud: bool | None = None,
    language: str = ENGLISH,
) -> str:
    """Return the line that tells how far a job is, as HTML.

    Args:
        text: the line; nothing is shown without.
        fraction: draws a bar when given, 0 to 1.
        notes: sentences below it.
        aloud: whether screen readers read it out; when `None`, they do at the beginning and at the end.
        language: of the page.
    """
    if not text:
        return '<div class="ad-status"></div>'
    if aloud is None:
        aloud = fraction is None or fraction in (0.0, 1.0)
    named = said("progress").shown(language)
    bar = "" if fraction is None else f'<progress max="1" value="{fraction:.3f}" aria-label="{named}"></progress>'
    below = "".join(f'<p class="ad-notes">{as_html(note)}</p>' for note in notes)
    heard = ' data-aloud="true"' if aloud else ""
    return f'<div class="ad-status"{heard}>{bar}<span>{as_html(shown(text, language))}</span></div>{below}'


_READ_OUT = """
let region = document.querySelector('#ad-read-out');
if (!region) {
  region = document.createElement('div');
  region.id = 'ad-read-out';
  region.className = 'ad-unseen';
  region.setAttribute('role', 'status');
  document.querySelector('main, .gradio-container').append(region);
}
let last = '';
new MutationObserver(() => {
  const text = element.querySelector('[data-aloud] span')?.textContent ?? last;
  if (text !== last) region.textContent = last = text;
}).observe(element, { childList: true, subtree: true });
"""
"""Copies what is to be read out to a place that stays: screen readers miss what comes together with its place."""


def status_line(name: str, text: str = "") -> gr.HTML:
    """Return a place for `status`.

    Args:
        name: its identifier.
        text: what it says at first.
    """
    return gr.HTML(status(text, aloud=False), elem_id=name, js_on_load=_READ_OUT)


def table(rows: Iterable[Sequence[str]]) -> str:
    """Return rows of label and text as an HTML table."""
    cells = "".join(f'<tr><th scope="row">{as_html(label)}</th><td>{as_html(text)}</td></tr>' for label, text in rows)
    return f'<table class="ad-table">{cells}</table>'


def heading(text: str) -> gr.HTML:
    """Return the heading of a tab, for those who go from heading to heading; its label says it to all others."""
    return gr.HTML(f'<h2 class="ad-unseen">{as_html(text)}</h2>', elem_classes="ad-unseen")


def headline(text: str) -> str:
    """Return a sentence that stands out."""
    return f'<p class="ad-headline">{as_html(text)}</p>'


def picture(label: str) -> gr.Image:
    """Return a place for the picture of a sound."""
    return gr.Image(
        label=label,
        show_label=False,
        interactive=False,
        type="pil",
        format="png",
        height=150,
        buttons=["fullscreen"],
        elem_classes="ad-mel",
    )


def side(label: str, *, download: bool = False) -> tuple[gr.Image, gr.Audio]:
    """Return places for the picture of a sound and for its player, to stand next to another."""
    with gr.Column(min_width=280, elem_classes="ad-card"):
        drawn = picture(label)
        player = gr.Audio(label=label, type="filepath", interactive=False, buttons=["download"] if download else [])
    return drawn, player


def connect_stop(button: gr.Button, state: AppState, line: gr.HTML) -> None:
    """Let a button stop everything that its user has under way."""

    def stop(request: gr.Request) -> str:
        user = user_of(request, state)
        text = said("stopping") if state.jobs.stop(user.page) else said("nothing is running")
        return status(text, language=user.language)

    button.click(stop, None, line, api_visibility="private", queue=False, show_progress="hidden")


def ignore(update: Any) -> None:
    """Take a report that nobody looks at."""
