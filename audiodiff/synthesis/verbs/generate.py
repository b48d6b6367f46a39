"""A clip from a prompt, with or without a reference recording; or a loop."""

from collections.abc import Sequence

from audiodiff.signal.levels import apply_level
from audiodiff.synthesis.clip import Clip, OnEstimate, OnProgress, Sound, stages
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.loop import circular_denoise, circular_waveform, seam_score
from audiodiff.synthesis.reference import encode_reference
from audiodiff.synthesis.resolved import ResolvedClip
from audiodiff.synthesis.settings import GenerateSettings
from audiodiff.torch_state import standard_state


@standard_state()
def make(
    synthesizer: LatentSynthesizer,
    sounds: Sequence[Sound],
    settings: GenerateSettings,
    clip: ResolvedClip,
    on_progress: OnProgress | None = None,
    on_estimate: OnEstimate | None = None,
) -> Clip:
    """Make one clip.

    Args:
        synthesizer: the model.
        sounds: none, or a recording to sound like, for a model that was trained for it.
        settings: what was asked for.
        clip: the same, resolved.
        on_progress: called with the work done and the work in all.
        on_estimate: called after every step with the latents that the clip seems to become.

    Returns:
        One channel at the model's rate, exactly `round(seconds * sample_rate)` samples; a loop, the whole number of
        latents next to that.

    Raises:
        AudiodiffError: the model knows no such source, or the recording cannot be used.
    """
    reference = encode_reference(synthesizer, clip, sounds[0]) if sounds else None
    if clip.loop:
        return _loop(synthesizer, clip, on_progress, on_estimate=on_estimate)
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
    )


def _loop(
    synthesizer: LatentSynthesizer,
    clip: ResolvedClip,
    on_progress: OnProgress | None = None,
    *,
    on_estimate: OnEstimate | None = None,
) -> Clip:
    """Make a clip whose end leads into its beginning; its length is a whole number of latents, and it has no fades.

    Args:
        synthesizer: the model.
        clip: prompt, length, seed and the rest.
        on_progress: called with the steps done and the steps in all.
        on_estimate: called after every step with the latents that the loop seems to become.
    """
    rate = synthesizer.sample_rate
    per_latent = synthesizer.model.mel_spec.hop_length * synthesizer.model.autoencoder.frames_per_latent
    n_latents = max(1, round(clip.seconds * rate / per_latent))
    n_samples = n_latents * per_latent
    denoise, said = circular_denoise(synthesizer, clip, n_latents)
    sampling = clip.sampling
    state = synthesizer.model.process.prior(synthesizer.noise(sampling.seed, 0, 0, n_latents))
    denoising, vocoding = stages(on_progress, sampling.steps, clip.vocoder.sampling.steps)
    latents = synthesizer.sample(
        sampling, denoise, state, synthesizer.times(sampling), on_progress=denoising, on_estimate=on_estimate
    )
    waveform = circular_waveform(synthesizer, latents, clip.vocoder, vocoding)
    levelled = apply_level(waveform, rate, clip.level)
    seam = seam_score(levelled.waveform, synthesizer.model.mel_spec)
    notes = list(said)
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
    )
