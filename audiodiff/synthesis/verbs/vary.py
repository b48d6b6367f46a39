"""A variation of a clip."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from audiodiff.errors import AudiodiffError
from audiodiff.models.find import pretrained_names
from audiodiff.synthesis.edit_settings import TAKES, check_number
from audiodiff.synthesis.plain_numbers import make_plain
from audiodiff.synthesis.settings import GenerateSettings, changed, values_of
from audiodiff.synthesis.verb import Instead, Say, Values, Verb
from audiodiff.synthesis.verbs.speak import remake

if TYPE_CHECKING:
    from torch import Tensor

    from audiodiff.synthesis.clip import Clip, OnEstimate, OnProgress, Sound
    from audiodiff.synthesis.latent import LatentSynthesizer
    from audiodiff.synthesis.recording import Recording
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
        sounds: the recording; several channels are mixed, but the two of a stereo recording for a stereo model.
        settings: strength.
        clip: prompt, seed and the rest, resolved.
        on_progress: called with the steps done and the steps in all.
        on_estimate: not called.

    Returns:
        One channel at the model's rate, or two of a stereo model, as long as the recording.

    Raises:
        AudiodiffError: a recording that cannot be used.
    """
    from audiodiff.synthesis.clip import stages
    from audiodiff.synthesis.loop import circular_denoise
    from audiodiff.synthesis.recording import beats_of, init_state, load_init_audio
    from audiodiff.synthesis.whole import all_new, rendered, whole_latents, without_empty
    from audiodiff.synthesis.windowed import PositionConditions, with_conditions

    recording = load_init_audio(synthesizer, *sounds[0], mono=True, aligned=clip.loop)
    clip = clip.lasting(recording.seconds)
    n_samples = recording.samples.shape[-1]
    encode = _circle_latents if clip.loop else whole_latents
    latents, notes = encode(synthesizer, recording, n_samples), list(recording.notes)
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
    made = rendered(synthesizer, latents, n_samples, recording.gain, clip, notes, vocoding, lead=recording.lead)
    return replace(made, started_from=(recording.started_from,))


def _circle_latents(synthesizer: "LatentSynthesizer", recording: "Recording", n_samples: int) -> "Tensor":
    """Latents of a loop, its own or each encoded with its surroundings on the circle."""
    from audiodiff.synthesis.loop import circular_latents
    from audiodiff.synthesis.recording import latents_of, samples_per_latent

    if recording.started_from:
        return latents_of(synthesizer, recording, 0, 0, max(1, round(n_samples / samples_per_latent(synthesizer))))
    return circular_latents(synthesizer, recording)


def settle(synthesizer: "LatentSynthesizer", settings: VarySettings, sources: Sequence["Source"]) -> VarySettings:
    """Keep a loop that was made by audiodiff a loop."""
    from audiodiff.synthesis.recording import samples_per_latent

    if sources[0].loops(synthesizer.sample_rate, samples_per_latent(synthesizer)):
        return changed(settings, {"loop": True})
    return settings


def instead(values: Values, sources: Sequence["Source"], model: str, say: Say) -> Instead | None:
    """Speak a reading again, with seeds that follow its own.

    Raises:
        AudiodiffError: words of a recording were replaced in it, a setting is none of a reading's, or its voice is not
            in the package and not given.
    """
    path, record = sources[0].path, sources[0].record
    if record is None or not sources[0].tells_words:
        return None
    if record.verb != "speak":
        raise AudiodiffError(
            f"{path} was made by `audiodiff {record.verb}`; for other takes of its new words repeat that with another "
            "--seed."
        )
    usual = {name: default for name, (_, default, _) in VERB.options().items()}
    given = {name: value for name, value in values.items() if value is not None and value != usual.get(name)}
    own = values_of(remake(record)[0])
    odd = [name for name in given if name not in own]
    if odd:
        raise AudiodiffError(
            f"{path} is speech, whose text is spoken again; {odd[0]} does not apply to that, leave it out."
        )
    name = record.models[0].name if record.models else ""
    if not model and name not in pretrained_names():
        raise AudiodiffError(
            f"{path} was spoken by the voice {name}, which does not come with the package; give it with --model."
        )
    say(f"{path.name} is a reading; its text is spoken again, with other seeds")
    for adapter in (each for used in record.models for each in used.adapters):
        say(f"it was spoken with the adapter {adapter.name}:{adapter.strength:g}; give that with --adapter, too")
    return Instead("speak", model or name, {**own, **given, "seed": record.seed + 1 + given.get("seed", 0)})


VERB = Verb(
    "vary",
    VarySettings,
    make,
    help="make variations of a clip",
    description=(
        "Make variations of a clip, of the same length: noise replaces part of it, and the model denoises the mixture. "
        "A file that `audiodiff speak` made is spoken again by its voice, with the seeds after its own; for takes of "
        "another recording, `audiodiff speak` its text."
    ),
    doing="varying",
    output="CLIP-vary.wav, here",
    hidden=("loop", *TAKES),  # whether it is a loop, the clip tells by itself
    from_input=("seconds", "bars"),
    instead=instead,
    settle=settle,
)
