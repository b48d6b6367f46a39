"""The tab that speaks a text."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradio as gr

from audiodiff.diffusion.names import SAMPLER_NAMES

from . import cards, speaking
from .app_state import AppState
from .busy import begin_busy, end_busy
from .fields import (
    choices,
    connect_seed,
    count_field,
    format_field,
    roll,
    seed_fields,
    vocoder_steps_field,
    watermark_field,
)
from .handlers import ClipRequest, Created, Report
from .limits import CARDS
from .strip import Strip
from .widgets import connect_stop, guarded, heading, user_of

NO_VOICE = "No voice is loaded, so nothing can be spoken here; start the demo with --voice MODEL."

_OF_TEXTS = ("text", "speed", "pitch")
"""Fields that count where a whole text is spoken."""


def build(state: AppState, strip: Strip) -> None:
    """Lay the tab out and connect it."""
    heading("Speech")
    if not state.models.voices:
        gr.Markdown(NO_VOICE)
        return
    limits, synthesizer = state.limits, state.models.require_voice()
    most, usual = limits.steps, synthesizer.defaults
    speakers = dict.fromkeys(name for each in state.models.voices.values() for name in each.speakers)
    controls: dict[str, Any] = {}
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            controls["text"] = gr.Textbox(
                label="Text",
                info="English. [pause 0.5] is silence (s). A word between asterisks is stressed. Phonemes in braces, "
                "as below, are said as written.",
                placeholder="Hello, world.",
                lines=4,
                max_lines=12,
                max_length=limits.prompt_chars,
                elem_id="speech-text",
            )
            with gr.Row():
                run = gr.Button("Speak", variant="primary", min_width=120, elem_id="speak")
                stop = gr.Button("Stop", min_width=90)
            with gr.Row():
                names = list(state.models.voices)
                controls["voice"] = gr.Dropdown(names, value=names[0], label="Voice", min_width=140)
                controls["count"] = count_field(CARDS)
            if speakers:
                listed = [("the first", ""), *((name, name) for name in speakers)]
                controls["speaker"] = gr.Dropdown(listed, value="", label="Speaker")
            with gr.Row():
                controls["speed"] = gr.Slider(0.25, 4.0, value=1.0, step=0.05, label="Speed", min_width=140)
                controls["pitch"] = gr.Slider(
                    -12.0, 12.0, value=0.0, step=0.5, label="Pitch", info="semitones", min_width=140
                )
            controls["variation"] = gr.Slider(
                0.0,
                2.0,
                value=synthesizer.manner.variation,
                step=0.05,
                label="Variation",
                info="how much takes differ; 0 is the most likely reading",
            )
            controls["seed"], dice, new_seed = seed_fields()
            with gr.Accordion("Expert settings", open=False):
                with gr.Row():
                    controls["steps"] = gr.Slider(
                        1, most, value=min(usual.steps, most), step=1, precision=0, label="Steps", min_width=140
                    )
                    controls["vocoder_steps"] = vocoder_steps_field(synthesizer.vocoder, most)
                with gr.Row():
                    listed = choices(SAMPLER_NAMES, usual.sampler)
                    controls["sampler"] = gr.Dropdown(listed, value="", label="Sampler", min_width=140)
                    controls["format"] = format_field()
                controls["watermark"] = watermark_field()
                lexicon = gr.File(label="Own pronunciations: CSV, word,phonemes a line", file_types=[".csv"])
            with gr.Accordion("Replace a word", open=False, elem_id="speech-replace") as replacing:
                clip = gr.Audio(
                    label="Recording of the voice",
                    sources=["upload", "microphone"],
                    type="filepath",
                    buttons=[],
                    elem_id="speech-clip",
                )
                said = gr.Textbox(
                    label="What is said in it",
                    info="A take brings its own.",
                    max_lines=6,
                    max_length=limits.prompt_chars,
                    elem_id="speech-said",
                )
                word = gr.Radio([], label="Word to replace", elem_id="speech-word")
                new = gr.Textbox(
                    label="Say instead",
                    info="Nothing leaves the word out. All else stays as it is, to the sample.",
                    max_length=limits.prompt_chars,
                    elem_id="speech-new",
                )
                change = gr.Button("Replace", variant="primary", elem_id="respeak")
        with gr.Column(scale=3, min_width=320):
            shown = cards.build("speech", strip, hint="Takes appear here.", speech=True)
            with gr.Accordion("Phonemes", open=False):
                phonemes = gr.Textbox(
                    label="What was said last",
                    info="Change how a word is said, and take it as the text.",
                    lines=2,
                    max_lines=8,
                    elem_id="speech-phonemes",
                )
                use = gr.Button("Take as the text", size="sm", elem_id="speech-use")
    shown = replace(shown, phonemes=phonemes)

    def speak(request: gr.Request, draw: bool, words: str | None, *values: Any) -> Iterator[dict[Any, Any]]:
        given = dict(zip(controls, values, strict=True))
        if draw:
            given["seed"] = roll()
        user, begin = user_of(request, state), {controls["seed"]: gr.update(value=given["seed"])}
        asked = ClipRequest.taken(given)
        yield from shown.run(
            lambda report: speaking.speak(state, report, user=user, request=asked, lexicon=words, srt=True, **given),
            int(asked.count or 1),
            user,
            begin,
        )

    def replace_word(
        request: gr.Request, path: str | None, text: str | None, chosen: str | None, instead: str | None, *values: Any
    ) -> Iterator[dict[Any, Any]]:
        given = {name: value for name, value in zip(controls, values, strict=True) if name not in _OF_TEXTS}
        user, asked = user_of(request, state), ClipRequest.taken(given)

        def work(report: Report) -> Created:
            pair = speaking.replacement(text, int(chosen) if chosen and chosen.isdecimal() else None, instead)
            return speaking.respeak(
                state, report, user=user, clip=path, text=text, replace=[pair], request=asked, **given
            )

        yield from shown.run(work, int(asked.count or 1), user)

    for button, work, inputs in ((run, speak, [new_seed, lexicon]), (change, replace_word, [clip, said, word, new])):
        begin_busy([button.click], button, shown.line)
        event = button.click(
            work,
            [*inputs, *controls.values()],
            [controls["seed"], *shown.outputs],
            show_progress="hidden",
            concurrency_limit=None,
            api_visibility="private",
        )
        shown.connect(event, state, controls["seed"])
        end_busy(event, button)

    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}

    def listed_words(text: str | None) -> Any:
        places = speaking.words_of(text)
        return gr.update(choices=[((text or "")[a:b], str(n)) for n, (a, b) in enumerate(places)], value=None)

    clip.change(guarded(lambda path: speaking.said_in(state, path) or gr.skip()), clip, said, **quiet)
    said.change(listed_words, said, word, **quiet)
    for card in shown.cards:
        card.edit.click(lambda path: (gr.update(open=True), path), card.file, [replacing, clip], **quiet)
    use.click(lambda said: said, phonemes, controls["text"], api_visibility="private", queue=False)
    connect_seed(state, controls["seed"], dice, new_seed, shown.cards)
    connect_stop(stop, state, shown.line)
