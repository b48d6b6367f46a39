"""The axes over which the core is tested."""

from __future__ import annotations

import torch

from audiodiff.diffusion import (
    EDM,
    X0,
    Consistency,
    CosineVP,
    DiscreteVP,
    Eps,
    LinearVP,
    Parameterization,
    Process,
    RectifiedFlow,
    V,
    VarianceExploding,
    Velocity,
    beta_schedule,
    zero_terminal_snr,
)

PROCESSES: dict[str, Process] = {
    "rectified_flow": RectifiedFlow(),
    "cosine_vp": CosineVP(),
    "linear_vp": LinearVP(),
    "discrete_vp_ddpm": DiscreteVP(beta_schedule("ddpm")),
    "discrete_vp_diffwave": DiscreteVP(beta_schedule("diffwave")),
    "discrete_vp_zero_terminal": DiscreteVP(zero_terminal_snr(beta_schedule("diffwave"))),
    "variance_exploding": VarianceExploding(),
}

PARAMETERIZATIONS: dict[str, Parameterization] = {
    "x0": X0(),
    "eps": Eps(),
    "v": V(),
    "velocity": Velocity(),
    "edm": EDM(0.5),
    "consistency": Consistency(0.5, 1e-4),
}

DETERMINISTIC = ["ddim", "euler", "heun", "dpmpp_2m", "unipc", "adams_pc"]
STOCHASTIC = ["ddpm", "dpmpp_2m_sde", "consistency"]


def defines_eps(process: Process) -> bool:
    """Whether data is left at ``t_max``, without which noise prediction says nothing."""
    return float(process.alpha(torch.tensor(process.t_max, dtype=torch.float64))) > 0.0
