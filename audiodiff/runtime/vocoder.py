"""An exported vocoder: from a log-mel or a recording to a waveform."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from audiodiff.diffusion.seeds import channel_seed
from audiodiff.errors import AudiodiffError
from audiodiff.json_reader import take
from audiodiff.runtime.front_ends import FrontEnd, Mel
from audiodiff.runtime.mel import LevelGate, check_frames, level_db, log_mel
from audiodiff.runtime.package import SETTINGS_FILE, Package, tensor
from audiodiff.runtime.resample import resample
from audiodiff.runtime.schedule import run, wanted_schedule
from audiodiff.signal.limits import MAX_CHANNELS, MAX_PEAK
from audiodiff.signal.mel_spec import MelSpec, from_dict

__all__ = ["Vocoder"]

Floats = NDArray[np.float32]

LONGEST_SECONDS = 600.0
"""Recordings are sampled as a whole, in 0.5 GB at this length."""


class Vocoder:
    """A vocoder of an exported model; the samples are those of `audiodiff.load(MODEL)` in float32, within 1e-4.

    Args:
        package: what was exported.
        part: its settings and the prefix of its graphs.

    Raises:
        AudiodiffError: the settings are damaged.
    """

    def __init__(self, package: Package, part: str = "vocoder") -> None:
        where = str(package.folder / SETTINGS_FILE)
        self._where = where
        self._graphs = package.graphs
        self._part = part
        settings = package.part(part)
        self.mel_spec: MelSpec = from_dict(take(settings, "mel", dict, where))
        self.defaults = take(settings, "defaults", dict, where)
        self._schedules = take(settings, "schedules", list, where)
        self._front_end = FrontEnd(package.graphs, part, settings, self.mel_spec, where)
        self._delay = take(settings, "delay", int, where)
        self._piece = take(settings, "piece_frames", int, where)
        self._context = take(settings, "context_frames", int, where)
        self._noise_context = take(settings, "noise_context_frames", int, where)
        level = take(settings, "level", dict, where)
        self._reference = None if level.get("reference_db") is None else take(level, "reference_db", float, where)
        self._most_gain = take(level, "most_gain_db", float, where)
        self._gate = LevelGate(take(level, "silence_db", float, where), take(level, "gate_db", float, where))

    @property
    def sample_rate(self) -> int:
        """The rate of the waveforms (Hz)."""
        return self.mel_spec.sample_rate

    def mel(self, waveform: NDArray[np.floating], sample_rate: int) -> Floats:
        """The log-mel `[n_mels, n_frames]` of a recording `[n_samples]`; `[channels, ...]` of `[channels, n_samples]`.

        Raises:
            AudiodiffError: the recording cannot be used.
        """
        mels = np.stack([self._mel_of(channel, sample_rate) for channel in check_waveform(waveform)])
        return mels if np.ndim(waveform) == 2 else mels[0]

    def vocode(
        self,
        waveform: NDArray[np.floating],
        sample_rate: int,
        *,
        steps: int | None = None,
        sampler: str | None = None,
        grid: str | None = None,
        seed: int = 0,
        match_level: bool = True,
    ) -> Floats:
        """Reduce a recording to its mel and synthesise it from that alone.

        Args:
            waveform: `[n_samples]` or `[channels, n_samples]`, floating-point numbers within +-1.
            sample_rate: its rate (Hz).
            steps, sampler, grid: one of the runs that were exported; the model's recommendation when `None`.
            seed: of the noise.
            match_level: bring the mel to the loudness of the training audio, and take the gain out again.

        Returns:
            `[n_samples]` or `[channels, n_samples]` at `sample_rate` of the model, not clipped.

        Raises:
            AudiodiffError: the recording or a setting cannot be used.
        """
        channels = check_waveform(waveform)
        length = -(-channels.shape[1] * self.sample_rate // sample_rate) if sample_rate else 0
        mels = np.stack([self._mel_of(channel, sample_rate) for channel in channels])
        made = self.vocode_mel(mels, steps=steps, sampler=sampler, grid=grid, seed=seed, match_level=match_level)
        return made[:, :length] if np.ndim(waveform) == 2 else made[0, :length]

    def vocode_mel(
        self,
        mel: NDArray[np.floating],
        *,
        steps: int | None = None,
        sampler: str | None = None,
        grid: str | None = None,
        seed: int = 0,
        match_level: bool = True,
    ) -> Floats:
        """Synthesise a log-mel `[n_mels, n_frames]` or `[channels, n_mels, n_frames]`; otherwise as `vocode`."""
        frames = check_frames(mel, self.mel_spec)
        seconds = frames.shape[2] * self.mel_spec.hop_length / self.sample_rate
        if seconds > LONGEST_SECONDS:
            raise AudiodiffError(
                f"the recording has {seconds:.0f} s; the runtime takes up to {LONGEST_SECONDS:.0f} s: cut it."
            )
        schedule = wanted_schedule(self._schedules, self.defaults, self._where, sampler=sampler, grid=grid, steps=steps)
        made = []
        for index, channel in enumerate(frames):
            gain = self._gain(channel, match_level)
            count = channel.shape[1] * self.mel_spec.hop_length
            if gain is None:
                made.append(np.zeros(count, np.float32))
                continue
            # Where the states end before the waveform, one frame more.
            shown = np.concatenate([channel, channel[:, -1:]], axis=1) if self._delay else channel
            noise, network = self._signal(shown, gain, channel_seed(seed, index))
            samples = run(schedule, noise, network)[self._delay : self._delay + count]
            if not np.isfinite(samples).all():
                raise AudiodiffError("the model gave values that are not numbers; try the recommended settings.")
            made.append(samples * np.float32(10.0 ** (-gain / 20.0)))
        return np.stack(made) if np.ndim(mel) == 3 else made[0]

    def _mel_of(self, channel: Floats, sample_rate: int) -> Floats:
        samples = resample(channel, sample_rate, self.sample_rate)
        return log_mel(samples, self.mel_spec, self._graphs, f"{self._part}.mel")

    def _gain(self, mel: Floats, match_level: bool) -> float | None:
        """The gain that the network sees the mel at (dB); `None` for silence."""
        level = level_db(self._graphs(f"{self._part}.level", log_mel=tensor(mel[None]))[0][0], self._gate)
        if level is None:
            return None
        if not match_level or self._reference is None:
            return 0.0
        return max(-self._most_gain, min(self._most_gain, self._reference - level))

    def _signal(
        self, mel: Floats, gain: float, seed: int
    ) -> tuple[Callable[[int], Floats], Callable[[Floats, float, float], Floats]]:
        """Draws of noise of a signal, and the network on it, piece by piece with surroundings.

        The pieces are those of `audiodiff.synthesis.sampling.ChunkLayout`, so that the samples are the same.
        """
        n_frames, hop = mel.shape[1], self.mel_spec.hop_length
        bounds = self._bounds(n_frames)
        known: dict[tuple[int, int], Mel] = {}

        def stretch(core: tuple[int, int], context: int) -> tuple[int, int]:
            return max(0, core[0] - context), min(n_frames, core[1] + context)

        def of(at: tuple[int, int]) -> Mel:
            if at in known:
                return known[at]
            prepared = self._front_end.prepare(mel[:, at[0] : at[1]], gain)
            if len(bounds) == 1:  # of many pieces the conditions would take more memory than all the rest
                known[at] = prepared
            return prepared

        def core(samples: Floats, at: tuple[int, int], inside: tuple[int, int]) -> Floats:
            return samples[(inside[0] - at[0]) * hop : (inside[1] - at[0]) * hop]

        wide = [(inside, stretch(inside, self._noise_context)) for inside in bounds]
        draws = [(inside, at, self._front_end.noise(of(at).magnitudes, seed, at[0])) for inside, at in wide]

        def noise(draw: int) -> Floats:
            return np.concatenate([core(make(draw), at, inside) for inside, at, make in draws])

        def network(x: Floats, c_noise: float, time: float) -> Floats:
            parts = []
            for inside in bounds:
                at = stretch(inside, self._context)
                output = self._front_end.network(x[at[0] * hop : at[1] * hop], c_noise, of(at))
                parts.append(core(output, at, inside))
            return np.concatenate(parts)

        return noise, network

    def _bounds(self, n_frames: int) -> list[tuple[int, int]]:
        count = max(1, (2 * n_frames + self._piece) // (2 * self._piece))
        starts = [index * self._piece for index in range(count)] + [n_frames]
        return list(pairwise(starts))


def check_waveform(waveform: NDArray[np.floating]) -> Floats:
    """Return a recording as `[channels, n_samples]`, float32.

    Raises:
        AudiodiffError: it is empty, of another shape, or has values that are not numbers or far beyond full scale.
    """
    samples = np.asarray(waveform)
    if samples.dtype.kind != "f":
        raise AudiodiffError(f"the waveform has {samples.dtype} values; give floating-point numbers within +-1.")
    samples = samples[None] if samples.ndim == 1 else samples
    if samples.ndim != 2 or 0 in samples.shape or len(samples) > MAX_CHANNELS:
        raise AudiodiffError(
            f"the waveform has shape {list(np.shape(waveform))}; expected [n_samples] or [channels, n_samples] with "
            f"at least one sample and at most {MAX_CHANNELS} channels."
        )
    if not np.isfinite(samples).all() or np.abs(samples).max() > MAX_PEAK:
        raise AudiodiffError(
            "the waveform has values that are not finite numbers or far beyond full scale, which is 1."
        )
    return samples.astype(np.float32)
