"""A trained latent model at work: latents by diffusion, a log-mel by the autoencoder, a waveform by the vocoder."""

import math
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from audiodiff.diffusion.noise import positional_noise
from audiodiff.diffusion.samplers import SAMPLERS, Denoise, sample
from audiodiff.diffusion.times import times_of
from audiodiff.errors import AudiodiffError
from audiodiff.models.autoencoder import MelAutoencoder
from audiodiff.models.find import public_name
from audiodiff.models.mel_latent import MelLatent
from audiodiff.signal.levels import Levelled, apply_level, count_clipped
from audiodiff.signal.mel import value_range
from audiodiff.signal.stereo import synthesise
from audiodiff.synthesis.clip import FADE_SECONDS, OnEstimate, OnProgress
from audiodiff.synthesis.engine import TORCH, Engine
from audiodiff.synthesis.guided import (
    NO_LABELS,
    Labels,
    PromptConditions,
    encode_prompt,
    guided_denoise,
    labels_of,
)
from audiodiff.synthesis.machine import check_model
from audiodiff.synthesis.provenance import ModelRecord
from audiodiff.synthesis.resolved import ResolvedClip, resolve_clip
from audiodiff.synthesis.sampling import VocodePlan, compute_dtype
from audiodiff.synthesis.settings import GenerateSettings, Resolved, Sampling, VocodeSettings
from audiodiff.synthesis.streams import windows
from audiodiff.synthesis.top_bands import limit_top_bands
from audiodiff.synthesis.vocode import VocoderSynthesizer
from audiodiff.synthesis.windowed import ConditionedDenoise, PositionConditions, after, windowed, with_conditions
from audiodiff.text.encoder import TextEncoder
from audiodiff.text.encoders import encoders_of, open_encoder
from audiodiff.text.prompt import Prompt
from audiodiff.torch_state import standard_state

SHORTEST_SECONDS = 3.0
"""Clips shorter than this (s) are cut from one of this length, since models for music were trained on none that short;
from one of the model's window if that is shorter still."""

DECODE_LATENTS = 1024
EMPTY_PROMPT = "the prompt is empty, so anything may come out"


DEFAULTS = Resolved(steps=20, sampler="dpmpp_2m", grid="uniform", guidance=3.0, rescale=0.5)
"""What a model recommends whose checkpoint says nothing."""

WINDOW_SECONDS = 10.0
TOLERANCE_SECONDS = 0.5


@dataclass(frozen=True)
class ReferenceLatents:
    """A stretch of a reference recording, as latents (`audiodiff.synthesis.reference`).

    Attributes:
        latents: clean, `[channels, n]`.
        notes: sentences about what had to be done to the recording.
        started_from: hash of the latents that the recording came with; empty if it was encoded.
    """

    latents: Tensor
    notes: tuple[str, ...]
    started_from: str = ""


class LatentSynthesizer:
    """A trained latent model with its vocoder, ready to make clips."""

    def __init__(
        self,
        model: MelLatent,
        vocoder: VocoderSynthesizer,
        *,
        name: str = "latent",
        identity: tuple[ModelRecord, ...] = (),
        defaults: Resolved = DEFAULTS,
        window_seconds: float = WINDOW_SECONDS,
        tolerance_seconds: float = TOLERANCE_SECONDS,
        band_limits: tuple[float, ...] = (),
        device: torch.device | str = "cpu",
        encoder: TextEncoder | None = None,
    ) -> None:
        """Wrap `model`, whose weights are on `device` already.

        Args:
            model: in evaluation mode.
            vocoder: for the model's mel.
            name: how it was asked for.
            identity: what the records of its files say of it and its vocoder; without, they cannot be replayed.
            defaults: what it recommends.
            window_seconds: length of the windows that longer clips are denoised in (s).
            tolerance_seconds: a clip longer than a window by no more than this is denoised as one (s).
            band_limits: of the highest mel bands (`audiodiff.synthesis.top_bands`); empty for none.
            device: where it computes.
            encoder: the frozen text encoder; `text_encoder`, which a replay sets, is opened when `None`.
        """
        self.model = model
        self.vocoder = vocoder
        self.name = name
        self.identity = identity or (ModelRecord(public_name(name), weights_sha256="", role="latent model"),)
        self.defaults = defaults
        self.window_seconds = window_seconds
        self.tolerance_seconds = tolerance_seconds
        self.band_limits = band_limits
        self.batched = True  # all conditions go through the network at once; files from before replay without
        self.device = torch.device(device)
        self.engine: Engine = TORCH  # see `engine.use_engine`
        self.text_encoder = encoders_of(model.config.text_encoder)[0]
        self._encoder = encoder

    @property
    def sample_rate(self) -> int:
        """The rate of the waveforms that come out, in Hz."""
        return self.model.mel_spec.sample_rate

    def resolve(
        self, settings: GenerateSettings, *, between: tuple[tuple[str, str], float] | None = None
    ) -> ResolvedClip:
        """Return `settings` with the model's recommendations in the place of every `None`, and the prompts read.

        Args:
            settings: what was asked for.
            between: two prompts in the place of the one in the settings, and how far from one to the other, 0 to 1.

        Raises:
            AudiodiffError: a prompt is malformed, the key is none, or the model was changed after loading.
        """
        check_model(self.model, self.name, self.device)
        vocoding = Sampling(steps=settings.vocoder_steps, seed=settings.sampling.seed)
        return resolve_clip(
            settings,
            defaults=self.engine.defaults(self.defaults, settings.sampling),
            vocoder=self.vocoder.plan(VocodeSettings(vocoding)),
            config=self.model.config,
            name=self.name,
            between=between,
        )

    @property
    def shortest_seconds(self) -> float:
        """The shortest stretch that is denoised (s)."""
        return min(SHORTEST_SECONDS, self.window_seconds)

    def n_latents(self, seconds: float) -> int:
        """How many latents are denoised for a clip of `seconds`."""
        spec, per_latent = self.model.mel_spec, self.model.autoencoder.frames_per_latent
        wanted = max(seconds, self.shortest_seconds)
        return -(-round(wanted * spec.sample_rate) // (spec.hop_length * per_latent))

    @standard_state()
    def latents(
        self,
        clip: ResolvedClip,
        n_latents: int,
        on_progress: OnProgress | None = None,
        *,
        reference: ReferenceLatents | None = None,
        on_estimate: OnEstimate | None = None,
    ) -> tuple[Tensor, tuple[str, ...]]:
        """Denoise `[1, channels, n_latents]`, after a `reference` if there is one; also returns notes."""
        guided, notes = self.guided(clip, reference=reference)
        denoise = with_conditions(guided, PositionConditions(self.beats(clip.beat, 0, n_latents)))
        x = self.model.process.prior(self.noise(clip.sampling.seed, 0, 0, n_latents))
        times = self.times(clip.sampling)
        return self.sample(clip.sampling, denoise, x, times, on_progress=on_progress, on_estimate=on_estimate), notes

    def beats(self, tempo: float | None, start: int, stop: int) -> Tensor:
        """Beats that have passed since 0 s at latents `start` to `stop`, `[stop - start]`; NaN without a tempo."""
        rate = math.nan if tempo is None else tempo / 60.0 / self.model.latents_per_second
        return ((torch.arange(start, stop, dtype=torch.float64) + 0.5) * rate).float().to(self.device)

    def noise(self, seed: int, draw: int, start: int, stop: int) -> Tensor:
        """The noise of latents `start` to `stop`, `[1, channels, stop - start]`: it belongs to their place."""
        return positional_noise(seed, draw, start, stop, channels=self.model.channels)[None].to(self.device)

    @standard_state()
    def sample(
        self,
        sampling: Resolved,
        denoise: Denoise,
        x: Tensor,
        times: Tensor,
        *,
        start: int = 0,
        on_progress: OnProgress | None = None,
        on_estimate: OnEstimate | None = None,
    ) -> Tensor:
        """Denoise the state `x [1, channels, n_latents]` at `times[0]` to clean latents.

        Args:
            sampling: the sampler and the seed of its noise.
            denoise: from `guided`.
            x: the state.
            times: `[steps + 1]`, decreasing to 0.
            start: place of the first latent, which its noise belongs to.
            on_progress: called with the steps done and the steps in all.
            on_estimate: called with the estimate of the clean latents after each step.

        Raises:
            AudiodiffError: what comes out are not numbers.
        """
        steps = len(times) - 1

        def on_step(index: int, total: int, x0_hat: Tensor) -> None:
            if on_progress is not None:
                on_progress(float(index + 1), float(steps))
            if on_estimate is not None:
                on_estimate(x0_hat)

        noise = partial(self.noise, sampling.seed, start=start, stop=start + x.shape[-1])
        step = SAMPLERS[sampling.sampler]()
        latents = sample(step, denoise, self.model.process, x, times, noise=noise, on_step=on_step)
        if not bool(torch.isfinite(latents).all()):
            raise AudiodiffError(
                f"the model gave values that are not numbers ({steps} steps of {sampling.sampler}); try the "
                "recommended sampler, steps and guidance."
            )
        return latents

    def times(self, sampling: Resolved) -> Tensor:
        """The grid of process times, `[steps + 1]`, decreasing to 0."""
        return times_of(sampling.grid, self.model.process, sampling.steps)

    def guided(
        self, clip: ResolvedClip, *, circular: bool = False, reference: ReferenceLatents | None = None
    ) -> tuple[ConditionedDenoise, tuple[str, ...]]:
        """Return the denoiser of a clip for states of any length, and notes about the prompts and the reference.

        It goes towards the targets and away from the negative prompt. The targets are conditioned on beats and on what
        is to be inpainted, the negative prompt is not: guidance strengthens these too.

        A circle is denoised as one, however long. The `reference` goes before each window.
        """
        seconds = min(max(clip.seconds, self.shortest_seconds), self.window_seconds)
        prompts = [
            self.encode_prompt(
                target.text, target.prompt, labels_of(self.model.config, clip, target, seconds), clip.idea
            )
            for target in clip.targets
        ]
        unwanted = self.encode_prompt(clip.negative, clip.unwanted)
        notes = [note for each in (*prompts, unwanted) for note in each.notes]
        if reference is not None:
            notes += reference.notes
        elif len(clip.targets) == 1 and not clip.targets[0].text.strip():
            notes.append(EMPTY_PROMPT)
        pairs = [(target, each) for target, each in zip(clip.targets, prompts, strict=True) if target.share > 0.0]
        wanted = [(target.share * share, cond) for target, each in pairs for share, cond in each.conditions]
        network = self.engine.network(clip.sampling.precision, circular=circular)
        denoiser = self.model.denoiser(compute_dtype(clip.sampling.precision), circular=circular, network=network)
        denoise = guided_denoise(denoiser, self.model.config, wanted, unwanted.conditions, clip, batched=self.batched)
        if circular:
            return denoise, tuple(notes)
        single, window = denoise, self.window_latents
        if reference is not None:
            prefix, count = reference.latents, reference.latents.shape[-1]
            noise = self.noise(clip.sampling.seed, 0, -count, 0)
            single = after(denoise, prefix, lambda t: self.model.process.mix(prefix[None], noise, t[:1]))
            window = max(1, window - count)
        return windowed(single, window, window // 3, tolerance=self.tolerance_latents), tuple(notes)

    @property
    def window_latents(self) -> int:
        """Latents of a window."""
        return max(1, round(self.window_seconds * self.model.latents_per_second))

    @property
    def tolerance_latents(self) -> int:
        """By how many latents a state may be longer than a window and still be denoised as one."""
        return round(self.tolerance_seconds * self.model.latents_per_second)

    def encode_prompt(
        self, text: str, prompt: Prompt, labels: Labels = NO_LABELS, idea: int | None = None
    ) -> PromptConditions:
        """Turn a prompt, as written and as read, with numbers and classes into conditions; see `guided.encode_prompt`.

        Raises:
            AudiodiffError: it asks for what the model does not know.
        """
        encoder = self.encoder() if text.strip() else None
        return encode_prompt(self.model, encoder, prompt, *labels, idea)

    def encoder(self) -> TextEncoder:
        """The model's frozen text encoder. It is opened each time, in a tenth of a second, rather than kept in 25 MB.

        Raises:
            AudiodiffError: its package is not installed.
        """
        return open_encoder(self.text_encoder) if self._encoder is None else self._encoder

    @standard_state()
    def mel(self, latents: Tensor) -> Tensor:
        """Decode `[1, channels, n_latents]` to log-mels `[n_mels, n_frames]`, in bounded memory."""
        return self.limited(decode_mel(self.model.autoencoder, latents))

    def limited(self, log_mel: Tensor) -> Tensor:
        """Keep the highest bands of a decoded `[n_mels, n_frames]` from being louder than recordings have them."""
        return limit_top_bands(log_mel, self.band_limits, value_range(self.model.mel_spec)[0])

    @standard_state()
    def render(
        self, latents: Tensor, n_samples: int, clip: ResolvedClip, on_progress: OnProgress | None = None
    ) -> Levelled:
        """Decode latents to `[n_samples]`, or `[2, n_samples]` of stereo ones, on the CPU, faded and levelled."""
        mono = self.waveform(latents, clip.vocoder, on_progress)
        sound = with_sides(self.model.autoencoder, mono, latents)[..., :n_samples]
        waveform = faded(sound, self.sample_rate, clip.fade_out)
        return folded(apply_level(waveform, self.sample_rate, clip.level), clip.mono)

    @standard_state()
    def waveform(self, latents: Tensor, plan: VocodePlan, on_progress: OnProgress | None = None) -> Tensor:
        """Decode latents to a waveform `[n_samples]` on the CPU, at the level and with the ends that come out."""
        return self.vocoder.vocode_frames(self.mel(latents).cpu()[None], plan, on_progress)[0].float()


@standard_state()
def with_sides(autoencoder: MelAutoencoder, mono: Tensor, latents: Tensor, *, circular: bool = False) -> Tensor:
    """Give a decoded `mono [n_samples]` the two channels that its latents tell of; as it is, where they tell of none.

    The mean of the two, `[2, n_samples]`, is `mono`.
    """
    parameters = autoencoder.stereo_parameters(latents)
    if parameters is None or autoencoder.stereo_spec is None:
        return mono
    return synthesise(mono, parameters[0].cpu(), autoencoder.stereo_spec, circular=circular)


def folded(levelled: Levelled, mono: bool) -> Levelled:
    """The mean of two channels, if it is to be `mono`: of the level that they have, so that it is the same sound."""
    if not mono or levelled.waveform.ndim == 1:
        return levelled
    waveform = levelled.waveform.mean(dim=0)
    return Levelled(waveform, levelled.gain_db, count_clipped(waveform))


def faded(waveform: Tensor, sample_rate: int, fade_out: float = 0.0) -> Tensor:
    """Fade the first and last 10 ms, so that a clip cut out of a sound does not begin or end with a click.

    Args:
        waveform: `[..., n_samples]`.
        sample_rate: Hz.
        fade_out: see `faded_out` (s).
    """
    waveform = faded_out(waveform, sample_rate, fade_out)
    n_fade = min(round(FADE_SECONDS * sample_rate), waveform.shape[-1] // 2)
    if n_fade == 0:
        return waveform
    ramp = (torch.arange(n_fade, dtype=waveform.dtype) + 0.5) / n_fade
    result = waveform.clone()
    result[..., :n_fade] *= ramp
    result[..., -n_fade:] *= ramp.flip(0)
    return result


def faded_out(waveform: Tensor, sample_rate: int, seconds: float) -> Tensor:
    """Fade the last seconds of `[..., n_samples]` out along a quarter of a cosine, or all of a shorter one."""
    n_fade = min(round(seconds * sample_rate), waveform.shape[-1])
    gain = torch.ones(waveform.shape[-1], dtype=waveform.dtype)
    gain[waveform.shape[-1] - n_fade :] = ((torch.arange(n_fade) + 0.5) / max(n_fade, 1) * (math.pi / 2.0)).cos()
    return waveform * gain if n_fade else waveform


def decode_mel(autoencoder: MelAutoencoder, latents: Tensor) -> Tensor:
    """Decode `[1, channels, n_latents]` to log-mels `[n_mels, n_frames]`, a stretch at a time."""
    per_latent = autoencoder.frames_per_latent
    parts = []
    for piece in windows(latents.shape[-1], DECODE_LATENTS, -(-autoencoder.context_frames // per_latent)):
        decoded = autoencoder.decode(latents[..., piece.start : piece.stop])[0]
        first = (piece.core_start - piece.start) * per_latent
        parts.append(decoded[:, first : first + (piece.core_stop - piece.core_start) * per_latent])
    return torch.cat(parts, dim=-1)
