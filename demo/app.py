"""The page: tabs in a row, the API behind them, and the server."""

import gradio as gr

from . import api, tab_create, tab_edit, tab_inspect, tab_library, tab_upsample, tab_vocoder
from .limits import Limits
from .studio import Models, Studio, open_studio
from .widgets import user_of

TITLE = "audiodiff"


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
    return app.queue(max_size=None, default_concurrency_limit=4)


def _heading(studio: Studio) -> str:
    generator, vocoder, upsampler = studio.models.generator, studio.models.vocoder, studio.models.upsampler
    said = []
    if generator is not None:
        about = studio.models.about or f"sound from a prompt, {generator.sample_rate / 1000:g} kHz"
        said.append(f"**{generator.identity[0].name}**: {about}")
    if vocoder is not None:
        said.append(
            f"**{vocoder.identity.name}**: recordings made again from their mel, {vocoder.sample_rate / 1000:g} kHz"
        )
    if upsampler is not None:
        low, high = upsampler.low_rate / 1000, upsampler.sample_rate / 1000
        said.append(f"**{upsampler.identity.name}**: the band that a recording lacks, {low:g} to {high:g} kHz")
    return f"# {TITLE}\n{'; '.join(said)}. What comes out is synthetic, and its files say so."


def _stopper(studio: Studio) -> object:
    def leave(request: gr.Request) -> None:
        # who has logged in may have other pages open, whose jobs go on
        if getattr(request, "username", None) is None:
            studio.jobs.stop(user_of(request))

    return leave
