"""`AceStepPipeline`: ACE-Step 1.5, a flow-matching DiT on latents of a waveform autoencoder.

Instrumental music: our verbs have no lyrics, so it is given none. It takes a tempo and a key. What comes out has a peak
of -1 dBFS.
"""

import math
from typing import TYPE_CHECKING, Any

from audiodiff.models.pipelines.interface import Configs, PipelineClass, Request, signature_defaults, whole_number

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ACE_STEP"]


def _sample_rate(configs: Configs) -> int:
    return whole_number(configs("vae"), "sampling_rate")


def _channels(configs: Configs) -> int:
    return whole_number(configs("vae"), "audio_channels")


def _usual(pipeline_class: Any, configs: Configs) -> tuple[int, float]:
    """The steps and the guidance of the signature; none of a model that guidance was distilled into."""
    steps, guidance = signature_defaults(pipeline_class, configs)
    config = configs("transformer")
    turbo = config.get("is_turbo") is True or config.get("model_version") == "turbo"
    return steps, 1.0 if turbo else guidance


def _arguments(request: Request) -> dict[str, Any]:
    import torch

    return {
        "prompt": request.prompt,
        "audio_duration": request.seconds,
        "num_inference_steps": request.steps,
        "guidance_scale": request.guidance,
        "bpm": None if request.tempo is None else round(request.tempo),
        "keyscale": request.key or None,
        "generator": torch.Generator("cpu").manual_seed(request.seed),
        "callback": request.callback,
        "output_type": "pt",
    }


def generate(pipeline: Any, request: Request) -> "Tensor":
    """Make a clip `[channels, n]`, of whole latents."""
    made: Tensor = pipeline(**_arguments(request)).audios[0]
    return made


def vary(pipeline: Any, request: Request, recording: "Tensor", strength: float) -> "Tensor":
    """Make a cover of a recording, of which its semantic tokens are kept.

    `1 - strength` is how much of the velocity is that towards the cover; the rest goes towards the prompt alone.
    """
    made: Tensor = pipeline(
        **_arguments(request), task_type="cover", src_audio=recording, audio_cover_strength=1.0 - strength
    ).audios[0]
    return made


def inpaint(pipeline: Any, request: Request, recording: "Tensor", start: float, stop: float) -> "Tensor":
    """Make a recording again with new sound between two times (s)."""
    made: Tensor = pipeline(
        **_arguments(request), task_type="repaint", src_audio=recording, repainting_start=start, repainting_end=stop
    ).audios[0]
    return made


ACE_STEP = PipelineClass(
    "AceStepPipeline",
    module="ace_step",
    takes=frozenset({"tempo", "key"}),
    sample_rate=_sample_rate,
    channels=_channels,
    longest=lambda configs: math.inf,
    usual=_usual,
    generate=generate,
    vary=vary,
    inpaint=inpaint,
    parts={"vary": ("audio_tokenizer", "audio_token_detokenizer")},
)
