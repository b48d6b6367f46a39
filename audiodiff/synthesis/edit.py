"""Clips made out of whole clips: a variation of one, or something between two."""

import math
from collections.abc import Sequence

from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.signal.levels import LevelPolicy, apply_level
from audiodiff.synthesis.edit_settings import EditSettings, InterpolateSettings, VarySettings, clip_of_edit
from audiodiff.synthesis.generate import EMPTY_PROMPT, Clip, LatentSynthesizer, OnProgress, faded, stages
from audiodiff.synthesis.loop import circular_denoise, circular_waveform, seam_score
from audiodiff.synthesis.recording import (
    Sound,
    Waveform,
    beats_of,
    begun,
    encoded,
    prepared,
    samples_per_latent,
    shortest_latents,
)
from audiodiff.synthesis.resolved import ResolvedClip
from audiodiff.synthesis.windowed import Places, with_places
from audiodiff.torch_state import standard_state

__all__ = ["interpolate", "resolve_edit", "run_interpolate", "run_vary", "slerp", "vary"]


@standard_state()
def vary(
    synthesizer: LatentSynthesizer,
    waveform: Waveform,
    sample_rate: int,
    settings: VarySettings | None = None,
    on_progress: OnProgress | None = None,
) -> Clip:
    """Make a variation of a recording: its latents are noised in part, and denoised again.

    Args:
        synthesizer: the model.
        waveform: the recording; several channels are mixed.
        sample_rate: its rate (Hz).
        settings: strength, prompt, seed and the rest.
        on_progress: called with the steps done and the steps in all.

    Returns:
        One channel at the model's rate, as long as the recording.

    Raises:
        AudiodiffError: a recording or a setting that cannot be used, or a loop that is no whole number of latents.
    """
    settings = settings or VarySettings()
    return run_vary(synthesizer, [(waveform, sample_rate)], settings, resolve_edit(synthesizer, settings), on_progress)


@standard_state()
def run_vary(
    synthesizer: LatentSynthesizer,
    sounds: Sequence[Sound],
    settings: VarySettings,
    clip: ResolvedClip,
    on_progress: OnProgress | None,
) -> Clip:
    """Do what `vary` does, with settings that are resolved."""
    recording = prepared(synthesizer, *sounds[0], mono=True)
    clip = clip.lasting(recording.seconds)
    n_samples = recording.samples.shape[-1]
    encode = _encoded_circle if clip.loop else _encoded_whole
    latents, notes = encode(synthesizer, recording.samples[0], n_samples), list(recording.notes)
    vocoding = on_progress
    if settings.strength == 0.0:
        notes.append("strength is 0, so this is the recording as the model's codec gives it back; nothing is varied")
    else:
        notes += _all_new(settings.strength)
        if clip.loop:
            denoise, said = circular_denoise(synthesizer, clip, latents.shape[-1])
        else:
            guided, said = synthesizer.guided(clip)
            beats, about = beats_of(synthesizer, recording, clip.beat, 0, latents.shape[-1])
            denoise, said = with_places(guided, Places(beats)), (*said, *about)
        notes += _without_empty(said, settings.strength)
        state, times = begun(synthesizer, clip.sampling, latents, settings.strength)
        denoising, vocoding = stages(on_progress, len(times) - 1, clip.vocoder.sampling.steps)
        latents = synthesizer.sample(clip.sampling, denoise, state, times, on_progress=denoising)
    return _rendered(synthesizer, latents, n_samples, recording.gain, clip, notes, vocoding)


def resolve_edit(synthesizer: LatentSynthesizer, settings: EditSettings) -> ResolvedClip:
    """Return the clip of an edit with the model's recommendations filled in."""
    prompts = settings.prompts if isinstance(settings, InterpolateSettings) else None
    if prompts is None or not isinstance(settings, InterpolateSettings):
        return synthesizer.resolve(clip_of_edit(settings))
    return synthesizer.resolve(clip_of_edit(settings), between=(prompts, settings.position))


@standard_state()
def interpolate(
    synthesizer: LatentSynthesizer,
    settings: InterpolateSettings,
    first: tuple[Waveform, int] | None = None,
    second: tuple[Waveform, int] | None = None,
    on_progress: OnProgress | None = None,
) -> Clip:
    """Make a clip between two recordings, two prompts, or both.

    Between recordings, the states that their variations start from are interpolated along the great circle, so position
    0 is a variation of the first with the same strength and seed, and 1 one of the second. Between prompts, what the
    network estimates for each is mixed at every step.

    Args:
        synthesizer: the model.
        settings: position, strength, prompts, seed and the rest.
        first: a recording and its rate (Hz).
        second: another.
        on_progress: called with the steps done and the steps in all.

    Returns:
        One channel at the model's rate, as long as the shorter recording, or as the settings say.

    Raises:
        AudiodiffError: nothing to go between, or a recording or a setting that cannot be used.
    """
    if (first is None) != (second is None):
        raise AudiodiffError("there is only one recording to interpolate; give two, or two prompts.")
    sounds = [] if first is None or second is None else [first, second]
    return run_interpolate(synthesizer, sounds, settings, resolve_edit(synthesizer, settings), on_progress)


@standard_state()
def run_interpolate(
    synthesizer: LatentSynthesizer,
    sounds: Sequence[Sound],
    settings: InterpolateSettings,
    clip: ResolvedClip,
    on_progress: OnProgress | None,
) -> Clip:
    """Do what `interpolate` does, with settings that are resolved."""
    if not sounds and settings.prompts is None:
        raise AudiodiffError("there is nothing to interpolate; give two recordings, or two prompts.")
    at, notes, gain = settings.position, list[str](), 1.0
    if sounds:
        recordings = [prepared(synthesizer, *each, mono=True) for each in sounds]
        notes += [note for recording in recordings for note in recording.notes]
        n_samples = min(recording.samples.shape[-1] for recording in recordings)
        seconds = n_samples / synthesizer.sample_rate
        if any(recording.samples.shape[-1] > n_samples for recording in recordings):
            notes.append(f"the recordings differ in length; of the longer one the first {seconds:.2f} s were taken")
        clip = clip.lasting(seconds)
        pair = [_encoded_whole(synthesizer, each.samples[0, :n_samples], n_samples) for each in recordings]
        gain = math.exp((1 - at) * math.log(recordings[0].gain) + at * math.log(recordings[1].gain))
        n_latents = pair[0].shape[-1]
        if settings.strength == 0.0:
            notes.append("strength is 0, so the codec's latents were mixed as they are")
            mixed = slerp(pair[0], pair[1], at)
            return _rendered(synthesizer, mixed, n_samples, gain, clip, notes, on_progress)
        notes += _all_new(settings.strength)
        states = [begun(synthesizer, clip.sampling, latents, settings.strength) for latents in pair]
        state, times = slerp(states[0][0], states[1][0], at), states[0][1]
    else:
        n_samples = round(clip.seconds * synthesizer.sample_rate)
        n_latents = synthesizer.n_latents(clip.seconds)
        state = synthesizer.model.process.prior(synthesizer.noise(clip.sampling.seed, 0, 0, n_latents))
        times = synthesizer.times(clip.sampling)
    guided, said = synthesizer.guided(clip)
    notes += _without_empty(said, settings.strength if sounds else 1.0)
    # Two recordings have two beats; only a tempo that is asked for is one for both.
    denoise = with_places(guided, Places(synthesizer.beats(clip.beat, 0, n_latents)))
    denoising, vocoding = stages(on_progress, len(times) - 1, clip.vocoder.sampling.steps)
    latents = synthesizer.sample(clip.sampling, denoise, state, times, on_progress=denoising)
    return _rendered(synthesizer, latents, n_samples, gain, clip, notes, vocoding)


def slerp(first: Tensor, second: Tensor, position: float) -> Tensor:
    """Interpolate along the great circle (Shoemake 1985): between noises, each mixture is as strong as they are.

    Args:
        first: any shape; taken as one vector.
        second: of that shape.
        position: 0 is the first, 1 the second, exactly.
    """
    lengths = float(first.double().norm() * second.double().norm())
    cosine = float((first.double() * second.double()).sum()) / lengths if lengths > 0.0 else 1.0
    angle = math.acos(max(-1.0, min(1.0, cosine)))
    if math.sin(angle) < 1e-4:
        return (1.0 - position) * first + position * second
    weights = [math.sin((1.0 - position) * angle) / math.sin(angle), math.sin(position * angle) / math.sin(angle)]
    return weights[0] * first + weights[1] * second


def _encoded_whole(synthesizer: LatentSynthesizer, samples: Tensor, n_samples: int) -> Tensor:
    n_latents = max(-(-n_samples // samples_per_latent(synthesizer)), shortest_latents(synthesizer))
    return encoded(synthesizer, samples, 0, n_latents)


def _encoded_circle(synthesizer: LatentSynthesizer, samples: Tensor, n_samples: int) -> Tensor:
    """Latents of a loop, each of which has heard what lies around it on the circle.

    Raises:
        AudiodiffError: the loop is no whole number of latents.
    """
    per_latent = samples_per_latent(synthesizer)
    n_latents, rest = divmod(n_samples, per_latent)
    if rest:
        raise AudiodiffError(
            f"a loop that can be varied is a whole number of latents, {per_latent} samples each at "
            f"{synthesizer.sample_rate} Hz; this recording has {n_samples}. Leave loop out, or cut it."
        )
    autoencoder, spec = synthesizer.model.autoencoder, synthesizer.model.mel_spec
    turns = -(-(autoencoder.context_frames * spec.hop_length + spec.n_fft) // n_samples)
    around = samples.repeat(2 * turns + 2)
    return encoded(synthesizer, around, turns * n_latents, (turns + 1) * n_latents)


def _rendered(
    synthesizer: LatentSynthesizer,
    latents: Tensor,
    n_samples: int,
    gain: float,
    clip: ResolvedClip,
    notes: list[str],
    on_progress: OnProgress | None,
) -> Clip:
    rate = synthesizer.sample_rate
    if clip.loop:
        waveform = circular_waveform(synthesizer, latents, clip.vocoder, on_progress) / gain
        seam = seam_score(waveform, synthesizer.model.mel_spec)
        notes.extend(seam.notes)
    else:
        waveform = faded(synthesizer.waveform(latents, clip.vocoder, on_progress)[:n_samples] / gain, rate)
    policy: LevelPolicy = clip.level
    # As loud as the recording is, what is made may have higher peaks.
    if policy == "none" and float(waveform.abs().max()) > 1.0:
        policy = "peak"
        notes.append("it was made softer than the recording, whose level would have brought it beyond full scale")
    levelled = apply_level(waveform, rate, policy)
    return Clip(
        waveform=levelled.waveform.numpy(),
        sample_rate=rate,
        seed=clip.sampling.seed,
        gain_db=levelled.gain_db,
        clipped=levelled.clipped,
        notes=tuple(dict.fromkeys(notes)),
        seam=seam.ratio if clip.loop else None,
    )


def _all_new(strength: float) -> list[str]:
    return ["strength is 1, so nothing of the recording is left"] if strength == 1.0 else []


def _without_empty(notes: tuple[str, ...], strength: float) -> list[str]:
    """Notes about a prompt; that it is empty says nothing where a recording tells what is wanted."""
    return [note for note in notes if strength == 1.0 or note != EMPTY_PROMPT]
