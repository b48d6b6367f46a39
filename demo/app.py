"""The page: tabs in a row, the API behind them, and the server."""

import gradio as gr

from . import api, tab_create, tab_edit, tab_inspect, tab_library, tab_upsample, tab_vocoder
from .arguments import guard
from .limits import Limits
from .shown import as_markdown
from .studio import Models, Studio, open_studio
from .widgets import user_of

TITLE = "audiodiff"

MOST_QUEUED = 100
"""Calls that Gradio lets wait; a job waits in the queue of the studio instead."""


def build_app(models: Models, limits: Limits | None = None, *, studio: Studio | None = None) -> gr.Blocks:
    """Build the page.

    Args:
        models: what it serves.
        limits: how much of it; the usual when `None`.
        studio: a demo that is set up already, with models and limits of its own.
    """
    studio = studio or open_studio(models, limits or Limits())
    with gr.Blocks(title=TITLE, analytics_enabled=False) as app:
        api.build(studio)  # first, since names that are taken get a number
        gr.Markdown(_heading(studio))
        with gr.Tabs() as tabs:
            create = None
            if studio.models.generator is not None:
                with gr.Tab("Create", id="create"):
                    create = tab_create.build(studio)
                with gr.Tab("Edit", id="edit"):
                    tab_edit.build(studio, tabs, create.cards)
            if studio.models.vocoder is not None:
                with gr.Tab("Vocoder", id="vocoder"):
                    tab_vocoder.build(studio)
            if studio.models.upsampler is not None:
                with gr.Tab("Upsample", id="upsample"):
                    tab_upsample.build(studio)
            if create is not None:
                with gr.Tab("Library", id="library"):
                    tab_library.build(studio, create, tabs)
            with gr.Tab("Inspect", id="inspect"):
                tab_inspect.build(studio, create, tabs)
        app.unload(_stopper(studio))
    guard(app, studio.limits)
    return app.queue(max_size=MOST_QUEUED, default_concurrency_limit=4, api_open=False)


def _heading(studio: Studio) -> str:
    generator, vocoder, upsampler = studio.models.generator, studio.models.vocoder, studio.models.upsampler
    said = []
    if generator is not None:
        about = as_markdown(studio.models.about) or f"sound from a prompt, {generator.sample_rate / 1000:g} kHz"
        said.append(f"**{as_markdown(generator.identity[0].name)}**: {about}")
    if vocoder is not None:
        rate = f"{vocoder.sample_rate / 1000:g} kHz"
        said.append(f"**{as_markdown(vocoder.identity.name)}**: recordings made again from their mel, {rate}")
    if upsampler is not None:
        low, high = upsampler.low_rate / 1000, upsampler.sample_rate / 1000
        said.append(
            f"**{as_markdown(upsampler.identity.name)}**: the band that a recording lacks, {low:g} to {high:g} kHz"
        )
    return f"# {TITLE}\n{'; '.join(said)}. What comes out is synthetic, and its files say so."


def _stopper(studio: Studio) -> object:
    def leave(request: gr.Request) -> None:
        studio.jobs.stop(user_of(request, studio).page)

    return leave
