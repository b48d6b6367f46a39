"""Error of the samplers on Gaussian mixtures against the number of network calls, beside k-diffusion and diffusers.

Run from the repository root, with the `dev` extra and `pip install --no-deps k-diffusion`:

    python -m benchmarks.samplers

In one dimension the probability-flow ODE keeps the order of points, so its exact solution is the quantile map: 1024
quantiles of the noisiest marginal go through the solver, and the RMS difference from the quantiles of the data is the
W2 error without any sampling noise. Everything is float64 except what diffusers keeps in float32. Each library starts
from the exact marginal at its own noisiest level (80 where sigma is the variable, 157 for the DDPM table) and ends at
clean data.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from audiodiff.atomic import atomic_file
from audiodiff.diffusion import (
    SAMPLERS,
    DiscreteVP,
    VarianceExploding,
    angle_grid,
    explicit_grid,
    karras_grid,
    linear_betas,
    log_snr_grid,
    sample,
)
from tests.oracles import OVERLAPPING, SEPARATED, Mixture, load_k_diffusion_sampling, quantile_grid

RESULTS = Path(__file__).parent / "results"
CALLS = (6, 8, 10, 12, 16, 24, 32)
PROCESS = VarianceExploding(80.0)
U = quantile_grid(1024)
# the third had no part in choosing any setting
TARGETS = {
    "overlapping": OVERLAPPING,
    "separated": SEPARATED,
    "held-out": Mixture((0.13, 0.42, 0.27, 0.18), (-0.71, -0.05, 0.38, 0.93), (0.09, 0.31, 0.06, 0.22)),
}
GRIDS: dict[str, Callable[[int], Tensor]] = {
    "karras": lambda n: karras_grid(PROCESS, n),
    "log-SNR": lambda n: log_snr_grid(PROCESS, n),
    "log-SNR from 0.02": lambda n: log_snr_grid(PROCESS, n, sigma_min=0.02),
    "angle": lambda n: angle_grid(PROCESS, n),
}


@dataclass(frozen=True)
class Row:
    """One solver on one grid: its error for every target and number of calls."""

    library: str
    solver: str
    grid: str
    errors: dict[str, list[float]]

    @property
    def name(self) -> str:
        """Solver and grid."""
        return f"{self.solver}, {self.grid}"


class Counted:
    """The exact denoiser of a target in noise-to-signal ratio, counting its calls."""

    def __init__(self, target: Mixture) -> None:
        self.target, self.calls = target, 0

    def __call__(self, x: Tensor, ratio: Tensor) -> Tensor:
        """E[x_0 | x] where ``x = x_0 + ratio * noise``."""
        self.calls += 1
        return self.target.x0_hat(PROCESS, x, ratio.reshape(-1).expand(len(x)))


Solve = Callable[[Mixture, int], tuple[Tensor, int]]


def start(target: Mixture, ratio: float) -> Tensor:
    """Quantiles of the data with noise of ``ratio``."""
    return target.quantile(PROCESS, U, ratio)[:, None]


def measure(library: str, solver: str, grid: str, solve: Solve) -> Row:
    """Run one solver for every target and number of calls; more calls than allowed is an error."""
    errors: dict[str, list[float]] = {}
    for name, target in TARGETS.items():
        clean = target.quantile(PROCESS, U, 0.0)[:, None]
        errors[name] = []
        for calls in CALLS:
            result, used = solve(target, calls)
            if used > calls:
                raise RuntimeError(f"{library} {solver} made {used} calls where {calls} were allowed")
            errors[name].append(float((result - clean).square().mean().sqrt()))
    return Row(library, solver, grid, errors)


def steps_for(calls: int, per_step: int) -> int:
    """Steps that fit: a two-call solver needs one call in its last step."""
    return calls if per_step == 1 else (calls + 1) // 2


def ours(sampler: str, grid: str) -> Solve:
    """A deterministic stepper of this package."""

    def solve(target: Mixture, calls: int) -> tuple[Tensor, int]:
        denoise = Counted(target)
        times = GRIDS[grid](steps_for(calls, 2 if sampler == "heun" else 1))
        x = start(target, float(times[0]))
        return sample(SAMPLERS[sampler](), denoise, PROCESS, x, times), denoise.calls

    return solve


def k_diffusion(module: Any, function: str, grid: str) -> Solve:
    """A sampler of k-diffusion on one of the same grids."""

    def solve(target: Mixture, calls: int) -> tuple[Tensor, int]:
        denoise = Counted(target)
        sigmas = GRIDS[grid](steps_for(calls, 2 if function in {"sample_heun", "sample_dpm_2"} else 1))
        extra = {"eta": 0.0, "noise_sampler": lambda a, b: 0.0} if "sde" in function else {}
        x = getattr(module, function)(denoise, start(target, float(sigmas[0])), sigmas, disable=True, **extra)
        return x, denoise.calls

    return solve


def diffusers_vp(scheduler_class: Any, **settings: Any) -> Solve:
    """A multistep scheduler of diffusers on the DDPM table; the network is given the scheduler's own noise level."""

    def solve(target: Mixture, calls: int) -> tuple[Tensor, int]:
        denoise = Counted(target)
        scheduler = scheduler_class(
            beta_start=1e-4, beta_end=0.02, beta_schedule="linear", prediction_type="sample", **settings
        )
        scheduler.set_timesteps(calls)
        ratios = scheduler.sigmas.double()
        x = start(target, float(ratios[0])) / math.sqrt(1.0 + float(ratios[0]) ** 2)
        for index, timestep in enumerate(scheduler.timesteps):
            x0_hat = denoise(x * torch.sqrt(1.0 + ratios[index] ** 2), ratios[index])
            x = scheduler.step(x0_hat, timestep, x).prev_sample.double()
        return x, denoise.calls

    return solve


def ours_at_levels_of(sampler: str, scheduler_class: Any, **settings: Any) -> Solve:
    """A stepper of this package on the DDPM table, at exactly the noise levels that a scheduler of diffusers visits."""
    process = DiscreteVP(linear_betas(1000))

    def solve(target: Mixture, calls: int) -> tuple[Tensor, int]:
        scheduler = scheduler_class(beta_start=1e-4, beta_end=0.02, beta_schedule="linear", **settings)
        scheduler.set_timesteps(calls)
        ratios = scheduler.sigmas.double()
        times = explicit_grid(process, process.time_at(-2.0 * torch.log(ratios[:-1])))
        x = start(target, float(ratios[0])) / math.sqrt(1.0 + float(ratios[0]) ** 2)
        return sample(SAMPLERS[sampler](), target.denoise(process), process, x, times), calls

    return solve


def diffusers_edm(scheduler_class: Any, **settings: Any) -> Solve:
    """A scheduler of diffusers in EDM's formulation: sigma from 80 to 0.002."""

    def solve(target: Mixture, calls: int) -> tuple[Tensor, int]:
        denoise = Counted(target)
        sd = 0.5
        scheduler = scheduler_class(sigma_min=0.002, sigma_max=80.0, sigma_data=sd, **settings)
        scheduler.set_timesteps(calls)
        ratios = scheduler.sigmas.double()
        x = start(target, float(ratios[0]))
        for index, timestep in enumerate(scheduler.timesteps):
            sigma = ratios[index]
            x0_hat = denoise(x, sigma)
            # these schedulers apply EDM's output coefficients themselves
            q = sigma**2 + sd**2
            output = (x0_hat - sd**2 / q * x) / (sigma * sd / torch.sqrt(q))
            x = scheduler.step(output, timestep, x).prev_sample.double()
        return x, denoise.calls

    return solve


def all_rows() -> list[Row]:
    """Every solver of the three libraries on every grid that it takes."""
    import diffusers

    module = load_k_diffusion_sampling()
    if module is None:
        raise SystemExit("k-diffusion is missing: pip install --no-deps k-diffusion")
    rows = [
        measure("audiodiff", sampler, grid, ours(sampler, grid))
        for sampler in ("ddim", "heun", "dpmpp_2m", "unipc", "adams_pc")
        for grid in GRIDS
    ]
    rows += [
        measure("k-diffusion", function.removeprefix("sample_"), grid, k_diffusion(module, function, grid))
        for function in (
            "sample_euler",
            "sample_heun",
            "sample_dpm_2",
            "sample_lms",
            "sample_dpmpp_2m",
            "sample_dpmpp_3m_sde",
        )
        for grid in GRIDS
    ]
    spacings: dict[str, dict[str, Any]] = {
        "trailing": {"timestep_spacing": "trailing"},
        "karras": {"use_karras_sigmas": True},
        "exponential": {"use_exponential_sigmas": True},
    }
    for spacing, settings in spacings.items():
        for order in (2, 3):
            for label, scheduler, extra in (
                ("DPMSolver++", diffusers.DPMSolverMultistepScheduler, {}),
                ("UniPC", diffusers.UniPCMultistepScheduler, {}),
                ("DEIS", diffusers.DEISMultistepScheduler, {}),
            ):
                solve = diffusers_vp(scheduler, solver_order=order, **settings, **extra)
                rows.append(measure("diffusers", f"{label} {order}", f"{spacing} (VP)", solve))
        for sampler, scheduler in (
            ("dpmpp_2m", diffusers.DPMSolverMultistepScheduler),
            ("unipc", diffusers.UniPCMultistepScheduler),
        ):
            solve = ours_at_levels_of(sampler, scheduler, **settings)
            rows.append(measure("audiodiff (VP)", sampler, f"{spacing} (VP)", solve))
    for order in (2, 3):
        solve = diffusers_vp(diffusers.DPMSolverMultistepScheduler, solver_order=order, use_lu_lambdas=True)
        rows.append(measure("diffusers", f"DPMSolver++ {order}", "Lu (VP)", solve))
        for schedule in ("karras", "exponential"):
            solve = diffusers_edm(diffusers.EDMDPMSolverMultistepScheduler, solver_order=order, sigma_schedule=schedule)
            rows.append(measure("diffusers", f"DPMSolver++ {order}", f"{schedule} (EDM)", solve))
    solve = diffusers_edm(diffusers.EDMEulerScheduler, sigma_schedule="karras")
    rows.append(measure("diffusers", "Euler", "karras (EDM)", solve))
    return rows


def best(rows: list[Row], target: str, calls: int) -> Row:
    """The row with the smallest error."""
    return min(rows, key=lambda row: row.errors[target][CALLS.index(calls)])


def line(cells: list[str]) -> str:
    """One row of a markdown table."""
    return "| " + " | ".join(cells) + " |"


def report(rows: list[Row]) -> str:
    """The whole result as markdown."""
    own_grid = [row for row in rows if not row.library.startswith("audiodiff") and row.grid != "angle"]
    mine = [row for row in rows if row.library == "audiodiff"]
    same = [row for row in rows if row.library == "audiodiff (VP)"]
    rows = [row for row in rows if row.library != "audiodiff (VP)"]
    peers = [row for row in rows if not row.library.startswith("audiodiff")]
    text = ["# Samplers on Gaussian mixtures", "", "W2 error; regenerate with `python -m benchmarks.samplers`.", ""]

    text += ["## The best of each at equal calls", ""]
    for target in TARGETS:
        text += [
            f"### {target}",
            "",
            line(["", *(f"{calls} calls" for calls in CALLS)]),
            line(["---"] * (len(CALLS) + 1)),
        ]
        groups = {
            "audiodiff, `adams_pc` on the angle grid": [
                r for r in mine if r.solver == "adams_pc" and r.grid == "angle"
            ],
            "audiodiff, any solver and grid": mine,
            "k-diffusion, any solver, its own grids": [r for r in own_grid if r.library == "k-diffusion"],
            "k-diffusion, any solver, our angle grid": [r for r in peers if r.grid == "angle"],
            "diffusers, any solver and grid": [r for r in own_grid if r.library == "diffusers"],
        }
        for label, group in groups.items():
            winners = [best(group, target, calls) for calls in CALLS]
            text.append(line([label, *(f"{w.errors[target][i]:.1e}" for i, w in enumerate(winners))]))
        theirs = best(own_grid, target, 16)
        limit = theirs.errors[target][CALLS.index(16)]
        needed = [calls for i, calls in enumerate(CALLS) if best(mine, target, calls).errors[target][i] <= limit]
        text += [
            "",
            f"Their best at 16 calls: {limit:.1e} ({theirs.library} {theirs.name}); "
            f"ours reaches it with {needed[0] if needed else 'more than ' + str(CALLS[-1])} calls.",
            "",
        ]

    text += [
        "## The same solver on the same grid",
        "",
        "Largest ratio of our error to theirs, over targets and calls.",
        "",
    ]
    text += [line(["ours", "theirs", "grid", "ratio"]), line(["---"] * 4)]
    for our_name, their_name in (("ddim", "euler"), ("heun", "heun"), ("dpmpp_2m", "dpmpp_2m")):
        for grid in GRIDS:
            a = next(r for r in mine if (r.solver, r.grid) == (our_name, grid))
            b = next(r for r in peers if (r.library, r.solver, r.grid) == ("k-diffusion", their_name, grid))
            ratio = max(x / y for t in TARGETS for x, y in zip(a.errors[t], b.errors[t], strict=True))
            text.append(line([our_name, f"k-diffusion {their_name}", grid, f"{ratio:.6f}"]))

    for our_name, their_name in (("dpmpp_2m", "DPMSolver++ 2"), ("unipc", "UniPC 2")):
        for grid in ("trailing (VP)", "karras (VP)", "exponential (VP)"):
            a = next(r for r in same if (r.solver, r.grid) == (our_name, grid))
            b = next(r for r in peers if (r.library, r.solver, r.grid) == ("diffusers", their_name, grid))
            ratio = max(x / y for t in TARGETS for x, y in zip(a.errors[t], b.errors[t], strict=True))
            text.append(line([our_name, f"diffusers {their_name}", grid, f"{ratio:.6f}"]))

    text += ["", "## Everything", ""]
    for target in TARGETS:
        text += [
            f"### {target}",
            "",
            line(["library", "solver", "grid", *map(str, CALLS)]),
            line(["---"] * (len(CALLS) + 3)),
        ]
        for row in sorted(rows, key=lambda row: row.errors[target][CALLS.index(16)]):
            text.append(line([row.library, row.solver, row.grid, *(f"{e:.1e}" for e in row.errors[target])]))
        text.append("")
    return "\n".join(text)


def picture(rows: list[Row], path: Path) -> None:
    """Error against calls, one panel for each target, log-log."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(TARGETS), figsize=(14, 4.6), sharey=True)
    for axis, target in zip(axes, TARGETS, strict=True):
        shown = [
            ("audiodiff", "adams_pc", "angle", "C3", "-"),
            ("audiodiff", "unipc", "log-SNR from 0.02", "C1", "-"),
            ("audiodiff", "dpmpp_2m", "log-SNR from 0.02", "C8", "-"),
            ("k-diffusion", "dpmpp_2m", "log-SNR from 0.02", "C0", "--"),
            ("k-diffusion", "dpmpp_3m_sde", "log-SNR from 0.02", "C0", ":"),
            ("k-diffusion", "dpmpp_3m_sde", "angle", "C9", ":"),
            ("diffusers", "DPMSolver++ 3", "Lu (VP)", "C2", ":"),
            ("diffusers", "UniPC 3", "exponential (VP)", "C2", "--"),
            ("diffusers", "DPMSolver++ 2", "karras (EDM)", "C7", "--"),
        ]
        for library, solver, grid, colour, style in shown:
            row = next(r for r in rows if (r.library, r.solver, r.grid) == (library, solver, grid))
            axis.loglog(CALLS, row.errors[target], style, color=colour, marker="o", ms=3, label=f"{library} {row.name}")
        axis.set_title(target)
        axis.set_xlabel("network calls")
        axis.set_xticks(CALLS, [str(calls) for calls in CALLS])
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("W2 error")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="lower center", ncol=3, fontsize=8, frameon=False)
    figure.tight_layout(rect=(0, 0.16, 1, 1))
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def main() -> None:
    """Measure, print, and write the table and the picture."""
    warnings.simplefilter("ignore")
    rows = all_rows()
    text = report(rows)
    RESULTS.mkdir(exist_ok=True)
    with atomic_file(RESULTS / "samplers.md") as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    picture(rows, RESULTS / "samplers.png")
    print(text.split("## Everything", maxsplit=1)[0])


if __name__ == "__main__":
    main()
