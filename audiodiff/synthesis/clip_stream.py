"""A clip that plays while the rest of it is vocoded."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.signal.meters import LevelMeter
from audiodiff.synthesis.clip import FADE_SECONDS, OnProgress, Sound
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.reference import encode_reference
from audiodiff.synthesis.resolved import ResolvedClip
from audiodiff.synthesis.vocode import stream_mel


def stream_clip(
    synthesizer: LatentSynthesizer,
    clip: ResolvedClip,
    sounds: Sequence[Sound] = (),
    on_progress: OnProgress | None = None,
) -> Iterator[Tensor]:
    """Denoise the latents of a clip, and vocode it as it is asked for.

    Args:
        synthesizer: the model.
        clip: the resolved settings.
        sounds: none, or a recording to sound like.
        on_progress: called with the steps done and the steps in all, while the latents are denoised.

    Yields:
        Samples `[n]` on the CPU; joined they are the clip, up to the rounding of the vocoder's precision.

    Raises:
        AudiodiffError: the clip is a loop, or has a level that only the whole clip decides; or as generating does.
    """
    if clip.loop:
        raise AudiodiffError("the beginning of a loop depends on its end, so it cannot be streamed; generate it.")
    if clip.level != "none":
        raise AudiodiffError(f'level "{clip.level}" depends on the whole clip; a stream has level "none".')
    reference = encode_reference(synthesizer, clip, sounds[0]) if sounds else None
    latents, _ = synthesizer.latents(clip, synthesizer.n_latents(clip.seconds), on_progress, reference=reference)
    n_samples = round(clip.seconds * synthesizer.sample_rate)
    mel = synthesizer.mel(latents).cpu()
    meter = LevelMeter(synthesizer.vocoder.mel_spec)
    meter.add(mel)
    if meter.silent:
        yield torch.zeros(n_samples)
        return
    start, n_fade = 0, max(1, min(round(FADE_SECONDS * synthesizer.sample_rate), n_samples // 2))
    for made in stream_mel(synthesizer.vocoder, [mel], None, clip.vocoder, meter.level_db, live=False):
        block = made[: n_samples - start]
        at = torch.arange(start, start + len(block)) + 0.5
        start += len(block)
        if len(block):
            yield block * (at / n_fade).clamp_max(1.0) * ((n_samples - at) / n_fade).clamp_max(1.0)
