"""What `gradio_client` can call: functions whose arguments are called as on the command line."""

import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from . import edits, handlers, provenance, upsampling, vocoding
from .app_state import AppState
from .handlers import ClipRequest, Compared, Created
from .jobs import User
from .limits import CARDS
from .widgets import guarded, ignore, user_of

Given = dict[str, Any]
Inputs = Mapping[str, gr.components.Component]

REQUIRED = ("clip", "input", "region")
"""Arguments that have no default; `prompt` is another, where there is no clip to tell one."""


def build(state: AppState) -> None:
    """Add the functions to the app, with components that nobody sees."""
    with gr.Column(visible=False):
        if state.models.generator is not None:
            _generate(state)
            _edits(state)
        if state.models.vocoder is not None:
            _vocode(state)
        if state.models.upsampler is not None:
            _upsample(state)
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
    required: tuple[str, ...] = REQUIRED,
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
        # jobs wait in the queue of the demo; what is no job, in Gradio's
        concurrency_limit="default" if name == "inspect" else None,
        show_progress="hidden",
        queue=name != "stop",  # which must not wait for what it stops
    )


def _asked(*, level: bool = True) -> dict[str, Any]:
    """Components of the fields of `Asked` but the prompt; `level` not where a recording keeps its own."""
    return {
        "negative": gr.Textbox("", label="negative"),
        "count": gr.Number(1, label=f"count, 1 to {CARDS}", precision=0),
        "seed": gr.Number(0, label="seed", precision=0),
        "steps": gr.Number(None, label="steps", precision=0),
        "guidance": gr.Number(None, label="guidance"),
        "rescale": gr.Number(None, label="rescale"),
        "tempo": gr.Number(None, label="tempo"),
        "key": gr.Textbox("", label="key"),
        "source": gr.Textbox("", label="source"),
        "sampler": gr.Textbox("", label="sampler"),
        "grid": gr.Textbox("", label="grid"),
        "vocoder_steps": gr.Number(None, label="vocoder_steps", precision=0),
        "precision": gr.Textbox("", label="precision"),
        **({"level": gr.Textbox("", label="level")} if level else {}),
        "format": gr.Textbox("flac", label="format"),
    }


def _take(given: Given) -> ClipRequest:
    """Take the fields of `Asked` out of the arguments."""
    return ClipRequest(**{name: given.pop(name) for name in ClipRequest.__dataclass_fields__ if name in given})


def _clips() -> list[gr.components.Component]:
    return [gr.File(label="clips", file_count="multiple"), gr.Textbox(label="report")]


def _report(created: Created) -> tuple[list[str], str]:
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
            }
            for clip in created.clips
        ],
    }
    return [str(clip.path) for clip in created.clips], json.dumps(report)


def _generate(state: AppState) -> None:
    def generate(user: User, given: Given) -> tuple[list[str], str]:
        return _report(handlers.generate(state, ignore, user=user, request=_take(given), **given))

    def loop(user: User, given: Given) -> tuple[list[str], str]:
        return generate(user, {**given, "loop": True})

    def inputs() -> dict[str, Any]:
        seconds = gr.Number(min(10.0, state.limits.seconds), label="seconds")
        return {"prompt": gr.Textbox(label="prompt"), "seconds": seconds, **_asked()}

    returned = "returns the files and, as JSON, a report on each."
    _endpoint(
        state,
        "generate",
        f"Make clips from a prompt, and like a reference recording where the model takes one; {returned}",
        {**inputs(), "loop": gr.Checkbox(False, label="loop"), "reference": gr.File(None, label="reference")},
        _clips(),
        generate,
        required=("prompt",),
    )
    _endpoint(
        state,
        "loop",
        f"Make loops; {returned}",
        inputs(),
        _clips(),
        loop,
        required=("prompt",),
    )


def _edits(state: AppState) -> None:
    def vary(user: User, given: Given) -> Any:
        return _report(edits.vary(state, ignore, user=user, request=_take(given), **given))

    def inpaint(user: User, given: Given) -> Any:
        return _report(edits.inpaint(state, ignore, user=user, request=_take(given), **given))

    def extend(user: User, given: Given) -> Any:
        return _report(edits.extend(state, ignore, user=user, request=_take(given), **given))

    def interpolate(user: User, given: Given) -> Any:
        return _report(edits.interpolate(state, ignore, user=user, request=_take(given), **given))

    def inputs() -> dict[str, Any]:
        return {"clip": gr.File(label="clip"), "prompt": gr.Textbox(None, label="prompt")}

    longest = state.limits.seconds
    _endpoint(
        state,
        "vary",
        "Make variations of a clip; the default prompt is the one in its record.",
        {**inputs(), "strength": gr.Number(0.4, label="strength"), **_asked()},
        _clips(),
        vary,
    )
    _endpoint(
        state,
        "inpaint",
        "Replace regions of a clip, such as 2:4 (seconds); separate several by spaces.",
        {
            "clip": gr.File(label="clip"),
            "region": gr.Textbox(label="region"),
            "prompt": gr.Textbox(None, label="prompt"),
            "strength": gr.Number(1.0, label="strength"),
            "crossfade": gr.Number(0.05, label="crossfade"),
            **_asked(level=False),
        },
        _clips(),
        inpaint,
    )
    _endpoint(
        state,
        "extend",
        "Extend a clip at its end or its beginning.",
        {
            **inputs(),
            "seconds": gr.Number(min(10.0, longest), label="seconds"),
            "before": gr.Checkbox(False, label="before"),
            "crossfade": gr.Number(0.05, label="crossfade"),
            "trim": gr.Number(None, label="trim"),
            **_asked(level=False),
        },
        _clips(),
        extend,
    )
    _endpoint(
        state,
        "interpolate",
        "Interpolate between two clips, between two prompts (JSON list of two), or both.",
        {
            "clips": gr.File(None, label="clips", file_count="multiple"),
            "prompts": gr.JSON(None, label="prompts"),
            "prompt": gr.Textbox(None, label="prompt"),
            "strength": gr.Number(0.5, label="strength"),
            "seconds": gr.Number(min(10.0, longest), label="seconds"),
            **_asked(),
            "count": gr.Number(3, label=f"count, 2 to {CARDS}", precision=0),
        },
        _clips(),
        interpolate,
    )


def _recording() -> dict[str, Any]:
    """Components of the arguments of whatever is done to a recording."""
    return {
        "input": gr.File(label="input"),
        "steps": gr.Number(None, label="steps", precision=0),
        "sampler": gr.Textbox("", label="sampler"),
        "grid": gr.Textbox("", label="grid"),
        "seed": gr.Number(0, label="seed", precision=0),
        "precision": gr.Textbox("", label="precision"),
    }


def _compared(made: Compared) -> tuple[str, str]:
    return str(made.path), json.dumps(made.figures)


def _vocode(state: AppState) -> None:
    def vocode(user: User, given: Given) -> tuple[str, str]:
        return _compared(vocoding.vocode(state, ignore, user=user, **given))

    inputs = {
        **_recording(),
        "keep_level": gr.Checkbox(False, label="keep_level"),
        "format": gr.Textbox("flac", label="format"),
    }
    told = "Resynthesise a sound file, or a log-mel as .npy; returns the file and, as JSON, figures."
    _endpoint(state, "vocode", told, inputs, [gr.File(label="sound"), gr.Textbox(label="figures")], vocode)


def _upsample(state: AppState) -> None:
    def upsample(user: User, given: Given) -> tuple[str, str]:
        return _compared(upsampling.upsample(state, ignore, user=user, **given))

    inputs = {
        **_recording(),
        "augmentation": gr.Number(None, label="augmentation"),
        "replace": gr.Checkbox(False, label="replace"),
        "format": gr.Textbox("flac", label="format"),
    }
    told = "Upsample a narrow-band sound file; returns the file and, as JSON, figures."
    _endpoint(state, "upsample", told, inputs, [gr.File(label="sound"), gr.Textbox(label="figures")], upsample)


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
