"""New sound after a recording or before it, with every sample of it kept."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.edit_settings import MAX_CROSSFADE, TAKES, as_it_comes, check_no_loop, check_number
from audiodiff.synthesis.plain_numbers import make_plain
from audiodiff.synthesis.settings import MAX_SECONDS, GenerateSettings, check_switch
from audiodiff.synthesis.verb import CLIP, COUNT, PROMPT, Argument, Say, Values, Verb, summary_of_clip, with_prompts

if TYPE_CHECKING:
    from torch import Tensor

    from audiodiff.signal.audio_io import AudioInfo
    from audiodiff.synthesis.clip import Clip, OnEstimate, OnProgress, Sound
    from audiodiff.synthesis.latent import LatentSynthesizer
    from audiodiff.synthesis.recording import Recording
    from audiodiff.synthesis.resolved import ResolvedClip
    from audiodiff.synthesis.source import Source

MIN_SECONDS_ADDED = 0.1
CONTINUED_SECONDS = 0.25


@dataclass(frozen=True)
class ExtendSettings:
    """Settings of a recording that goes on.

    Attributes:
        seconds: how much longer it becomes (s).
        clip: prompt, seed, sampler and the rest; its `seconds` are those of the recording. Its
            level "limit" keeps true peaks of what is new at -1 dBTP or less, "none" at full scale.
        before: lead into the recording instead of following it.
        crossfade: how long the recording fades into the new sound, beyond its end (s). What fades is what it would have
            gone on with; the recording itself is kept sample for sample.
        trim: seconds to make again at the end that is extended, such as a fade; the only part that is not kept.
        joint: make both channels of a stereo recording at once with a stereo model, instead of each by itself from the
            same noise, as it was done before.
    """

    seconds: float = 10.0
    clip: GenerateSettings = field(default_factory=as_it_comes)
    before: bool = False
    crossfade: float = 0.05
    trim: float = 0.0
    joint: bool = True

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            AudiodiffError: a field is out of range.
        """
        make_plain(self)
        check_no_loop(self.clip)
        check_number("seconds", self.seconds, MIN_SECONDS_ADDED, MAX_SECONDS, "s")
        check_number("crossfade", self.crossfade, 0.0, MAX_CROSSFADE, "s")
        check_number("trim", self.trim, 0.0, MAX_SECONDS, "s")
        check_switch("before", self.before)
        check_switch("joint", self.joint)


def make(
    synthesizer: "LatentSynthesizer",
    sounds: Sequence["Sound"],
    settings: ExtendSettings,
    clip: "ResolvedClip",
    on_progress: "OnProgress | None" = None,
    on_estimate: "OnEstimate | None" = None,
) -> "Clip":
    """Let a recording go on, or lead into it; every sample of it is kept.

    The model continues what it hears at the end, as much at a time as it can hear at once, half of it known. A
    stereo model continues both channels of a stereo recording at once; otherwise each channel is continued by itself
    from the same noise.

    Args:
        synthesizer: the model.
        sounds: the recording.
        settings: how much, on which side, cross-fade and trim.
        clip: prompt, seed and the rest, resolved.
        on_progress: called with the steps done and the steps in all.
        on_estimate: not called.

    Returns:
        As many channels as the recording, at its rate, exactly `round(seconds * sample_rate)` samples longer.

    Raises:
        AudiodiffError: a recording or a setting that cannot be used.
    """
    import torch

    from audiodiff.synthesis.clip import part_of, stages
    from audiodiff.synthesis.joining import edited, fitting, limited, sound_of
    from audiodiff.synthesis.latent import EMPTY_PROMPT, faded_out
    from audiodiff.synthesis.recording import (
        beats_of,
        distinct,
        init_state,
        kept_latents,
        latents_of,
        load_init_audio,
        samples_per_latent,
    )

    recording = load_init_audio(synthesizer, *sounds[0], mono=False, joint=settings.joint)
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
        notes.append(f"{recording.seconds:.2f} s are too short to be continued; the new sound does not depend on them")
    beats, about = beats_of(synthesizer, recording, clip.beat, low, high)
    notes += about
    windows = list(_passes(known_high - known_low, high - low, window, window // 2))
    firsts = [0] if recording.joint else distinct(recording.original)
    jobs, done, clipped = len(set(firsts)), 0, 0
    channels: list[Tensor] = []
    wholes: list[Tensor] = []
    model_rate, per_latent = synthesizer.sample_rate, samples_per_latent(synthesizer)
    lead = recording.lead - low * per_latent - round(added / rate * model_rate) if settings.before else recording.lead
    n_latents = -(-recording.on_grid.shape[-1] // per_latent)
    for channel, same in enumerate(firsts):
        if same < channel:
            channels.append(channels[same])
            wholes.append(wholes[same])
            continue
        canvas = torch.zeros(1, synthesizer.model.channels, high - low, device=synthesizer.device)
        keep = torch.zeros(high - low)
        known = slice(known_low - low, known_high - low)
        canvas[..., known] = latents_of(synthesizer, recording, channel, known_low, known_high)
        keep[known] = 1.0
        denoising, vocoding = stages(
            part_of(on_progress, done, jobs), clip.sampling.steps * len(windows), clip.vocoder.sampling.steps
        )
        done += 1
        for index, (near, far) in enumerate(windows):
            # Windows are counted from what is known.
            part = slice(high - low - far, high - low - near) if settings.before else slice(near, far)
            state, times = init_state(synthesizer, clip.sampling, canvas[..., part], 1.0, low + part.start)
            canvas[..., part] = synthesizer.sample(
                clip.sampling,
                fitting(guided, canvas[..., part].clone(), keep[part].clone(), beats[part]),
                state,
                times,
                start=low + part.start,
                on_progress=part_of(denoising, index, len(windows)),
            )
            keep[part] = 1.0
        pieces, first = sound_of(synthesizer, canvas, low, recording, clip.vocoder, vocoding)
        rest = (known_high, max(known_high, n_latents)) if settings.before else (0, low)
        others = latents_of(synthesizer, recording, channel, *rest)
        wholes.append(torch.cat([canvas, others] if settings.before else [others, canvas], dim=-1)[0])
        originals, join = recording.original[channel : channel + len(pieces)], n_samples - trim - first
        if settings.before:  # time runs backwards from here on
            originals, pieces, join = originals.flip(-1), pieces.flip(-1), pieces.shape[-1] - (trim - first)
        for original, piece in zip(originals, pieces, strict=True):
            kept = original[: n_samples - trim]
            new = _following(kept, piece, join, added + trim, settings.crossfade, rate)
            new = new if settings.before else faded_out(new, rate, clip.fade_out)
            new, over = limited(new, rate, clip.level, kept, None)
            clipped += over
            whole = torch.cat([kept, new])
            channels.append(whole.flip(-1) if settings.before else whole)
    latents = kept_latents(synthesizer, torch.stack(wholes), recording.gain, lead)
    start = 0 if settings.before else n_samples - trim
    made = [(start, start + added + trim)]
    return edited(sounds[0][0], torch.stack(channels), recording, clip, clipped, notes, latents, made)


def _canvas(
    synthesizer: "LatentSynthesizer", recording: "Recording", added: int, trim: int, *, before: bool
) -> tuple[int, int, int, int]:
    """PositionConditions of latents, counted from the recording's first sample: (low, known low, known high, high)."""
    from audiodiff.synthesis.recording import samples_per_latent, shortest_latents

    per_latent, lead = samples_per_latent(synthesizer), recording.lead
    # Frames whose windows reach into what is replaced, or into the silence beyond the end, depend on it, if encoded.
    margin = 0 if recording.started_from else synthesizer.model.mel_spec.n_fft // 2
    scale = synthesizer.sample_rate / recording.sample_rate
    context, shortest = synthesizer.window_latents // 2, shortest_latents(synthesizer)
    n_samples = recording.original.shape[-1]
    if before:
        known_low = math.ceil((lead + trim * scale + margin) / per_latent)
        known_high = max(known_low, min(math.floor((lead + n_samples * scale) / per_latent), known_low + context))
        low = math.floor((lead - added * scale) / per_latent)
        return min(low, known_high - shortest), known_low, known_high, known_high
    known_high = max(0, math.floor((lead + (n_samples - trim) * scale - margin) / per_latent))
    known_low = max(0, known_high - context)
    high = math.ceil((lead + (n_samples + added) * scale) / per_latent)
    return known_low, known_low, known_high, max(high, known_low + shortest)


def _passes(known: int, total: int, window: int, context: int) -> Iterator[tuple[int, int]]:
    """Windows (near, far) that make `total` places out of the first `known`, each knowing `context` or more."""
    done = known
    while done < total:
        near = max(0, min(done - context, total - window))
        done = min(total, near + window)
        yield near, done


def _following(kept: "Tensor", piece: "Tensor", join: int, n_samples: int, seconds: float, rate: int) -> "Tensor":
    """New samples after `kept [n]`, faded out at their end.

    Args:
        kept: what they follow.
        piece: new sound, of which sample `join` comes first.
        join: there.
        n_samples: how many.
        seconds: of the cross-fade.
        rate: Hz.
    """
    import torch

    from audiodiff.signal.join import continuation, crossfade, matching_gain
    from audiodiff.synthesis.clip import FADE_SECONDS
    from audiodiff.synthesis.joining import MATCH_SECONDS, cut_out

    reach = min(round(MATCH_SECONDS * rate), join, len(kept))
    gain = matching_gain(kept[len(kept) - reach :], piece[join - reach : join]) if reach > 0 else 1.0
    new = cut_out(piece, join, join + n_samples) * gain
    n_fade = min(round(seconds * rate), n_samples)
    going_on = continuation(kept[-round(CONTINUED_SECONDS * rate) :], n_fade)
    new[:n_fade] = crossfade(going_on, new[:n_fade])
    n_end = min(round(FADE_SECONDS * rate), n_samples // 2)
    new[n_samples - n_end :] *= ((torch.arange(n_end) + 0.5) / max(n_end, 1)).flip(-1)
    return new


def complete(values: Values, sources: Sequence["Source"], say: Say) -> Values:
    """Take prompt and fade of a clip that audiodiff made; the fade is made again."""
    values, source, before = with_prompts(values, sources, say), sources[0], bool(values.get("before"))
    if "trim" in values or not source.fade(before=before):
        return values
    trim = source.fade(before=before)
    say(
        f"{source.path.name} was made by audiodiff and fades for {1000 * trim:g} ms at its {_end(before)}, which is "
        "replaced; --trim 0 keeps it."
    )
    return {**values, "trim": trim}


def new_seconds(settings: ExtendSettings, info: "AudioInfo") -> float:
    """Return how much sound is made, all channels together (s)."""
    return settings.seconds * info.channels


def summary(report: Any) -> str:
    """Say what is new."""
    used = report.settings
    new = f"{used.seconds:g} s new at the {_end(used.before)}, {1000 * used.crossfade:g} ms cross-fade beyond the clip"
    return summary_of_clip(report, new)


def _end(before: bool) -> str:
    return "beginning" if before else "end"


VERB = Verb(
    "extend",
    ExtendSettings,
    make,
    help="extend a clip at its end or its beginning",
    description="Extend a clip at its end or its beginning. Rate, channels and samples are kept.",
    doing="extending",
    arguments=(
        CLIP,
        PROMPT,
        Argument(
            "trim",
            "replace this much of the end, such as a fade (default: the fade of a clip by audiodiff, else 0)",
            "--trim",
            type=float,
            metavar="SECONDS",
        ),
        COUNT,
    ),
    hidden=("level", *TAKES, "joint"),
    from_input=("loop", "seconds", "bars", "mono"),
    output="CLIP-extend.wav, here",
    keeps_samples=True,
    complete=complete,
    new_seconds=new_seconds,
    summary=summary,
)
