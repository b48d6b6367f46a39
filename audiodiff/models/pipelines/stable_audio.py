"""`StableAudioPipeline`: Stable Audio Open (Evans et al. 2024), a DiT on latents of a waveform autoencoder.

It always denoises a window of its full length, and is told how much of it is sound.
"""

import math
from typing import TYPE_CHECKING, Any

from audiodiff.errors import AudiodiffError
from audiodiff.models.pipelines.interface import Configs, PipelineClass, Request, signature_defaults, whole_number

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["STABLE_AUDIO"]


def _sample_rate(configs: Configs) -> int:
    return whole_number(configs("vae"), "sampling_rate")


def _channels(configs: Configs) -> int:
    return whole_number(configs("vae"), "audio_channels")


def _longest(configs: Configs) -> float:
    ratios = configs("vae").get("downsampling_ratios")
    if not isinstance(ratios, list) or not all(type(ratio) is int and 0 < ratio < 1 << 16 for ratio in ratios):
        raise AudiodiffError(f"the config of the autoencoder has no downsampling_ratios, but {str(ratios)[:60]}.")
    return whole_number(configs("transformer"), "sample_size") * math.prod(ratios) / _sample_rate(configs)


def _arguments(request: Request) -> dict[str, Any]:
    import torch

    return {
        "prompt": request.prompt,
        "negative_prompt": request.negative or None,
        "audio_end_in_s": request.seconds,
        "num_inference_steps": request.steps,
        "guidance_scale": request.guidance,
        "generator": torch.Generator("cpu").manual_seed(request.seed),
        "callback": request.callback,
        "output_type": "pt",
    }


def generate(pipeline: Any, request: Request) -> "Tensor":
    """Make a clip `[channels, n_samples]`."""
    made: Tensor = pipeline(**_arguments(request)).audios[0]
    return made


def vary(pipeline: Any, request: Request, recording: "Tensor", strength: float) -> "Tensor":
    """Make a variation: the recording's latents with noise, denoised from that noise level on (SDEdit).

    The noise is `sigma = strength / (1 - strength)` times as strong as latents of unit variance. The pipeline itself
    only adds noise of its highest level, which leaves nothing of a recording; so it is given a scheduler that begins at
    `sigma`, and noise that is scaled to it.

    Raises:
        AudiodiffError: its scheduler is not one of noise levels, or the strength is below its lowest level.
    """
    import torch

    scheduler = pipeline.scheduler
    low, high = (getattr(scheduler.config, name, None) for name in ("sigma_min", "sigma_max"))
    if not (isinstance(low, int | float) and isinstance(high, int | float)):
        raise AudiodiffError(
            f"this pipeline cannot vary a recording with its scheduler {type(scheduler).__name__}, which has no range "
            "of noise levels (sigma_min, sigma_max)."
        )
    sigma = high if strength >= 1.0 else min(strength / (1.0 - strength), high)
    if sigma <= low:
        raise AudiodiffError(
            f"strength is {strength:g}, and the noise of this pipeline begins at {low / (1.0 + low):.2g}; give more."
        )
    arguments = _arguments(request)
    pipeline.scheduler = type(scheduler).from_config(scheduler.config, sigma_max=sigma)
    shape = (1, pipeline.transformer.config.in_channels, int(pipeline.transformer.config.sample_size))
    noise = torch.randn(shape, generator=arguments["generator"], dtype=torch.float32)
    scale = sigma / float(pipeline.scheduler.init_noise_sigma)
    dtype = pipeline.transformer.dtype
    made: Tensor = pipeline(
        **arguments,
        latents=(scale * noise).to(dtype),
        initial_audio_waveforms=recording[None].to(pipeline.device, dtype),
        initial_audio_sampling_rate=request.sample_rate,
    ).audios[0]
    return made


STABLE_AUDIO = PipelineClass(
    "StableAudioPipeline",
    module="stable_audio",
    takes=frozenset({"negative"}),
    sample_rate=_sample_rate,
    channels=_channels,
    longest=_longest,
    usual=signature_defaults,
    generate=generate,
    vary=vary,
)
