"""How an exported vocoder's network sees a waveform, and what noise it starts from; `audiodiff.models.vocoder`."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiodiff.errors import AudiodiffError
from audiodiff.json_reader import take
from audiodiff.runtime.frames import STFT, with_magnitude
from audiodiff.runtime.noise import positional_noise
from audiodiff.runtime.package import Graphs, tensor
from audiodiff.signal.mel_spec import MelSpec

__all__ = ["FrontEnd", "Mel"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Mel:
    """What sampling needs of a mel.

    Attributes:
        hidden: the condition of the network.
        anchor: magnitude that the mel says, `[n_frames, n_bins]`; empty where nothing needs it.
        envelope: smooth magnitude with a floor, of the same shape.
        n_frames: frames of the mel.
    """

    hidden: Floats
    anchor: Floats
    envelope: Floats
    n_frames: int

    @property
    def magnitudes(self) -> "Mel":
        """The same without the condition, which takes ten times the memory: all that noise needs."""
        return replace(self, hidden=self.hidden[:, :0].copy())


class FrontEnd:
    """From states `[n_samples]` to frames, through the network, and back.

    Args:
        graphs: of the model.
        part: prefix of the graphs.
        settings: of the vocoder.
        spec: its mel.
        where: what to call the settings in messages.

    Raises:
        AudiodiffError: the settings are damaged.
    """

    def __init__(self, graphs: Graphs, part: str, settings: Mapping[str, Any], spec: MelSpec, where: str) -> None:
        self._graphs = graphs
        self._part = part
        self._hop = spec.hop_length
        front, head = take(settings, "front_end", dict, where), take(settings, "head", dict, where)
        prior = take(settings, "prior", dict, where)
        self._name, self._anchored = take(front, "name", str, where), take(head, "name", str, where) == "anchored"
        if self._name not in {"samples", "folds", "stft"}:
            raise AudiodiffError(f"{where} has an unknown front end {self._name!r}; export the model again.")
        self._fold = take(front, "hop_length", int, where)
        self._frames = STFT(take(front, "n_fft", int, where), self._fold)
        self._input_projections = take(head, "input_projections", int, where)
        self._output = (
            take(head, "output_projections", int, where),
            take(head, "output_momentum", float, where),
            take(head, "output_half_projections", int, where),
        )
        # Exports of earlier versions know no matching.
        self._matching = take(head, "output_matching", int, where) if "output_matching" in head else 0
        self._limit = take(head, "matching_limit", float, where) if self._matching else 0.0
        self._shaped = take(prior, "name", str, where) == "shaped"
        self._first = (
            take(prior, "projections", int, where),
            take(prior, "momentum", float, where),
            take(prior, "half_projections", int, where),
        )
        self._renewals = take(prior, "renewals", int, where)
        self._turn = take(prior, "turn_frames", int, where), take(prior, "turn_bins", int, where)
        self._stft = STFT(spec.n_fft, spec.hop_length)

    def prepare(self, log_mel: Floats, gain_db: float) -> Mel:
        """What sampling needs of a mel `[n_mels, n_frames]` at another level (dB)."""
        hidden, anchor, envelope = self._graphs(
            f"{self._part}.condition", log_mel=tensor(log_mel[None]), gain_db=np.array(gain_db, np.float32)
        )
        return Mel(hidden, anchor[0], envelope[0], log_mel.shape[1])

    def network(self, x: Floats, c_noise: float, mel: Mel) -> Floats:
        """The network's output for a state `[n_samples]`, of the same shape."""
        level = np.array([c_noise], np.float32)
        if self._anchored:
            return self._anchored_network(x, level, mel)
        frames = self._analysis(x)
        output = self._graphs(f"{self._part}.network", frames=frames, c_noise=level, hidden=mel.hidden)[0]
        return self._synthesis(output)[: len(x)]

    def _anchored_network(self, x: Floats, c_noise: Floats, mel: Mel) -> Floats:
        noisy = self._stft.spectrum(x)
        start = noisy
        for _ in range(self._input_projections):
            start = self._stft.spectrum(self._stft.waveform(with_magnitude(start, mel.anchor)))
        start = with_magnitude(start, mel.anchor / mel.envelope)
        correction, gain = self._graphs(
            f"{self._part}.network",
            noisy=_sides(noisy / mel.envelope),
            start=_sides(start),
            c_noise=c_noise,
            hidden=mel.hidden,
        )
        spectrum = start + correction[0].view(np.complex64)[..., 0]
        waveform = self._stft.project(spectrum, gain[0] * mel.anchor, *self._output)[1]
        for _ in range(self._matching):
            rows = self._stft.spectrum(waveform)
            waveform = self._stft.waveform(rows * self._gain(rows, mel.envelope))
        return waveform

    def _gain(self, rows: NDArray[np.complex64], envelope: Floats) -> Floats:
        """What brings a spectrum to an envelope; `audiodiff.signal.matching.LevelMatcher.gain`."""
        measured = self._graphs(f"{self._part}.envelope", magnitude=tensor(np.abs(rows)[None]))[0][0]
        log_gain = np.clip(np.log(envelope / measured), -self._limit, self._limit)
        wide = np.concatenate([log_gain[:1], log_gain, log_gain[-1:]])
        gain: Floats = np.exp((wide[:-2] + wide[1:-1] + wide[2:]) / np.float32(3.0))
        return gain

    def _analysis(self, x: Floats) -> Floats:
        if self._name == "samples":
            return tensor(x[None, None])
        if self._name == "folds":
            padded = np.pad(x, (0, -len(x) % self._fold))
            return tensor(padded.reshape(-1, self._fold).T[None])
        rows = self._frames.spectrum(x)
        return tensor(np.concatenate([rows.real.T, rows.imag.T])[None])

    def _synthesis(self, frames: Floats) -> Floats:
        if self._name == "samples":
            samples: Floats = frames[0, 0]
            return samples
        if self._name == "folds":
            return np.ascontiguousarray(frames[0].T).reshape(-1)
        real, imaginary = np.split(frames[0].T, 2, axis=1)
        return self._frames.waveform((real + 1j * imaginary).astype(np.complex64))

    def noise(self, mel: Mel, seed: int, first_frame: int) -> Callable[[int], Floats]:
        """Draws of the model's noise at an absolute place, `[n_samples]` each."""
        first, last = first_frame * self._hop, (first_frame + mel.n_frames) * self._hop
        first_draw: list[NDArray[np.complex64]] = []

        def draw_noise(draw: int) -> Floats:
            if draw and self._renewals:
                if not first_draw:
                    draw_noise(0)
                rows = self._turned(first_draw[0], seed, draw, first_frame)
                return self._stft.project(rows, mel.anchor, self._renewals, self._first[1])[1]
            white: Floats = positional_noise(seed, draw, first, last)[0]
            if not self._shaped:
                return white
            rows = self._stft.spectrum(white)
            if not self._first[0]:
                # The window's energy: white noise of variance 1 has STFT values of that variance.
                return self._stft.waveform(rows * (mel.envelope / np.float32(math.sqrt(0.375 * self._stft.n_fft))))
            rows, waveform = self._stft.project(rows, mel.anchor, *self._first)
            if self._renewals and not first_draw:
                first_draw.append(rows)
            return waveform

        return draw_noise

    def _turned(self, rows: NDArray[np.complex64], seed: int, draw: int, first_frame: int) -> NDArray[np.complex64]:
        """Rows of the first draw with their phases turned; `audiodiff.models.vocoder.prior.phase_turns`."""
        every, bins = self._turn
        n_frames, n_bins = rows.shape
        n_knots = -(-(n_bins - 1) // bins) + 1
        ramp = np.maximum(0.0, 1.0 - np.abs(np.arange(n_bins) / bins - np.arange(n_knots)[:, None])).astype(np.float32)
        first, last = first_frame // every, (first_frame + n_frames - 1) // every + 2
        size = 2 * n_knots
        values = positional_noise(seed, draw, first * size, last * size).reshape(-1, 2, n_knots) @ ramp
        knots = values[:, 0] + 1j * values[:, 1]
        share = (np.arange(every, dtype=np.float32) / every)[:, None]
        turns = (knots[:-1, None] + share * (knots[1:, None] - knots[:-1, None])).reshape(-1, n_bins)
        offset = first_frame - first * every
        turned: NDArray[np.complex64] = (turns[offset : offset + n_frames] * rows).astype(np.complex64)
        return turned


def _sides(spectrum: NDArray[np.complex64]) -> Floats:
    """Real and imaginary parts `[1, n_frames, n_bins, 2]`."""
    return np.ascontiguousarray(spectrum, np.complex64).view(np.float32).reshape(1, *spectrum.shape, 2)
