"""What `gradio_client` can call: functions whose arguments are called as on the command line."""

import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from audiodiff.synthesis.described import choices, without_none
from audiodiff.synthesis.verb import Argument, Verb
from audiodiff.synthesis.verbs import VERBS

from . import edits, handlers, provenance, speaking, upsampling, vocoding
from .app_state import GENERATOR, UPSAMPLER, VOCODER, VOICE, AppState
from .handlers import ClipRequest, Compared, Created
from .jobs import User
from .limits import CARDS
from .widgets import guarded, ignore, user_of

Given = dict[str, Any]
Inputs = Mapping[str, gr.components.Component]

LEFT_OUT = ("rate",)
"""Settings that the functions do not take."""


def build(state: AppState) -> None:
    """Add the functions to the app, with components that nobody sees."""
    with gr.Column(visible=False, elem_id="api"):
        served = {
            "": state.models.generator,
            GENERATOR: state.models.generator,
            VOCODER: state.models.vocoder,
            UPSAMPLER: state.models.upsampler,
            VOICE: state.models.voices or None,
        }
        for verb in VERBS.values():
            if served.get(verb.model) is not None:
                _verb(state, verb)
        _provenance(state)
        _endpoint(state, "stop", "Stop all jobs of this client.", {}, [gr.Number(label="jobs")], _stopper(state))


def _endpoint(
    state: AppState,
    name: str,
    told: str,
    inputs: Inputs,
    outputs: list[gr.components.Component],
    work: Callable[[User, Given], Any],
    *,
    required: tuple[str, ...] = ("input",),
) -> None:
    """Add one function.

    Args:
        state: the demo.
        name: of the function.
        told: what it does; shown in its documentation.
        inputs: argument -> component; its value is the default.
        outputs: components of what it returns.
        work: called with who asks and the arguments.
        required: arguments without default.
    """

    def call(request: gr.Request, *values: Any) -> Any:
        return work(user_of(request, state), dict(zip(inputs, values, strict=True)))

    # Gradio takes the names and the defaults from the signature
    kind, empty = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.empty
    arguments = [
        inspect.Parameter(argument, kind, default=empty if argument in required else component.value)
        for argument, component in inputs.items()
    ]
    call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter("request", kind, annotation=gr.Request), *arguments]
    )
    call.__doc__ = told
    button = gr.Button(visible=False)
    button.click(
        guarded(call),
        list(inputs.values()),
        outputs,
        api_name=name,
        api_description=told,
        # jobs wait in the queue of the state; what is no job, in Gradio's
        concurrency_limit="default" if name == "inspect" else None,
        show_progress="hidden",
        queue=name != "stop",  # which must not wait for what it stops
    )


def _clips() -> list[gr.components.Component]:
    return [gr.File(label="clips", file_count="multiple"), gr.Textbox(label="report")]


def _report(created: Created) -> tuple[list[str], str]:
    files = [path for clip in created.clips for path in (clip.path, clip.subtitles) if path is not None]
    report = {
        "stopped": created.stopped,
        "clips": [
            {
                "file": clip.path.name,
                "seed": clip.seed,
                "seconds": clip.seconds,
                "sample_rate": clip.sample_rate,
                "elapsed": round(clip.elapsed, 3),
                "seam": clip.seam,
                "notes": list(clip.notes),
                "phonemes": clip.phonemes,
                "words": [word[:3] for caption in clip.captions for word in caption.words],
            }
            for clip in created.clips
        ],
    }
    return [str(path) for path in files], json.dumps(report)


def _inputs(state: AppState, verb: Verb) -> dict[str, Any]:
    """Return a component for every argument of a verb, by name."""
    inputs = {each.name: _component(state, each) for each in verb.arguments if not each.local}
    for name, (annotation, default, _) in verb.options().items():
        kind = str if choices(name, annotation) else without_none(annotation)
        if name not in LEFT_OUT and isinstance(kind, type):
            usual = "" if kind is str else default
            inputs[name] = _component(state, Argument(name, "", "--", type=kind, default=usual))
    if verb.model == VOICE:
        inputs["voice"] = gr.Textbox("", label="voice")
    return {
        **inputs,
        "format": gr.Textbox("flac", label="format"),
        "watermark": gr.Checkbox(True, label="watermark"),
    }


def _component(state: AppState, argument: Argument) -> gr.components.Component:
    name, default = argument.name, argument.default
    if argument.type is Path:
        return gr.File(None, label=name, file_count="multiple" if argument.nargs == "*" else "single")
    if argument.type is bool:
        return gr.Checkbox(False, label=name)
    if isinstance(argument.nargs, int):
        return gr.JSON(None, label=name)
    if argument.type is str:
        return gr.Textbox(default, label=name)
    if name == "seconds" and default is not None:
        default = min(default, state.clip_limits.seconds)
    if name == "count":
        return gr.Number(min(default, CARDS), label=f"count, up to {CARDS}", precision=0)
    return gr.Number(default, label=name, precision=0 if argument.type is int else None)


def _verb(state: AppState, verb: Verb) -> None:
    compared: dict[str, Callable[..., Compared]] = {"vocode": vocoding.vocode, "upsample": upsampling.upsample}
    spoken: dict[str, Callable[..., Created]] = {"speak": speaking.speak, "respeak": speaking.respeak}

    def clips(user: User, given: Given) -> tuple[list[str], str]:
        request = ClipRequest.taken(given)
        if verb.name in spoken:
            return _report(spoken[verb.name](state, ignore, user=user, request=request, **given))
        if verb.name == "generate":
            return _report(handlers.generate(state, ignore, user=user, request=request, **given))
        return _report(edits.edit(state, ignore, verb.name, user=user, request=request, **given))

    def recording(user: User, given: Given) -> tuple[str, str]:
        made = compared[verb.name](state, ignore, user=user, **given)
        return str(made.path), json.dumps(made.figures)

    required = tuple(each.name for each in verb.arguments if each.needed or not (each.flag or each.nargs == "*"))
    inputs = _inputs(state, verb)
    if verb.name in compared:
        outputs: list[gr.components.Component] = [gr.File(label="sound"), gr.Textbox(label="figures")]
        told = f"{verb.description} Returns the file and, as JSON, figures."
        _endpoint(state, verb.name, told, inputs, outputs, recording, required=required)
        return
    told = f"{verb.description} Returns the files and, as JSON, a report on each."
    _endpoint(state, verb.name, told, inputs, _clips(), clips, required=required)


def _provenance(state: AppState) -> None:
    def inspect_file(user: User, given: Given) -> str:
        return provenance.inspect(state, **given).document

    def replay(user: User, given: Given) -> tuple[str, str]:
        made = provenance.replay(state, ignore, user=user, **given)
        found = {"identical": made.identical, "reasons": list(made.reasons), "untouched": made.untouched}
        return str(made.path), json.dumps(found)

    _endpoint(
        state,
        "inspect",
        "Return the provenance record of a sound file, as JSON.",
        {"input": gr.File(label="input")},
        [gr.Textbox(label="provenance")],
        inspect_file,
    )
    _endpoint(
        state,
        "replay",
        "Replay a sound file from its provenance record, and from its original inputs if it had any; returns the "
        "file and, as JSON, "
        "whether it became the same.",
        {"input": gr.File(label="input"), "recording": gr.File(None, label="recording", file_count="multiple")},
        [gr.File(label="sound"), gr.Textbox(label="report")],
        replay,
    )


def _stopper(state: AppState) -> Callable[[User, Given], int]:
    return lambda user, given: state.jobs.stop(user.page)
