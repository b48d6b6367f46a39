"""How a pipeline of diffusers does what our verbs do."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.signal.levels import apply_level, rms
from audiodiff.signal.resample import resample
from audiodiff.synthesis.arrays import check_rate, waveform_tensor
from audiodiff.synthesis.clip import Clip, OnEstimate, OnProgress, Sound, part_of
from audiodiff.synthesis.edit_settings import EditSettings, clip_of_edit
from audiodiff.synthesis.files import own_values
from audiodiff.synthesis.joining import limited
from audiodiff.synthesis.latent import EMPTY_PROMPT, faded, folded
from audiodiff.synthesis.pipeline import PipelineClip, PipelineSynthesizer
from audiodiff.synthesis.recording import SILENCE_RMS
from audiodiff.synthesis.settings import GenerateSettings
from audiodiff.synthesis.verb import Verb
from audiodiff.synthesis.verbs.inpaint import InpaintSettings, filled_region, next_start, regions_inside
from audiodiff.synthesis.verbs.vary import VarySettings
from audiodiff.synthesis.whole import without_empty

if TYPE_CHECKING:
    from audiodiff.synthesis.source import Source


def as_pipelines_do(verb: Verb, synthesizer: PipelineSynthesizer) -> Verb:
    """Return a verb that works with a pipeline.

    Raises:
        AudiodiffError: there is none, or its class or its folder lacks what the verb needs.
    """
    known = synthesizer.known
    able = [name for name in _VERBS if getattr(known, name) is not None]
    if verb.name not in able:
        raise AudiodiffError(
            f"{synthesizer.name} cannot {verb.name}: the class {known.name} of diffusers can only {' and '.join(able)}."
        )
    missing = [part for part in known.parts.get(verb.name, ()) if part not in synthesizer.folder.components]
    if missing:
        raise AudiodiffError(
            f"{synthesizer.name} cannot {verb.name}: this {known.name} was saved without its {missing[0]}."
        )
    return _VERBS[verb.name](verb)


def generate(
    synthesizer: PipelineSynthesizer,
    sounds: Sequence[Sound],
    settings: GenerateSettings,
    clip: PipelineClip,
    on_progress: OnProgress | None = None,
    on_estimate: OnEstimate | None = None,
) -> Clip:
    """Make one clip.

    Args:
        synthesizer: the pipeline.
        sounds: none.
        settings: what was asked for.
        clip: the same, resolved.
        on_progress: called with the steps done and the steps in all.
        on_estimate: not called.

    Raises:
        AudiodiffError: the pipeline fails.
    """
    n_samples = round(clip.seconds * synthesizer.sample_rate)
    waveform = synthesizer.run(clip, n_samples, synthesizer.known.generate, on_progress)
    return _finished(synthesizer, waveform, clip, _about(clip))


def vary(
    synthesizer: PipelineSynthesizer,
    sounds: Sequence[Sound],
    settings: VarySettings,
    clip: PipelineClip,
    on_progress: OnProgress | None = None,
    on_estimate: OnEstimate | None = None,
) -> Clip:
    """Make a variation of a recording, at the pipeline's rate, as long and about as loud as it is.

    Args:
        synthesizer: the pipeline.
        sounds: the recording.
        settings: strength.
        clip: prompt, seed and the rest, resolved.
        on_progress: called with the steps done and the steps in all.
        on_estimate: not called.

    Raises:
        AudiodiffError: a recording that cannot be used, a strength of 0, or the pipeline fails.
    """
    if settings.strength == 0.0:
        raise AudiodiffError("strength is 0, so nothing would be varied; give more, up to 1.")
    known = synthesizer.known
    assert known.vary is not None
    recording = _taken_in(synthesizer, sounds[0])
    call = partial(known.vary, recording=recording, strength=settings.strength)
    made = synthesizer.run(clip, recording.shape[-1], call, on_progress)
    levels = [float(rms(sound.flatten())) for sound in (recording, made)]
    if min(levels) > SILENCE_RMS:
        made = made * (levels[0] / levels[1])
    return _finished(synthesizer, made, clip, without_empty(_about(clip), settings.strength))


def inpaint(
    synthesizer: PipelineSynthesizer,
    sounds: Sequence[Sound],
    settings: InpaintSettings,
    clip: PipelineClip,
    on_progress: OnProgress | None = None,
    on_estimate: OnEstimate | None = None,
) -> Clip:
    """Replace regions of a recording, one after the other; every sample outside them is kept.

    Args:
        synthesizer: the pipeline.
        sounds: the recording.
        settings: the regions and the cross-fade.
        clip: prompt, seed and the rest, resolved.
        on_progress: called with the steps done and the steps in all.
        on_estimate: not called.

    Returns:
        As many channels and samples as the recording, at its rate.

    Raises:
        AudiodiffError: a region outside of the recording, a recording that cannot be used, a strength other than 1, or
            the pipeline fails.
    """
    known = synthesizer.known
    assert known.inpaint is not None
    if settings.strength != 1.0:
        raise AudiodiffError(
            f"strength is {settings.strength:g}, and the class {known.name} of diffusers makes a region all new; leave "
            "it out."
        )
    given, rate = sounds[0][0], check_rate(sounds[0][1])
    original = waveform_tensor(given)
    n_channels, n_samples = original.shape
    regions, notes = regions_inside(settings.regions, n_samples, rate)
    recording = _taken_in(synthesizer, sounds[0])
    result, clipped = original.clone(), 0
    for index, (start, stop) in enumerate(regions):
        call = partial(known.inpaint, recording=recording, start=start / rate, stop=stop / rate)
        progress = part_of(on_progress, index, len(regions))
        made = resample(synthesizer.run(clip, recording.shape[-1], call, progress), synthesizer.sample_rate, rate)
        edges = (regions[index - 1][1] if index else 0, start, stop, next_start(regions, index, n_samples))
        for channel, new in enumerate(_in_channels(made, n_channels)):
            whole = original[channel]
            filled = filled_region(whole, new, 0, edges, settings.crossfade, rate)
            result[channel, start:stop], over = limited(filled, rate, clip.level, whole[:start], whole[stop:])
            clipped += over
    return Clip(
        waveform=(result if given.ndim == 2 else result[0]).numpy(),
        sample_rate=rate,
        seed=clip.sampling.seed,
        gain_db=0.0,
        clipped=clipped,
        notes=tuple(notes),
        new=tuple(regions),
    )


def _taken_in(synthesizer: PipelineSynthesizer, sound: Sound) -> Tensor:
    """A recording `[channels, n_samples]` with the rate and the channels of the pipeline.

    Raises:
        AudiodiffError: it is empty, too long, or no waveform.
    """
    rate = check_rate(sound[1])
    original = waveform_tensor(sound[0])
    synthesizer.check_length(original.shape[-1] / rate)
    return _in_channels(resample(original, rate, synthesizer.sample_rate), synthesizer.channels)


def _in_channels(waveform: Tensor, channels: int) -> Tensor:
    """The same sound in so many channels: as it is, or its mean in each of them."""
    if waveform.shape[0] == channels:
        return waveform
    return waveform.mean(dim=0, keepdim=True).repeat(channels, 1)


def _about(clip: PipelineClip) -> tuple[str, ...]:
    """What there is to say about a prompt."""
    return () if clip.prompt else (EMPTY_PROMPT,)


def _finished(synthesizer: PipelineSynthesizer, waveform: Tensor, clip: PipelineClip, notes: Sequence[str]) -> Clip:
    """The clip of a waveform `[channels, n_samples]`: with its ends, its level, and one channel where that is asked."""
    rate = synthesizer.sample_rate
    sound = faded(waveform[0] if waveform.shape[0] == 1 else waveform, rate, clip.fade_out)
    levelled = folded(apply_level(sound, rate, clip.level), clip.mono)
    return Clip(
        waveform=levelled.waveform.numpy(),
        sample_rate=rate,
        seed=clip.sampling.seed,
        gain_db=levelled.gain_db,
        clipped=levelled.clipped,
        notes=tuple(dict.fromkeys(notes)),
    )


def _as_given(synthesizer: Any, settings: Any, sources: Sequence["Source"]) -> Any:
    return settings


def _resolve_edit(synthesizer: PipelineSynthesizer, settings: EditSettings) -> PipelineClip:
    return synthesizer.resolve(clip_of_edit(settings), own_values(settings))


def _resolve_clip(synthesizer: PipelineSynthesizer, settings: GenerateSettings) -> PipelineClip:
    return synthesizer.resolve(settings)


_VERBS: Mapping[str, Callable[[Verb], Verb]] = {
    "generate": partial(replace, make=generate, inputs=(0,), resolve=_resolve_clip, again=None),
    "vary": partial(replace, make=vary, settle=_as_given, resolve=_resolve_edit),
    "inpaint": partial(replace, make=inpaint, settle=_as_given, resolve=_resolve_edit),
}
"""Verb -> what it becomes for a pipeline."""
