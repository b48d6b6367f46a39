"""New sound next to what is kept of a recording, sample for sample."""

from collections.abc import Sequence

import torch
from torch import Tensor

from audiodiff.diffusion.guidance import region_mask
from audiodiff.diffusion.samplers import Denoise
from audiodiff.signal.limiter import CEILING_DB, limiting_gain
from audiodiff.signal.resample import resample
from audiodiff.synthesis.clip import Clip, OnProgress, Waveform
from audiodiff.synthesis.clip_latents import ClipLatents
from audiodiff.synthesis.latent import LatentSynthesizer, with_sides
from audiodiff.synthesis.recording import Recording, samples_per_latent
from audiodiff.synthesis.resolved import ResolvedClip
from audiodiff.synthesis.sampling import VocodePlan
from audiodiff.synthesis.settings import AudioLevel
from audiodiff.synthesis.windowed import ConditionedDenoise, PositionConditions, with_conditions

MATCH_SECONDS = 0.5
"""How much of what is kept next to a join is compared with the model's sound for the level."""

LET_GO_SECONDS = 0.01
"""How far from a join the limiter takes full effect."""


def fitting(guided: ConditionedDenoise, latents: Tensor, keep: Tensor, beats: Tensor) -> Denoise:
    """Return a `denoise` that keeps `latents [1, channels, n]` where `keep [n]` is 1, and makes the rest fit them.

    A model that was trained to inpaint takes the kept ones as a condition; any other finds them in the noised state.
    """
    known = latents[0].masked_fill(keep.to(latents.device) == 0.0, torch.nan)
    return region_mask(with_conditions(guided, PositionConditions(beats, known)), latents, keep)


def edited(
    given: Waveform,
    result: Tensor,
    recording: Recording,
    clip: ResolvedClip,
    clipped: int,
    notes: list[str],
    latents: ClipLatents | None,
    new: Sequence[tuple[int, int]],
) -> Clip:
    """The clip of an edit that keeps rate, channels and all samples but the `new` ones, of the shape that was given."""
    return Clip(
        waveform=(result if given.ndim == 2 else result[0]).numpy(),
        sample_rate=recording.sample_rate,
        seed=clip.sampling.seed,
        gain_db=0.0,
        clipped=clipped,
        notes=tuple(dict.fromkeys(notes)),
        latents=latents,
        started_from=(recording.started_from,),
        new=tuple(new),
    )


def sound_of(
    synthesizer: LatentSynthesizer,
    latents: Tensor,
    start: int,
    recording: Recording,
    plan: VocodePlan,
    on_progress: OnProgress | None,
) -> tuple[Tensor, int]:
    """The sound of latents from place `start` on, at the recording's rate and level, and its first sample's place.

    Returns:
        `[1, n_samples]`, or `[2, n_samples]` where the latents tell of both channels of the recording.
    """
    waveform = synthesizer.waveform(latents, plan, on_progress) / recording.gain
    if recording.joint:
        waveform = with_sides(synthesizer.model.autoencoder, waveform, latents)
    place = start * samples_per_latent(synthesizer) - recording.lead
    first = round(place * recording.sample_rate / synthesizer.sample_rate)
    sound = resample(waveform, synthesizer.sample_rate, recording.sample_rate)
    return sound.reshape(-1, sound.shape[-1]), first


def limited(
    new: Tensor, rate: int, level: AudioLevel, before: Tensor | None, after: Tensor | None
) -> tuple[Tensor, int]:
    """Keep new sound `[n]` from being clipped, and count the samples that had to be.

    A limiter lowers its true peaks to -1 dBTP; next to what is kept, which may be louder, it lets go, so that no step
    is heard. There a sample is clipped only if it goes beyond what is kept. Level "none" clips at full scale instead.

    Args:
        new: the samples.
        rate: Hz.
        level: says how.
        before: kept sound that leads into it, `[m]`; `None` for none.
        after: kept sound that follows it.
    """
    if level == "none":
        return new.clamp(-1.0, 1.0), int((new.abs() > 1.0).sum())
    reach = min(round(LET_GO_SECONDS * rate), len(new))
    lowered, loudest = 1.0 - limiting_gain(new, rate), 10.0 ** (CEILING_DB / 20.0)
    ramp = (torch.arange(reach) + 0.5) / max(reach, 1)
    if before is not None and len(before):
        lowered[:reach] *= ramp
        loudest = max(loudest, float(before[-reach:].abs().max()))
    if after is not None and len(after):
        lowered[len(new) - reach :] *= ramp.flip(0)
        loudest = max(loudest, float(after[:reach].abs().max()))
    found, loudest = new * (1.0 - lowered), min(loudest, 1.0)
    return found.clamp(-loudest, loudest), int((found.abs() > loudest).sum())


def cut_out(piece: Tensor, start: int, stop: int) -> Tensor:
    """Samples `start` to `stop`; rounding between two rates may want one or two more than there are."""
    found = piece[max(start, 0) : max(stop, 0)]
    return torch.nn.functional.pad(found, (0, stop - start - found.shape[-1]))
