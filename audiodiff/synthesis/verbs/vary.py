"""A variation of a clip."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from audiodiff.synthesis.edit_settings import check_number
from audiodiff.synthesis.settings import GenerateSettings, changed, make_plain
from audiodiff.synthesis.verb import Verb

if TYPE_CHECKING:
    from torch import Tensor

    from audiodiff.synthesis.clip import Clip, OnEstimate, OnProgress, Sound
    from audiodiff.synthesis.latent import LatentSynthesizer
    from audiodiff.synthesis.resolved import ResolvedClip
    from audiodiff.synthesis.source import Source


@dataclass(frozen=True)
class VarySettings:
    """Settings of a variation.

    Attributes:
        clip: prompt, seed, sampler and the rest; its `seconds` are those of the recording. Its level "limit" is as
            loud as the recording, "none" the same or as loud as full scale allows. Its `loop` says that the recording
            is a loop, and is to stay one.
        strength: how much is new, from 0 (nothing) to 1 (everything). It is the share of noise in the state that
            denoising starts from.
    """

    clip: GenerateSettings = field(default_factory=GenerateSettings)
    strength: float = 0.4

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            AudiodiffError: a field is out of range.
        """
        make_plain(self)
        check_number("strength", self.strength, 0.0, 1.0, "(1 keeps nothing)")


def make(
    synthesizer: "LatentSynthesizer",
    sounds: Sequence["Sound"],
    settings: VarySettings,
    clip: "ResolvedClip",
    on_progress: "OnProgress | None" = None,
    on_estimate: "OnEstimate | None" = None,
) -> "Clip":
    """Make a variation of a recording: its latents are noised in part, and denoised again.

    Args:
        synthesizer: the model.
        sounds: the recording; several channels are mixed.
        settings: strength.
        clip: prompt, seed and the rest, resolved.
        on_progress: called with the steps done and the steps in all.
        on_estimate: not called.

    Returns:
        One channel at the model's rate, as long as the recording.

    Raises:
        AudiodiffError: a recording that cannot be used.
    """
    from audiodiff.synthesis.clip import stages
    from audiodiff.synthesis.loop import circular_denoise
    from audiodiff.synthesis.recording import beats_of, init_state, load_init_audio
    from audiodiff.synthesis.whole import all_new, encode_whole, rendered, without_empty
    from audiodiff.synthesis.windowed import PositionConditions, with_conditions

    recording = load_init_audio(synthesizer, *sounds[0], mono=True)
    clip = clip.lasting(recording.seconds)
    n_samples = recording.samples.shape[-1]
    encode = _encode_circle if clip.loop else encode_whole
    latents, notes = encode(synthesizer, recording.samples[0], n_samples), list(recording.notes)
    vocoding = on_progress
    if settings.strength == 0.0:
        notes.append("strength is 0, so this is the recording as the model's codec gives it back; nothing is varied")
    else:
        notes += all_new(settings.strength)
        if clip.loop:
            denoise, said = circular_denoise(synthesizer, clip, latents.shape[-1])
        else:
            guided, said = synthesizer.guided(clip)
            beats, about = beats_of(synthesizer, recording, clip.beat, 0, latents.shape[-1])
            denoise, said = with_conditions(guided, PositionConditions(beats)), (*said, *about)
        notes += without_empty(said, settings.strength)
        state, times = init_state(synthesizer, clip.sampling, latents, settings.strength)
        denoising, vocoding = stages(on_progress, len(times) - 1, clip.vocoder.sampling.steps)
        latents = synthesizer.sample(clip.sampling, denoise, state, times, on_progress=denoising)
    return rendered(synthesizer, latents, n_samples, recording.gain, clip, notes, vocoding)


def _encode_circle(synthesizer: "LatentSynthesizer", samples: "Tensor", n_samples: int) -> "Tensor":
    """Latents of a loop, each encoded with its surroundings on the circle; the nearest whole number of them."""
    from audiodiff.synthesis.loop import circular_resample
    from audiodiff.synthesis.recording import encode_audio, samples_per_latent

    per_latent = samples_per_latent(synthesizer)
    n_latents = max(1, round(n_samples / per_latent))
    samples = circular_resample(samples, n_latents * per_latent)
    autoencoder, spec = synthesizer.model.autoencoder, synthesizer.model.mel_spec
    turns = -(-(autoencoder.context_frames * spec.hop_length + spec.n_fft) // (n_latents * per_latent))
    repeated = samples.repeat(2 * turns + 2)
    return encode_audio(synthesizer, repeated, turns * n_latents, (turns + 1) * n_latents)


def settle(synthesizer: "LatentSynthesizer", settings: VarySettings, sources: Sequence["Source"]) -> VarySettings:
    """Keep a loop that was made by audiodiff a loop."""
    from audiodiff.synthesis.recording import samples_per_latent

    if sources[0].loops(synthesizer.sample_rate, samples_per_latent(synthesizer)):
        return changed(settings, {"loop": True})
    return settings


VERB = Verb(
    "vary",
    VarySettings,
    make,
    help="make variations of a clip",
    description=(
        "Make variations of a clip, of the same length: noise replaces part of it, and the model denoises the mixture."
    ),
    doing="varying",
    output="CLIP-vary.wav, here",
    hidden=("loop",),  # which the clip tells by itself
    from_input=("seconds", "bars"),
    settle=settle,
)
