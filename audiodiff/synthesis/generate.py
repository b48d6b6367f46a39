"""From a prompt to a clip: latents by diffusion, a log-mel by the autoencoder, a waveform by the vocoder."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audiodiff.diffusion.guidance import classifier_free, interval, rescale
from audiodiff.diffusion.noise import positional_noise
from audiodiff.diffusion.samplers import SAMPLERS, Denoise, sample
from audiodiff.diffusion.times import GRIDS
from audiodiff.errors import AudiodiffError
from audiodiff.models.find import public_name
from audiodiff.models.mel_latent import MelLatent
from audiodiff.signal.levels import Levelled, apply_level
from audiodiff.signal.mel import value_range
from audiodiff.synthesis.machine import check_model
from audiodiff.synthesis.provenance import StoryModel
from audiodiff.synthesis.settings import GenerateSettings, Precision
from audiodiff.synthesis.streams import windows
from audiodiff.synthesis.top_bands import limit_top_bands
from audiodiff.synthesis.vocode import VocoderSynthesizer
from audiodiff.synthesis.windowed import PlacedDenoise, Places, after, windowed, with_places
from audiodiff.text.embed import embed_prompt
from audiodiff.text.encoder import TextEncoder, open_encoder
from audiodiff.text.keys import find_key, key_name
from audiodiff.text.prompt import parse_prompt
from audiodiff.torch_state import standard_state

OnProgress = Callable[[float, float], None]
"""Called with (work done, work in all), in sampling steps, first the model's and then the vocoder's."""

OnEstimate = Callable[[Tensor], None]
"""Called after every step of the model with its estimate of the clean latents, `[1, channels, n_latents]`."""

SHORTEST_SECONDS = 3.0
"""Clips shorter than this (s) are cut from one of this length, since models for music have never heard shorter ones;
from one of the model's window if that is shorter still."""

FADE_SECONDS = 0.01
DECODE_LATENTS = 1024
EMPTY_PROMPT = "the prompt is empty, so anything may come out"
_TEMPO = re.compile(r"(?<![\d.])(\d{2,3}(?:\.\d+)?)\s*bpm\b", re.IGNORECASE)


@dataclass(frozen=True)
class LatentDefaults:
    """What a checkpoint recommends.

    Attributes:
        steps, sampler, grid, precision: as in `audiodiff generate`.
        guidance: scale, 1 for none.
        rescale: 0 to 1.
        window_seconds: length of the windows that longer clips are denoised in (s).
        tolerance_seconds: a clip longer than a window by no more than this is denoised as one (s).
        band_limits: of the highest mel bands (`audiodiff.synthesis.top_bands`); empty for none.
    """

    steps: int = 20
    sampler: str = "dpmpp_2m"
    grid: str = "uniform"
    precision: Precision = "fp32"
    guidance: float = 3.0
    rescale: float = 0.5
    window_seconds: float = 10.0
    tolerance_seconds: float = 0.5
    band_limits: tuple[float, ...] = ()


@dataclass(frozen=True)
class Clip:
    """A generated clip and what there is to say about it.

    Attributes:
        waveform: `[n_samples]`, float32, within what the level policy allows; `[channels, n_samples]` of an edited
            recording whose channels are kept.
        sample_rate: Hz.
        seed: of its noise.
        gain_db: what the level policy applied (dB).
        clipped: samples beyond full scale.
        notes: sentences about what was not done as asked, such as a prompt cut short.
        seam: of a loop, how abrupt its seam is (`audiodiff.synthesis.loop.seam_score`).
    """

    waveform: NDArray[np.float32]
    sample_rate: int
    seed: int
    gain_db: float
    clipped: int
    notes: tuple[str, ...]
    seam: float | None = None


@dataclass(frozen=True)
class Heard:
    """A stretch of a recording that a clip is made beside (`audiodiff.synthesis.reference`).

    Attributes:
        latents: clean, `[channels, n]`.
        notes: sentences about what had to be done to the recording.
    """

    latents: Tensor
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Asked:
    """A prompt as the network takes it: weighted conditions, and what of the text was dropped."""

    conditions: tuple[tuple[float, Any], ...]
    notes: tuple[str, ...]


class LatentSynthesizer:
    """A trained latent model with its vocoder, ready to make clips."""

    def __init__(
        self,
        model: MelLatent,
        vocoder: VocoderSynthesizer,
        *,
        name: str = "latent",
        identity: tuple[StoryModel, ...] = (),
        defaults: LatentDefaults | None = None,
        device: torch.device | str = "cpu",
        encoder: TextEncoder | None = None,
    ) -> None:
        """Wrap `model`, whose weights are on `device` already.

        Args:
            model: in evaluation mode.
            vocoder: for the model's mel.
            name: how it was asked for.
            identity: what the stories of its files say of it and its vocoder; without, they cannot be replayed.
            defaults: what it recommends.
            device: where it computes.
            encoder: the frozen text encoder; opened by name at the first prompt when `None`.
        """
        self.model = model
        self.vocoder = vocoder
        self.name = name
        self.identity = identity or (StoryModel(public_name(name), weights_sha256="", role="latent model"),)
        self.defaults = defaults or LatentDefaults()
        self.device = torch.device(device)
        self._encoder = encoder

    @property
    def sample_rate(self) -> int:
        """The rate of the waveforms that come out, in Hz."""
        return self.model.mel_spec.sample_rate

    def generate(
        self,
        prompt: str = "",
        *,
        seconds: float | None = None,
        seed: int | None = None,
        negative: str | None = None,
        steps: int | None = None,
        sampler: str | None = None,
        guidance: float | None = None,
        settings: GenerateSettings | None = None,
        reference: tuple[NDArray[np.float32] | Tensor, int] | None = None,
        on_progress: OnProgress | None = None,
    ) -> NDArray[np.float32]:
        """Make one clip.

        Args:
            prompt: what to hear; empty for anything.
            seconds: length (s), 10 when `None`.
            seed: the same seed gives the same samples.
            negative: what to avoid.
            steps: sampling steps; the model's recommendation when `None`, as for the next two.
            sampler: a name of `audiodiff.diffusion.samplers.SAMPLERS`.
            guidance: scale of the guidance, 1 for none.
            settings: all settings at once; the arguments above replace its fields.
            reference: a recording to sound like, and its rate (Hz), for a model that was trained for it.
            on_progress: called with the work done and the work in all; what it raises stops the generation.

        Returns:
            `[n_samples]` at `self.sample_rate`, exactly `round(seconds * sample_rate)` samples; a loop, the whole
            number of latents next to that.

        Raises:
            AudiodiffError: a setting is out of range, or the prompt is malformed.
        """
        given = {
            "prompt": prompt or None,
            "seconds": seconds,
            "seed": seed,
            "negative": negative,
            "steps": steps,
            "sampler": sampler,
            "guidance": guidance,
        }
        base = (settings or GenerateSettings()).to_dict()
        merged = GenerateSettings(**{**base, **{k: v for k, v in given.items() if v is not None}})  # type: ignore[arg-type]
        return self.clip(merged, on_progress, reference=reference).waveform

    def resolve(self, settings: GenerateSettings) -> GenerateSettings:
        """Return `settings` with the model's recommendations in the place of every `None`."""
        check_model(self.model, self.name, self.device)
        found = _TEMPO.search(settings.prompt)
        knows_tempo = any(number.name == "tempo" for number in self.model.config.numbers)
        tempo = settings.tempo
        if tempo is None and found and knows_tempo:
            tempo = float(found.group(1))
        defaults = self.defaults
        return replace(
            settings,
            steps=settings.steps or defaults.steps,
            sampler=settings.sampler or defaults.sampler,
            grid=settings.grid or defaults.grid,
            guidance=defaults.guidance if settings.guidance is None else settings.guidance,
            rescale=defaults.rescale if settings.rescale is None else settings.rescale,
            precision=settings.precision or defaults.precision,
            tempo=tempo,
            key=self._key(settings),
            vocoder_steps=settings.vocoder_steps or self.vocoder.defaults.steps,
        )

    def _key(self, settings: GenerateSettings) -> str:
        """The key that is asked for, as the model calls it.

        Raises:
            AudiodiffError: it is no key.
        """
        named = key_name(settings.key)
        if settings.key and not named:
            raise AudiodiffError(f'key is "{settings.key}"; expected a major or minor key such as "F# minor".')
        knows_key = any(kind.name == "key" for kind in self.model.config.classes)
        if named and not knows_key:
            raise AudiodiffError(f"the model {self.name} knows keys only by the prompt; say it there.")
        return named or (find_key(settings.prompt) if knows_key else "")

    @standard_state()
    def clip(
        self,
        settings: GenerateSettings,
        on_progress: OnProgress | None = None,
        *,
        reference: tuple[NDArray[np.float32] | Tensor, int] | None = None,
        on_estimate: OnEstimate | None = None,
    ) -> Clip:
        """Make the clip that `settings` describe; see `generate`."""
        settings = self.resolve(settings)
        heard = None
        if reference is not None:
            from audiodiff.synthesis.reference import heard_of

            heard = heard_of(self, settings, reference)
        if settings.loop:
            from audiodiff.synthesis.loop import loop_clip

            return loop_clip(self, settings, on_progress, on_estimate=on_estimate)
        n_samples = round(settings.seconds * self.sample_rate)
        denoising, vocoding = stages(on_progress, settings.steps, settings.vocoder_steps)
        latents, notes = self.latents(
            settings, self.n_latents(settings.seconds), denoising, heard=heard, on_estimate=on_estimate
        )
        levelled = self.render(latents, n_samples, settings, vocoding)
        return Clip(
            waveform=levelled.waveform.numpy(),
            sample_rate=self.sample_rate,
            seed=settings.seed,
            gain_db=levelled.gain_db,
            clipped=levelled.clipped,
            notes=notes,
        )

    @property
    def shortest_seconds(self) -> float:
        """The shortest stretch that is denoised (s)."""
        return min(SHORTEST_SECONDS, self.defaults.window_seconds)

    def n_latents(self, seconds: float) -> int:
        """How many latents are denoised for a clip of `seconds`."""
        spec, per_latent = self.model.mel_spec, self.model.autoencoder.frames_per_latent
        wanted = max(seconds, self.shortest_seconds)
        return -(-round(wanted * spec.sample_rate) // (spec.hop_length * per_latent))

    @standard_state()
    def latents(
        self,
        settings: GenerateSettings,
        n_latents: int,
        on_progress: OnProgress | None = None,
        *,
        heard: Heard | None = None,
        on_estimate: OnEstimate | None = None,
    ) -> tuple[Tensor, tuple[str, ...]]:
        """Denoise `[1, channels, n_latents]`, beside what is `heard`; also returns notes about prompt and recording."""
        guided, notes = self.guided(settings, heard=heard)
        denoise = with_places(guided, Places(self.beats(settings.tempo, 0, n_latents)))
        x = self.model.process.prior(self.noise(settings.seed, 0, 0, n_latents))
        times = self.times(settings)
        return self.sample(settings, denoise, x, times, on_progress=on_progress, on_estimate=on_estimate), notes

    def beats(self, tempo: float | None, start: int, stop: int) -> Tensor:
        """Beats that have passed since 0 s at latents `start` to `stop`, `[stop - start]`; NaN without a tempo."""
        rate = math.nan if tempo is None else tempo / 60.0 / self.model.latents_per_second
        beats = (torch.arange(start, stop, dtype=torch.float64) + 0.5) * rate
        return beats.float().to(self.device)

    def noise(self, seed: int, draw: int, start: int, stop: int) -> Tensor:
        """The noise of latents `start` to `stop`, `[1, channels, stop - start]`: it belongs to their place."""
        return positional_noise(seed, draw, start, stop, channels=self.model.channels)[None].to(self.device)

    @standard_state()
    def sample(
        self,
        settings: GenerateSettings,
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
            settings: the sampler and the seed of its noise.
            denoise: from `guided`.
            x: the state.
            times: `[steps + 1]`, decreasing to 0.
            start: place of the first latent, which its noise belongs to.
            on_progress: called with the steps done and the steps in all.
            on_estimate: called with the estimate of the clean latents after each step.

        Raises:
            AudiodiffError: what comes out are not numbers.
        """
        settings = self.resolve(settings)
        steps = len(times) - 1

        def on_step(index: int, total: int, x0_hat: Tensor) -> None:
            if on_progress is not None:
                on_progress(float(index + 1), float(steps))
            if on_estimate is not None:
                on_estimate(x0_hat)

        def noise(draw: int) -> Tensor:
            return self.noise(settings.seed, draw, start, start + x.shape[-1])

        assert settings.sampler is not None
        step = SAMPLERS[settings.sampler]()
        latents = sample(step, denoise, self.model.process, x, times, noise=noise, on_step=on_step)
        if not bool(torch.isfinite(latents).all()):
            raise AudiodiffError(
                f"the model gave values that are not numbers ({steps} steps of {settings.sampler}); try the "
                "recommended sampler, steps and guidance."
            )
        return latents

    def times(self, settings: GenerateSettings) -> Tensor:
        """The grid of process times that `settings` ask for."""
        settings = self.resolve(settings)
        assert settings.grid is not None
        assert settings.steps is not None
        return GRIDS[settings.grid](self.model.process, settings.steps)

    def guided(
        self, settings: GenerateSettings, *, circular: bool = False, heard: Heard | None = None
    ) -> tuple[PlacedDenoise, tuple[str, ...]]:
        """Return the denoiser of `settings` for states of any length, and notes about the prompt and what is heard."""
        settings = self.resolve(settings)
        wanted = self.ask(settings.prompt, settings)
        unwanted = self.ask(settings.negative, None)
        notes = list(wanted.notes + unwanted.notes)
        if heard is not None:
            notes += heard.notes
        elif not settings.prompt.strip():
            notes.append(EMPTY_PROMPT)
        return self.guided_by(wanted, unwanted, settings, circular=circular, heard=heard), tuple(notes)

    def guided_by(
        self,
        wanted: Asked,
        unwanted: Asked,
        settings: GenerateSettings,
        *,
        circular: bool = False,
        heard: Heard | None = None,
    ) -> PlacedDenoise:
        """Return the denoiser that goes towards `wanted` and away from `unwanted`, for states of any length.

        What is wanted comes with its beats and with what it has to fit, what is unwanted without: guidance strengthens
        these too.

        Of a circle the whole is denoised as one, however long. What is `heard` goes before each window.
        """
        settings = self.resolve(settings)
        guidance, amount = settings.guidance, settings.rescale
        assert guidance is not None
        denoiser = self.model.denoiser(torch.bfloat16 if settings.precision == "bf16" else None, circular=circular)

        def blended(x: Tensor, t: Tensor, cond: Sequence[tuple[float, Any]]) -> Tensor:
            estimate: Tensor | None = None
            for share, each in cond:
                part = share * denoiser(x, t, each)
                estimate = part if estimate is None else estimate + part
            assert estimate is not None
            return estimate

        def denoise(x: Tensor, t: Tensor, places: Places) -> Tensor:
            told: dict[str, Tensor] = {}
            if self.model.config.beats:
                told["beats"] = places.beats.expand(x.shape[0], -1)
            if self.model.config.known and places.known is not None:
                told["known"] = places.known.expand(x.shape[0], -1, -1)
            conditions = tuple((share, cond._replace(**told)) for share, cond in wanted.conditions)
            full = classifier_free(
                blended,
                conditions,
                unwanted.conditions,
                guidance,
                adjust=rescale(amount) if amount and guidance > 1.0 else None,
            )
            if settings.guidance_interval is not None:
                plain = classifier_free(blended, conditions, unwanted.conditions, 1.0)
                full = interval(full, plain, *settings.guidance_interval)
            return full(x, t)

        if circular:
            return denoise
        window = self.window_latents
        single: PlacedDenoise = denoise
        if heard is not None:
            count = heard.latents.shape[-1]
            noise = self.noise(settings.seed, 0, -count, 0)
            single = after(denoise, heard.latents, lambda t: self.model.process.mix(heard.latents[None], noise, t[:1]))
            window = max(1, window - count)
        return windowed(single, window, window // 3, tolerance=self.tolerance_latents)

    @property
    def window_latents(self) -> int:
        """Latents of a window."""
        return max(1, round(self.defaults.window_seconds * self.model.latents_per_second))

    @property
    def tolerance_latents(self) -> int:
        """By how many latents a state may be longer than a window and still be denoised as one."""
        return round(self.defaults.tolerance_seconds * self.model.latents_per_second)

    def ask(self, prompt: str, settings: GenerateSettings | None) -> Asked:
        """Turn a prompt, and the numbers and classes of `settings`, into conditions.

        Raises:
            AudiodiffError: the prompt is malformed, or asks for what the model does not know.
        """
        parsed = parse_prompt(prompt)
        encoder = self.encoder() if prompt.strip() else None
        notes: list[str] = []
        parts: list[tuple[float, Tensor]] = [(1.0, torch.zeros(0, self.model.config.text_width))]
        if encoder is not None:
            embedded = embed_prompt(parsed, encoder)
            parts = [(part.weight, part.tokens) for part in embedded.parts] or parts
            if embedded.n_dropped:
                lost = " | ".join(embedded.dropped_text)
                notes.append(
                    f"the prompt is longer than the {encoder.max_tokens} tokens that the model reads; left out: {lost}"
                )
        numbers: dict[str, float | None] = {}
        classes: dict[str, str] = {}
        if settings is not None:
            if settings.tempo is not None:
                numbers["tempo"] = settings.tempo
            if any(number.name == "seconds" for number in self.model.config.numbers):
                numbers["seconds"] = min(max(settings.seconds, self.shortest_seconds), self.defaults.window_seconds)
            if settings.key:
                classes["key"] = settings.key
            if settings.source:
                classes["source"] = settings.source
        conditions = []
        for share, tokens in parts:
            cond = self.model.condition([tokens], [numbers], [classes])
            conditions.append((share, self.model.network.project_cond(cond)))
        return Asked(tuple(conditions), tuple(notes))

    def encoder(self) -> TextEncoder:
        """The model's frozen text encoder, opened once.

        Raises:
            AudiodiffError: its package is not installed.
        """
        if self._encoder is None:
            self._encoder = open_encoder(self.model.config.text_encoder)
        return self._encoder

    @standard_state()
    def mel(self, latents: Tensor) -> Tensor:
        """Decode `[1, channels, n_latents]` to log-mels `[n_mels, n_frames]`, in bounded memory."""
        per_latent = self.model.autoencoder.frames_per_latent
        context = -(-self.model.autoencoder.context_frames // per_latent)
        parts = []
        for piece in windows(latents.shape[-1], DECODE_LATENTS, context):
            decoded = self.model.autoencoder.decode(latents[..., piece.start : piece.stop])[0]
            first = (piece.core_start - piece.start) * per_latent
            parts.append(decoded[:, first : first + (piece.core_stop - piece.core_start) * per_latent])
        return self.limited(torch.cat(parts, dim=-1))

    def limited(self, log_mel: Tensor) -> Tensor:
        """Keep the highest bands of a decoded `[n_mels, n_frames]` from being louder than recordings have them."""
        return limit_top_bands(log_mel, self.defaults.band_limits, value_range(self.model.mel_spec)[0])

    @standard_state()
    def render(
        self, latents: Tensor, n_samples: int, settings: GenerateSettings, on_progress: OnProgress | None = None
    ) -> Levelled:
        """Decode latents to a waveform `[n_samples]` on the CPU, faded at its ends and set to the level asked for."""
        waveform = self.waveform(latents, settings, on_progress)[:n_samples]
        return apply_level(faded(waveform, self.sample_rate), self.sample_rate, settings.level)

    @standard_state()
    def waveform(self, latents: Tensor, settings: GenerateSettings, on_progress: OnProgress | None = None) -> Tensor:
        """Decode latents to a waveform `[n_samples]` on the CPU, at the level and with the ends that come out."""
        log_mel, steps = self.mel(latents).cpu(), settings.vocoder_steps
        return self.vocoder.vocode_mel(log_mel, steps=steps, seed=settings.seed, on_progress=on_progress).float()


def stages(
    on_progress: OnProgress | None, first: int | None, second: int | None
) -> tuple[OnProgress | None, OnProgress | None]:
    """Return the progress of two stages of one job, of so many steps; each may count its own work as it likes."""
    if on_progress is None:
        return None, None
    before, after = float(first or 0), float(second or 0)

    def begin(done: float, total: float) -> None:
        on_progress(before * done / total, before + after)

    def end(done: float, total: float) -> None:
        on_progress(before + after * done / total, before + after)

    return begin, end


def faded(waveform: Tensor, sample_rate: int) -> Tensor:
    """Fade the first and last 10 ms, so that a clip cut out of a sound does not begin or end with a click."""
    n_fade = min(round(FADE_SECONDS * sample_rate), waveform.shape[-1] // 2)
    if n_fade == 0:
        return waveform
    ramp = (torch.arange(n_fade, dtype=waveform.dtype) + 0.5) / n_fade
    result = waveform.clone()
    result[:n_fade] *= ramp
    result[-n_fade:] *= ramp.flip(0)
    return result
