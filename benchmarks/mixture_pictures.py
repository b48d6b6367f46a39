"""Draws the pictures of `docs/core`: what diffusion does to a mixture of two Gaussians.

python -m benchmarks.mixture_pictures            writes docs/core/*.svg
python -m benchmarks.mixture_pictures --output FOLDER
"""

import argparse
import re
from collections.abc import Callable, Sequence
from functools import partial
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from audiodiff.diffusion import (
    CosineVP,
    LinearVP,
    Process,
    RectifiedFlow,
    classifier_free,
    ddpm,
    euler,
    sample,
    uniform_grid,
)
from benchmarks.mixture import QUIET_AND_LOUD, Mixture

DOCS = Path(__file__).resolve().parents[1] / "docs" / "core"
DATA, NOISE, LINE = "#0f766e", "#b45309", "#334155"
PROCESS = RectifiedFlow()
LOUD = Mixture((1.0,), QUIET_AND_LOUD.means[1:], QUIET_AND_LOUD.stds[1:])
X = torch.linspace(-3.5, 3.5, 121)


def colour(t: float) -> tuple[float, float, float]:
    """Return the colour of time `t`: that of data at 0, that of noise at 1."""
    parts = [tuple(int(code[at : at + 2], 16) / 255 for at in (1, 3, 5)) for code in (DATA, NOISE)]
    red, green, blue = ((1 - t) * data + t * noise for data, noise in zip(*parts, strict=True))
    return red, green, blue


def numbered(n: int) -> Callable[[int], Tensor]:
    """Return the draws of `n` numbers of noise that a stochastic sampler takes."""
    return lambda draw: torch.randn(n, generator=torch.Generator().manual_seed(draw))


def bare(axes: Any) -> None:
    """Take everything but the curve out of a picture."""
    axes.set_yticks([])
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)


def forward(plots: Any) -> Any:
    """The chain of densities from data to noise, an arrow for each step."""
    from matplotlib.patches import FancyArrowPatch

    times = (0.0, 0.25, 0.5, 0.75, 1.0)
    figure, rows = plots.subplots(1, len(times), figsize=(10, 2.1), sharey=True)
    for axes, t in zip(rows, times, strict=True):
        density = QUIET_AND_LOUD.density(PROCESS, X, t)
        axes.fill_between(X, density, color=colour(t), alpha=0.35, linewidth=0)
        axes.plot(X, density, color=colour(t), linewidth=1.5)
        axes.set_title(f"t = {t:g}" + {0.0: ", data", 1.0: ", noise"}.get(t, ""), fontsize=10)
        bare(axes)
    figure.subplots_adjust(left=0.02, right=0.98, top=0.72, bottom=0.28, wspace=0.35)
    for left, right in pairwise(rows):
        start, stop = left.get_position().x1 - 0.005, right.get_position().x0 + 0.005
        for height, ends, tint in ((0.58, (start, stop), NOISE), (0.46, (stop, start), DATA)):
            figure.add_artist(
                FancyArrowPatch(
                    (ends[0], height),
                    (ends[1], height),
                    arrowstyle="-|>",
                    mutation_scale=11,
                    color=tint,
                    transform=figure.transFigure,
                )
            )
    figure.text(0.5, 0.93, "forward: scale and add noise", color=NOISE, ha="center", fontsize=10)
    figure.text(
        0.5, 0.02, "reverse: the sampler, one call of the denoiser a step", color=DATA, ha="center", fontsize=10
    )
    return figure


def processes(plots: Any) -> Any:
    """alpha, sigma and log-SNR of three processes."""
    t = torch.linspace(0.001, 0.999, 120)
    kinds: dict[str, Process] = {"RectifiedFlow": PROCESS, "CosineVP": CosineVP(), "LinearVP": LinearVP()}
    figure, (left, middle, right) = plots.subplots(1, 3, figsize=(10, 2.8))
    for (name, process), tint in zip(kinds.items(), (DATA, NOISE, LINE), strict=True):
        left.plot(t, process.alpha(t), color=tint, label=name)
        middle.plot(t, process.sigma(t), color=tint)
        right.plot(t, process.log_snr(t), color=tint)
    for axes, title in ((left, "alpha: how much data"), (middle, "sigma: how much noise"), (right, "log-SNR")):
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("t")
    left.legend(fontsize=8, frameon=False)
    figure.tight_layout()
    return figure


def _draw(noise: Callable[[int], Tensor], first: int, draw: int) -> Tensor:
    return noise(first + draw)


def paths(sampler: str, start: Tensor, steps: int) -> Tensor:
    """Return the states on the way from `start` to data, `[steps + 1, n]`."""
    noise, grid, states = numbered(len(start)), uniform_grid(PROCESS, steps), [start]
    denoise = QUIET_AND_LOUD.denoise(PROCESS)
    for index in range(steps):  # with steps of its own, since `sample` gives only the last state
        t, s = grid[index], grid[index + 1]
        if sampler == "euler":
            states.append(euler(denoise, PROCESS, states[-1], t, s, None, None).x_s)
        else:
            states.append(ddpm(denoise, PROCESS, states[-1], t, s, None, partial(_draw, noise, index + 1)).x_s)
    return torch.stack(states)


def reverse(plots: Any) -> Any:
    """Paths back with and without noise, over the densities on the way."""
    times = torch.linspace(1, 0, 31)
    image = torch.stack([QUIET_AND_LOUD.density(PROCESS, X, float(t)) for t in times], 1)
    start = torch.special.ndtri((torch.arange(14) + 0.5) / 14)
    figure, pair = plots.subplots(1, 2, figsize=(10, 3.2), sharey=True)
    titles = {"euler": "without noise (euler): paths never cross", "ddpm": "with noise (ddpm): a Markov chain"}
    for axes, (sampler, title) in zip(pair, titles.items(), strict=True):
        axes.contourf(times, X, image.clamp(max=0.8), levels=7, cmap="Greys", alpha=0.6)
        axes.plot(uniform_grid(PROCESS, 60), paths(sampler, start, 60), color=DATA, linewidth=0.8)
        axes.set_xlim(1, 0)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("t: from noise to data")
    pair[0].set_ylabel("x")
    figure.tight_layout()
    return figure


def smooth(values: Tensor, width: float = 0.07) -> Tensor:
    """Return the density of `values` at `X`, each widened to a Gaussian."""
    return torch.exp(-0.5 * ((X[:, None] - values) / width) ** 2).mean(1) / (width * (2 * torch.pi) ** 0.5)


def steps(plots: Any) -> Any:
    """What few steps make, over the true density."""
    noise = numbered(8_000)(0)
    figure, rows = plots.subplots(1, 3, figsize=(10, 2.5), sharey=True)
    for axes, count in zip(rows, (2, 4, 16), strict=True):
        axes.fill_between(X, QUIET_AND_LOUD.density(PROCESS, X, 0.0), color=LINE, alpha=0.2, linewidth=0, label="true")
        for sampler, tint in (("euler", NOISE), ("dpmpp_2m", DATA)):
            grid = uniform_grid(PROCESS, count)
            made = sample(sampler, QUIET_AND_LOUD.denoise(PROCESS), PROCESS, PROCESS.prior(noise), grid)
            axes.plot(X, smooth(made), color=tint, label=sampler)
        axes.set_title(f"{count} steps", fontsize=10)
        axes.set_xlabel("x")
        bare(axes)
    rows[0].legend(fontsize=8, frameon=False)
    figure.tight_layout()
    return figure


def guidance(plots: Any) -> Any:
    """What guidance makes of a condition."""
    known = {None: QUIET_AND_LOUD.denoise(PROCESS), "loud": LOUD.denoise(PROCESS)}
    noise = numbered(8_000)(0)
    figure, rows = plots.subplots(1, 4, figsize=(10, 2.4), sharey=True)
    for axes, scale in zip(rows, (0.0, 1.0, 2.0, 4.0), strict=True):
        guided = classifier_free(lambda x, t, cond: known[cond](x, t), "loud", None, scale)
        made = sample("dpmpp_2m", guided, PROCESS, PROCESS.prior(noise), uniform_grid(PROCESS, 50))
        axes.fill_between(X, LOUD.density(PROCESS, X, 0.0), color=LINE, alpha=0.2, linewidth=0, label='data of "loud"')
        axes.plot(X, smooth(made), color=DATA, label="made")
        axes.set_title(f"scale {scale:g}" + {0.0: " (no condition)", 1.0: " (no guidance)"}.get(scale, ""), fontsize=10)
        axes.set_xlabel("x")
        bare(axes)
    rows[1].legend(fontsize=7, frameon=False, loc="upper left")
    figure.tight_layout()
    return figure


def latent(plots: Any) -> Any:
    """Pairs near a line, their latents, and pairs made from new latents."""
    n, dice = 200, torch.Generator().manual_seed(0)
    axis = torch.tensor([0.8, 0.6])
    data = QUIET_AND_LOUD.draw(n)[:, None] * axis + 0.12 * torch.randn(n, 2, generator=dice)
    noise = torch.randn(n, generator=dice)
    made = sample("dpmpp_2m", QUIET_AND_LOUD.denoise(PROCESS), PROCESS, noise, uniform_grid(PROCESS, 20))
    figure, (left, middle, right) = plots.subplots(1, 3, figsize=(10, 2.8))
    left.scatter(*data.T, s=4, color=LINE)
    left.set_title("data: pairs", fontsize=10)
    middle.fill_between(X, QUIET_AND_LOUD.density(PROCESS, X, 0.0), color=DATA, alpha=0.35, linewidth=0, label="data")
    middle.plot(X, QUIET_AND_LOUD.density(PROCESS, X, 1.0), color=NOISE, label="noise, where sampling starts")
    middle.set_title("latents: one number each", fontsize=10)
    middle.legend(fontsize=7, frameon=False, loc="upper right")
    bare(middle)
    right.scatter(*(made[:, None] * axis).T, s=4, color=DATA)
    right.set_title("made: decoded from new latents", fontsize=10)
    for axes in (left, right):
        axes.set_xlim(-2.2, 3.0)
        axes.set_ylim(-1.8, 2.4)
    figure.tight_layout()
    return figure


PICTURES: dict[str, Callable[[Any], Any]] = {
    "forward": forward,
    "processes": processes,
    "reverse": reverse,
    "steps": steps,
    "guidance": guidance,
    "latent": latent,
}
"""File name -> what draws it."""


def save_svg(figure: Any, path: Path) -> None:
    """Write a figure as a small SVG, the same bytes every time."""
    import matplotlib

    written = StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "audiodiff"}):
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    # A hundredth of a point is finer than any screen, and takes half of the bytes.
    rounded = re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", written.getvalue())
    path.write_text("\n".join(line.rstrip() for line in rounded.splitlines()) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw all pictures."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["font.size"] = 9
    from matplotlib import pyplot

    parser = argparse.ArgumentParser(description="Draw the pictures of docs/core.")
    parser.add_argument("--output", type=Path, default=DOCS, help="folder for them")
    options = parser.parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    for name, draw in PICTURES.items():
        figure = draw(pyplot)
        save_svg(figure, options.output / f"{name}.svg")
        pyplot.close(figure)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
