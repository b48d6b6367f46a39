"""`AudioLDM2Pipeline`: AudioLDM 2 (Liu et al. 2023), a U-Net on latents of a mel autoencoder, and a vocoder.

It starts from no recording, so it only generates. One channel comes out.
"""

import math
from typing import TYPE_CHECKING, Any

from audiodiff.models.pipelines.interface import Configs, PipelineClass, Request, signature_defaults, whole_number

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["AUDIOLDM2"]


def _sample_rate(configs: Configs) -> int:
    return whole_number(configs("vocoder"), "sampling_rate")


def generate(pipeline: Any, request: Request) -> "Tensor":
    """Make a clip `[1, n_samples]`."""
    import torch

    made: Tensor = pipeline(
        request.prompt,
        negative_prompt=request.negative or None,
        audio_length_in_s=request.seconds,
        num_inference_steps=request.steps,
        guidance_scale=request.guidance,
        generator=torch.Generator("cpu").manual_seed(request.seed),
        callback=request.callback,
        output_type="pt",
    ).audios[:1]
    return made


AUDIOLDM2 = PipelineClass(
    "AudioLDM2Pipeline",
    module="audioldm2",
    takes=frozenset({"negative"}),
    sample_rate=_sample_rate,
    channels=lambda configs: 1,
    longest=lambda configs: math.inf,
    usual=signature_defaults,
    generate=generate,
)
