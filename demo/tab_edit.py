"""The tab that changes clips: variations, new parts, more of it, and what lies between two."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.described import without_none
from audiodiff.synthesis.provenance import file_sha256
from audiodiff.synthesis.verb import Verb
from audiodiff.synthesis.verbs import VERBS

from . import cards, edits
from . import region as region_picker
from .app_state import AppState
from .busy import begin_busy, end_busy
from .cards import Cards
from .fields import (
    connect_seed,
    count_field,
    format_field,
    negative_field,
    roll,
    sampling_fields,
    seed_fields,
    tempo_and_key,
    watermark_field,
)
from .handlers import ClipRequest, Created, Report
from .jobs import User
from .limits import CARDS
from .strip import Strip
from .widgets import connect_stop, guarded, heading, user_of

Work = Callable[[Report, User, ClipRequest, Mapping[str, Any]], Created]
"""`work(report, user, request, given)` does an edit; `given` are the clip and the fields of the edit's own."""


@dataclass(frozen=True)
class Edit:
    """One way to edit, as its part of the page knows it.

    Attributes:
        run: the button.
        stop: the button next to it.
        fields: its own fields, by the names of the command line's arguments.
        work: what it does.
    """

    run: gr.Button
    stop: gr.Button
    fields: Mapping[str, gr.components.Component]
    work: Work


def build(state: AppState, tabs: gr.Tabs, create: Cards, strip: Strip) -> gr.Audio:
    """Lay the tab out and connect it, also to the cards of the tab that creates; return the place of its clip."""
    limits = state.limits
    shared: dict[str, Any] = {}
    heading("Edit")
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            clip = gr.Audio(
                label="Clip", sources=["upload", "microphone"], type="filepath", buttons=[], elem_id="edit-clip"
            )
            undo = gr.Button("Undo: the version before", size="sm", elem_id="edit-undo")
            shared["prompt"] = gr.Textbox(
                label="Prompt",
                info="Clips made here fill this in. Leave it empty to follow the clip alone.",
                lines=2,
                max_lines=6,
                max_length=limits.prompt_chars,
                elem_id="edit-prompt",
            )
            shared |= negative_field(state)
            with gr.Tabs():
                ways = _ways(state, clip)
            shared["count"] = count_field(2)
            with gr.Accordion("Expert settings", open=False):
                shared["seed"], dice, new_seed = seed_fields()
                with gr.Row():
                    shared |= tempo_and_key(state)
                    shared["format"] = format_field()
                shared |= sampling_fields(state)
                shared["watermark"] = watermark_field()
        with gr.Column(scale=3, min_width=320):
            shown = cards.build("edit", strip, hint="Clips appear here; the button Edit opens one.")

    for way in ways:
        begin_busy([way.run.click], way.run, shown.line)
        event = way.run.click(
            _runner(state, way, shared, shown),
            [new_seed, clip, *shared.values(), *way.fields.values()],
            [shared["seed"], *shown.outputs],
            show_progress="hidden",
            concurrency_limit=None,
            api_visibility="private",
        )
        shown.connect(event, state, shared["seed"])
        connect_stop(way.stop, state, shown.line)
        end_busy(event, way.run)

    prompts = [shared[name] for name in ("prompt", "negative") if name in shared]

    @guarded
    def bring(path: str | None) -> Any:
        told = edits.prompts_of(state, path) or (gr.skip(), gr.skip())
        return told if len(prompts) > 1 else told[0]  # Gradio unpacks no tuple of one

    @guarded
    def version_before(path: str | None, request: gr.Request) -> str:
        page = user_of(request, state).page
        take = None if path is None else state.takes.find(page, file_sha256(path))
        versions = [] if take is None else state.takes.versions(page, take)
        if len(versions) < 2:
            raise AudiodiffError("this clip has no version before it: it is the first, or was made elsewhere.")
        return str(versions[-2].facts.path)

    def turn_to(path: str | None) -> tuple[gr.Tabs, str | None]:
        return gr.Tabs(selected="edit"), path

    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    undo.click(version_before, clip, clip, **quiet)
    clip.change(bring, clip, prompts, **quiet)
    for card in (*create.cards, *shown.cards):
        card.edit.click(turn_to, card.file, [tabs, clip], **quiet)
        for what, button in card.again.items():
            # The page turns to the clip by an event of its own: in a stream, one change can be overtaken by the next.
            event = button.click(turn_to, card.file, [tabs, clip], queue=False, **quiet).then(
                _maker(state, what, shown), card.file, shown.outputs, concurrency_limit=None, **quiet
            )
            shown.connect(event, state)
    connect_seed(state, shared["seed"], dice, new_seed, shown.cards)
    return clip


def _ways(state: AppState, clip: gr.Audio) -> list[Edit]:
    """Lay out what the model can do with a clip, each as a tab."""
    laid_out: dict[str, Callable[[], Edit]] = {
        "vary": lambda: _vary(state),
        "inpaint": lambda: _inpaint(state, clip),
        "extend": lambda: _extend(state),
        "interpolate": lambda: _interpolate(state),
        **{verb.name: partial(_plain, state, verb) for verb in plain_verbs()},
    }
    can = state.models.capabilities.verbs
    return [build() for name, build in laid_out.items() if name in can]


def _runner(
    state: AppState, way: Edit, shared: Mapping[str, gr.components.Component], shown: Cards
) -> Callable[..., Any]:
    def run_edit(request: gr.Request, draw: bool, path: str | None, *values: Any) -> Iterator[dict[Any, Any]]:
        fields = dict(zip(shared, values[: len(shared)], strict=True))
        given = dict(zip(way.fields, values[len(shared) :], strict=True))
        if draw:
            fields["seed"] = roll()
        if not any(fields.get(name) for name in ("prompt", "negative", "tempo", "chords", "source")):
            fields["guidance"] = None  # nothing to guide to, so nothing to pay for
        user = user_of(request, state)
        yield from shown.run(
            lambda report: way.work(report, user, ClipRequest(**fields), {"clip": path, **given}),
            int(fields["count"] or 1),
            user,
            {shared["seed"]: gr.update(value=fields["seed"])},
        )

    return run_edit


def _maker(state: AppState, what: str, shown: Cards) -> Callable[..., Any]:
    def make_again(request: gr.Request, path: str | None) -> Iterator[dict[Any, Any]]:
        user = user_of(request, state)
        yield from shown.run(
            lambda report: edits.again(state, report, user=user, clip=path, what=what, seed=roll()),
            CARDS if what in edits.STRENGTHS else 1,
            user,
        )

    return make_again


def _worker(state: AppState, verb: str) -> Work:
    def work(report: Report, user: User, request: ClipRequest, given: Mapping[str, Any]) -> Created:
        return edits.edit(state, report, verb, user=user, request=request, **given)

    return work


def _vary(state: AppState) -> Edit:
    with gr.Tab("Variations", id="vary"):
        strength = _strength(0.4)
        run, stop = _buttons("vary", "Make variations")

    return Edit(run, stop, {"strength": strength}, _worker(state, "vary"))


def _inpaint(state: AppState, clip: gr.Audio) -> Edit:
    with gr.Tab("Replace a part", id="inpaint"):
        picture = region_picker.picker("edit-picture", field="edit-region")
        region = gr.Textbox(
            label="Region",
            placeholder="2:4",
            info="From:to in seconds, such as 2:4 6:7.5. Everything else stays untouched.",
            elem_id="edit-region",
        )
        partly = state.models.capabilities.inpaint_strength
        strength: dict[str, gr.components.Component] = {"strength": _strength(1.0)} if partly else {}
        run, stop = _buttons("inpaint", "Replace the part")

    def show(path: str | None, request: gr.Request) -> str:
        try:
            return region_picker.drawn(state, path, user_of(request, state).language)
        except AudiodiffError:  # which is said where the prompt is read
            return ""

    clip.change(show, clip, picture, api_visibility="private", show_progress="hidden")

    return Edit(run, stop, {"region": region, **strength}, _worker(state, "inpaint"))


def _extend(state: AppState) -> Edit:
    longest = state.limits.seconds
    with gr.Tab("Make longer", id="extend"):
        seconds = gr.Slider(0.5, longest, value=min(5.0, longest), step=0.5, label="Add (s)")
        before = gr.Checkbox(False, label="Add before the clip (intro)", container=False)
        run, stop = _buttons("extend", "Make it longer")

    return Edit(run, stop, {"seconds": seconds, "before": before}, _worker(state, "extend"))


def _interpolate(state: AppState) -> Edit:
    with gr.Tab("Morph", id="interpolate"):
        other = gr.Audio(label="Second clip", sources=["upload"], type="filepath", buttons=[], elem_id="edit-other")
        prompt = gr.Textbox(
            label="Second prompt", placeholder="the same", max_lines=3, max_length=state.limits.prompt_chars
        )
        strength = _strength(0.5)
        run, stop = _buttons("interpolate", "Morph")

    def work(report: Report, user: User, request: ClipRequest, given: Mapping[str, Any]) -> Created:
        return edits.interpolate_between(
            state,
            report,
            user=user,
            request=request,
            clips=(given["clip"], given["other"]),
            prompt=given["prompt_to"],
            strength=given["strength"],
        )

    return Edit(run, stop, {"other": other, "prompt_to": prompt, "strength": strength}, work)


def plain_verbs() -> list[Verb]:
    """Return the verbs for one clip that are laid out field by field, as their settings say."""
    clip_verbs = [verb for verb in VERBS.values() if not verb.streams and verb.model in {"", "music"}]
    return [verb for verb in clip_verbs if verb.name not in {"generate", "vary", "inpaint", "extend", "interpolate"}]


def _plain(state: AppState, verb: Verb) -> Edit:
    shared = {*ClipRequest.__dataclass_fields__} if verb.n_models else set()
    fields: dict[str, gr.components.Component] = {}
    with gr.Tab(verb.name.capitalize()):
        gr.Markdown(verb.description)
        for name, (annotation, default, said) in verb.options().items():
            label, told = name.replace("_", " ").capitalize(), said.partition(". ")[0].replace("`", "")
            if name not in shared and without_none(annotation) is bool:
                fields[name] = gr.Checkbox(False, label=label, info=told)
            elif name not in shared:
                fields[name] = gr.Textbox("" if default is None else str(default), label=label, info=told)
        run, stop = _buttons(verb.name, verb.name.capitalize())
    return Edit(run, stop, fields, _worker(state, verb.name))


def _buttons(name: str, label: str) -> tuple[gr.Button, gr.Button]:
    with gr.Row():
        run = gr.Button(label, variant="primary", min_width=120, elem_id=name)
        return run, gr.Button("Stop", min_width=90)


def _strength(value: float) -> gr.Slider:
    return gr.Slider(
        0.0, 1.0, value=value, step=0.05, label="Strength", info="0 leaves it unchanged, 1 makes it completely new"
    )
