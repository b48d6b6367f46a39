"""A voice for `audiodiff.runtime`: its encoder, its three flows and its decoder as ONNX graphs, and its vocoder."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from audiodiff.exporting.schedules import defaults_of, record, record_all
from audiodiff.exporting.vocoder import write_vocoder
from audiodiff.models.voice import Voice
from audiodiff.models.voice.frames import Frames, place_features
from audiodiff.nn.onnx_graph import write_graph
from audiodiff.synthesis.clip import FADE_SECONDS
from audiodiff.synthesis.settings import Sampling
from audiodiff.synthesis.speech import PARAGRAPH_PAUSE, SENTENCE_PAUSE
from audiodiff.synthesis.voice import DURATION_DRAW, F0_DRAW, PROSODY_STEPS, VoiceSynthesizer, load_voice

__all__ = ["export_voice"]

_SYMBOLS, _FRAMES = 7, 20
"""Sizes of the examples that graphs are traced with."""


def export_voice(source: str | Path, folder: Path, other: Sampling | None = None) -> dict[str, Any]:
    """Write a voice and its vocoder into a folder and return their settings for `model.json`.

    Args:
        source: name or checkpoint folder.
        folder: where the graphs go.
        other: a sampling run of the mel to export besides the usual ones.

    Raises:
        AudiodiffError: there is no such model, or a run does not fit it.
    """
    synthesizer = load_voice(source, device="cpu")
    _write_graphs(synthesizer.model, folder)
    return {
        "voice": _settings(synthesizer, other),
        "vocoder": write_vocoder(synthesizer.vocoder, folder, "vocoder"),
    }


def _write_graphs(model: Voice, folder: Path) -> None:
    n_mels = model.config.mel.n_mels
    ids, speaker, level = torch.arange(1, 1 + _SYMBOLS)[None], torch.zeros(1, dtype=torch.long), torch.tensor([0.5])
    symbol = (torch.arange(_FRAMES) // 3)[None]
    since, length = (torch.arange(_FRAMES) % 3)[None].float(), torch.full((1, _FRAMES), 3.0)
    pitch, voiced = torch.full((1, _FRAMES), 7.5), torch.ones(1, _FRAMES)
    white = torch.randn(1, _FRAMES, 2, generator=torch.Generator().manual_seed(0))
    mel = torch.zeros(1, _FRAMES, n_mels)
    with torch.no_grad():
        states = _Encode(model)(ids, speaker)
        expanded = _Expand(model)(states, symbol, since, length)
        condition = _Decode(model)(expanded, pitch, voiced)[1]
    graphs: dict[str, tuple[nn.Module, dict[str, Tensor], dict[str, int]]] = {
        "encode": (_Encode(model), {"ids": ids, "speaker": speaker}, {"states": 1}),
        "durations": (
            _Flow(model.duration_flow),
            {"x": torch.zeros(1, _SYMBOLS, 1), "c_noise": level, "condition": states},
            {"output": 1},
        ),
        "lengths": (_Lengths(model), {"state": torch.zeros(1, _SYMBOLS, 1), "ids": ids}, {"frames": 1}),
        "expand": (
            _Expand(model),
            {"states": states, "symbol": symbol, "since": since, "length": length},
            {"expanded": 1},
        ),
        "f0_noise": (_F0Noise(model), {"white": white}, {"noise": 1}),
        "f0": (_Flow(model.f0_flow), {"x": white, "c_noise": level, "condition": expanded}, {"output": 1}),
        "pitch": (_Pitch(model), {"state": white, "speaker": speaker}, {"log_hertz": 1, "voiced": 1}),
        "decode": (
            _Decode(model),
            {"expanded": expanded, "log_hertz": pitch, "voiced": voiced},
            {"mean": 1, "condition": 1},
        ),
        "residual": (_Flow(model.mel_flow), {"x": mel, "c_noise": level, "condition": condition}, {"output": 1}),
        "log_mel": (_LogMel(model), {"mean": mel, "residual": mel}, {"log_mel": 2}),
    }
    for name, (module, inputs, outputs) in graphs.items():
        free = {key: 1 for key, value in inputs.items() if value.ndim > 1}
        write_graph(folder / f"voice.{name}.onnx", module, inputs, list(outputs), {**free, **outputs})


def _settings(synthesizer: VoiceSynthesizer, other: Sampling | None) -> dict[str, Any]:
    model, recommended = synthesizer.model, synthesizer.defaults
    law = model.process, model.parameterization
    prosody = record(*law, sampler="euler", grid="uniform", steps=PROSODY_STEPS)
    return {
        "name": synthesizer.identity[0].name,
        "weights_sha256": synthesizer.identity[0].weights_sha256,
        "symbols": model.config.symbols,
        "speakers": list(model.config.speakers),
        "f0_min": model.config.f0_min,
        "f0_max": model.config.f0_max,
        "manner": asdict(synthesizer.manner),
        "pronunciations": {word: " ".join(phones) for word, phones in synthesizer.pronunciations.items()},
        "draws": {"durations": DURATION_DRAW, "f0": F0_DRAW},
        "pauses": {"sentence": SENTENCE_PAUSE, "paragraph": PARAGRAPH_PAUSE, "fade": FADE_SECONDS},
        "defaults": defaults_of(recommended),
        "prosody": prosody.to_dict(),
        "schedules": [run.to_dict() for run in record_all(*law, recommended, other)],
    }


class _Encode(nn.Module):
    def __init__(self, model: Voice) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, speaker: Tensor) -> Tensor:
        """Numbers of symbols `[1, n_symbols]` and of the speaker `[1]` -> states `[1, n_symbols, width]`."""
        states = self.model.encode(ids, speaker)[0]
        return states + 0.0 * speaker[:, None, None]  # an input that nothing reads would not be one of the graph


class _Flow(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, c_noise: Tensor, condition: Tensor) -> Tensor:
        """A state `[1, n, channels]`, its noise level `[1]` and condition `[1, n, features]` -> the output."""
        output: Tensor = self.network(x, c_noise, (condition, torch.ones_like(x[..., :1])))
        return output


class _Lengths(nn.Module):
    def __init__(self, model: Voice) -> None:
        super().__init__()
        self.model = model

    def forward(self, state: Tensor, ids: Tensor) -> Tensor:
        """State `[1, n_symbols, 1]` and symbols -> frames of each, not rounded."""
        return self.model.durations_of_state(state, ids)


class _Expand(nn.Module):
    def __init__(self, model: Voice) -> None:
        super().__init__()
        self.model = model

    def forward(self, states: Tensor, symbol: Tensor, since: Tensor, length: Tensor) -> Tensor:
        """States of symbols, and of each frame its symbol, the frames before it and all of that -> states of frames."""
        ones = torch.ones_like(symbol)
        frame, total = ones.cumsum(1) - 1, ones.sum(1, keepdim=True)
        place = place_features(frame, total, since, length)
        return self.model.expand(states, Frames(symbol, place, ones[..., None].float()))


class _F0Noise(nn.Module):
    def __init__(self, model: Voice) -> None:
        super().__init__()
        self.model = model

    def forward(self, white: Tensor) -> Tensor:
        """White noise `[1, n_frames, 2]` -> noise of the flow of F0."""
        return self.model.f0_noise(white)


class _Pitch(nn.Module):
    def __init__(self, model: Voice) -> None:
        super().__init__()
        self.model = model

    def forward(self, state: Tensor, speaker: Tensor) -> tuple[Tensor, Tensor]:
        """State of F0 `[1, n_frames, 2]` -> base-2 logarithm of F0 and voicing `[1, n_frames]`."""
        return self.model.f0_of_state(state, speaker)


class _Decode(nn.Module):
    def __init__(self, model: Voice) -> None:
        super().__init__()
        self.model = model

    def forward(self, expanded: Tensor, log_hertz: Tensor, voiced: Tensor) -> tuple[Tensor, Tensor]:
        """States of frames and their pitch -> the mean mel, standardised, and the condition of the residual's flow."""
        ones = torch.ones_like(expanded[..., :1])
        return self.model.decode(expanded, Frames(ones[..., 0].long(), ones, ones), log_hertz, voiced)


class _LogMel(nn.Module):
    def __init__(self, model: Voice) -> None:
        super().__init__()
        self.model = model

    def forward(self, mean: Tensor, residual: Tensor) -> Tensor:
        """Mean and state of the residual `[1, n_frames, n_mels]` -> log-mel `[1, n_mels, n_frames]`."""
        return self.model.mel_of_states(mean, residual)
