"""Reads the checkpoints of lmnt's DiffWave (`weights.pt`) into a `Vocoder` of the DiffWave family.

Their files are pickles. They are opened with `weights_only=True`, which admits tensors and plain values and runs no
code; convert once, keep the folder that `save_checkpoint` writes.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.models.memory import without_weights
from audiodiff.models.vocoder.config import FrontEndConfig, HeadConfig, LossConfig, VocoderConfig
from audiodiff.models.vocoder.model import Vocoder
from audiodiff.models.vocoder.prior import PriorConfig
from audiodiff.nn.wavenet import WaveNetConfig
from audiodiff.signal import mel

__all__ = ["diffwave_config", "load_lmnt_diffwave"]

_BETAS = (1e-4, 0.05, 50)
_PREFIXES = ("input_projection", "diffusion_embedding", "residual_layers", "skip_projection", "output_projection")


def diffwave_config(
    *,
    channels: int = 64,
    layers: int = 30,
    dilation_cycle: int = 10,
    betas: tuple[float, ...] | None = None,
    spec: mel.MelSpec | None = None,
) -> VocoderConfig:
    """The DiffWave vocoder (arXiv 2009.09761) as a config; the defaults are lmnt's published model.

    Args:
        channels, layers, dilation_cycle: shape of the WaveNet.
        betas: noise schedule; None for the published 50 steps from 1e-4 to 0.05.
        spec: the mel; None for `diffwave-lmnt`.
    """
    if betas is None:
        start, end, steps = _BETAS
        betas = tuple(start + (end - start) * i / (steps - 1) for i in range(steps))
    spec = mel.preset("diffwave-lmnt") if spec is None else spec
    return VocoderConfig(
        mel=spec,
        front_end=FrontEndConfig("samples", hop_length=1),
        wavenet=WaveNetConfig(
            channels=channels,
            layers=layers,
            dilation_cycle=dilation_cycle,
            cond_channels=spec.n_mels,
            embedding="table",
            embedding_width=512,
            embedding_steps=len(betas),
        ),
        head=HeadConfig(name="plain", output_projections=0),
        prior=PriorConfig(name="white"),
        loss=LossConfig(metric="l1", min_snr=0.0, magnitude=0.0, t_min=1.0),
        process={"name": "discrete_vp", "betas": list(betas)},
        parameterization={"name": "eps"},
    )


def load_lmnt_diffwave(path: Path | str) -> Vocoder:
    """Read lmnt's `weights.pt` into a `Vocoder`.

    Args:
        path: a file with `model` (state dict) and, from newer versions, `params`.

    Raises:
        AudiodiffError: not such a file, an unconditional model, or weights from before 2020-09-23, whose forward
            pass differs.
    """
    path = Path(path)
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise AudiodiffError(f"{path} does not exist.") from error
    except Exception as error:  # the unpickler raises what it likes on foreign bytes
        raise AudiodiffError(
            f"{path} is not a PyTorch checkpoint of plain tensors ({type(error).__name__})."
        ) from error
    if not isinstance(stored, Mapping) or not isinstance(stored.get("model"), Mapping):
        raise AudiodiffError(f'{path} holds no "model" state dict; expected lmnt DiffWave\'s weights.pt.')
    state: dict[str, Tensor] = dict(stored["model"])
    params: Mapping[str, Any] = stored.get("params") or {}
    if not all(isinstance(value, Tensor) for value in state.values()) or not isinstance(params, Mapping):
        raise AudiodiffError(f"{path} does not hold DiffWave's tensors; expected lmnt's weights.pt.")
    embedding = state.get("diffusion_embedding.projection1.weight")
    if embedding is None or not all(name.startswith((*_PREFIXES, "spectrogram_upsampler")) for name in state):
        raise AudiodiffError(f"{path} does not hold DiffWave's tensors; expected lmnt's weights.pt.")
    if embedding.ndim != 2:
        raise AudiodiffError(f"{path} is from before 2020-09-23 (3-D embedding weights), whose forward pass differs.")
    if not any(name.startswith("spectrogram_upsampler") for name in state):
        raise AudiodiffError(f"{path} is an unconditional DiffWave; a vocoder needs the mel-conditional one.")
    betas = params.get("noise_schedule")
    try:
        config = diffwave_config(
            channels=int(state["input_projection.weight"].shape[0]),
            layers=1 + max(int(name.split(".")[1]) for name in state if name.startswith("residual_layers.")),
            dilation_cycle=int(params.get("dilation_cycle_length", 10)),
            betas=None if betas is None else tuple(float(beta) for beta in betas),
        )
    except (KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
        raise AudiodiffError(f"{path} does not describe a DiffWave ({error}); expected lmnt's weights.pt.") from error
    with without_weights():
        model = Vocoder(config)
    renamed = {
        name if name.startswith("spectrogram_upsampler") else f"wavenet.{name}": value.float()
        for name, value in state.items()
    }
    try:
        model.load_state_dict(renamed, assign=True)
    except RuntimeError as error:
        raise AudiodiffError(f"{path} does not fit DiffWave's architecture: {error}") from error
    return model.eval()
