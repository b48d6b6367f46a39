"""From audio or a log-mel to a waveform, with any trained vocoder, any sampler and any number of steps."""

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from audiodiff.diffusion.process import Process
from audiodiff.diffusion.samplers import SAMPLERS, sample
from audiodiff.diffusion.times import GRIDS
from audiodiff.errors import AudiodiffError
from audiodiff.models.find import find_checkpoint, public_name
from audiodiff.signal.levels import shift_log_mel
from audiodiff.signal.mel_convert import check_mel, convert_log_mel
from audiodiff.signal.mel_spec import MelSpec
from audiodiff.signal.meters import LevelMeter
from audiodiff.signal.resample import resample
from audiodiff.synthesis.arrays import Array, check_rate, float_tensor, like_given, waveform_tensor
from audiodiff.synthesis.machine import check_model
from audiodiff.synthesis.provenance import ModelRecord, hash_config
from audiodiff.synthesis.sampling import Grid, Plan, VocoderModel, plan_windows, sample_window
from audiodiff.synthesis.settings import Resolved, Sampling, VocodeSettings, changed
from audiodiff.synthesis.streams import Window, mel_blocks
from audiodiff.synthesis.turn import around
from audiodiff.torch_state import standard_state

OnProgress = Callable[[float, float], None]
"""Called with (seconds of audio done, seconds in all)."""

DEFAULTS = Resolved(steps=8, sampler="euler", grid="uniform")
"""What a vocoder recommends whose checkpoint says nothing."""

WINDOW_SECONDS, CALL_SECONDS = 96.0, 8.0
"""Usual seconds of new audio per window and per network call, for networks that run once a frame."""

SAMPLES_WINDOW_SECONDS, SAMPLES_CALL_SECONDS = 20.0, 4.0
"""The same for networks that run once a sample, which need a hundred times the memory."""

MAX_GAIN_DB = 40.0
BLOCK_FRAMES = 8192
ENDLESS = 1 << 60


class VocoderSynthesizer:
    """A trained vocoder, ready to turn audio or log-mels into waveforms."""

    def __init__(
        self,
        model: VocoderModel,
        *,
        name: str = "vocoder",
        identity: ModelRecord | None = None,
        defaults: Resolved = DEFAULTS,
        reference_level_db: float | None = None,
        device: torch.device | str = "cpu",
        window_seconds: float = WINDOW_SECONDS,
        call_seconds: float = CALL_SECONDS,
        delay: int = 0,
    ) -> None:
        """Wrap `model`, whose weights are on `device` already.

        Args:
            model: in evaluation mode.
            name: how it was asked for.
            identity: what the records of its files say of it; by its name alone they cannot be replayed.
            defaults: what it recommends.
            reference_level_db: level in dBFS (`audiodiff.synthesis.level`) of the audio that it was trained on; `None`
                if that had any level.
            device: where it computes.
            window_seconds: new audio that is sampled as one signal; more, if the context needs it.
            call_seconds: the network sees this much new audio at a time, which bounds its memory; the end of a signal
                may add half as much.
            delay: samples by which the model's states are behind the waveform of their mel (`VocoderConfig.delay`).
        """
        self.model = model
        self._delay = delay
        self._window_seconds = window_seconds
        self._call_seconds = call_seconds
        self.name = name
        self.identity = identity or ModelRecord(public_name(name), weights_sha256="")
        self.defaults = defaults
        self.reference_level_db = reference_level_db
        self.device = torch.device(device)

    @property
    def mel_spec(self) -> MelSpec:
        """The mel that the model takes."""
        return self.model.mel_spec

    @property
    def sample_rate(self) -> int:
        """The rate of the waveforms that come out, in Hz."""
        return self.model.mel_spec.sample_rate

    @standard_state()
    def plan(self, settings: VocodeSettings) -> Plan:
        """Resolve `settings` against what the model recommends.

        Raises:
            AudiodiffError: sampler or grid do not fit the model's process.
        """
        check_model(self.model, self.name, self.device)
        sampling = settings.sampling.resolve(self.defaults)
        times = GRIDS[sampling.grid](self.model.process, sampling.steps)
        calls = count_network_calls(sampling.sampler, self.model.process, times)
        context = calls * self.model.context_frames
        frames_per_second = self.sample_rate / self.mel_spec.hop_length
        piece = max(1, int(self._call_seconds * frames_per_second))
        if settings.window_seconds is None:
            # new audio for at least eight times the context of one side, or the overlap would cost more than a quarter
            window = max(self._window_seconds * frames_per_second, 8.0 * context)
        else:
            window = min(settings.window_seconds * frames_per_second, float(ENDLESS))
        return Plan(
            sampling=sampling,
            match_level=settings.level == "match" and self.reference_level_db is not None,
            times=times,
            network_calls=calls,
            piece_frames=piece,
            window_pieces=max(1, math.ceil(window / piece)),
            context_frames=self.model.context_frames,
            call_context_frames=self.model.context_frames + self.model.condition_context_frames,
            noise_context_frames=self.model.noise_context_frames,
        )

    @standard_state()
    def mel(self, waveform: Array, sample_rate: int) -> Array:
        """Return the log-mel of a recording as this model takes it.

        Args:
            waveform: `[n_samples]` or `[channels, n_samples]`, a float array or tensor within +-1.
            sample_rate: its rate in Hz.

        Returns:
            `[n_mels, n_frames]` or `[channels, n_mels, n_frames]`, of the same kind as `waveform`.

        Raises:
            AudiodiffError: the waveform is empty, of another shape, or has values that are not numbers.
        """
        samples = waveform_tensor(waveform)
        resampled = resample(samples, check_rate(sample_rate), self.sample_rate)
        frames = torch.cat(list(mel_blocks([resampled], self.mel_spec)), dim=-1)
        return like_given(waveform, frames if waveform.ndim == 2 else frames[0])

    def try_out(self, noise: Array) -> Array:
        """Process noise `[n_samples]` at the model's rate, as `audiodiff doctor` does: that it works, and how fast."""
        return self.vocode(noise, self.sample_rate)

    @standard_state()
    def vocode(
        self,
        waveform: Array,
        sample_rate: int,
        *,
        steps: int | None = None,
        sampler: str | None = None,
        grid: str | None = None,
        seed: int | None = None,
        settings: VocodeSettings | None = None,
        on_progress: OnProgress | None = None,
    ) -> Array:
        """Resample a recording to the model's rate, reduce it to its mel and synthesise it from that alone.

        Every channel is vocoded by itself, with noise of its own.

        Args:
            waveform: `[n_samples]` or `[channels, n_samples]`, a float array or tensor within +-1.
            sample_rate: its rate in Hz.
            steps: sampling steps, 1 or more; the model's recommendation when `None`, as for the next two.
            sampler: a name of `audiodiff.diffusion.samplers.SAMPLERS`.
            grid: a name of `audiodiff.diffusion.times.GRIDS`.
            seed: the same seed gives the same samples.
            settings: all settings at once; the four above replace its fields.
            on_progress: called with the seconds done and the seconds in all.

        Returns:
            `[n_samples]` or `[channels, n_samples]` at `self.sample_rate`, of the same kind as `waveform` and exactly
            as long as `waveform` resampled; not clipped.

        Raises:
            AudiodiffError: the waveform is empty, of another shape, or has values that are not numbers.
        """
        samples = waveform_tensor(waveform)
        plan = self.plan(_merged(settings, steps=steps, sampler=sampler, grid=grid, seed=seed))
        resampled = resample(samples, check_rate(sample_rate), self.sample_rate)
        frames = torch.cat(list(mel_blocks([resampled], self.mel_spec)), dim=-1)
        output = self._vocode_tensor(frames, plan, on_progress)[:, : resampled.shape[-1]]
        return like_given(waveform, output if waveform.ndim == 2 else output[0])

    @standard_state()
    def vocode_mel(
        self,
        log_mel: Array,
        *,
        spec: MelSpec | None = None,
        steps: int | None = None,
        sampler: str | None = None,
        grid: str | None = None,
        seed: int | None = None,
        settings: VocodeSettings | None = None,
        circular: bool = False,
        on_progress: OnProgress | None = None,
    ) -> Array:
        """Synthesise a log-mel.

        Args:
            log_mel: `[n_mels, n_frames]`, or `[channels, n_mels, n_frames]` for independent channels.
            spec: how it was computed; the model's own mel when `None`. Another mel is converted where that is exact.
            steps: as for `vocode`, like the arguments that follow.
            sampler: name of the sampler.
            grid: name of the time grid.
            seed: seed of the noise.
            settings: all settings at once; the four above replace its fields.
            circular: the mel is a loop, and so is the waveform: its end leads into its beginning.
            on_progress: called with the seconds done and the seconds in all.

        Returns:
            `[n_samples]` or `[channels, n_samples]` with `n_samples = n_frames * hop_length`, of the same kind as
            `log_mel`; not clipped.

        Raises:
            AudiodiffError: the mel is empty, of another shape or another mel than `spec`, or cannot be converted.
        """
        frames = float_tensor(log_mel, "log_mel")
        if frames.ndim not in {2, 3} or 0 in frames.shape:
            raise AudiodiffError(
                f"the log-mel has shape {list(frames.shape)}; expected [n_mels, n_frames] or "
                "[channels, n_mels, n_frames] with at least one frame."
            )
        frames = frames if frames.ndim == 3 else frames[None]
        if spec is not None and spec != self.mel_spec:
            _check_finite(frames)
            check_mel(frames, spec)
            frames = convert_log_mel(frames, spec, self.mel_spec)
        plan = self.plan(_merged(settings, steps=steps, sampler=sampler, grid=grid, seed=seed))
        output = self.vocode_frames(frames, plan, on_progress, circular=circular)
        return like_given(log_mel, output if log_mel.ndim == 3 else output[0])

    @standard_state()
    def vocode_frames(
        self, frames: Tensor, plan: Plan, on_progress: OnProgress | None = None, *, circular: bool = False
    ) -> Tensor:
        """Synthesise log-mels `[channels, n_mels, n_frames]` of this model with settings that are resolved.

        Returns:
            `[channels, n_frames * hop_length]` on the CPU.

        Raises:
            AudiodiffError: they are of another mel, or have values that are not numbers.
        """
        _check_finite(frames)
        check_mel(frames, self.mel_spec)
        return self._vocode_tensor(frames, plan, on_progress, circular=circular)

    @standard_state()
    def measure(self, blocks: Iterable[Tensor]) -> list[LevelMeter]:
        """Return the level of every channel of a stream of log-mel blocks `[channels, n_mels, n_frames]`."""
        meters: list[LevelMeter] = []
        for block in blocks:
            meters = meters or [LevelMeter(self.mel_spec) for _ in range(block.shape[0])]
            for meter, frames in zip(meters, block, strict=True):
                meter.add(frames)
        return meters

    def stream(
        self,
        fetch: Callable[[int, int], Tensor],
        n_frames: int,
        meters: list[LevelMeter],
        plan: Plan,
        on_progress: OnProgress | None = None,
    ) -> Iterator[Tensor]:
        """Vocode in bounded memory; the blocks joined are the one-shot output, bit for bit.

        Args:
            fetch: `fetch(start, stop)` gives the log-mel `[channels, n_mels, stop - start]`; `start` never goes back.
            n_frames: frames in all.
            meters: the level of each channel over the whole input (`measure`).
            plan: the resolved settings.
            on_progress: called with the seconds done and the seconds in all.

        Yields:
            `[channels, n_samples]`, `n_frames * hop_length` samples in all.
        """
        hop = self.mel_spec.hop_length
        if not self._delay:
            return self._states(fetch, n_frames, meters, plan, on_progress)

        def prolonged(start: int, stop: int) -> Tensor:
            # The state ends before the waveform: one frame more, like the last.
            frames = fetch(min(start, n_frames - 1), min(stop, n_frames))
            if stop > n_frames:
                frames = torch.cat([frames, frames[..., -1:]], dim=-1)
            return frames[..., max(start - (n_frames - 1), 0) :]

        states = self._states(prolonged, n_frames + 1, meters, plan, on_progress)
        return _stretch(states, self._delay, n_frames * hop)

    def _states(
        self,
        fetch: Callable[[int, int], Tensor],
        n_frames: int,
        meters: list[LevelMeter],
        plan: Plan,
        on_progress: OnProgress | None,
    ) -> Iterator[Tensor]:
        """As `stream`, for the states of the process."""
        hop = self.mel_spec.hop_length
        seconds_per_frame = hop / self.sample_rate
        n_channels = len(meters)
        grid = Grid(n_frames, plan.piece_frames)
        for window in plan_windows(grid, plan):
            frames = fetch(window.start, window.stop)
            core_frames = window.core_stop - window.core_start
            outputs = []
            for channel, meter in enumerate(meters):

                def report(fraction: float, done: float = channel, at: Window = window) -> None:
                    if on_progress is not None:
                        part = (done + fraction) / n_channels * (at.core_stop - at.core_start)
                        on_progress((at.core_start + part) * seconds_per_frame, n_frames * seconds_per_frame)

                if meter.silent:
                    outputs.append(torch.zeros(core_frames * hop))
                else:
                    gain_db = self._gain_db(meter, plan)
                    outputs.append(
                        self._vocode_window(
                            frames[channel], window, grid, plan, channel=channel, gain_db=gain_db, report=report
                        )
                    )
                report(1.0)
            yield torch.stack(outputs)

    def _gain_db(self, meter: LevelMeter, plan: Plan) -> float:
        reference = self.reference_level_db
        if not plan.match_level or reference is None:
            return 0.0
        return max(-MAX_GAIN_DB, min(MAX_GAIN_DB, reference - meter.level_db))

    def _vocode_tensor(
        self, frames: Tensor, plan: Plan, on_progress: OnProgress | None, *, circular: bool = False
    ) -> Tensor:
        """Vocode `[channels, n_mels, n_frames]` at hand as a whole -> `[channels, n_frames * hop_length]`."""
        n_frames = frames.shape[-1]
        meters = self.measure(frames[..., at : at + BLOCK_FRAMES] for at in range(0, n_frames, BLOCK_FRAMES))
        turn = around(n_frames, plan) if circular else None
        shown = frames if turn is None else frames[..., turn.frames]
        blocks = self.stream(lambda start, stop: shown[..., start:stop], shown.shape[-1], meters, plan, on_progress)
        waveform = torch.cat(list(blocks), dim=-1)
        return waveform if turn is None else turn.closed(waveform, self.mel_spec.hop_length)

    @standard_state()
    def _vocode_window(
        self,
        frames: Tensor,
        window: Window,
        grid: Grid,
        plan: Plan,
        *,
        channel: int,
        gain_db: float,
        report: Callable[[float], None],
    ) -> Tensor:
        """Sample one window of one channel from `[n_mels, n_frames]` -> the core's `[n_samples]` on the CPU."""
        shifted = shift_log_mel(frames, self.mel_spec, gain_db)[None].to(self.device)
        core = sample_window(self.model, shifted, window, grid, plan, channel_seed(plan.sampling.seed, channel), report)
        if not bool(torch.isfinite(core).all()):
            raise AudiodiffError(
                f"the model gave values that are not numbers ({plan.sampling.steps} steps of "
                f"{plan.sampling.sampler} on the {plan.sampling.grid} grid); try the recommended sampler and steps."
            )
        scaled: Tensor = core.float().cpu() * 10.0 ** (-gain_db / 20.0)
        return scaled


def _stretch(blocks: Iterator[Tensor], start: int, n_samples: int) -> Iterator[Tensor]:
    """Cut samples `start` to `start + n_samples` out of a stream of `[channels, n_samples]` blocks."""
    seen = 0
    for block in blocks:
        kept = block[..., max(start - seen, 0) : max(start + n_samples - seen, 0)]
        seen += block.shape[-1]
        if kept.shape[-1]:
            yield kept


def count_network_calls(sampler: str, process: Process, times: Tensor) -> int:
    """Return how often `sampler` calls the network on the grid `times`, by letting it run on three numbers."""
    calls = 0

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return torch.zeros_like(x)

    x = torch.ones(1, 1, 3)
    sample(SAMPLERS[sampler](), denoise, process, process.prior(x), times, noise=lambda draw: torch.ones_like(x))
    return calls


def channel_seed(seed: int, channel: int) -> int:
    """Return the noise seed of a channel: the given one for the first, unrelated ones for the others."""
    if channel == 0:
        return seed
    digest = hashlib.blake2b(f"{seed}:{channel}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 2


@standard_state()
def load(name_or_path: str | Path = "speech", *, device: str = "auto") -> VocoderSynthesizer:
    """Load a vocoder.

    Args:
        name_or_path: a model that comes with the package (`find.pretrained_names`), a checkpoint folder, or
            `hf:ORG/NAME` for a folder of that form on the Hugging Face Hub.
        device: `auto` (CUDA, then MPS, then CPU), or what torch calls the device.

    Raises:
        AudiodiffError: there is no such model or device, or the folder holds something else.
    """
    chosen = open_device(device)
    folder = find_checkpoint(name_or_path)
    from audiodiff.models.checkpoint import WEIGHTS_FILE, load_checkpoint, read_config, weights_hash
    from audiodiff.models.vocoder import Vocoder

    config = read_config(folder, "vocoder")
    metadata = config["metadata"]
    defaults = Sampling.from_metadata(metadata, folder).resolve(DEFAULTS)
    level = read_reference_level(metadata, folder)
    model = load_checkpoint(folder, Vocoder)
    # of the weights as they are, which need not be what the config says
    identity = ModelRecord(public_name(name_or_path), weights_hash(folder / WEIGHTS_FILE), hash_config(config["model"]))
    model.to(chosen)
    on_samples = model.config.front_end.name == "samples"
    return VocoderSynthesizer(
        model,
        name=str(name_or_path),
        identity=identity,
        defaults=defaults,
        reference_level_db=level,
        device=chosen,
        window_seconds=SAMPLES_WINDOW_SECONDS if on_samples else WINDOW_SECONDS,
        call_seconds=SAMPLES_CALL_SECONDS if on_samples else CALL_SECONDS,
        delay=model.config.delay,
    )


def open_device(name: str) -> torch.device:
    """Return the device of a name; `auto` is CUDA, then MPS, then the CPU.

    Raises:
        AudiodiffError: there is no such device here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        here = ["auto", "cpu"]
        here += ["cuda"] if torch.cuda.is_available() else []
        here += ["mps"] if torch.backends.mps.is_available() else []
        raise AudiodiffError(f"device {name!r} cannot be used here; here are {', '.join(here)}.") from error
    return device


def read_reference_level(metadata: Mapping[str, Any], folder: Path) -> float | None:
    """Read the level of the audio that a checkpoint was trained on (dBFS).

    Raises:
        AudiodiffError: it is no number.
    """
    level = metadata.get("reference_level_db")
    if level is not None and (isinstance(level, bool) or not isinstance(level, int | float)):
        raise AudiodiffError(f"the config of {folder} has reference_level_db {level!r}; expected a number of dB.")
    return None if level is None else float(level)


def _merged(
    settings: VocodeSettings | None, *, steps: int | None, sampler: str | None, grid: str | None, seed: int | None
) -> VocodeSettings:
    """Return `settings` with the given values in the place of theirs; `None` leaves one alone."""
    given = {"steps": steps, "sampler": sampler, "grid": grid, "seed": seed}
    return changed(settings or VocodeSettings(), {name: value for name, value in given.items() if value is not None})


def _check_finite(log_mel: Tensor) -> None:
    if not bool(torch.isfinite(log_mel).all()):
        raise AudiodiffError("the log-mel has values that are not finite numbers; compute it again.")
