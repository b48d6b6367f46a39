"""A vocoder for `audiodiff.runtime`: its condition, its network, its mel and its level as ONNX graphs."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from audiodiff.errors import AudiodiffError
from audiodiff.exporting.schedules import defaults_of, record_all
from audiodiff.models.vocoder import Vocoder
from audiodiff.models.vocoder.anchored import INPUT_LIMIT, LOG_GAIN_RANGE
from audiodiff.models.vocoder.model import matcher_of
from audiodiff.models.vocoder.prior import TURN_BINS, TURN_FRAMES
from audiodiff.nn.onnx_graph import write_graph
from audiodiff.nn.wavenet import WaveNet
from audiodiff.signal.matching import LOG_GAIN_LIMIT, LevelMatcher
from audiodiff.signal.mel import magnitude_to_log_mel
from audiodiff.signal.mel_spec import MelSpec, to_dict
from audiodiff.signal.meters import RELATIVE_GATE_DB, SILENCE_DB, frame_power
from audiodiff.synthesis.gain import MAX_GAIN_DB
from audiodiff.synthesis.settings import Sampling, VocodeSettings
from audiodiff.synthesis.vocode import VocoderSynthesizer, load

__all__ = ["export_vocoder", "vocoder_settings", "write_vocoder"]

_EXAMPLE_FRAMES = 24


def export_vocoder(source: str | Path, folder: Path, other: Sampling | None = None) -> dict[str, Any]:
    """Write a vocoder into a folder and return its settings for `model.json`.

    Args:
        source: name or checkpoint folder.
        folder: where the graphs go.
        other: a sampling run to export besides the usual ones.

    Raises:
        AudiodiffError: there is no such model, or a run does not fit it.
    """
    synthesizer = load(source, device="cpu")
    return {"vocoder": write_vocoder(synthesizer, folder, "vocoder", other)}


def write_vocoder(
    synthesizer: VocoderSynthesizer, folder: Path, part: str, other: Sampling | None = None
) -> dict[str, Any]:
    """Write the graphs of a loaded vocoder, named after `part`, and return its settings.

    Raises:
        AudiodiffError: a run does not fit it.
    """
    model, spec = synthesizer.model, synthesizer.mel_spec
    if not isinstance(model, Vocoder):
        raise AudiodiffError(f"{synthesizer.name} is a vocoder of another package, which has no export to ONNX.")
    if model.config.wavenet.look_ahead is not None:
        raise AudiodiffError(
            f"{synthesizer.name} looks ahead {model.config.wavenet.look_ahead} frame(s), for which the runtime has no "
            "noise; only a vocoder whose wavenet.look_ahead is not limited can be exported."
        )
    n_bins, n_frames = spec.n_fft // 2 + 1, _EXAMPLE_FRAMES
    mel = torch.randn(1, spec.n_mels, n_frames, generator=torch.Generator().manual_seed(0)) - 5.0
    write_graph(
        folder / f"{part}.condition.onnx",
        _Condition(model),
        {"log_mel": mel, "gain_db": torch.tensor(1.0)},
        ["hidden", "anchor", "envelope"],
        {"log_mel": 2, "hidden": 2, "anchor": 1, "envelope": 1},
    )
    with torch.no_grad():
        hidden = _Condition(model)(mel, torch.tensor(1.0))[0]
    level = torch.tensor([0.5])
    if model.config.head.name == "anchored":
        sides = torch.zeros(1, n_frames, n_bins, 2)
        inputs = {"noisy": sides, "start": sides, "c_noise": level, "hidden": hidden}
        dynamic: dict[str, int | tuple[int, ...]] = {"noisy": 1, "start": 1, "hidden": 2, "correction": 1, "gain": 1}
        write_graph(folder / f"{part}.network.onnx", _Anchored(model), inputs, ["correction", "gain"], dynamic)
    else:
        frames = model.front_end.analysis(torch.zeros(1, n_frames * spec.hop_length))
        inputs = {"frames": frames, "c_noise": level, "hidden": hidden}
        dynamic = {"frames": 2, "hidden": 2, "output": 2}
        write_graph(folder / f"{part}.network.onnx", _Plain(model), inputs, ["output"], dynamic)
    power = torch.ones(1, n_frames, n_bins)
    if model.config.head.output_matching:
        write_graph(
            folder / f"{part}.envelope.onnx",
            _Envelope(matcher_of(model)),
            {"magnitude": power},
            ["envelope"],
            {"magnitude": 1, "envelope": 1},
        )
    write_graph(folder / f"{part}.mel.onnx", _Mel(spec), {"power": power}, ["log_mel"], {"power": 1, "log_mel": 2})
    write_graph(folder / f"{part}.level.onnx", _Level(spec), {"log_mel": mel}, ["power"], {"log_mel": 2, "power": 1})
    return vocoder_settings(synthesizer, other)


def vocoder_settings(synthesizer: VocoderSynthesizer, other: Sampling | None = None) -> dict[str, Any]:
    """Return what the runtime needs of a loaded vocoder besides its graphs; arguments as for `write_vocoder`.

    Raises:
        AudiodiffError: a run does not fit it.
    """
    model = synthesizer.model
    assert isinstance(model, Vocoder)
    recommended, config = synthesizer.defaults, model.config
    if config.one_step and other is not None:
        synthesizer.plan(VocodeSettings(sampling=other))  # refuses more steps
    runs = record_all(model.process, model.parameterization, recommended, other)
    if config.one_step:
        runs = [run for run in runs if run.recorded[2] == 1]
    return {
        "name": synthesizer.identity.name,
        "weights_sha256": synthesizer.identity.weights_sha256,
        "mel": to_dict(config.mel),
        "front_end": asdict(config.front_end),
        "head": {**asdict(config.head), "matching_limit": LOG_GAIN_LIMIT},
        "prior": {**asdict(config.prior), "turn_frames": TURN_FRAMES, "turn_bins": TURN_BINS},
        "delay": synthesizer.delay,
        "piece_frames": synthesizer.piece_frames,
        "context_frames": model.context_frames + model.condition_context_frames,
        "noise_context_frames": model.noise_context_frames,
        "level": {
            "reference_db": synthesizer.reference_level_db,
            "most_gain_db": MAX_GAIN_DB,
            "silence_db": SILENCE_DB,
            "gate_db": RELATIVE_GATE_DB,
        },
        "defaults": defaults_of(recommended),
        "schedules": [run.to_dict() for run in runs],
    }


class _Condition(nn.Module):
    """A log-mel at another level -> the network's condition, and the magnitudes as rows."""

    def __init__(self, model: Vocoder) -> None:
        super().__init__()
        self.model = model
        self.shift = _Shift(model.mel_spec)

    def forward(self, log_mel: Tensor, gain_db: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`[1, n_mels, n_frames]` and dB -> `hidden`, and two `[1, n_frames, n_bins]`."""
        shifted = self.shift(log_mel, gain_db)
        condition = self.model.condition(shifted)
        hidden = condition.hidden
        if isinstance(hidden, tuple):  # the terms of all layers, one after the other
            hidden = torch.cat([term[:, :, 0] for terms in hidden for term in terms], dim=1)
        anchor, envelope = condition.anchor, condition.envelope
        if anchor is None or envelope is None:
            return hidden, shifted[:, :0].transpose(1, 2), shifted[:, :0].transpose(1, 2)
        return hidden, anchor.transpose(1, 2), envelope.transpose(1, 2)


class _Shift(nn.Module):
    """`audiodiff.signal.levels.shift_log_mel` with the gain as an input."""

    def __init__(self, spec: MelSpec) -> None:
        super().__init__()
        self.spec = spec

    def forward(self, log_mel: Tensor, gain_db: Tensor) -> Tensor:
        """`[1, n_mels, n_frames]` and dB -> the log-mel of the same audio at another level."""
        spec = self.spec
        if spec.log == "db-top80":
            return log_mel + 0.0 * gain_db  # an input that nothing reads would not be one of the graph
        value = log_mel * spec.scale + spec.offset
        decibel = gain_db * spec.power
        if spec.log == "ln":
            value = (value + decibel * (math.log(10.0) / 20.0)).clamp_min(math.log(spec.floor))
        elif spec.log == "log10":
            value = (value + decibel / 20.0).clamp_min(math.log10(spec.floor))
        elif spec.log == "db-lmnt":
            value = (value + decibel / 100.0).clamp(0.0, 1.0)
        else:
            value = value * torch.exp(decibel * (0.25 * math.log(10.0) / 20.0))
        return (value - spec.offset) / spec.scale


class _Anchored(nn.Module):
    """The WaveNet between spectra, in units of the envelope."""

    def __init__(self, model: Vocoder) -> None:
        super().__init__()
        self.wavenet = model.wavenet

    def forward(self, noisy: Tensor, start: Tensor, c_noise: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Two spectra `[1, n_frames, n_bins, 2]` -> a correction of that shape and gains `[1, n_frames, n_bins]`."""
        n_bins = noisy.shape[2]
        sides = torch.cat([noisy, start], dim=3).clamp(-INPUT_LIMIT, INPUT_LIMIT)
        features = sides.permute(0, 3, 2, 1).reshape(1, 4 * n_bins, -1)
        real, imaginary, log_gain = self.wavenet(features, c_noise, _terms(self.wavenet, hidden)).chunk(3, dim=1)
        correction = torch.stack([real, imaginary], dim=3).transpose(1, 2)
        return correction, log_gain.transpose(1, 2).clamp(*LOG_GAIN_RANGE).exp()


class _Plain(nn.Module):
    """The WaveNet on frames of any front end."""

    def __init__(self, model: Vocoder) -> None:
        super().__init__()
        self.wavenet = model.wavenet
        self.projected = model.spectrogram_upsampler is None

    def forward(self, frames: Tensor, c_noise: Tensor, hidden: Tensor) -> Tensor:
        """`[1, channels, n_frames]` to the same."""
        output: Tensor = self.wavenet(frames, c_noise, _terms(self.wavenet, hidden) if self.projected else hidden)
        return output


class _Mel(nn.Module):
    """Power spectrum `[1, n_frames, n_bins]` -> log-mel `[1, n_mels, n_frames]`."""

    def __init__(self, spec: MelSpec) -> None:
        super().__init__()
        self.spec = spec

    def forward(self, power: Tensor) -> Tensor:
        """Filter bank and logarithm."""
        magnitude = (power + self.spec.magnitude_epsilon).sqrt().transpose(1, 2)
        return magnitude_to_log_mel(magnitude, self.spec)


class _Envelope(nn.Module):
    """Magnitudes of a spectrum `[1, n_frames, n_bins]` -> its envelope, of the same shape."""

    def __init__(self, matcher: LevelMatcher) -> None:
        super().__init__()
        self.matcher = matcher

    def forward(self, magnitude: Tensor) -> Tensor:
        """Filter bank and interpolation between the bands."""
        return self.matcher.envelope(magnitude)


class _Level(nn.Module):
    """Log-mel `[1, n_mels, n_frames]` -> mean square of the samples under each window `[1, n_frames]`."""

    def __init__(self, spec: MelSpec) -> None:
        super().__init__()
        self.spec = spec

    def forward(self, log_mel: Tensor) -> Tensor:
        """Energy of the magnitudes."""
        return frame_power(log_mel, self.spec)


def _terms(wavenet: WaveNet, hidden: Tensor) -> tuple[tuple[Tensor, Tensor], ...]:
    """The terms of the layers, which `_Condition` has joined."""
    parts = hidden[:, :, None].chunk(2 * wavenet.config.layers, dim=1)
    return tuple(zip(parts[::2], parts[1::2], strict=True))
