"""The page: tabs in a row, the API behind them, and the server."""

from collections.abc import Sequence

import gradio as gr

from audiodiff.synthesis.provenance import ModelRecord, adapters_in_words

from . import api, tab_create, tab_edit, tab_inspect, tab_library, tab_speech, tab_upsample, tab_vocoder
from .app_state import AppState, Models, open_state
from .arguments import guard
from .limits import Limits
from .shown import as_markdown
from .strip import Strip
from .widgets import user_of

TITLE = "audiodiff"

MOST_QUEUED = 100
"""Calls that Gradio lets wait; a job waits in the queue of the demo instead."""


def build_app(models: Models, limits: Limits | None = None, *, state: AppState | None = None) -> gr.Blocks:
    """Build the page.

    Args:
        models: what it serves.
        limits: how much of it; the usual when `None`.
        state: a demo that is set up already, with models and limits of its own.
    """
    state = state or open_state(models, limits or Limits())
    with gr.Blocks(title=TITLE, analytics_enabled=False) as app:
        api.build(state)  # first, since names that are taken get a number
        heading = gr.Markdown(_heading(state), elem_id="about")
        strip = Strip.make(state)
        with gr.Tabs() as tabs:
            create, clip = None, None
            if state.models.generator is not None:
                with gr.Tab("Create", id="create"):
                    create = tab_create.build(state, strip)
                with gr.Tab("Edit", id="edit"):
                    clip = tab_edit.build(state, tabs, create.cards, strip)
            with gr.Tab("Speech", id="speech"):
                tab_speech.build(state, strip)
            if create is not None:
                with gr.Tab("Library", id="library"):
                    tab_library.build(state, create, tabs)
            with gr.Tab("Tools", id="tools"):
                _tools(state, create, tabs)
        strip.place()
        strip.connect(app, tabs, clip, [] if create is None else [create.cards.line])
        with gr.Accordion("About the models", open=False):
            gr.Markdown(models_shown(state), elem_id="models")
        app.unload(_stopper(state))
    guard(app, state.limits)
    _spare(app, heading)
    return app.queue(max_size=MOST_QUEUED, default_concurrency_limit=4, api_open=False)


def _spare(app: gr.Blocks, shown: gr.Markdown) -> None:
    """Spare the browser work for progress that nobody sees.

    With every message of an event, Gradio 6.31 looks for each of its outputs in the whole page to tell it how far the
    event is, even if no progress is shown there. Cards have dozens of outputs; one is enough.
    """
    for function in app.fns.values():
        if function.show_progress == "hidden":
            function.show_progress_on = [shown]


def _tools(state: AppState, create: tab_create.CreateTab | None, tabs: gr.Tabs) -> None:
    with gr.Tabs():
        with gr.Tab("Inspect", id="inspect"):
            tab_inspect.build(state, create, tabs)
        if state.models.vocoder is not None:
            with gr.Tab("Vocoder", id="vocoder"):
                tab_vocoder.build(state)
        if state.models.upsampler is not None:
            with gr.Tab("Upsample", id="upsample"):
                tab_upsample.build(state)


def _heading(state: AppState) -> str:
    """Return what the page is for, in a sentence."""
    if state.models.generator is not None:
        purpose = (
            "Make short pieces of music on your own computer: describe what you want to hear, get four takes, change "
            "the one you like."
        )
    elif state.models.voices:
        purpose = "Let your own computer speak: type a text, get several takes, change the one you like."
    else:
        purpose = "Work on recordings with diffusion models on your own computer."
    return f"# {TITLE}\n{purpose} Everything made here is AI-generated and tagged as such in its file."


def models_shown(state: AppState) -> str:
    """Return a list of the models and of what was merged into them, in Markdown."""
    generator, vocoder, upsampler = state.models.generator, state.models.vocoder, state.models.upsampler
    said = []
    if generator is not None:
        about = as_markdown(state.models.about) or f"sound from a prompt, {generator.sample_rate / 1000:g} kHz"
        said.append(f"**{_named(generator.identity)}**: {about}")
    said += [
        f"**{_named(voice.identity)}**: speech from text, {voice.sample_rate / 1000:g} kHz"
        for voice in state.models.voices.values()
    ]
    if vocoder is not None:
        rate = f"{vocoder.sample_rate / 1000:g} kHz"
        said.append(f"**{_named([vocoder.identity])}**: recordings resynthesised from their mel, {rate}")
    if upsampler is not None:
        low, high = upsampler.low_rate / 1000, upsampler.sample_rate / 1000
        said.append(
            f"**{as_markdown(upsampler.identity.name)}**: the band that a recording lacks, {low:g} to {high:g} kHz"
        )
    return "\n".join(f"- {each}" for each in said)


def _named(models: Sequence[ModelRecord]) -> str:
    """Return the name of the first of some models, and all that was merged into any of them."""
    return as_markdown(models[0].name + "".join(adapters_in_words(model) for model in models))


def _stopper(state: AppState) -> object:
    def leave(request: gr.Request) -> None:
        state.jobs.stop(user_of(request, state).page)

    return leave
