"""New sound inside a recording, after it or before it, with every sample of the rest kept."""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from audiodiff.diffusion.guidance import region_mask
from audiodiff.diffusion.samplers import Denoise
from audiodiff.errors import AudiodiffError
from audiodiff.signal.join import continuation, crossfade, matching_gain
from audiodiff.signal.resample import resample
from audiodiff.synthesis.edit import resolve_edit
from audiodiff.synthesis.edit_settings import ExtendSettings, InpaintSettings
from audiodiff.synthesis.generate import EMPTY_PROMPT, FADE_SECONDS, Clip, LatentSynthesizer, OnProgress, stages
from audiodiff.synthesis.recording import (
    Recording,
    Sound,
    Waveform,
    beats_of,
    begun,
    encoded,
    part_of,
    prepared,
    samples_per_latent,
    shortest_latents,
)
from audiodiff.synthesis.resolved import ResolvedClip
from audiodiff.synthesis.sampling import Plan
from audiodiff.synthesis.windowed import PlacedDenoise, Places, with_places
from audiodiff.torch_state import standard_state

__all__ = ["extend", "inpaint", "run_extend", "run_inpaint"]

MATCH_SECONDS = 0.5
"""How much of what is kept beside a join tells how much louder or softer it is than the model's sound."""

CONTINUED_SECONDS = 0.25


@standard_state()
def inpaint(
    synthesizer: LatentSynthesizer,
    waveform: Waveform,
    sample_rate: int,
    settings: InpaintSettings,
    on_progress: OnProgress | None = None,
) -> Clip:
    """Make regions of a recording anew; every sample outside them is kept.

    Each channel is filled by itself from the same noise, so equal channels stay equal.

    Args:
        synthesizer: the model.
        waveform: the recording.
        sample_rate: its rate (Hz).
        settings: the regions, prompt, seed and the rest.
        on_progress: called with the steps done and the steps in all.

    Returns:
        As many channels and samples as the recording, at its rate.

    Raises:
        AudiodiffError: a region outside of the recording, or a recording or a setting that cannot be used.
    """
    clip = resolve_edit(synthesizer, settings)
    return run_inpaint(synthesizer, [(waveform, sample_rate)], settings, clip, on_progress)


@standard_state()
def run_inpaint(
    synthesizer: LatentSynthesizer,
    sounds: Sequence[Sound],
    settings: InpaintSettings,
    clip: ResolvedClip,
    on_progress: OnProgress | None,
) -> Clip:
    """Do what `inpaint` does, with settings that are resolved."""
    waveform, sample_rate = sounds[0]
    recording = prepared(synthesizer, waveform, sample_rate, mono=False)
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
    distinct = _distinct(recording.original)
    jobs = len(set(distinct)) * len(groups)
    result, clipped, done = recording.original.clone(), 0, 0
    for channel, same in enumerate(distinct):
        if same < channel:
            result[channel] = result[same]
            continue
        for members in groups:
            low = max(0, holes[members[0]][0] - context)
            high = min(n_latents, holes[members[-1]][1] + context)
            low = max(0, min(low, high - shortest_latents(synthesizer)))
            high = max(high, low + shortest_latents(synthesizer))
            known = encoded(synthesizer, recording.samples[channel], low, high)
            keep = torch.ones(high - low)
            keep[max(0, n_latents - low) :] = 0.0
            for start, stop in holes:
                keep[max(0, start - low) : max(0, stop - low)] = 0.0
            latents, vocoding = known, part_of(on_progress, done, jobs)
            if settings.strength > 0.0:
                state, times = begun(synthesizer, clip.sampling, known, settings.strength, low)
                denoising, vocoding = stages(vocoding, len(times) - 1, clip.vocoder.sampling.steps)
                denoise = _fitting(guided, known, keep, beats[low:high])
                latents = synthesizer.sample(clip.sampling, denoise, state, times, start=low, on_progress=denoising)
            done += 1
            piece, first = _piece(synthesizer, latents, low, recording, clip.vocoder, vocoding)
            for index in members:
                edges = (
                    regions[index - 1][1] if index else 0,
                    *regions[index],
                    *_next_start(regions, index, recording),
                )
                filled = _filled(recording.original[channel], piece, first, edges, settings.crossfade, sample_rate)
                clipped += int((filled.abs() > 1.0).sum())
                result[channel, regions[index][0] : regions[index][1]] = filled.clamp(-1.0, 1.0)
    return _edited(waveform, result, recording, clip, clipped, notes)


@standard_state()
def extend(
    synthesizer: LatentSynthesizer,
    waveform: Waveform,
    sample_rate: int,
    settings: ExtendSettings | None = None,
    on_progress: OnProgress | None = None,
) -> Clip:
    """Let a recording go on, or lead into it; every sample of it is kept.

    The model continues what it hears at the end, as much at a time as it can hear at once, half of it known. Each
    channel is continued by itself from the same noise.

    Args:
        synthesizer: the model.
        waveform: the recording.
        sample_rate: its rate (Hz).
        settings: how much, prompt, seed and the rest.
        on_progress: called with the steps done and the steps in all.

    Returns:
        As many channels as the recording, at its rate, exactly `round(seconds * sample_rate)` samples longer.

    Raises:
        AudiodiffError: a recording or a setting that cannot be used.
    """
    settings = settings or ExtendSettings()
    clip = resolve_edit(synthesizer, settings)
    return run_extend(synthesizer, [(waveform, sample_rate)], settings, clip, on_progress)


@standard_state()
def run_extend(
    synthesizer: LatentSynthesizer,
    sounds: Sequence[Sound],
    settings: ExtendSettings,
    clip: ResolvedClip,
    on_progress: OnProgress | None,
) -> Clip:
    """Do what `extend` does, with settings that are resolved."""
    waveform, sample_rate = sounds[0]
    recording = prepared(synthesizer, waveform, sample_rate, mono=False)
    n_samples, rate = recording.original.shape[-1], recording.sample_rate
    added, trim = round(settings.seconds * rate), round(settings.trim * rate)
    if trim >= n_samples:
        raise AudiodiffError(
            f"trim is {settings.trim:g} s, but the recording has only {recording.seconds:.2f} s; nothing would be kept."
        )
    notes = list(recording.notes)
    clip = clip.lasting(recording.seconds + settings.seconds)
    guided, said = synthesizer.guided(clip)
    notes += [note for note in said if note != EMPTY_PROMPT]
    window = synthesizer.window_latents
    low, known_low, known_high, high = _canvas(synthesizer, recording, added, trim, before=settings.before)
    if known_high == known_low:
        notes.append(f"{recording.seconds:.2f} s are too short to be continued; the new sound knows nothing of them")
    beats, about = beats_of(synthesizer, recording, clip.beat, low, high)
    notes += about
    windows = list(_passes(known_high - known_low, high - low, window, window // 2))
    distinct = _distinct(recording.original)
    jobs, done, clipped = len(set(distinct)), 0, 0
    channels: list[Tensor] = []
    for channel, same in enumerate(distinct):
        if same < channel:
            channels.append(channels[same])
            continue
        canvas = torch.zeros(1, synthesizer.model.channels, high - low, device=synthesizer.device)
        keep = torch.zeros(high - low)
        known = slice(known_low - low, known_high - low)
        canvas[..., known] = encoded(synthesizer, recording.samples[channel], known_low, known_high)
        keep[known] = 1.0
        denoising, vocoding = stages(
            part_of(on_progress, done, jobs), clip.sampling.steps * len(windows), clip.vocoder.sampling.steps
        )
        done += 1
        for index, (near, far) in enumerate(windows):
            # Windows are counted from what is known.
            part = slice(high - low - far, high - low - near) if settings.before else slice(near, far)
            state, times = begun(synthesizer, clip.sampling, canvas[..., part], 1.0, low + part.start)
            canvas[..., part] = synthesizer.sample(
                clip.sampling,
                _fitting(guided, canvas[..., part].clone(), keep[part].clone(), beats[part]),
                state,
                times,
                start=low + part.start,
                on_progress=part_of(denoising, index, len(windows)),
            )
            keep[part] = 1.0
        piece, first = _piece(synthesizer, canvas, low, recording, clip.vocoder, vocoding)
        # Time runs backwards from here on if the new sound comes before.
        turned = recording.original[channel]
        join = n_samples - trim - first
        if settings.before:
            turned, piece, join = turned.flip(-1), piece.flip(-1), piece.shape[-1] - (trim - first)
        new = _following(turned[: n_samples - trim], piece, join, added + trim, settings.crossfade, rate)
        clipped += int((new.abs() > 1.0).sum())
        whole = torch.cat([turned[: n_samples - trim], new.clamp(-1.0, 1.0)])
        channels.append(whole.flip(-1) if settings.before else whole)
    return _edited(waveform, torch.stack(channels), recording, clip, clipped, notes)


def _fitting(guided: PlacedDenoise, latents: Tensor, keep: Tensor, beats: Tensor) -> Denoise:
    """Return a `denoise` that keeps `latents [1, channels, n]` where `keep [n]` is 1, and makes the rest fit them.

    A model that was trained for it is told the kept ones; every other finds them in the state, under its noise.
    """
    known = latents[0].masked_fill(keep.to(latents.device) == 0.0, torch.nan)
    return region_mask(with_places(guided, Places(beats, known)), latents, keep)


def _edited(
    given: Waveform, result: Tensor, recording: Recording, clip: ResolvedClip, clipped: int, notes: list[str]
) -> Clip:
    """The clip of an edit that keeps rate and channels, of the shape that was given."""
    return Clip(
        waveform=(result if given.ndim == 2 else result[0]).numpy(),
        sample_rate=recording.sample_rate,
        seed=clip.sampling.seed,
        gain_db=0.0,
        clipped=clipped,
        notes=tuple(dict.fromkeys(notes)),
    )


def _distinct(channels: Tensor) -> list[int]:
    """For each channel, the first one that is equal to it."""
    return [
        next(earlier for earlier in range(index + 1) if torch.equal(channels[earlier], channel))
        for index, channel in enumerate(channels)
    ]


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
    """Latents that have heard any of the samples `start` to `stop` (at the model's rate) through their own frames."""
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


def _canvas(
    synthesizer: LatentSynthesizer, recording: Recording, added: int, trim: int, *, before: bool
) -> tuple[int, int, int, int]:
    """Places of latents, counted from the recording's first sample: (low, known low, known high, high)."""
    per_latent, margin = samples_per_latent(synthesizer), synthesizer.model.mel_spec.n_fft // 2
    scale = synthesizer.sample_rate / recording.sample_rate
    context, shortest = synthesizer.window_latents // 2, shortest_latents(synthesizer)
    n_samples = recording.original.shape[-1]
    if before:
        # Frames whose windows reach into what is made anew have heard it, or the silence before the beginning.
        known_low = math.ceil((trim * scale + margin) / per_latent)
        known_high = max(known_low, min(math.floor(n_samples * scale / per_latent), known_low + context))
        low = -math.ceil(added * scale / per_latent)
        return min(low, known_high - shortest), known_low, known_high, known_high
    known_high = max(0, math.floor(((n_samples - trim) * scale - margin) / per_latent))
    known_low = max(0, known_high - context)
    high = math.ceil((n_samples + added) * scale / per_latent)
    return known_low, known_low, known_high, max(high, known_low + shortest)


def _passes(known: int, total: int, window: int, context: int) -> Iterator[tuple[int, int]]:
    """Windows (near, far) that make `total` places out of the first `known`, each knowing `context` or more."""
    done = known
    while done < total:
        near = max(0, min(done - context, total - window))
        done = min(total, near + window)
        yield near, done


def _piece(
    synthesizer: LatentSynthesizer,
    latents: Tensor,
    start: int,
    recording: Recording,
    plan: Plan,
    on_progress: OnProgress | None,
) -> tuple[Tensor, int]:
    """The sound of latents from place `start` on, at the recording's rate and level, and its first sample's place."""
    waveform = synthesizer.waveform(latents, plan, on_progress) / recording.gain
    first = round(start * samples_per_latent(synthesizer) * recording.sample_rate / synthesizer.sample_rate)
    return resample(waveform, synthesizer.sample_rate, recording.sample_rate), first


def _cut(piece: Tensor, start: int, stop: int) -> Tensor:
    """Samples `start` to `stop`; rounding between two rates may want one or two more than there are."""
    found = piece[max(start, 0) : max(stop, 0)]
    return torch.nn.functional.pad(found, (0, stop - start - found.shape[-1]))


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
        matching_gain(original[low:high], _cut(piece, low - first, high - first)) if low < high else None
        for low, high in (left, right)
    ]
    low_gain = gains[0] or gains[1] or 1.0
    high_gain = gains[1] or gains[0] or 1.0
    new = _cut(piece, start - first, stop - first)
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


def _following(kept: Tensor, piece: Tensor, join: int, n_samples: int, seconds: float, rate: int) -> Tensor:
    """New samples after `kept [n]`, faded out at their end.

    Args:
        kept: what they follow.
        piece: new sound, of which sample `join` comes first.
        join: there.
        n_samples: how many.
        seconds: of the cross-fade.
        rate: Hz.
    """
    reach = min(round(MATCH_SECONDS * rate), join, len(kept))
    gain = matching_gain(kept[len(kept) - reach :], piece[join - reach : join]) if reach > 0 else 1.0
    new = _cut(piece, join, join + n_samples) * gain
    n_fade = min(round(seconds * rate), n_samples)
    going_on = continuation(kept[-round(CONTINUED_SECONDS * rate) :], n_fade)
    new[:n_fade] = crossfade(going_on, new[:n_fade])
    n_end = min(round(FADE_SECONDS * rate), n_samples // 2)
    new[n_samples - n_end :] *= ((torch.arange(n_end) + 0.5) / max(n_end, 1)).flip(-1)
    return new
