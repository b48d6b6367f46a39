"""A clip between two others, or between two prompts."""

import math
from collections.abc import Sequence

from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.clip import Clip, OnEstimate, OnProgress, Sound, stages
from audiodiff.synthesis.edit_settings import InterpolateSettings
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.recording import init_state, load_init_audio
from audiodiff.synthesis.resolved import ResolvedClip
from audiodiff.synthesis.whole import all_new, encode_whole, rendered, without_empty
from audiodiff.synthesis.windowed import PositionConditions, with_conditions
from audiodiff.torch_state import standard_state


@standard_state()
def make(
    synthesizer: LatentSynthesizer,
    sounds: Sequence[Sound],
    settings: InterpolateSettings,
    clip: ResolvedClip,
    on_progress: OnProgress | None = None,
    on_estimate: OnEstimate | None = None,
) -> Clip:
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
        One channel at the model's rate, as long as the shorter recording, or as the settings say.

    Raises:
        AudiodiffError: nothing to go between, or a recording that cannot be used.
    """
    if not sounds and settings.prompts is None:
        raise AudiodiffError("there is nothing to interpolate; give two recordings, or two prompts.")
    at, notes, gain = settings.position, list[str](), 1.0
    if sounds:
        recordings = [load_init_audio(synthesizer, *each, mono=True) for each in sounds]
        notes += [note for recording in recordings for note in recording.notes]
        n_samples = min(recording.samples.shape[-1] for recording in recordings)
        seconds = n_samples / synthesizer.sample_rate
        if any(recording.samples.shape[-1] > n_samples for recording in recordings):
            notes.append(f"the recordings differ in length; of the longer one the first {seconds:.2f} s were taken")
        clip = clip.lasting(seconds)
        pair = [encode_whole(synthesizer, each.samples[0, :n_samples], n_samples) for each in recordings]
        gain = math.exp((1 - at) * math.log(recordings[0].gain) + at * math.log(recordings[1].gain))
        n_latents = pair[0].shape[-1]
        if settings.strength == 0.0:
            notes.append("strength is 0, so the codec's latents were mixed as they are")
            mixed = slerp(pair[0], pair[1], at)
            return rendered(synthesizer, mixed, n_samples, gain, clip, notes, on_progress)
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
    return rendered(synthesizer, latents, n_samples, gain, clip, notes, vocoding)


def slerp(first: Tensor, second: Tensor, position: float) -> Tensor:
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
