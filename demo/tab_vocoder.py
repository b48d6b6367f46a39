"""The tab that reduces a recording to its mel, makes it a sound again, and lets one compare the two."""

import shutil
from collections.abc import Iterator
from typing import Any

import gradio as gr

from audiodiff.synthesis.find import ASSETS
from audiodiff.synthesis.settings import SAMPLER_NAMES

from .fields import choices
from .jobs import Outcome, stream
from .studio import Studio
from .vocoding import Vocoded, vocode
from .widgets import as_error, connect_stop, picture, status, table, user_of

EXAMPLE = ASSETS / "example.flac"


def build(studio: Studio) -> None:
    """Lay the tab out and connect it."""
    synthesizer = studio.models.require_vocoder()
    usual, limits = synthesizer.defaults, studio.limits
    gr.Markdown(
        f"A recording becomes a log-mel of {synthesizer.mel_spec.n_mels} bands, and {synthesizer.name} makes a sound "
        "of that alone."
    )
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            given = gr.Audio(
                label=f"Recording, up to {limits.upload_seconds:g} s",
                sources=["upload", "microphone"],
                type="filepath",
                buttons=[],
                elem_id="vocoder-input",
            )
            with gr.Row():
                run = gr.Button("Resynthesise", variant="primary", min_width=140, elem_id="vocode")
                stop = gr.Button("Stop", variant="stop", min_width=90)
            example = gr.Button("Take the example", size="sm", elem_id="vocoder-example")
            with gr.Accordion("Settings", open=False):
                steps = gr.Slider(
                    1, limits.steps, value=min(usual.steps, limits.steps), step=1, precision=0, label="Steps"
                )
                sampler = gr.Dropdown(choices(SAMPLER_NAMES, usual.sampler), value="", label="Sampler")
                seed = gr.Number(0, label="Seed", precision=0, minimum=0)
                keep_level = gr.Checkbox(False, label="Do not match the level of the training audio")
        with gr.Column(scale=3, min_width=320):
            line = gr.HTML(status(), elem_id="vocoder-status")
            with gr.Row():
                first, second = _side("A: the recording"), _side("B: made from its mel", download=True)
            figures = gr.HTML("", elem_id="vocoder-figures")

    def resynthesise(
        request: gr.Request, path: str | None, n_steps: int, name: str, number: int, keep: bool
    ) -> Iterator[dict[Any, Any]]:
        yield {
            line: status("starting", 0.0),
            figures: "",
            **{piece: gr.update(value=None) for piece in (*first, *second)},
        }
        try:
            for item in stream(
                lambda report: vocode(
                    studio,
                    report,
                    user=user_of(request),
                    input=path,
                    steps=n_steps,
                    sampler=name,
                    seed=number,
                    keep_level=keep,
                )
            ):
                if not isinstance(item, Outcome):
                    yield {line: status(item.text, item.fraction)}
                    continue
                made: Vocoded = item.result
                yield {
                    line: status("done"),
                    first[0]: gr.update(value=made.pictures[0]),
                    first[1]: gr.update(value=str(made.original)),
                    second[0]: gr.update(value=made.pictures[1]),
                    second[1]: gr.update(value=str(made.path)),
                    figures: table(_rows(made.figures)),
                }
        except Exception as error:
            yield {line: status()}
            raise as_error(error) from None

    run.click(
        resynthesise,
        [given, steps, sampler, seed, keep_level],
        [line, figures, *first, *second],
        show_progress="hidden",
        concurrency_limit=None,
        api_visibility="private",
    )
    example.click(lambda: _copy_of_example(studio), None, given, api_visibility="private")
    connect_stop(stop, studio, line)


def _side(label: str, *, download: bool = False) -> tuple[gr.Image, gr.Audio]:
    with gr.Column(min_width=280, elem_classes="ad-card"):
        drawn = picture(label)
        player = gr.Audio(label=label, type="filepath", interactive=False, buttons=["download"] if download else [])
    return drawn, player


def _rows(figures: dict[str, Any]) -> list[tuple[str, str]]:
    distance = figures["log_mel_l1"]
    rows = [
        ("log-mel L1", "too short to tell" if distance is None else f"{distance:.3f} (natural log; lower is closer)"),
        ("real-time factor", f"{figures['real_time_factor']:.3f} (below 1 is faster than real time)"),
        ("sound", f"{figures['seconds']:.2f} s at {figures['sample_rate']} Hz, {figures['channels']} channel(s)"),
        (
            "sampling",
            f"{figures['steps']} step(s) of {figures['sampler']} on the {figures['grid']} grid, seed {figures['seed']}",
        ),
    ]
    if figures["silent_channels"]:
        rows.append(("note", "silence in, nothing above -80 dBFS, so silence came out"))
    if figures["clipped"]:
        rows.append(("note", f"{figures['clipped']} samples beyond full scale were clipped"))
    return rows


def _copy_of_example(studio: Studio) -> str:
    """Return the package's example where the server may hand it out from."""
    target = studio.workspace.new_file(EXAMPLE.name)
    shutil.copyfile(EXAMPLE, target)
    return str(target)
