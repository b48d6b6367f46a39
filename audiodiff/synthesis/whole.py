"""Clips made out of whole recordings: encoded from beginning to end, and rendered at their level."""

from torch import Tensor

from audiodiff.signal.levels import LevelPolicy, amplitude, apply_level
from audiodiff.synthesis.clip import Clip, OnProgress
from audiodiff.synthesis.latent import EMPTY_PROMPT, LatentSynthesizer, faded, folded, with_sides
from audiodiff.synthesis.loop import circular_waveform, seam_score
from audiodiff.synthesis.recording import (
    Recording,
    encode_audio,
    kept_latents,
    latents_of,
    samples_per_latent,
    shortest_latents,
)
from audiodiff.synthesis.resolved import ResolvedClip


def encode_whole(synthesizer: LatentSynthesizer, recording: Recording, n_samples: int) -> Tensor:
    """Latents of a mixed recording up to a sample, and a little silence where that is very short."""
    n_latents = max(-(-n_samples // samples_per_latent(synthesizer)), shortest_latents(synthesizer))
    return encode_audio(synthesizer, recording.samples[0, :n_samples], 0, n_latents, recording.stereo)


def whole_latents(synthesizer: LatentSynthesizer, recording: Recording, n_samples: int) -> Tensor:
    """Latents `[1, channels, n_latents]` of the first `n_samples` of a one-channel recording: its own, or encoded."""
    if not recording.started_from:
        return encode_whole(synthesizer, recording, n_samples)
    n_latents = -(-(recording.lead + n_samples) // samples_per_latent(synthesizer))
    return latents_of(synthesizer, recording, 0, 0, max(n_latents, shortest_latents(synthesizer)))


def rendered(
    synthesizer: LatentSynthesizer,
    latents: Tensor,
    n_samples: int,
    gain: float,
    clip: ResolvedClip,
    notes: list[str],
    on_progress: OnProgress | None,
    *,
    lead: int = 0,
) -> Clip:
    """Make a clip of latents that stand for a whole recording.

    Args:
        synthesizer: the model.
        latents: `[1, channels, n_latents]`.
        n_samples: length of the clip.
        gain: what brought the recording to the model's level; divided out again.
        clip: level, vocoder, and whether it is a loop.
        notes: sentences about it; those about a seam are added.
        on_progress: called with the seconds done and the seconds in all.
        lead: samples that the latents begin before the clip.
    """
    rate = synthesizer.sample_rate
    if clip.loop:
        waveform = circular_waveform(synthesizer, latents, n_samples, clip.vocoder, on_progress) / gain
        seam = seam_score(waveform, synthesizer.model.mel_spec)
        notes.extend(seam.notes)
    else:
        mono = synthesizer.waveform(latents, clip.vocoder, on_progress)
        sound = with_sides(synthesizer.model.autoencoder, mono, latents)
        waveform = faded(sound[..., lead:][..., :n_samples] / gain, rate, clip.fade_out)
    policy: LevelPolicy = clip.level
    # As loud as the recording is, what is made may have higher peaks.
    if policy == "none" and float(waveform.abs().max()) > 1.0:
        policy = "peak"
        notes.append("it was made softer than the recording, whose level would have brought it beyond full scale")
    levelled = folded(apply_level(waveform, rate, policy, circular=clip.loop), clip.mono)
    return Clip(
        waveform=levelled.waveform.numpy(),
        sample_rate=rate,
        seed=clip.sampling.seed,
        gain_db=levelled.gain_db,
        clipped=levelled.clipped,
        notes=tuple(dict.fromkeys(notes)),
        seam=seam.ratio if clip.loop else None,
        latents=kept_latents(synthesizer, latents, gain * amplitude(-levelled.gain_db), lead),
    )


def all_new(strength: float) -> list[str]:
    """What there is to say if nothing of a recording is left."""
    return ["strength is 1, so nothing of the recording is left"] if strength == 1.0 else []


def without_empty(notes: tuple[str, ...], strength: float) -> list[str]:
    """Notes about a prompt; that it is empty says nothing where a recording tells what is wanted."""
    return [note for note in notes if strength == 1.0 or note != EMPTY_PROMPT]
