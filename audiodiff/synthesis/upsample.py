"""From a narrow-band recording to the same with the band it lacks, with any upsampler, sampler and number of steps."""

import math
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from audiodiff.diffusion.samplers import SAMPLERS, sample
from audiodiff.diffusion.seeds import channel_seed
from audiodiff.diffusion.times import times_of
from audiodiff.errors import AudiodiffError
from audiodiff.models.find import find_checkpoint, public_name
from audiodiff.models.upsampler import Upsampler
from audiodiff.signal.meters import BandMeter, RmsMeter
from audiodiff.signal.resample import n_resampled, resample, resample_stream
from audiodiff.synthesis.adapted import Adapters, merged, parted
from audiodiff.synthesis.arrays import Array, check_rate, like_given, waveform_tensor
from audiodiff.synthesis.band import Bands, input_notes
from audiodiff.synthesis.clip import OnProgress
from audiodiff.synthesis.machine import check_model, fitting, open_device
from audiodiff.synthesis.provenance import ModelRecord, hash_config
from audiodiff.synthesis.sampling import (
    ChunkLayout,
    check_samples,
    compute_dtype,
    count_network_calls,
    sample_channels,
)
from audiodiff.synthesis.settings import RECOMMENDED, Resolved, Sampling, recommended_by, with_given, with_searched
from audiodiff.synthesis.streams import FrameReader, Window
from audiodiff.synthesis.upsample_settings import UpsampleSettings
from audiodiff.torch_state import standard_state

WINDOW_SECONDS = 30.0
"""Usual seconds of new audio that are made at a time, which bounds memory."""


DEFAULTS = Resolved(steps=8, sampler="ddim", grid="uniform")
"""What an upsampler recommends whose checkpoint says nothing."""


@dataclass(frozen=True)
class UpsamplePlan:
    """Settings resolved against a model.

    Attributes:
        sampling: steps, sampler, grid, precision, and the seed of the first channel.
        augmentation: noise on the condition; see `UpsampleSettings`.
        replace: whether the upper band is replaced even where the input has one.
        times: `[steps + 1]`, decreasing, ends in 0.
        network_calls: how often the network is called on every window.
        window_frames: usual new frames per window; the last is half to one and a half as long.
        context_frames: frames around a window that its samples depend on.
        output_rate: rate of what comes out (Hz).
        kept_hz: up to where the band of the input is kept.
    """

    sampling: Resolved
    augmentation: float
    replace: bool
    times: Tensor
    network_calls: int
    window_frames: int
    context_frames: int
    output_rate: int
    kept_hz: float

    def values(self) -> dict[str, Any]:
        """Return the settings as a file keeps them.

        The length of windows is among them because where they are cut decides the last bits.
        """
        return {
            **{name: getattr(self.sampling, name) for name in RECOMMENDED},
            "augmentation": self.augmentation,
            "replace": self.replace,
            "window_frames": self.window_frames,
            "output_rate": self.output_rate,
        }

    @property
    def compute_dtype(self) -> torch.dtype | None:
        """What the network computes in; `None` leaves it in float32."""
        return compute_dtype(self.sampling.precision)


class UpsamplerSynthesizer:
    """A trained upsampler, ready to widen the band of recordings."""

    def __init__(
        self,
        model: Upsampler,
        *,
        name: str = "upsampler",
        identity: ModelRecord | None = None,
        defaults: Resolved = DEFAULTS,
        augmentation: float = 0.0,
        device: torch.device | str = "cpu",
        window_seconds: float = WINDOW_SECONDS,
    ) -> None:
        """Wrap `model`, whose weights are on `device` already.

        Args:
            model: in evaluation mode.
            name: how it was asked for.
            identity: what the records of its files say of it; by its name alone they cannot be replayed.
            defaults: what it recommends.
            augmentation: noise on the condition that it recommends; see `UpsampleSettings`.
            device: where it computes.
            window_seconds: new audio that is made at a time; more, if the context needs it.
        """
        self.model = model
        self.name = name
        self.identity = identity or ModelRecord(public_name(name), weights_sha256="", role="upsampler")
        self.defaults = defaults
        self.augmentation = augmentation
        self.device = torch.device(device)
        self._window_seconds = window_seconds

    @property
    def sample_rate(self) -> int:
        """Rate of what comes out (Hz)."""
        return self.model.config.sample_rate

    @property
    def low_rate(self) -> int:
        """Rate of what goes in (Hz); other recordings are resampled to it first."""
        return self.model.config.low_rate

    @property
    def bands(self) -> Bands:
        """The model's rates, and where what it makes begins."""
        return Bands(self.low_rate, self.sample_rate, self.model.config.kept_hz)

    @standard_state()
    def plan(self, settings: UpsampleSettings) -> UpsamplePlan:
        """Resolve `settings` against what the model recommends.

        Raises:
            AudiodiffError: sampler or grid do not fit the model's process, or the model knows no such augmentation.
        """
        check_model(self.model, self.name, self.device)
        sampling = settings.sampling.resolve(self.defaults)
        augmentation = self.augmentation if settings.augmentation is None else settings.augmentation
        most = self.model.config.augmentation_max
        if augmentation > most:
            raise AudiodiffError(
                f"augmentation is {augmentation:g}, but {self.name} has learnt to read conditions with up to "
                f"{most:g}; choose 0 to {most:g}."
            )
        times = times_of(sampling.grid, self.model.process, sampling.steps)
        calls = count_network_calls(sampling.sampler, self.model.process, times)
        model = self.model
        context = calls * model.context_frames + model.condition_context_frames + model.decode_context_frames
        frames_per_second = self.sample_rate / model.hop_length
        # New audio for at least eight times the context of one side, or the overlap would cost more than a quarter.
        window = max(math.ceil(self._window_seconds * frames_per_second), 8 * context)
        return UpsamplePlan(
            sampling,
            augmentation,
            settings.replace,
            times,
            calls,
            window,
            context,
            self.sample_rate,
            self.bands.kept_hz,
        )

    def try_out(self, noise: Array) -> Array:
        """Process noise `[n_samples]` at the model's rate, as `audiodiff doctor` does: that it works, and how fast."""
        return self.upsample(noise[:: self.sample_rate // self.low_rate], self.low_rate)

    @standard_state()
    def upsample(
        self,
        waveform: Array,
        sample_rate: int,
        *,
        steps: int | None = None,
        sampler: str | None = None,
        grid: str | None = None,
        seed: int | None = None,
        augmentation: float | None = None,
        settings: UpsampleSettings | None = None,
        on_progress: OnProgress | None = None,
    ) -> Array:
        """Give a recording the band that it lacks; what it has stays.

        Every channel is worked on by itself, with noise of its own. The result does not depend on the level.

        Args:
            waveform: `[n_samples]` or `[channels, n_samples]`, a float array or tensor within +-1.
            sample_rate: its rate in Hz; at another rate than `low_rate` it is resampled, and a warning says what that
                loses.
            steps: sampling steps, 1 or more; the model's recommendation when `None`, as for the next two.
            sampler: a name of `audiodiff.diffusion.samplers.SAMPLERS`.
            grid: a name of `audiodiff.diffusion.times.GRIDS`.
            seed: the same seed gives the same samples.
            augmentation: noise on the condition; see `UpsampleSettings`.
            settings: all settings at once; the five above replace its fields.
            on_progress: called with the seconds done and the seconds in all.

        Returns:
            `[n_samples]` or `[channels, n_samples]` at `self.sample_rate`, of the same kind as `waveform` and exactly
            as long as `waveform` resampled; not clipped.

        Raises:
            AudiodiffError: the waveform is empty, of another shape, has values that are not numbers, or has the band.
        """
        chosen = settings or UpsampleSettings()
        plan = self.plan(
            with_given(chosen, steps=steps, sampler=sampler, grid=grid, seed=seed, augmentation=augmentation)
        )
        samples, rate = waveform_tensor(waveform), check_rate(sample_rate)
        band = BandMeter(rate, self.low_rate / 2)
        band.add(samples)
        for note in input_notes(rate, band.above_db, self.bands, replace=plan.replace):
            warnings.warn(f"{note}.", stacklevel=2)
        low = resample(samples, rate, self.low_rate)
        meter = RmsMeter()
        meter.add(low)
        n_out = n_resampled(samples.shape[-1], rate, self.sample_rate)
        blocks = self.stream([low], meter, plan, on_progress)
        output = torch.cat(list(blocks), dim=-1)[:, :n_out]
        return like_given(waveform, output if waveform.ndim == 2 else output[0])

    def stream(
        self,
        low_blocks: Iterable[Tensor],
        meter: RmsMeter,
        plan: UpsamplePlan,
        on_progress: OnProgress | None = None,
    ) -> Iterator[Tensor]:
        """Upsample in bounded memory; the blocks joined are the same whatever the lengths of the blocks that go in.

        Args:
            low_blocks: `[channels, n]` each, at `low_rate`.
            meter: has seen them all.
            plan: the resolved settings.
            on_progress: called with the seconds done and the seconds in all.

        Yields:
            `[channels, n_samples]`, as many samples in all as the input interpolated.
        """
        hop, rate = self.model.hop_length, self.sample_rate
        n_samples = n_resampled(meter.n_samples, self.low_rate, rate)
        gains = meter.gains(self.model.config.level)
        fetch = FrameReader(resample_stream(low_blocks, self.low_rate, rate))
        layout = ChunkLayout(-(-n_samples // hop), plan.window_frames)
        for piece in range(layout.n_pieces):
            at = layout.with_context(piece, plan.context_frames)
            base = fetch(at.start * hop, min(at.stop * hop, n_samples))
            make = partial(self._window, base, at, plan)
            yield sample_channels(at, gains, hop / rate, n_samples / hop, on_progress, make)

    @standard_state()
    def _window(
        self,
        base: Tensor,
        at: Window,
        plan: UpsamplePlan,
        channel: int,
        gain: float | None,
        report: Callable[[float], None],
    ) -> Tensor:
        """Widen one window of one channel of `[channels, n_samples]` -> its core `[n_samples]`, on the CPU."""
        model, sampling = self.model, plan.sampling
        core = slice((at.core_start - at.start) * model.hop_length, (at.core_stop - at.start) * model.hop_length)
        if gain is None:
            return base[channel, core]
        seed = channel_seed(sampling.seed, channel)
        shown = (base[channel] * gain)[None].to(self.device)
        level = torch.tensor([plan.augmentation], dtype=torch.float32, device=self.device)
        condition_noise = model.condition_noise(seed, at.start, at.stop).to(self.device)
        cond = model.condition(shown, level, condition_noise if plan.augmentation else None)
        denoiser = model.denoiser(plan.compute_dtype)
        calls = 0

        def denoise(x: Tensor, t: Tensor) -> Tensor:
            nonlocal calls
            calls += 1
            report(min(calls / (plan.network_calls + 1), 1.0))
            return denoiser(x, t, cond)

        def noise(draw: int) -> Tensor:
            return model.noise(seed, draw, at.start, at.stop).to(self.device)

        state = model.process.prior(noise(0))
        step = SAMPLERS[sampling.sampler]()
        state = sample(step, denoise, model.process, state, plan.times, noise=noise)  # its own draws count from 1
        output = model.decode(state, shown)[0].float().cpu()
        check_samples(output, sampling)
        return (output / gain)[core]


@standard_state()
def load_upsampler(
    name_or_path: str | Path = "upsample-speech", *, device: str = "auto", adapters: Adapters = ()
) -> UpsamplerSynthesizer:
    """Load an upsampler.

    Args:
        name_or_path: a model that comes with the package, a checkpoint folder, or `hf:ORG/NAME` for a folder of that
            form on the Hugging Face Hub.
        device: `auto` (CUDA, then MPS, then CPU), or what torch calls the device.
        adapters: to merge into it.

    Raises:
        AudiodiffError: there is no such model or device, the folder holds something else, or an adapter does not fit.
    """
    from audiodiff.models import checkpoint

    chosen = open_device(device)
    folder = find_checkpoint(name_or_path)
    config = checkpoint.read_config(folder, "upsampler")
    (own,) = parted(adapters, folder)
    metadata = config["metadata"]
    sampling = Sampling.from_metadata(metadata, folder, others=("augmentation",))
    with recommended_by(folder):
        recommended = UpsampleSettings(augmentation=metadata.get("sampling", {}).get("augmentation", 0.0))
    model = checkpoint.load_checkpoint(folder, Upsampler)
    identity = ModelRecord(
        public_name(name_or_path),
        checkpoint.weights_hash(folder / checkpoint.WEIGHTS_FILE),
        hash_config(config["model"]),
        role="upsampler",
        adapters=merged(model, own),
    )
    model.to(chosen)
    return UpsamplerSynthesizer(
        model,
        name=str(name_or_path),
        identity=identity,
        defaults=fitting(with_searched(sampling.resolve(DEFAULTS), metadata, folder), chosen),
        augmentation=recommended.augmentation or 0.0,
        device=chosen,
    )
