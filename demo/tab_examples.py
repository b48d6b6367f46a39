"""Example prompts above the form: a click plays what was made from one, a second click puts it into the form."""

import shutil
from pathlib import Path
from typing import Any

import gradio as gr

from .app_state import GENERATOR, AppState
from .examples import EXAMPLES, Example
from .said import ENGLISH, said
from .widgets import guarded, user_of


def serves_examples(state: AppState) -> bool:
    """Whether the demo serves the model that the examples were made with."""
    generator = state.models.generator
    return generator is not None and generator.identity[0].name == GENERATOR


def build(state: AppState, prompt: gr.Textbox) -> None:
    """Lay the examples out, those that can be heard, and connect them with the prompt."""
    heard = [example for example in EXAMPLES if example.sounds]
    chips = gr.Dataset(
        label="Listen to an example; click it again to use its prompt",
        components=[gr.Textbox(visible=False)],
        samples=[[example.title] for example in heard],
        samples_per_page=len(heard),
        layout="gallery",
        type="index",
        elem_id="examples",
    )
    with gr.Row(visible=False, equal_height=True) as row:
        player = gr.Audio(
            label="Example",
            type="filepath",
            interactive=False,
            autoplay=True,
            buttons=[],
            min_width=280,
            elem_id="example-player",
        )
        use = gr.Button("Use this prompt", min_width=140, scale=0, elem_id="example-use")

    @guarded
    def choose(index: int, playing: str | None) -> list[Any]:
        example = heard[index]
        if example is playing_now(playing):
            return [gr.skip(), gr.skip(), example.prompt]
        path = _copy(state, example)
        return [gr.update(visible=True), gr.update(value=str(path), label=example.prompt), gr.skip()]

    @guarded
    def take(playing: str | None) -> Any:
        example = playing_now(playing)
        return gr.skip() if example is None else example.prompt

    def name(request: gr.Request) -> Any:
        language = user_of(request, state).language
        titles = [said(example.title).shown(language) for example in heard]
        return gr.skip() if language == ENGLISH else gr.update(sample_labels=titles)

    quiet: dict[str, Any] = {"api_visibility": "private", "queue": False, "show_progress": "hidden"}
    gr.on(None, name, None, chips, **quiet)  # when the page is opened
    chips.click(choose, [chips, player], [row, player, prompt], **quiet)
    use.click(take, player, prompt, **quiet)


def playing_now(path: str | None) -> Example | None:
    """Return the example that a player has, by the name of its file."""
    name = Path(path or "").name
    return next((example for example in EXAMPLES if example.path.name == name), None)


def _copy(state: AppState, example: Example) -> Path:
    """Return its sound where the server may hand it out from."""
    target = state.workspace.new_file(example.path.name)
    shutil.copyfile(example.path, target)
    return target
