"""Clips made out of whole clips: a variation of one, or something between two."""

import math
from dataclasses import replace
from typing import Any

from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.signal.levels import LevelPolicy, apply_level
from audiodiff.synthesis.edit_settings import InterpolateSettings, VarySettings, sampling_of_edit
from audiodiff.synthesis.generate import EMPTY_PROMPT, Asked, Clip, LatentSynthesizer, OnProgress, faded, stages
from audiodiff.synthesis.loop import circular_denoise, circular_waveform, seam_score
from audiodiff.synthesis.recording import (
    Waveform,
    beats_of,
    begun,
    encoded,
    for_length,
    prepared,
    samples_per_latent,
    shortest_latents,
)
from audiodiff.synthesis.settings import GenerateSettings
from audiodiff.synthesis.windowed import Places, with_places
from audiodiff.torch_state import standard_state

__all__ = ["interpolate", "slerp", "vary"]


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
    recording = prepared(synthesizer, waveform, sample_rate, mono=True)
    sampling = for_length(synthesizer, sampling_of_edit(settings), recording.seconds)
    n_samples = recording.samples.shape[-1]
    encode = _encoded_circle if sampling.loop else _encoded_whole
    latents, notes = encode(synthesizer, recording.samples[0], n_samples), list(recording.notes)
    vocoding = on_progress
    if settings.strength == 0.0:
        notes.append("strength is 0, so this is the recording as the model's codec gives it back; nothing is varied")
    else:
        notes += _all_new(settings.strength)
        if sampling.loop:
            denoise, said = circular_denoise(synthesizer, sampling, latents.shape[-1])
        else:
            guided, said = synthesizer.guided(sampling)
            beats, about = beats_of(synthesizer, recording, sampling.tempo, 0, latents.shape[-1])
            denoise, said = with_places(guided, Places(beats)), (*said, *about)
        notes += _without_empty(said, settings.strength)
        state, times = begun(synthesizer, sampling, latents, settings.strength)
        denoising, vocoding = stages(on_progress, len(times) - 1, sampling.vocoder_steps)
        latents = synthesizer.sample(sampling, denoise, state, times, on_progress=denoising)
    return _rendered(synthesizer, latents, n_samples, recording.gain, sampling, notes, vocoding)


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
    if first is None and settings.prompts is None:
        raise AudiodiffError("there is nothing to interpolate; give two recordings, or two prompts.")
    at, notes = settings.position, []
    gain = 1.0
    state: Tensor | None = None
    if first is not None and second is not None:
        recordings = [prepared(synthesizer, *each, mono=True) for each in (first, second)]
        notes += [note for recording in recordings for note in recording.notes]
        n_samples = min(recording.samples.shape[-1] for recording in recordings)
        if any(recording.samples.shape[-1] > n_samples for recording in recordings):
            seconds = n_samples / synthesizer.sample_rate
            notes.append(f"the recordings differ in length; of the longer one the first {seconds:.2f} s were taken")
        sampling = for_length(synthesizer, sampling_of_edit(settings), n_samples / synthesizer.sample_rate)
        pair = [_encoded_whole(synthesizer, each.samples[0, :n_samples], n_samples) for each in recordings]
        gain = math.exp((1 - at) * math.log(recordings[0].gain) + at * math.log(recordings[1].gain))
        n_latents = pair[0].shape[-1]
        if settings.strength == 0.0:
            notes.append("strength is 0, so the codec's latents were mixed as they are")
            mixed = slerp(pair[0], pair[1], at)
            return _rendered(synthesizer, mixed, n_samples, gain, sampling, notes, on_progress)
        notes += _all_new(settings.strength)
        states = [begun(synthesizer, sampling, latents, settings.strength) for latents in pair]
        state, times = slerp(states[0][0], states[1][0], at), states[0][1]
    else:
        sampling = synthesizer.resolve(sampling_of_edit(settings))
        n_samples = round(sampling.seconds * synthesizer.sample_rate)
        n_latents = synthesizer.n_latents(sampling.seconds)
        state = synthesizer.model.process.prior(synthesizer.noise(sampling.seed, 0, 0, n_latents))
        times = synthesizer.times(sampling)
    if settings.prompts is None:
        guided, said = synthesizer.guided(sampling)
        notes += _without_empty(said, settings.strength if first is not None else 1.0)
        tempo = sampling.tempo
    else:
        tempo = _tempo_between(synthesizer, settings.prompts, at, settings.sampling)
        wanted = _between(synthesizer, settings.prompts, at, settings.sampling, sampling.seconds)
        unwanted = synthesizer.ask(sampling.negative, None)
        guided = synthesizer.guided_by(wanted, unwanted, sampling)
        notes += [*wanted.notes, *unwanted.notes]
    # Two recordings have two beats; only a tempo that is asked for is one for both.
    denoise = with_places(guided, Places(synthesizer.beats(tempo, 0, n_latents)))
    denoising, vocoding = stages(on_progress, len(times) - 1, sampling.vocoder_steps)
    latents = synthesizer.sample(sampling, denoise, state, times, on_progress=denoising)
    return _rendered(synthesizer, latents, n_samples, gain, sampling, notes, vocoding)


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
    settings: GenerateSettings,
    notes: list[str],
    on_progress: OnProgress | None,
) -> Clip:
    rate = synthesizer.sample_rate
    if settings.loop:
        waveform = circular_waveform(synthesizer, latents, settings, on_progress) / gain
        seam = seam_score(waveform, synthesizer.model.mel_spec)
        notes.extend(seam.notes)
    else:
        waveform = faded(synthesizer.waveform(latents, settings, on_progress)[:n_samples] / gain, rate)
    policy: LevelPolicy = settings.level
    # As loud as the recording is, what is made may have higher peaks.
    if policy == "none" and float(waveform.abs().max()) > 1.0:
        policy = "peak"
        notes.append("it was made softer than the recording, whose level would have brought it beyond full scale")
    levelled = apply_level(waveform, rate, policy)
    return Clip(
        waveform=levelled.waveform.numpy(),
        sample_rate=rate,
        seed=settings.seed,
        gain_db=levelled.gain_db,
        clipped=levelled.clipped,
        notes=tuple(dict.fromkeys(notes)),
        seam=seam.ratio if settings.loop else None,
    )


def _all_new(strength: float) -> list[str]:
    return ["strength is 1, so nothing of the recording is left"] if strength == 1.0 else []


def _without_empty(notes: tuple[str, ...], strength: float) -> list[str]:
    """Notes about a prompt; that it is empty says nothing where a recording tells what is wanted."""
    return [note for note in notes if strength == 1.0 or note != EMPTY_PROMPT]


def _tempo_between(
    synthesizer: LatentSynthesizer, prompts: tuple[str, str], position: float, settings: GenerateSettings
) -> float | None:
    """The tempo of the beat between two prompts; where only one has a tempo, that one but at the other's end."""
    first, second = (synthesizer.resolve(replace(settings, prompt=prompt)).tempo for prompt in prompts)
    if first is None or second is None or position in (0.0, 1.0):
        return (first if position < 1.0 else None) or (second if position > 0.0 else None)
    return math.exp((1.0 - position) * math.log(first) + position * math.log(second))


def _between(
    synthesizer: LatentSynthesizer,
    prompts: tuple[str, str],
    position: float,
    settings: GenerateSettings,
    seconds: float,
) -> Asked:
    """Both prompts, each with its share; the tempo of each is its own unless the settings give one."""
    conditions: list[tuple[float, Any]] = []
    notes: list[str] = []
    for prompt, share in zip(prompts, (1.0 - position, position), strict=True):
        resolved = synthesizer.resolve(replace(settings, prompt=prompt, seconds=seconds))
        asked = synthesizer.ask(prompt, resolved)
        notes += asked.notes
        conditions += [(share * each, cond) for each, cond in asked.conditions if share > 0.0]
    return Asked(tuple(conditions), tuple(notes))
