"""What two tabs are made of: a recording and settings on the left; on the right, it and what became of it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from audiodiff.diffusion.names import SAMPLER_NAMES

from .app_state import AppState
from .busy import begin_busy, end_busy
from .fields import choices, watermark_field
from .handlers import Compared
from .jobs import Outcome, stream
from .limits import Limits
from .said import said
from .widgets import as_error, connect_stop, guarded, heading, side, status, status_line, table, user_of

Rows = list[tuple[str, str]]
"""Label and text of each line of a table."""


@dataclass(frozen=True)
class Comparison:
    """What tells one such tab from another.

    Attributes:
        name: begins the identifiers of what is on the tab.
        verb: identifier of the button.
        action: what the button says.
        sides: what the two sounds are called.
        fields: lays the settings out; by the names of the arguments of `work`.
        work: `work(state, report, user=..., input=..., **settings)`, one of the handlers.
        example: returns a copy of the example.
        rows: returns what to tell of the figures.
    """

    name: str
    verb: str
    action: str
    sides: tuple[str, str]
    fields: Callable[[], Mapping[str, gr.components.Component]]
    work: Callable[..., Compared]
    example: Callable[[AppState], Path]
    rows: Callable[[Mapping[str, Any]], Rows]


def build(state: AppState, tab: Comparison) -> None:
    """Lay a tab out and connect it."""
    heading(tab.action)
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            given = gr.Audio(
                label=f"Recording, up to {state.limits.upload_seconds:g} s",
                sources=["upload", "microphone"],
                type="filepath",
                buttons=["download"],  # a replay needs it, and nobody else has the example or what was recorded here
                elem_id=f"{tab.name}-input",
            )
            with gr.Row():
                run = gr.Button(tab.action, variant="primary", min_width=140, elem_id=tab.verb)
                stop = gr.Button("Stop", min_width=90)
            example = gr.Button("Try an example", size="sm", elem_id=f"{tab.name}-example")
            with gr.Accordion("Expert settings", open=False):
                fields = tab.fields()
        with gr.Column(scale=3, min_width=320):
            line = status_line(f"{tab.name}-status")
            with gr.Row():
                first, second = side(f"A: {tab.sides[0]}"), side(f"B: {tab.sides[1]}", download=True)
            with gr.Accordion("Figures", open=False):
                figures = gr.HTML("", elem_id=f"{tab.name}-figures")

    def compare(request: gr.Request, path: str | None, *values: Any) -> Iterator[dict[Any, Any]]:
        settings = dict(zip(fields, values, strict=True))
        user = user_of(request, state)
        yield {
            line: status(said("starting"), 0.0, language=user.language),
            figures: "",
            **{piece: gr.update(value=None) for piece in (*first, *second)},
        }
        try:
            for item in stream(lambda report: tab.work(state, report, user=user, input=path, **settings)):
                if not isinstance(item, Outcome):
                    yield {line: status(item.text, item.fraction, language=user.language)}
                    continue
                made: Compared = item.result
                yield {
                    line: status(said("done"), language=user.language),
                    first[0]: gr.update(value=made.pictures[0]),
                    first[1]: gr.update(value=None if made.original is None else str(made.original)),
                    second[0]: gr.update(value=made.pictures[1]),
                    second[1]: gr.update(value=str(made.path)),
                    figures: table(tab.rows(made.figures)),
                }
        except Exception as error:
            yield {line: status()}
            raise as_error(error, user.language) from None

    @guarded
    def take() -> str:
        return str(tab.example(state))

    begin_busy([run.click], run, line)
    event = run.click(
        compare,
        [given, *fields.values()],
        [line, figures, *first, *second],
        show_progress="hidden",
        concurrency_limit=None,
        api_visibility="private",
    )
    end_busy(event, run)
    example.click(take, None, given, api_visibility="private")
    connect_stop(stop, state, line)


def sampling_fields(limits: Limits, *, steps: int, sampler: str) -> dict[str, gr.components.Component]:
    """Lay out how to sample; the values are what the model recommends."""
    return {
        "steps": gr.Slider(1, limits.steps, value=min(steps, limits.steps), step=1, precision=0, label="Steps"),
        "sampler": gr.Dropdown(choices(SAMPLER_NAMES, sampler), value="", label="Sampler"),
        "seed": gr.Number(0, label="Seed", precision=0, minimum=0),
        "watermark": watermark_field(),
    }


def sampling_rows(figures: Mapping[str, Any]) -> Rows:
    """Return the rows about speed, sound and sampling that all kinds share."""
    return [
        ("real-time factor", f"{figures['real_time_factor']:.3f} (below 1 is faster than real time)"),
        ("sound", f"{figures['seconds']:.2f} s at {figures['sample_rate']} Hz, {figures['channels']} channel(s)"),
        (
            "sampling",
            f"{figures['steps']} step(s) of {figures['sampler']} on the {figures['grid']} grid, seed {figures['seed']}",
        ),
    ]


def note_rows(figures: Mapping[str, Any], *, silence: str) -> Rows:
    """Return the notes on what was unusual: `silence` if a channel was, and what was clipped."""
    rows = [("note", silence)] if figures["silent_channels"] else []
    if figures["clipped"]:
        rows.append(("note", f"{figures['clipped']} samples beyond full scale were clipped"))
    return rows
