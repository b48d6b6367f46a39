"""The tab that tells what made a file, and makes it again."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from audiodiff.signal.audio_io import AUDIO_EXTENSIONS

from . import provenance
from .app_state import AppState
from .jobs import Outcome, stream
from .said import said
from .tab_create import CreateTab
from .widgets import as_error, connect_stop, guarded, heading, headline, side, status, status_line, table, user_of


def build(state: AppState, create: CreateTab | None, tabs: gr.Tabs) -> None:
    """Lay the tab out and connect it."""
    heading("Inspect")
    endings = sorted({*AUDIO_EXTENSIONS, ".json"})
    gr.Markdown(
        "Drop a file made here to see its prompt and settings and to make it again; the `.json` next to it does, too."
    )
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            given = gr.File(label="File", file_types=endings, type="filepath", height=160, elem_id="inspect-input")
            recording = gr.File(
                label="Source recordings (for edits)",
                file_count="multiple",
                file_types=[*endings, ".npy"],
                elem_id="inspect-originals",
                height=160,
            )
            with gr.Row():
                again = gr.Button("Recreate", variant="primary", min_width=130, elem_id="replay")
                stop = gr.Button("Stop", min_width=90)
            reuse = gr.Button("Use these settings", size="sm", visible=create is not None)
        with gr.Column(scale=3, min_width=320):
            line = status_line("inspect-status")
            told = gr.HTML("", elem_id="provenance")
            with gr.Row():
                first, second = side("The file", download=True), side("Recreated", download=True)
            with gr.Accordion("Technical details", open=False):
                document = gr.Code("", language="json", label="Provenance record", interactive=False, max_lines=30)

    @guarded
    def inspect(path: str | None) -> list[Any]:
        nothing = [gr.update(value=None), gr.update(value=None)]
        if path is None:
            return [status(), "", "", *nothing, *nothing]
        found = provenance.inspect(state, input=path)
        sound = [gr.update(value=found.picture), gr.update(value=None if found.path is None else str(found.path))]
        return [status(), headline(found.headline) + table(found.lines), found.document, *sound, *nothing]

    def replay(request: gr.Request, path: str | None, originals: list[str] | None) -> Iterator[dict[Any, Any]]:
        user = user_of(request, state)
        yield {line: status(said("starting"), 0.0, language=user.language)}
        try:
            for item in stream(
                lambda report: provenance.replay(state, report, user=user, input=path, recording=originals)
            ):
                if not isinstance(item, Outcome):
                    yield {line: status(item.text, item.fraction, language=user.language)}
                    continue
                result: provenance.Replayed = item.result
                changes = {
                    line: status(result.sentence, language=user.language),
                    second[0]: gr.update(value=result.pictures[1]),
                    second[1]: gr.update(value=str(result.path)),
                }
                if result.pictures[0] is not None:
                    changes[first[0]] = gr.update(value=result.pictures[0])
                yield changes
        except Exception as error:
            yield {line: status()}
            raise as_error(error, user.language) from None

    shown = [line, told, document, *first, *second]
    given.change(inspect, given, shown, api_visibility="private", show_progress="hidden")
    again.click(
        replay,
        [given, recording],
        [line, *first, *second],
        show_progress="hidden",
        concurrency_limit=None,
        api_visibility="private",
    )
    connect_stop(stop, state, line)
    if create is not None:
        _connect_reuse(state, create, tabs, given, reuse)


def _connect_reuse(state: AppState, create: CreateTab, tabs: gr.Tabs, given: gr.File, reuse: gr.Button) -> None:
    @guarded
    def take(path: str | None) -> list[Any]:
        return [gr.Tabs(selected="create"), *create.fill(provenance.settings_of_file(state, path))]

    reuse.click(take, given, [tabs, *create.filled], api_visibility="private", show_progress="hidden")
