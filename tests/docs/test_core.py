"""What the pages on the core show is what running them prints."""

import pytest
import torch

from audiodiff.diffusion import CosineVP, RectifiedFlow
from benchmarks.mixture import QUIET_AND_LOUD
from tests.docs.pages import DOCS, run_page
from tests.oracles import Mixture as Oracle

PAGES = sorted(path.relative_to(DOCS).as_posix() for path in (DOCS / "core").glob("*.md"))


def test_there_are_five() -> None:
    assert len(PAGES) == 5


@pytest.mark.parametrize("page", PAGES)
def test_it_prints_what_it_shows(page: str, monkeypatch, capsys) -> None:
    monkeypatch.chdir(DOCS.parent)
    run_page(page, lambda: capsys.readouterr().out)


@pytest.mark.parametrize("process", [RectifiedFlow(), CosineVP()], ids=lambda process: type(process).__name__)
def test_its_mixture_is_that_of_the_oracle(process) -> None:
    oracle = Oracle(QUIET_AND_LOUD.weights, QUIET_AND_LOUD.means, QUIET_AND_LOUD.stds)
    x = torch.linspace(-4, 4, 4001, dtype=torch.float64)
    for t in (0.1, 0.5, 0.9):
        times = torch.full_like(x, t)
        torch.testing.assert_close(QUIET_AND_LOUD.denoise(process)(x, times), oracle.x0_hat(process, x, times))
        # The density is the slope of the distribution function.
        slope = torch.gradient(oracle.cdf(process, x, t), spacing=(x,))[0]
        torch.testing.assert_close(QUIET_AND_LOUD.density(process, x, t)[1:-1], slope[1:-1], atol=1e-4, rtol=1e-3)
