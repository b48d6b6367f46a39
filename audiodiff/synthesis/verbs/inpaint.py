"""New sound inside a recording, with every sample of the rest kept."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.edit_settings import MAX_CROSSFADE, TAKES, as_it_comes, check_no_loop, check_number
from audiodiff.synthesis.plain_numbers import make_plain
from audiodiff.synthesis.settings import GenerateSettings, check_switch
from audiodiff.synthesis.verb import CLIP, COUNT, PROMPT, Argument, Values, Verb, files_and_values, summary_of_clip

if TYPE_CHECKING:
    from torch import Tensor

    from audiodiff.signal.audio_io import AudioInfo
    from audiodiff.synthesis.clip import Clip, OnEstimate, OnProgress, Sound
    from audiodiff.synthesis.latent import LatentSynthesizer
    from audiodiff.synthesis.resolved import ResolvedClip

MIN_REGION_SECONDS = 0.02


@dataclass(frozen=True)
class InpaintSettings:
    """Settings of new sound inside a recording.

    Attributes:
        regions: what is made again, as (start, stop) in seconds; all else is kept sample for sample. In order, and
            joined where they overlap.
        clip: prompt, seed, sampler and the rest; its `seconds` are those of the recording, its `level` is
            as of `ExtendSettings`.
        strength: how much is new inside the regions, from 0 (nothing) to 1 (everything), as in `VarySettings`.
        crossfade: how long old and new fade into each other, inside the regions (s).
        joint: make both channels of a stereo recording at once with a stereo model, instead of each by itself from the
            same noise, as it was done before.
    """

    regions: tuple[tuple[float, float], ...]
    clip: GenerateSettings = field(default_factory=as_it_comes)
    strength: float = 1.0
    crossfade: float = 0.05
    joint: bool = True

    def __post_init__(self) -> None:
        """Check every field, and bring the regions in order.

        Raises:
            AudiodiffError: a field is out of range, or there is no region.
        """
        make_plain(self)
        check_no_loop(self.clip)
        check_number("strength", self.strength, 0.0, 1.0, "(1 keeps nothing of a region)")
        check_number("crossfade", self.crossfade, 0.0, MAX_CROSSFADE, "s")
        check_switch("joint", self.joint)
        if not isinstance(self.regions, tuple | list) or not self.regions:
            raise AudiodiffError("no region is given, so nothing would change; give a start and a stop in seconds.")
        joined: list[tuple[float, float]] = []
        for start, stop in sorted(_region(each) for each in self.regions):
            if joined and start <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
            else:
                joined.append((start, stop))
        object.__setattr__(self, "regions", tuple(joined))


def parse_region(text: str) -> tuple[float, float]:
    """Read a region such as "2:4" or "1:02.5:1:10": start and stop, each in seconds or as minutes:seconds.

    Raises:
        AudiodiffError: it is none.
    """
    parts = text.split(":")
    if len(parts) not in {2, 4}:
        raise AudiodiffError(f"region {text!r} cannot be read; write START:STOP in seconds, such as 2:4 or 0.5:1.25.")
    try:
        numbers = [float(part) for part in parts]
    except ValueError as error:
        raise AudiodiffError(
            f"region {text!r} cannot be read; write START:STOP in seconds, such as 2:4 or 0.5:1.25."
        ) from error
    if len(parts) == 4:
        numbers = [60.0 * numbers[0] + numbers[1], 60.0 * numbers[2] + numbers[3]]
    return _region((numbers[0], numbers[1]))


def _region(region: tuple[float, float]) -> tuple[float, float]:
    if not isinstance(region, tuple | list) or len(region) != 2:
        raise AudiodiffError(f"region {region!r} is not a start and a stop in seconds.")
    start, stop = region
    for edge in region:
        if isinstance(edge, bool) or not isinstance(edge, int | float) or not math.isfinite(edge):
            raise AudiodiffError(f"region {start}:{stop} is not two numbers of seconds.")
    if start < 0.0:
        raise AudiodiffError(f"region {start:g}:{stop:g} begins before the recording; the earliest start is 0.")
    if stop - start < MIN_REGION_SECONDS:
        raise AudiodiffError(
            f"region {start:g}:{stop:g} is empty; its stop must be {MIN_REGION_SECONDS:g} s or more after its start."
        )
    return float(start), float(stop)


def make(
    synthesizer: "LatentSynthesizer",
    sounds: Sequence["Sound"],
    settings: InpaintSettings,
    clip: "ResolvedClip",
    on_progress: "OnProgress | None" = None,
    on_estimate: "OnEstimate | None" = None,
) -> "Clip":
    """Replace regions of a recording; every sample outside them is kept.

    A stereo model fills both channels of a stereo recording at once. Otherwise each channel is filled by itself from
    the same noise, so equal channels stay equal.

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
    import torch

    from audiodiff.synthesis.clip import part_of, stages
    from audiodiff.synthesis.joining import edited, fitting, limited, sound_of
    from audiodiff.synthesis.latent import EMPTY_PROMPT
    from audiodiff.synthesis.recording import (
        beats_of,
        distinct,
        init_state,
        kept_latents,
        latents_of,
        load_init_audio,
        samples_per_latent,
        shortest_latents,
    )

    recording = load_init_audio(synthesizer, *sounds[0], mono=False, joint=settings.joint)
    regions, notes = regions_inside(settings.regions, recording.original.shape[-1], recording.sample_rate)
    notes = [*recording.notes, *notes]
    if settings.strength == 0.0:
        notes.append("strength is 0, so the regions are the recording as the model's codec gives it back")
    clip = clip.lasting(recording.seconds)
    guided, said = synthesizer.guided(clip)
    notes += [note for note in said if note != EMPTY_PROMPT]
    per_second = synthesizer.sample_rate / recording.sample_rate
    lead = recording.lead
    holes = [_latents_of(synthesizer, lead + start * per_second, lead + stop * per_second) for start, stop in regions]
    context = max(1, synthesizer.window_latents // 4)
    n_latents = -(-recording.on_grid.shape[-1] // samples_per_latent(synthesizer))
    beats, about = beats_of(synthesizer, recording, clip.beat, 0, n_latents + shortest_latents(synthesizer))
    notes += about
    groups = _groups(holes, context)
    firsts = [0] if recording.joint else distinct(recording.original)
    jobs = len(set(firsts)) * len(groups)
    result, clipped, done = recording.original.clone(), 0, 0
    wholes: list[Tensor] = []
    for channel, same in enumerate(firsts):
        if same < channel:
            result[channel] = result[same]
            wholes.append(wholes[same])
            continue
        wholes.append(latents_of(synthesizer, recording, channel, 0, n_latents)[0].clone())
        for members in groups:
            low = max(0, holes[members[0]][0] - context)
            high = min(n_latents, holes[members[-1]][1] + context)
            low = max(0, min(low, high - shortest_latents(synthesizer)))
            high = max(high, low + shortest_latents(synthesizer))
            known = latents_of(synthesizer, recording, channel, low, high)
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
            new = torch.nonzero(keep[: n_latents - low] == 0.0)[:, 0].to(latents.device)
            wholes[channel][:, low + new] = latents[0, :, new]
            pieces, first = sound_of(synthesizer, latents, low, recording, clip.vocoder, vocoding)
            for index, (row, piece) in product(members, enumerate(pieces, channel)):
                edges = (
                    regions[index - 1][1] if index else 0,
                    *regions[index],
                    next_start(regions, index, recording.original.shape[-1]),
                )
                rate = recording.sample_rate
                filled = filled_region(recording.original[row], piece, first, edges, settings.crossfade, rate)
                start, stop = regions[index]
                sides = recording.original[row, :start], recording.original[row, stop:]
                result[row, start:stop], over = limited(filled, rate, clip.level, *sides)
                clipped += over
    own = kept_latents(synthesizer, torch.stack(wholes), recording.gain, lead)
    return edited(sounds[0][0], result, recording, clip, clipped, notes, own, regions)


def regions_inside(
    wanted: tuple[tuple[float, float], ...], n_samples: int, rate: int
) -> tuple[list[tuple[int, int]], list[str]]:
    """Regions (s) of a recording of `n_samples` at a rate (Hz), in samples of it, and what there is to say about them.

    Raises:
        AudiodiffError: one begins after its end.
    """
    regions, notes = [], []
    for start, stop in wanted:
        if round(start * rate) >= n_samples:
            raise AudiodiffError(
                f"region {start:g}:{stop:g} begins after the end of the recording, which has {n_samples / rate:.2f} s."
            )
        if round(stop * rate) > n_samples:
            notes.append(f"region {start:g}:{stop:g} was cut at the end of the recording, {n_samples / rate:.2f} s")
        regions.append((round(start * rate), min(round(stop * rate), n_samples)))
    if regions == [(0, n_samples)]:
        notes.append("the regions are the whole recording, so nothing of it is kept")
    return regions, notes


def next_start(regions: list[tuple[int, int]], index: int, n_samples: int) -> int:
    """The sample at which the region after one begins, or the recording of `n_samples` ends."""
    return regions[index + 1][0] if index + 1 < len(regions) else n_samples


def _latents_of(synthesizer: "LatentSynthesizer", start: float, stop: float) -> tuple[int, int]:
    """Latents that depend on any of the samples `start` to `stop` (at the model's rate) through their own frames."""
    from audiodiff.synthesis.recording import samples_per_latent

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


def filled_region(
    original: "Tensor", piece: "Tensor", first: int, edges: tuple[int, ...], seconds: float, rate: int
) -> "Tensor":
    """New samples for a region.

    Args:
        original: `[n_samples]`.
        piece: new sound.
        first: place of its first sample.
        edges: end of the region before, start and stop of this one, start of the one after.
        seconds: of the cross-fades.
        rate: Hz.
    """
    import torch

    from audiodiff.signal.join import crossfade, matching_gain
    from audiodiff.synthesis.clip import FADE_SECONDS
    from audiodiff.synthesis.joining import MATCH_SECONDS, cut_out

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


def read(given: Mapping[str, Any]) -> tuple[list[Path], Values]:
    """Read the regions: a list of texts, or one in which they are parted by spaces or commas."""
    files, values = files_and_values(given)
    region = values.pop("region", "")
    texts = region.replace(",", " ").split() if isinstance(region, str) else region
    return files, {**values, "regions": tuple(parse_region(text) for text in texts)}


def new_seconds(settings: InpaintSettings, info: "AudioInfo") -> float:
    """Return how much sound is made, all channels together (s)."""
    return sum(stop - start for start, stop in settings.regions) * info.channels


def summary(report: Any) -> str:
    """Say what was kept."""
    new = ", ".join(f"{start:g}:{stop:g}" for start, stop in report.settings.regions)
    return summary_of_clip(report, f"new in {new}, {1000 * report.settings.crossfade:g} ms cross-fades inside")


VERB = Verb(
    "inpaint",
    InpaintSettings,
    make,
    help="replace parts of a clip",
    description="Replace regions of a clip by new sound that fits its surroundings. Rate, channels and every sample "
    "outside the "
    "regions are kept.",
    doing="filling",
    arguments=(
        CLIP,
        Argument(
            "region",
            "seconds to replace, e.g. 2:4; may be given several times",
            "--region",
            metavar="START:STOP",
            required=True,
            repeated=True,
        ),
        PROMPT,
        COUNT,
    ),
    hidden=("regions", "level", "fade_out", *TAKES, "joint"),
    from_input=("loop", "seconds", "bars", "mono"),
    output="CLIP-inpaint.wav, here",
    keeps_samples=True,
    read=read,
    new_seconds=new_seconds,
    summary=summary,
)
