"""A clip from a prompt, with or without a reference recording; or a loop."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from audiodiff.synthesis.settings import GenerateSettings, bar_seconds
from audiodiff.synthesis.verb import COUNT, Argument, Values, Verb, as_given, next_seed, summary_of_clip
from audiodiff.text.chords import AUTO_CHORDS

if TYPE_CHECKING:
    from audiodiff.synthesis.clip import Clip, OnEstimate, OnProgress, Sound
    from audiodiff.synthesis.files import FileReport
    from audiodiff.synthesis.latent import LatentSynthesizer
    from audiodiff.synthesis.resolved import ResolvedClip


def make(
    synthesizer: "LatentSynthesizer",
    sounds: Sequence["Sound"],
    settings: GenerateSettings,
    clip: "ResolvedClip",
    on_progress: "OnProgress | None" = None,
    on_estimate: "OnEstimate | None" = None,
) -> "Clip":
    """Make one clip.

    Args:
        synthesizer: the model.
        sounds: none, or a recording to sound like, for a model that was trained for it.
        settings: what was asked for.
        clip: the same, resolved.
        on_progress: called with the work done and the work in all.
        on_estimate: called after every step with the latents that the clip seems to become.

    Returns:
        One channel at the model's rate, or two of a stereo model, exactly `round(seconds * sample_rate)` samples; of a
        loop with a tempo, the seconds of its bars.

    Raises:
        AudiodiffError: the model knows no such source, or the recording cannot be used.
    """
    from audiodiff.signal.levels import amplitude
    from audiodiff.synthesis.clip import Clip, stages
    from audiodiff.synthesis.recording import kept_latents
    from audiodiff.synthesis.reference import encode_reference

    reference = encode_reference(synthesizer, clip, sounds[0]) if sounds else None
    if clip.loop:
        return _loop(synthesizer, settings, clip, on_progress, on_estimate=on_estimate)
    n_samples = round(clip.seconds * synthesizer.sample_rate)
    denoising, vocoding = stages(on_progress, clip.sampling.steps, clip.vocoder.sampling.steps)
    latents, notes = synthesizer.latents(
        clip, synthesizer.n_latents(clip.seconds), denoising, reference=reference, on_estimate=on_estimate
    )
    levelled = synthesizer.render(latents, n_samples, clip, vocoding)
    return Clip(
        waveform=levelled.waveform.numpy(),
        sample_rate=synthesizer.sample_rate,
        seed=clip.sampling.seed,
        gain_db=levelled.gain_db,
        clipped=levelled.clipped,
        notes=notes,
        latents=kept_latents(synthesizer, latents, amplitude(-levelled.gain_db)),
        started_from=() if reference is None else (reference.started_from,),
    )


def _loop(
    synthesizer: "LatentSynthesizer",
    settings: GenerateSettings,
    clip: "ResolvedClip",
    on_progress: "OnProgress | None" = None,
    *,
    on_estimate: "OnEstimate | None" = None,
) -> "Clip":
    """Make a clip whose end leads into its beginning, without fades.

    It is sampled as the whole number of latents next to its length, and stretched to that (`circular_waveform`).

    Args:
        synthesizer: the model.
        settings: what was asked for.
        clip: prompt, length, seed and the rest.
        on_progress: called with the steps done and the steps in all.
        on_estimate: called after every step with the latents that the loop seems to become.
    """
    from audiodiff.signal.levels import amplitude, apply_level
    from audiodiff.synthesis.clip import Clip, stages
    from audiodiff.synthesis.latent import folded
    from audiodiff.synthesis.loop import circular_denoise, circular_waveform, seam_score
    from audiodiff.synthesis.recording import kept_latents

    rate = synthesizer.sample_rate
    per_latent = synthesizer.model.mel_spec.hop_length * synthesizer.model.autoencoder.frames_per_latent
    n_latents = max(1, round(clip.seconds * rate / per_latent))
    n_samples = n_latents * per_latent if clip.bars == 0 else round(clip.seconds * rate)
    denoise, said = circular_denoise(synthesizer, clip, n_latents)
    sampling = clip.sampling
    state = synthesizer.model.process.prior(synthesizer.noise(sampling.seed, 0, 0, n_latents))
    denoising, vocoding = stages(on_progress, sampling.steps, clip.vocoder.sampling.steps)
    latents = synthesizer.sample(
        sampling, denoise, state, synthesizer.times(sampling), on_progress=denoising, on_estimate=on_estimate
    )
    waveform = circular_waveform(synthesizer, latents, n_samples, clip.vocoder, vocoding)
    levelled = folded(apply_level(waveform, rate, clip.level, circular=True), clip.mono)
    seam = seam_score(levelled.waveform, synthesizer.model.mel_spec)
    notes = list(said)
    if clip.bars and not settings.bars and abs(clip.seconds - settings.seconds) > 0.5 / rate:
        tempo = clip.bars * bar_seconds(1.0) / clip.seconds
        notes.append(
            f"a loop is a whole number of bars: {clip.bars} at {tempo:g} bpm, {clip.seconds:.4g} s instead of "
            f"{settings.seconds:g} s"
        )
    if n_samples != round(clip.seconds * rate):
        notes.append(
            f"a loop is a whole number of latents, {1000.0 * per_latent / rate:.1f} ms each: instead of "
            f"{clip.seconds:g} s it has {n_samples / rate:.4f} s ({n_samples} samples)"
        )
    notes += seam.notes
    return Clip(
        waveform=levelled.waveform.numpy(),
        sample_rate=rate,
        seed=sampling.seed,
        gain_db=levelled.gain_db,
        clipped=levelled.clipped,
        notes=tuple(notes),
        seam=seam.ratio,
        latents=kept_latents(synthesizer, latents, amplitude(-levelled.gain_db)),
    )


def resolve(synthesizer: "LatentSynthesizer", settings: GenerateSettings) -> "ResolvedClip":
    """Fill in what the model recommends, and loosen the guidance as `variety` asks for.

    In a key, a model that takes chords gets a usual progression.

    Raises:
        AudiodiffError: a setting does not fit the model.
    """
    from audiodiff.synthesis.variety import loosened

    return resolve_loosened(synthesizer, loosened(settings, synthesizer.defaults.guidance))


def resolve_loosened(synthesizer: "LatentSynthesizer", settings: GenerateSettings) -> "ResolvedClip":
    """Do the same where the guidance is what `variety` has left.

    Raises:
        AudiodiffError: a setting does not fit the model.
    """
    clip, config = synthesizer.resolve(settings), synthesizer.model.config
    if clip.key and not clip.chords and config.chords and config.beats:
        return synthesizer.resolve(replace(settings, chords=AUTO_CHORDS))
    return clip


def next_take(values: Values, index: int, count: int) -> tuple[str, Values]:
    """Return the name and the values of take `index` of `count`: each has a seed of its own, and all have one idea."""
    name, take = next_seed(values, index, count)
    shared = take.get("prior") and take.get("idea") is None
    return name, {**take, "idea": values.get("seed", 0)} if shared else take


def summary_of_take(report: "FileReport") -> str:
    """What the command line says of a clip, with its idea."""
    idea = report.resolved.idea if hasattr(report.resolved, "idea") else None
    return summary_of_clip(report, "" if idea is None else f"idea {idea}")


VERB = Verb(
    "generate",
    GenerateSettings,
    make,
    help="make clips from a prompt",
    description="Make one or several clips from a prompt. The same seed gives the same samples.",
    doing="generating",
    inputs=(0, 1),
    arguments=(
        Argument("prompt", 'what to hear, e.g. "solo piano, slow, minor key"; "" for anything'),
        Argument(
            "reference",
            "a sound file to sound like, for a model that was trained to fit recordings; the prompt may be empty",
            "--reference",
            type=Path,
            metavar="CLIP",
        ),
        COUNT,
    ),
    complete=as_given,
    variant=next_take,
    summary=summary_of_take,
    resolve=resolve,
    again=resolve_loosened,
)
