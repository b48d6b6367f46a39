"""A clip between two others, or between two prompts."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.edit_settings import TAKES, check_no_loop, check_no_take, check_number, clip_of_edit
from audiodiff.synthesis.plain_numbers import make_plain
from audiodiff.synthesis.settings import GenerateSettings
from audiodiff.synthesis.verb import PROMPT, Argument, Say, Values, Verb, files_and_values, with_prompts

if TYPE_CHECKING:
    from torch import Tensor

    from audiodiff.synthesis.clip import Clip, OnEstimate, OnProgress, Sound
    from audiodiff.synthesis.latent import LatentSynthesizer
    from audiodiff.synthesis.resolved import ResolvedClip
    from audiodiff.synthesis.source import Source


@dataclass(frozen=True)
class InterpolateSettings:
    """Settings of one clip between two recordings, two prompts, or both.

    Attributes:
        position: 0 is the first, 1 the second.
        clip: seed, sampler and the rest, and the prompt, unless there are two. Between recordings its `seconds` are
            those of the shorter one.
        strength: how much of the recordings is new, from 0 (nothing) to 1 (everything), as in `VarySettings`.
        prompts: to go from one to the other; there is no other prompt then.
    """

    position: float = 0.5
    clip: GenerateSettings = field(default_factory=GenerateSettings)
    strength: float = 0.5
    prompts: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            AudiodiffError: a field is out of range.
        """
        make_plain(self)
        check_no_loop(self.clip)
        check_number("position", self.position, 0.0, 1.0, "(0 is the first, 1 the second)")
        check_number("strength", self.strength, 0.0, 1.0, "(1 keeps nothing)")
        if self.prompts is not None and not (
            isinstance(self.prompts, tuple | list)
            and len(self.prompts) == 2
            and all(isinstance(prompt, str) for prompt in self.prompts)
        ):
            raise AudiodiffError(f"prompts is {self.prompts!r}; it must be two texts.")
        if self.prompts is not None and self.clip.prompt:
            # Nothing may be read from it, such as a tempo.
            object.__setattr__(self, "clip", replace(self.clip, prompt=""))


def make(
    synthesizer: "LatentSynthesizer",
    sounds: Sequence["Sound"],
    settings: InterpolateSettings,
    clip: "ResolvedClip",
    on_progress: "OnProgress | None" = None,
    on_estimate: "OnEstimate | None" = None,
) -> "Clip":
    """Make a clip between two recordings, two prompts, or both.

    Between recordings, the states that their variations start from are interpolated along the great circle, so position
    0 is a variation of the first with the same strength and seed, and 1 one of the second. Between prompts, what the
    network estimates for each is mixed at every step.

    Args:
        synthesizer: the model.
        sounds: two recordings, or none.
        settings: position and strength.
        clip: prompts, seed and the rest, resolved.
        on_progress: called with the steps done and the steps in all.
        on_estimate: not called.

    Returns:
        One channel at the model's rate, or two of a stereo model, as long as the shorter recording, or as the settings
        say.

    Raises:
        AudiodiffError: nothing to go between, or a recording that cannot be used.
    """
    from audiodiff.synthesis.clip import stages
    from audiodiff.synthesis.recording import init_state, load_init_audio
    from audiodiff.synthesis.whole import all_new, rendered, whole_latents, without_empty
    from audiodiff.synthesis.windowed import PositionConditions, with_conditions

    if not sounds and settings.prompts is None:
        raise AudiodiffError("there is nothing to interpolate; give two recordings, or two prompts.")
    at, notes, gain = settings.position, list[str](), 1.0
    recordings = [load_init_audio(synthesizer, *each, mono=True, aligned=True) for each in sounds]
    if recordings:
        notes += [note for recording in recordings for note in recording.notes]
        n_samples = min(recording.samples.shape[-1] for recording in recordings)
        seconds = n_samples / synthesizer.sample_rate
        if any(recording.samples.shape[-1] > n_samples for recording in recordings):
            notes.append(f"the recordings differ in length; of the longer one the first {seconds:.2f} s were taken")
        clip = clip.lasting(seconds)
        pair = [whole_latents(synthesizer, each, n_samples) for each in recordings]
        gain = math.exp((1 - at) * math.log(recordings[0].gain) + at * math.log(recordings[1].gain))
        n_latents = pair[0].shape[-1]
        if settings.strength == 0.0:
            notes.append("strength is 0, so the codec's latents were mixed as they are")
            mixed = slerp(pair[0], pair[1], at)
            made = rendered(synthesizer, mixed, n_samples, gain, clip, notes, on_progress)
            return replace(made, started_from=tuple(each.started_from for each in recordings))
        notes += all_new(settings.strength)
        states = [init_state(synthesizer, clip.sampling, latents, settings.strength) for latents in pair]
        state, times = slerp(states[0][0], states[1][0], at), states[0][1]
    else:
        n_samples = round(clip.seconds * synthesizer.sample_rate)
        n_latents = synthesizer.n_latents(clip.seconds)
        state = synthesizer.model.process.prior(synthesizer.noise(clip.sampling.seed, 0, 0, n_latents))
        times = synthesizer.times(clip.sampling)
    guided, said = synthesizer.guided(clip)
    notes += without_empty(said, settings.strength if sounds else 1.0)
    # Two recordings have two beats; only a tempo that is asked for is one for both.
    denoise = with_conditions(guided, PositionConditions(synthesizer.beats(clip.beat, 0, n_latents)))
    denoising, vocoding = stages(on_progress, len(times) - 1, clip.vocoder.sampling.steps)
    latents = synthesizer.sample(clip.sampling, denoise, state, times, on_progress=denoising)
    made = rendered(synthesizer, latents, n_samples, gain, clip, notes, vocoding)
    return replace(made, started_from=tuple(each.started_from for each in recordings))


def slerp(first: "Tensor", second: "Tensor", position: float) -> "Tensor":
    """Interpolate along the great circle (Shoemake 1985): between noises, each mixture is as strong as they are.

    Args:
        first: any shape; taken as one vector.
        second: of that shape.
        position: 0 is the first, 1 the second, exactly.
    """
    lengths = float(first.double().norm() * second.double().norm())
    cosine = float((first.double() * second.double()).sum()) / lengths if lengths > 0.0 else 1.0
    angle = math.acos(max(-1.0, min(1.0, cosine)))
    if math.sin(angle) < 1e-4:
        return (1.0 - position) * first + position * second
    weights = [math.sin((1.0 - position) * angle) / math.sin(angle), math.sin(position * angle) / math.sin(angle)]
    return weights[0] * first + weights[1] * second


def read(given: Mapping[str, Any]) -> tuple[list[Path], Values]:
    """Check what goes together.

    Raises:
        AudiodiffError: it is neither two clips nor two prompts, or they say the same in two ways.
    """
    files, values = files_and_values(given)
    if len(files) not in {0, 2} or not (files or "prompts" in values):
        raise AudiodiffError('give two sound files to interpolate, or --prompts "A" "B".')
    if "prompts" in values and "prompt" in values:
        raise AudiodiffError("--prompt is one for all clips and --prompts are two to go between; give one of them.")
    if files and "seconds" in values:
        raise AudiodiffError("the clips say how long the result is; leave --seconds out.")
    return files, {name: tuple(value) if name == "prompts" else value for name, value in values.items()}


def complete(values: Values, sources: Sequence["Source"], say: Say) -> Values:
    """Go from the prompt of one clip to that of the other, where these tell them."""
    if "prompts" in values or not sources:
        return values
    first, second = (with_prompts(values, [source], say) for source in sources)
    pair = first.get("prompt", ""), second.get("prompt", "")
    return first if pair[0] == pair[1] else {**first, "prompts": pair}


def variant(values: Values, index: int, count: int) -> tuple[str, Values]:
    """Return the name and the values of clip `index` of `count`, all of one seed."""
    return f"{index + 1:0{len(str(count))}}", {**values, "position": index / (count - 1)}


def resolve(synthesizer: "LatentSynthesizer", settings: InterpolateSettings) -> "ResolvedClip":
    """Fill in what the model recommends.

    Raises:
        AudiodiffError: a setting does not fit the model.
    """
    if settings.prompts is None:
        return synthesizer.resolve(clip_of_edit(settings))
    check_no_take(settings.clip)
    return synthesizer.resolve(settings.clip, between=(settings.prompts, settings.position))


VERB = Verb(
    "interpolate",
    InterpolateSettings,
    make,
    help="make clips on the way from one clip, or prompt, to another",
    description=(
        "Make several clips of one seed on the way from one clip to another, from one prompt to "
        "another, or both. The first and the last are variations of the two clips."
    ),
    doing="interpolating",
    inputs=(0, 2),
    arguments=(
        Argument("clips", "two sound files", type=Path, nargs="*", metavar="CLIP"),
        Argument("prompts", "two prompts to go between", "--prompts", nargs=2, metavar=("A", "B")),
        PROMPT,
        Argument("count", "clips, both ends included (default: 5)", "--count", type=int, default=5),
        Argument("seconds", "length without clips (default: 10)", "--seconds", type=float),
    ),
    hidden=("position", *TAKES),
    from_input=("loop", "bars"),
    output="A-B.wav, here; the place of each is put behind the name",
    least_count=2,
    read=read,
    complete=complete,
    variant=variant,
    resolve=resolve,
)
