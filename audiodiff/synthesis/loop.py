"""Clips that repeat without a seam: latents on a circle, decoded and vocoded around it."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from audiodiff.diffusion.samplers import Denoise
from audiodiff.signal.mel import MelSpec, log_mel, value_range
from audiodiff.synthesis.clip import OnProgress
from audiodiff.synthesis.latent import LatentSynthesizer, with_sides
from audiodiff.synthesis.recording import Recording, encode_audio, samples_per_latent
from audiodiff.synthesis.resolved import ResolvedClip
from audiodiff.synthesis.sampling import VocodePlan
from audiodiff.synthesis.streams import mel_blocks
from audiodiff.synthesis.verb import LARGEST_SEAM
from audiodiff.synthesis.windowed import ConditionedDenoise, PositionConditions, with_conditions
from audiodiff.text.chords import BEATS_PER_BAR

__all__ = [
    "SeamScore",
    "circular_denoise",
    "circular_latents",
    "circular_resample",
    "circular_waveform",
    "circular_windowed",
    "rolled",
    "seam_score",
    "tiled",
]

USUAL_SHARE = 0.95


@dataclass(frozen=True)
class SeamScore:
    """How abrupt the seam of a loop is.

    Attributes:
        jump: change of the log-mel from one frame to the next where the end meets the beginning, averaged over bands
            (in the units of the mel).
        usual: the same of the clip's other places: their 95th percentile.
    """

    jump: float
    usual: float

    @property
    def ratio(self) -> float:
        """The jump in units of what is usual in this clip; about 1 or less if it does not stand out."""
        return self.jump / self.usual if self.usual > 0.0 else math.inf if self.jump > 0.0 else 0.0

    @property
    def closed(self) -> bool:
        """Whether the seam does not stand out."""
        return self.ratio <= LARGEST_SEAM

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to say of a seam that stands out."""
        if self.closed:
            return ()
        return (f"the seam is {self.ratio:.1f} times as abrupt as the loop's own changes; try another seed",)


def circular_denoise(
    synthesizer: LatentSynthesizer, clip: ResolvedClip, n_latents: int
) -> tuple[Denoise, tuple[str, ...]]:
    """Return the denoiser of a loop of `n_latents`, and notes about its prompt and beats."""
    # The state is turned between steps, and what guidance changed at one of them is elsewhere at the next.
    clip = replace(clip, sampling=replace(clip.sampling, guidance_hold=0.0))
    window = synthesizer.window_latents
    as_one = n_latents <= window + synthesizer.tolerance_latents
    denoise, said = synthesizer.guided(clip, circular=as_one)
    if not as_one:
        denoise = circular_windowed(denoise, window, window // 3)
    else:
        # The model was trained on nothing shorter; a short loop is repeated for it.
        shortest = synthesizer.shortest_seconds * synthesizer.model.latents_per_second
        denoise = tiled(denoise, math.ceil(shortest / n_latents))
    beats, note = _whole_beats(synthesizer, clip, n_latents)
    notes = said if note is None else (*said, note)
    return with_conditions(rolled(denoise, clip.sampling.seed), PositionConditions(beats)), notes


def circular_waveform(
    synthesizer: LatentSynthesizer, latents: Tensor, n_samples: int, plan: VocodePlan, on_progress: OnProgress | None
) -> Tensor:
    """Decode the latents of a loop to a waveform on the CPU: `[n_samples]`, or `[2, n_samples]` of a stereo model.

    The latents last up to half a latent more or less than that. The log-mel is stretched to the next frame, which keeps
    the pitch, and the waveform by the rest, up to half a hop; of a stereo model the waveform alone.
    """
    spec, autoencoder = synthesizer.model.mel_spec, synthesizer.model.autoencoder
    mel = synthesizer.limited(autoencoder.decode(latents, circular=True)[0]).cpu()
    mel = circular_resample(mel, max(1, round(n_samples / spec.hop_length))).clamp(*value_range(spec))
    waveform = synthesizer.vocoder.vocode_frames(mel[None], plan, on_progress, circular=True)[0].float()
    mono = circular_resample(waveform, n_samples)
    lasting = circular_resample(mono, latents.shape[-1] * samples_per_latent(synthesizer))
    sound = with_sides(autoencoder, lasting, latents, circular=True)
    if sound.ndim == 1:
        return mono
    sides = circular_resample(sound, n_samples)
    return sides + (mono - sides.mean(dim=0))


def circular_latents(synthesizer: LatentSynthesizer, recording: Recording) -> Tensor:
    """Encode a loop, of one channel or mixed to one, as the nearest whole number of latents `[1, channels, n_latents]`.

    What `circular_waveform` stretches is stretched the other way.
    """
    samples, stereo = recording.samples[0], recording.stereo
    autoencoder, spec, n_samples = synthesizer.model.autoencoder, synthesizer.model.mel_spec, samples.shape[-1]
    n_frames, per_latent = max(1, round(n_samples / spec.hop_length)), samples_per_latent(synthesizer)
    n_latents = max(1, round(n_samples / per_latent))
    turns = -(-(autoencoder.context_frames * spec.hop_length + spec.n_fft) // n_samples)
    if n_samples == n_latents * per_latent:
        sides = None if stereo is None else stereo.repeat(1, 1, 2 * turns + 2)
        repeated = samples.repeat(2 * turns + 2)
        return encode_audio(synthesizer, repeated, turns * n_latents, (turns + 1) * n_latents, sides)
    repeated = circular_resample(samples, n_frames * spec.hop_length).repeat(2 * turns + 2)
    mel = torch.cat(list(mel_blocks([repeated[None]], spec)), dim=-1)[..., turns * n_frames : (turns + 1) * n_frames]
    mel = circular_resample(mel, n_latents * autoencoder.frames_per_latent).clamp(*value_range(spec))
    nearest = torch.arange(n_latents) * (1 if stereo is None else stereo.shape[-1]) // n_latents
    sides = None if stereo is None else stereo[None, ..., nearest]
    return autoencoder.encode(mel.to(synthesizer.device), sides, circular=True)


def circular_resample(signal: Tensor, length: int) -> Tensor:
    """Bring a period `[..., n]` of a signal to `[..., length]` by its Fourier series, which is exact up to the band."""
    n = signal.shape[-1]
    if n == length:
        return signal
    spectrum = torch.fft.rfft(signal.double())
    if length > n and n % 2 == 0:  # the old Nyquist frequency becomes one of two sides
        spectrum[..., -1] *= 0.5
    found: Tensor = torch.fft.irfft(spectrum, n=length) * (length / n)
    return found.to(signal.dtype)


def _whole_beats(synthesizer: LatentSynthesizer, clip: ResolvedClip, n_latents: int) -> tuple[Tensor, str | None]:
    """Beats of the latents of a loop, `[n_latents]`, a whole number in all; and what there is to say of that."""
    minutes, wanted = n_latents / synthesizer.model.latents_per_second / 60.0, clip.beat
    if wanted is None:
        return synthesizer.beats(None, 0, n_latents), None
    if clip.bars:
        return synthesizer.beats(BEATS_PER_BAR * clip.bars / minutes, 0, n_latents), None
    count = max(1, round(wanted * minutes))
    tempo, note = count / minutes, None
    if abs(tempo / wanted - 1.0) > 0.01:
        note = f"a loop has a whole number of beats: {count} of them, {tempo:.1f} instead of {wanted:g} bpm"
    return synthesizer.beats(tempo, 0, n_latents), note


def rolled(denoise: ConditionedDenoise, seed: int) -> ConditionedDenoise:
    """Return a `denoise` that turns the circle by another angle at each call, so that no place is always at an end.

    Positions in the network lie on a line: without this, they would leave a seam at the line's ends.
    """
    generator = torch.Generator().manual_seed(seed)

    def turned(x: Tensor, t: Tensor, conditions: PositionConditions) -> Tensor:
        shift = int(torch.randint(x.shape[-1], (), generator=generator))
        return denoise(x.roll(shift, dims=-1), t, conditions.roll(shift)).roll(-shift, dims=-1)

    return turned


def tiled(denoise: ConditionedDenoise, times: int) -> ConditionedDenoise:
    """Return a `denoise` that sees the state `times` over, one after another, and takes the mean of what it makes."""
    if times <= 1:
        return denoise

    def repeated(x: Tensor, t: Tensor, conditions: PositionConditions) -> Tensor:
        together = denoise(x.repeat(1, 1, times), t, conditions.repeat(times))
        return together.reshape(*x.shape[:-1], times, x.shape[-1]).mean(dim=-2)

    return repeated


def circular_windowed(denoise: ConditionedDenoise, window: int, overlap: int) -> ConditionedDenoise:
    """Return a `denoise` of circles longer than `window` positions: overlapping windows all the way round.

    As `audiodiff.synthesis.windowed.windowed`, where the last window overlaps the first.
    """

    def joined(x: Tensor, t: Tensor, conditions: PositionConditions) -> Tensor:
        length = x.shape[-1]
        count = math.ceil(length / (window - overlap))
        ramp = torch.arange(1, window + 1, dtype=x.dtype, device=x.device)
        ramp = torch.minimum(ramp, ramp.flip(0)).clamp(max=max(overlap, 1))
        total, weight = torch.zeros_like(x), torch.zeros(length, dtype=x.dtype, device=x.device)
        for index in range(count):
            part = (round(index * length / count) + torch.arange(window, device=x.device)) % length
            total.index_add_(-1, part, denoise(x[..., part], t, conditions.at(part)) * ramp)
            weight.index_add_(0, part, ramp)
        return total / weight

    return joined


def seam_score(waveform: Tensor, spec: MelSpec) -> SeamScore:
    """Measure the seam of `waveform [n_samples]`, or of the mean of `[channels, n_samples]`, played over and over.

    A click is in every frame whose window touches it, and changes the first and last of them most; so the largest
    change of all these is compared with the largest of as many frames elsewhere.

    Args:
        waveform: at the rate of `spec`.
        spec: the mel whose frames are compared.
    """
    waveform = waveform.mean(dim=0) if waveform.ndim == 2 else waveform
    reach = spec.n_fft // (2 * spec.hop_length) + 1
    half = 3 * reach * spec.hop_length
    conditions = torch.arange(-half, half) % waveform.shape[-1]
    there = _changes(waveform[conditions], spec)[2 * reach : -2 * reach]
    # The frames at the ends of a line see the padding of the analysis.
    elsewhere = _changes(waveform, spec)[reach:-reach]
    if len(elsewhere) > len(there):
        elsewhere = elsewhere.unfold(0, len(there), 1).amax(dim=-1)
    return SeamScore(float(there.max()), float(elsewhere.quantile(USUAL_SHARE)))


def _changes(waveform: Tensor, spec: MelSpec) -> Tensor:
    """Mean change of the log-mel from each frame to the next."""
    return log_mel(waveform, spec).diff(dim=-1).abs().mean(dim=0)
