"""A latent model for `audiodiff.runtime`: text encoder, denoiser and decoder as ONNX graphs, and its vocoder."""

import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from audiodiff.errors import AudiodiffError
from audiodiff.exporting.schedules import defaults_of, record_all
from audiodiff.exporting.vocoder import write_vocoder
from audiodiff.models.mel_latent import MelLatent
from audiodiff.nn.condition import CHORD_FEATURES, Condition
from audiodiff.nn.onnx_graph import write_graph
from audiodiff.synthesis.clip import FADE_SECONDS
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.load import load_latent
from audiodiff.synthesis.settings import Sampling
from audiodiff.text.minilm import FOLDER, TOKENIZER_FILE, MiniLM, bert_states

__all__ = ["export_music"]

_TOKENS, _LATENTS = 5, 12
"""Sizes of the examples that graphs are traced with."""


def export_music(source: str | Path, folder: Path, other: Sampling | None = None) -> dict[str, Any]:
    """Write a latent model, its text encoder and its vocoder into a folder and return their settings.

    Args:
        source: name or checkpoint folder.
        folder: where the graphs go.
        other: a sampling run of the latents to export besides the usual ones.

    Raises:
        AudiodiffError: there is no such model, a run does not fit it, or its text encoder has no export.
    """
    synthesizer = load_latent(source, device="cpu").synthesizer
    encoder = synthesizer.encoder()
    if not isinstance(encoder, MiniLM):
        raise AudiodiffError(f"{source} reads prompts with {encoder.name}; the export to ONNX is for minilm alone.")
    _write_graphs(synthesizer, encoder, folder)
    shutil.copyfile(FOLDER / TOKENIZER_FILE, folder / TOKENIZER_FILE)
    return {
        "music": _settings(synthesizer, encoder, other),
        "vocoder": write_vocoder(synthesizer.vocoder, folder, "vocoder"),
    }


def _write_graphs(synthesizer: LatentSynthesizer, encoder: MiniLM, folder: Path) -> None:
    model = synthesizer.model
    x = torch.randn(1, model.channels, _LATENTS, generator=torch.Generator().manual_seed(0))
    config = model.config
    inputs = {
        "x": x,
        "c_noise": torch.tensor([0.5]),
        "tokens": torch.zeros(1, _TOKENS, config.text_width),
        "mask": torch.ones(1, _TOKENS, dtype=torch.bool),
        "numbers": torch.full((1, len(config.numbers)), 100.0),
        "classes": torch.zeros(1, len(config.classes), dtype=torch.long),
        "beats": torch.arange(_LATENTS, dtype=torch.float32)[None],
    }
    free = {"x": 2, "tokens": 1, "mask": 1, "beats": 1, "output": 2}
    if config.chords and config.beats:  # which say when a bar begins
        inputs["chords"] = torch.zeros(1, CHORD_FEATURES, _LATENTS)
        free["chords"] = 2
    write_graph(folder / "music.denoiser.onnx", _Denoiser(model), inputs, ["output"], free)
    decoder = _Decoder(synthesizer)
    write_graph(folder / "music.decode.onnx", decoder, {"latents": x}, ["log_mel"], {"latents": 2, "log_mel": 2})
    ids = torch.arange(_TOKENS)
    write_graph(folder / "music.text.onnx", _Text(encoder), {"ids": ids}, ["states"], {"ids": 0, "states": 0})


def _settings(synthesizer: LatentSynthesizer, encoder: MiniLM, other: Sampling | None) -> dict[str, Any]:
    model, recommended = synthesizer.model, synthesizer.defaults
    config = model.config
    runs = record_all(model.process, model.parameterization, recommended, other)
    return {
        "name": synthesizer.identity[0].name,
        "weights_sha256": synthesizer.identity[0].weights_sha256,
        "channels": model.channels,
        "samples_per_latent": model.mel_spec.hop_length * model.autoencoder.frames_per_latent,
        "text_width": config.text_width,
        "max_tokens": encoder.max_tokens,
        "numbers": [number.name for number in config.numbers],
        "classes": {kind.name: list(kind.values) for kind in config.classes},
        "beats": config.beats,
        "chords": config.chords and config.beats,
        "shortest_seconds": synthesizer.shortest_seconds,
        "window_seconds": synthesizer.window_seconds,
        "longest_latents": synthesizer.window_latents + synthesizer.tolerance_latents,
        "fade": FADE_SECONDS,
        "defaults": {
            **defaults_of(recommended),
            "guidance": recommended.guidance,
            "rescale": recommended.rescale,
            "guidance_hold": recommended.guidance_hold,
        },
        "schedules": [run.to_dict() for run in runs],
    }


class _Denoiser(nn.Module):
    def __init__(self, model: MelLatent) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        x: Tensor,
        c_noise: Tensor,
        tokens: Tensor,
        mask: Tensor,
        numbers: Tensor,
        classes: Tensor,
        beats: Tensor,
        chords: Tensor | None = None,
    ) -> Tensor:
        """The network's output for a state `[1, channels, n_latents]` under conditions; numbers in their own units."""
        nothing = x[:, :, :0]
        told = beats if self.model.config.beats else nothing[:, 0]
        columns = self.model.number_columns(numbers)
        cond = Condition(
            tokens,
            mask,
            columns,
            classes,
            told,
            nothing,
            x.new_zeros(1, CHORD_FEATURES, 0) if chords is None else chords,
            nothing[:, 0],
        )
        output: Tensor = self.model.network(x, c_noise, cond)
        # An input that nothing reads would not be one of the graph.
        return output + 0.0 * (torch.nan_to_num(beats).sum() + classes.sum() + torch.nan_to_num(numbers).sum())


class _Decoder(nn.Module):
    def __init__(self, synthesizer: LatentSynthesizer) -> None:
        super().__init__()
        self.autoencoder = synthesizer.model.autoencoder
        self.limited = synthesizer.limited

    def forward(self, latents: Tensor) -> Tensor:
        """Latents `[1, channels, n_latents]` -> log-mel `[1, n_mels, n_frames]`."""
        return self.limited(self.autoencoder.decode(latents)[0])[None]


class _Text(nn.Module):
    def __init__(self, encoder: MiniLM) -> None:
        super().__init__()
        self.register_buffer("words", encoder.word_vectors())
        self.weights = dict(encoder.weights)  # numbers: what makes them from codes is not to be in the graph
        self.heads = encoder.heads

    def forward(self, ids: Tensor) -> Tensor:
        """Numbers of tokens `[n_tokens]` -> their states `[n_tokens, width]`."""
        return bert_states(self.weights, self.get_buffer("words")[ids], self.heads)
