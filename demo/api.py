"""What `gradio_client` can call: functions whose arguments are called as on the command line."""

import json
from typing import Any

import gradio as gr

from . import handlers, stories
from .limits import CARDS
from .studio import Studio
from .widgets import guarded, ignore, user_of


def build(studio: Studio) -> None:
    """Add the functions to the app, with components that nobody sees."""
    with gr.Column(visible=False):
        if studio.models.generator is not None:
            _generate(studio)
        if studio.models.vocoder is not None:
            _vocode(studio)
        _stories(studio)
        _stop(studio)


def _endpoint(fn: Any, name: str, inputs: list[Any], outputs: list[Any]) -> None:
    gr.Button(visible=False).click(
        guarded(fn), inputs, outputs, api_name=name, concurrency_limit=None, show_progress="hidden"
    )


def _generate(studio: Studio) -> None:
    def generate(
        request: gr.Request,
        prompt: str,
        negative: str = "",
        seconds: float = 10.0,
        count: int = 1,
        seed: int = 0,
        steps: int | None = None,
        guidance: float | None = None,
        rescale: float | None = None,
        tempo: float | None = None,
        source: str = "",
        sampler: str = "",
        grid: str = "",
        vocoder_steps: int | None = None,
        precision: str = "",
        level: str = "peak",
        format: str = "flac",
    ) -> tuple[list[str], str]:
        """Make clips from a prompt; returns the files and, as JSON, a report on each."""
        created = handlers.generate(
            studio,
            ignore,
            user=user_of(request),
            prompt=prompt,
            negative=negative,
            seconds=seconds,
            count=count,
            seed=seed,
            steps=steps,
            guidance=guidance,
            rescale=rescale,
            tempo=tempo,
            source=source,
            sampler=sampler,
            grid=grid,
            vocoder_steps=vocoder_steps,
            precision=precision,
            level=level,
            format=format,
        )
        report = {
            "stopped": created.stopped,
            "clips": [
                {
                    "file": clip.path.name,
                    "seed": clip.seed,
                    "seconds": clip.seconds,
                    "sample_rate": clip.sample_rate,
                    "elapsed": round(clip.elapsed, 3),
                    "notes": list(clip.notes),
                }
                for clip in created.clips
            ],
        }
        return [str(clip.path) for clip in created.clips], json.dumps(report)

    inputs = [
        gr.Textbox(label="prompt"),
        gr.Textbox("", label="negative"),
        gr.Number(min(10.0, studio.limits.seconds), label="seconds"),
        gr.Number(1, label=f"count, 1 to {CARDS}", precision=0),
        gr.Number(0, label="seed", precision=0),
        gr.Number(None, label="steps", precision=0),
        gr.Number(None, label="guidance"),
        gr.Number(None, label="rescale"),
        gr.Number(None, label="tempo"),
        gr.Textbox("", label="source"),
        gr.Textbox("", label="sampler"),
        gr.Textbox("", label="grid"),
        gr.Number(None, label="vocoder_steps", precision=0),
        gr.Textbox("", label="precision"),
        gr.Textbox("peak", label="level"),
        gr.Textbox("flac", label="format"),
    ]
    _endpoint(generate, "generate", inputs, [gr.File(label="clips", file_count="multiple"), gr.Textbox(label="report")])


def _vocode(studio: Studio) -> None:
    def vocode(
        request: gr.Request,
        input: str,
        steps: int | None = None,
        sampler: str = "",
        grid: str = "",
        seed: int = 0,
        precision: str = "",
        keep_level: bool = False,
        format: str = "flac",
    ) -> tuple[str, str]:
        """Resynthesise a sound file, or a log-mel as .npy; returns the file and, as JSON, figures."""
        made = handlers.vocode(
            studio,
            ignore,
            user=user_of(request),
            input=input,
            steps=steps,
            sampler=sampler,
            grid=grid,
            seed=seed,
            precision=precision,
            keep_level=keep_level,
            format=format,
        )
        return str(made.path), json.dumps(made.figures)

    inputs = [
        gr.File(label="input"),
        gr.Number(None, label="steps", precision=0),
        gr.Textbox("", label="sampler"),
        gr.Textbox("", label="grid"),
        gr.Number(0, label="seed", precision=0),
        gr.Textbox("", label="precision"),
        gr.Checkbox(False, label="keep_level"),
        gr.Textbox("flac", label="format"),
    ]
    _endpoint(vocode, "vocode", inputs, [gr.File(label="sound"), gr.Textbox(label="figures")])


def _stories(studio: Studio) -> None:
    def inspect(input: str) -> str:
        """Return what made a sound file, as JSON."""
        return stories.inspect(studio, input=input).document

    def replay(request: gr.Request, input: str, recording: str | None = None) -> tuple[str, str]:
        """Make a sound file again from its story; returns the file and, as JSON, whether it became the same."""
        made = stories.replay(studio, ignore, user=user_of(request), input=input, recording=recording)
        found = {"identical": made.identical, "reasons": list(made.reasons), "untouched": made.untouched}
        return str(made.path), json.dumps(found)

    _endpoint(inspect, "inspect", [gr.File(label="input")], [gr.Textbox(label="story")])
    _endpoint(
        replay,
        "replay",
        [gr.File(label="input"), gr.File(None, label="recording")],
        [gr.File(label="sound"), gr.Textbox(label="report")],
    )


def _stop(studio: Studio) -> None:
    def stop(request: gr.Request) -> int:
        """Stop everything that this client has under way; returns how many jobs that were."""
        return studio.jobs.stop(user_of(request))

    gr.Button(visible=False).click(stop, None, gr.Number(label="jobs", precision=0), api_name="stop", queue=False)
