"""New sound inside a recording, with every sample of the rest kept."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.signal.join import crossfade, matching_gain
from audiodiff.synthesis.clip import FADE_SECONDS, Clip, OnEstimate, OnProgress, Sound, part_of, stages
from audiodiff.synthesis.edit_settings import InpaintSettings
from audiodiff.synthesis.joining import MATCH_SECONDS, cut_out, distinct, edited, fitting, sound_of
from audiodiff.synthesis.latent import EMPTY_PROMPT, LatentSynthesizer
from audiodiff.synthesis.recording import (
    Recording,
    beats_of,
    encode_audio,
    init_state,
    load_init_audio,
    samples_per_latent,
    shortest_latents,
)
from audiodiff.synthesis.resolved import ResolvedClip
from audiodiff.torch_state import standard_state


@standard_state()
def make(
    synthesizer: LatentSynthesizer,
    sounds: Sequence[Sound],
    settings: InpaintSettings,
    clip: ResolvedClip,
    on_progress: OnProgress | None = None,
    on_estimate: OnEstimate | None = None,
) -> Clip:
    """Replace regions of a recording; every sample outside them is kept.

    Each channel is filled by itself from the same noise, so equal channels stay equal.

    Args:
        synthesizer: the model.
        sounds: the recording.
        settings: the regions, strength and cross-fade.
        clip: prompt, seed and the rest, resolved.
        on_progress: called with the steps done and the steps in all.
        on_estimate: not called.

    Returns:
        As many channels and samples as the recording, at its rate.

    Raises:
        AudiodiffError: a region outside of the recording, or a recording that cannot be used.
    """
    waveform, sample_rate = sounds[0]
    recording = load_init_audio(synthesizer, waveform, sample_rate, mono=False)
    regions, notes = _regions_inside(settings.regions, recording)
    notes = [*recording.notes, *notes]
    if settings.strength == 0.0:
        notes.append("strength is 0, so the regions are the recording as the model's codec gives it back")
    clip = clip.lasting(recording.seconds)
    guided, said = synthesizer.guided(clip)
    notes += [note for note in said if note != EMPTY_PROMPT]
    per_second = synthesizer.sample_rate / recording.sample_rate
    holes = [_latents_of(synthesizer, start * per_second, stop * per_second) for start, stop in regions]
    context = max(1, synthesizer.window_latents // 4)
    n_latents = -(-recording.samples.shape[-1] // samples_per_latent(synthesizer))
    beats, about = beats_of(synthesizer, recording, clip.beat, 0, n_latents + shortest_latents(synthesizer))
    notes += about
    groups = _groups(holes, context)
    firsts = distinct(recording.original)
    jobs = len(set(firsts)) * len(groups)
    result, clipped, done = recording.original.clone(), 0, 0
    for channel, same in enumerate(firsts):
        if same < channel:
            result[channel] = result[same]
            continue
        for members in groups:
            low = max(0, holes[members[0]][0] - context)
            high = min(n_latents, holes[members[-1]][1] + context)
            low = max(0, min(low, high - shortest_latents(synthesizer)))
            high = max(high, low + shortest_latents(synthesizer))
            known = encode_audio(synthesizer, recording.samples[channel], low, high)
            keep = torch.ones(high - low)
            keep[max(0, n_latents - low) :] = 0.0
            for start, stop in holes:
                keep[max(0, start - low) : max(0, stop - low)] = 0.0
            latents, vocoding = known, part_of(on_progress, done, jobs)
            if settings.strength > 0.0:
                state, times = init_state(synthesizer, clip.sampling, known, settings.strength, low)
                denoising, vocoding = stages(vocoding, len(times) - 1, clip.vocoder.sampling.steps)
                denoise = fitting(guided, known, keep, beats[low:high])
                latents = synthesizer.sample(clip.sampling, denoise, state, times, start=low, on_progress=denoising)
            done += 1
            piece, first = sound_of(synthesizer, latents, low, recording, clip.vocoder, vocoding)
            for index in members:
                edges = (
                    regions[index - 1][1] if index else 0,
                    *regions[index],
                    *_next_start(regions, index, recording),
                )
                filled = _filled(recording.original[channel], piece, first, edges, settings.crossfade, sample_rate)
                clipped += int((filled.abs() > 1.0).sum())
                result[channel, regions[index][0] : regions[index][1]] = filled.clamp(-1.0, 1.0)
    return edited(waveform, result, recording, clip, clipped, notes)


def _regions_inside(
    wanted: tuple[tuple[float, float], ...], recording: Recording
) -> tuple[list[tuple[int, int]], list[str]]:
    """Regions in samples of the recording."""
    n_samples, rate = recording.original.shape[-1], recording.sample_rate
    regions, notes = [], []
    for start, stop in wanted:
        if round(start * rate) >= n_samples:
            raise AudiodiffError(
                f"region {start:g}:{stop:g} begins after the end of the recording, which has {recording.seconds:.2f} s."
            )
        if round(stop * rate) > n_samples:
            notes.append(f"region {start:g}:{stop:g} was cut at the end of the recording, {recording.seconds:.2f} s")
        regions.append((round(start * rate), min(round(stop * rate), n_samples)))
    if regions == [(0, n_samples)]:
        notes.append("the regions are the whole recording, so nothing of it is kept")
    return regions, notes


def _next_start(regions: list[tuple[int, int]], index: int, recording: Recording) -> tuple[int]:
    return (regions[index + 1][0] if index + 1 < len(regions) else recording.original.shape[-1],)


def _latents_of(synthesizer: LatentSynthesizer, start: float, stop: float) -> tuple[int, int]:
    """Latents that depend on any of the samples `start` to `stop` (at the model's rate) through their own frames."""
    per_latent, margin = samples_per_latent(synthesizer), synthesizer.model.mel_spec.n_fft // 2
    return max(0, math.floor((start - margin) / per_latent)), math.ceil((stop + margin) / per_latent)


def _groups(holes: list[tuple[int, int]], context: int) -> list[list[int]]:
    """Indices of holes that are filled together, because they are in each other's surroundings."""
    groups: list[list[int]] = []
    for index, (start, _) in enumerate(holes):
        if groups and start - holes[groups[-1][-1]][1] < context:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups


def _filled(original: Tensor, piece: Tensor, first: int, edges: tuple[int, ...], seconds: float, rate: int) -> Tensor:
    """New samples for a region.

    Args:
        original: `[n_samples]`.
        piece: new sound.
        first: place of its first sample.
        edges: end of the region before, start and stop of this one, start of the one after.
        seconds: of the cross-fades.
        rate: Hz.
    """
    before, start, stop, after = edges
    reach = round(MATCH_SECONDS * rate)
    left, right = (max(before, start - reach, first), start), (stop, min(after, stop + reach))
    gains = [
        matching_gain(original[low:high], cut_out(piece, low - first, high - first)) if low < high else None
        for low, high in (left, right)
    ]
    low_gain = gains[0] or gains[1] or 1.0
    high_gain = gains[1] or gains[0] or 1.0
    new = cut_out(piece, start - first, stop - first)
    new = new * torch.logspace(math.log10(low_gain), math.log10(high_gain), len(new))
    n_fade = min(round(seconds * rate), len(new) // 2)
    n_end = min(round(FADE_SECONDS * rate), len(new) // 2)
    ramp = (torch.arange(n_end) + 0.5) / max(n_end, 1)
    if start > 0:
        new[:n_fade] = crossfade(original[start : start + n_fade], new[:n_fade])
    else:
        new[:n_end] *= ramp
    if stop < len(original):
        tail = slice(len(new) - n_fade, None)
        new[tail] = crossfade(original[stop - n_fade : stop].flip(-1), new[tail].flip(-1)).flip(-1)
    else:
        new[len(new) - n_end :] *= ramp.flip(-1)
    return new
