"""The tab of saved prompts, and of the words that the model knows."""

from collections.abc import Iterable
from typing import Any

import gradio as gr

from audiodiff.printable import printable

from . import prompts
from .app_state import AppState
from .shown import as_markdown
from .tab_create import CreateTab
from .widgets import guarded, heading


def build(state: AppState, create: CreateTab, tabs: gr.Tabs) -> None:
    """Lay the tab out and connect it to the tab that creates."""
    heading("Library")
    if state.library is None:
        gr.Markdown("This demo keeps no prompts; `audiodiff demo --prompts FILE` does.")
    else:
        _saved(state, create, tabs)
    _words(state, create)


def _saved(state: AppState, create: CreateTab, tabs: gr.Tabs) -> None:
    names = list(create.controls)

    def listed(words: str, tags: str, chosen: str | None = None) -> Any:
        found = prompts.search(state, words, tags)
        kept = chosen if any(saved.name == chosen for saved in found) else None
        return gr.update(choices=[(prompts.describe(saved), saved.name) for saved in found], value=kept)

    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            with gr.Row():
                words = gr.Textbox(label="Search", placeholder="words of the name, prompt or tags", min_width=160)
                tags = gr.Textbox(label="Tags to search for", placeholder="calm, piano", min_width=140)
            chosen = gr.Radio([], label="Saved prompts", elem_classes="ad-list", elem_id="saved-prompts")
            with gr.Row():
                load = gr.Button("Use this prompt", variant="primary", min_width=140, elem_id="load-prompt")
                remove = gr.Button("Delete", min_width=100, elem_id="remove-prompt")
        with gr.Column(scale=2, min_width=320):
            gr.Markdown("Save what is in **Create** now: prompt, settings and seed.")
            name = gr.Textbox(label="Name", max_length=100)
            new_tags = gr.Textbox(label="Tags", placeholder="calm, piano")
            replace = gr.Checkbox(False, label="Replace the prompt with this name")
            save = gr.Button("Save", elem_id="save-prompt")
            said = gr.Markdown("", elem_id="library-said")

    @guarded
    def search(wanted: str, with_tags: str) -> Any:
        return listed(wanted, with_tags)

    @guarded
    def put(title: str, its_tags: str, over: bool, wanted: str, with_tags: str, *values: Any) -> tuple[str, Any]:
        fields = dict(zip(names, values, strict=True))
        saved = prompts.save(
            state,
            name=title,
            tags=its_tags,
            replace=over,
            prompt=fields["prompt"] or "",
            negative=fields.get("negative") or "",
            seed=fields["seed"],
            settings=fields,
        )
        return "Saved.", listed(wanted, with_tags, saved.name)

    @guarded
    def take(title: str | None) -> list[Any]:
        return [gr.Tabs(selected="create"), *create.fill(prompts.load(state, title))]

    @guarded
    def drop(title: str | None, wanted: str, with_tags: str) -> tuple[str, Any]:
        prompts.remove(state, title)
        return "Deleted.", listed(wanted, with_tags)

    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    gr.on([words.change, tags.submit, tags.blur], search, [words, tags], chosen, **quiet)
    save.click(put, [name, new_tags, replace, words, tags, *create.controls.values()], [said, chosen], **quiet)
    # The list is what was found last, and no session remembers that: names are looked up instead.
    load.click(take, chosen, [tabs, *create.filled], preprocess=False, **quiet)
    remove.click(drop, [chosen, words, tags], [said, chosen], preprocess=False, **quiet)
    tabs.select(search, [words, tags], chosen, **quiet)


def _words(state: AppState, create: CreateTab) -> None:
    gr.Markdown(
        "### Words that the model knows\nClick a word to add it to the prompt. Other words may work, too."
        if state.models.words
        else "The model does not list the words it knows."
    )
    prompt = create.controls["prompt"]
    said = gr.Markdown("", elem_id="words-said")
    wanted = gr.Textbox(label="Find a word", placeholder="flute", elem_id="words-wanted")
    chips = {
        kind: gr.Dataset(
            label=printable(kind).capitalize(),
            components=[gr.Textbox(visible=False)],
            samples=_samples(words),
            samples_per_page=len(words),
            layout="gallery",
        )
        for kind, words in state.models.words.items()
    }

    def find(text: str) -> list[Any]:
        part = text.strip().lower()
        return [
            gr.Dataset(samples=_samples(word for word in words if part in word.lower()))
            for words in state.models.words.values()
        ]

    def add(text: str | None, picked: list[str]) -> tuple[str, str]:
        prompt = prompts.add_word(text, picked[0])
        return prompt, f"The prompt is now: {as_markdown(prompt)}"

    quiet: dict[str, Any] = {"api_visibility": "private", "queue": False, "show_progress": "hidden"}
    for each in chips.values():
        each.click(add, [prompt, each], [prompt, said], **quiet)
    wanted.change(find, wanted, list(chips.values()), trigger_mode="always_last", **quiet)


def _samples(words: Iterable[str]) -> list[list[str]]:
    return [[printable(word)] for word in words]
