"""The words that a model knows, under the prompt: fields to pick them from, and a word about what it does not know."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from audiodiff.errors import AudiodiffError
from audiodiff.printable import printable
from audiodiff.text.advice import advice

from . import prompts
from .app_state import AppState
from .said import Said
from .shown import as_markdown
from .widgets import guarded, user_of

FIELDS = {"genres": "Genre", "instruments": "Instruments", "moods": "Mood"}
"""Kinds of words that are picked under the prompt -> what their fields are called."""

_TEMPOS = range(60, 172, 4)


def build(state: AppState, prompt: gr.Textbox) -> None:
    """Lay out a field for each kind of words, and what there is to say of the prompt; connect both with it.

    A word that is picked goes into the prompt, one that is taken off leaves it; and what the prompt has is picked.
    """
    hint = gr.Markdown("", elem_id="prompt-hint", elem_classes="ad-notes")
    known = {kind: words for kind, words in state.models.words.items() if kind in FIELDS}
    quiet: dict[str, Any] = {"api_visibility": "private", "queue": False, "show_progress": "hidden"}
    with gr.Row():
        fields = [
            gr.Dropdown(
                [(printable(word), word) for word in sorted(words)],
                value=[],
                multiselect=True,
                interactive=True,  # no event takes it as an input, and Gradio locks such fields
                label=FIELDS[kind],
                elem_id=f"pick-{kind}",
                min_width=140,
            )
            for kind, words in known.items()
        ]

    @guarded
    def pick(text: str | None, picked: gr.SelectData) -> str:
        if not any(picked.value in words for words in known.values()):
            raise AudiodiffError("that is no word of this model; choose one from the list.")
        return (prompts.add_word if picked.selected else prompts.remove_word)(text, str(picked.value))

    def follow(request: gr.Request, text: str | None) -> dict[Any, Any]:
        language = user_of(request, state).language
        told = " ".join(as_markdown(sentence) for sentence in advised(text or "", state.models.words, language))
        found = words_of(text or "", known)
        return {hint: told, **{field: gr.update(value=words) for field, words in zip(fields, found, strict=True)}}

    for field in fields:
        field.select(pick, prompt, prompt, **quiet)
    prompt.change(follow, prompt, [hint, *fields], trigger_mode="always_last", **quiet)


def advised(text: str, words: Mapping[str, Sequence[str]], language: str) -> list[str]:
    """Return what there is to say of a prompt, in a language.

    Args:
        text: the prompt.
        words: kind -> words that the model knows.
        language: of the page.
    """
    return [Said(each.sentence, {"words": each.words}).shown(language) for each in advice(text, words)]


def words_of(text: str, known: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Return, for each kind of words, those that stand in a prompt between commas."""
    parts = [part.casefold() for part in prompts.parts(text)]
    return [[word for word in words if word.casefold() in parts] for words in known.values()]


def surprise(words: Mapping[str, Sequence[str]], rng: random.Random) -> str:
    """Return a prompt of words that the model knows: a genre, an instrument, a mood and a tempo.

    Args:
        words: kind -> words.
        rng: draws them.
    """
    drawn = [rng.choice(words[kind]) for kind in ("genres", "instruments", "moods") if words.get(kind)]
    return ", ".join([*drawn, f"{rng.choice(_TEMPOS)} bpm"])
