"""A reference recording: a new clip takes its sound, and does not repeat its notes.

A model that was trained to complete crops with gaps (`MelLatentConfig.known`) takes a stretch of the recording as what
goes before: every window of the new clip is denoised after it, and the stretch itself is thrown away. That needs no
encoder of styles and no training beyond that of `inpaint` and `extend`.
"""

from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.clip import Sound
from audiodiff.synthesis.latent import LatentSynthesizer, ReferenceLatents
from audiodiff.synthesis.recording import latents_of, load_init_audio, samples_per_latent
from audiodiff.synthesis.resolved import ResolvedClip

__all__ = ["encode_reference", "loudest"]

SHARE = 3
"""A window is one part reference and two parts new: in training the gap is at most three quarters of a crop."""


def encode_reference(synthesizer: LatentSynthesizer, clip: ResolvedClip, reference: Sound) -> ReferenceLatents:
    """Encode the loudest stretch of a recording, a third of the model's window or all there is.

    Args:
        synthesizer: the model.
        clip: the new one.
        reference: `[n_samples]` or `[channels, n_samples]`, whose channels are mixed, and its rate (Hz).

    Raises:
        AudiodiffError: the model was not trained for it, a loop is wanted, or the recording cannot be used.
    """
    if not synthesizer.model.config.known:
        raise AudiodiffError(
            f"the model {synthesizer.name} was not trained to take a reference (model.known); vary or extend the "
            "recording instead."
        )
    if clip.loop:
        raise AudiodiffError("a loop takes no reference; leave out one of the two.")
    recording = load_init_audio(synthesizer, *reference, mono=True)
    samples, per_latent = recording.on_grid[0], samples_per_latent(synthesizer)
    count = max(1, min(synthesizer.window_latents // SHARE, samples.shape[-1] // per_latent))
    start = loudest(samples, per_latent, count)
    latents = latents_of(synthesizer, recording, 0, start, start + count)[0]
    return ReferenceLatents(latents, recording.notes, recording.started_from)


def loudest(samples: Tensor, unit: int, count: int) -> int:
    """Where the `count` whole units of `samples [n]` with the most energy begin, in units; 0 if there are no more."""
    n_units = samples.shape[-1] // unit
    if n_units <= count:
        return 0
    energy = samples[: n_units * unit].double().square().reshape(n_units, unit).sum(dim=-1)
    return int(energy.unfold(0, count, 1).sum(dim=-1).argmax())
