"""The same call gives the same samples, whatever state the caller has left torch in."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from audiodiff import diffusion as d
from audiodiff.signal.resample import resample
from audiodiff.synthesis.files import apply
from audiodiff.synthesis.generator import Generator
from audiodiff.synthesis.load import load_generator, load_vocoder
from audiodiff.synthesis.settings import GenerateSettings, Sampling
from audiodiff.synthesis.verbs.vary import VarySettings
from audiodiff.torch_state import bfloat16_is_fast, standard_state
from tests.synthesis.latent_models import write_latent_model

NOISE = np.random.default_rng(0).normal(0.0, 0.1, 9000).astype(np.float32)
STATE = torch.randn(2, 3, 64, generator=torch.Generator().manual_seed(1))


@contextmanager
def switched(turn: Callable[[], object], back: Callable[[], object]) -> Iterator[None]:
    turn()
    try:
        yield
    finally:
        back()


STATES: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "float64": lambda: switched(
        lambda: torch.set_default_dtype(torch.float64), lambda: torch.set_default_dtype(torch.float32)
    ),
    "bfloat16": lambda: switched(
        lambda: torch.set_default_dtype(torch.bfloat16), lambda: torch.set_default_dtype(torch.float32)
    ),
    "default device": lambda: switched(
        lambda: torch.set_default_device("meta"), lambda: torch.set_default_device(None)
    ),
    "device context": lambda: torch.device("meta"),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "inference": torch.inference_mode,
    "gradients": lambda: torch.set_grad_enabled(True),
    "deterministic": lambda: switched(
        lambda: torch.use_deterministic_algorithms(True), lambda: torch.use_deterministic_algorithms(False)
    ),
    "matmul precision": lambda: switched(
        lambda: torch.set_float32_matmul_precision("medium"), lambda: torch.set_float32_matmul_precision("highest")
    ),
    "seed": lambda: switched(lambda: torch.manual_seed(77), lambda: None),
}


def vocoded(folder: Path) -> npt.NDArray[np.float32]:
    return load_vocoder(folder, device="cpu").vocode(NOISE, 16000, steps=2)


def generated(folder: Path) -> npt.NDArray[np.float32]:
    return Generator(load_generator(folder, device="cpu")).generate("", seconds=1.0, steps=2)


def varied(folder: Path) -> npt.NDArray[np.float32]:
    settings = VarySettings(GenerateSettings(sampling=Sampling(steps=2)))
    return apply("vary", load_generator(folder, device="cpu"), [(NOISE, 16000)], settings).waveform


def sampled(folder: Path) -> npt.NDArray[np.float32]:
    linear = torch.nn.functional.linear
    process = d.LinearVP()
    weight = 0.1 * STATE[0, 0].outer(STATE[0, 1]).cpu()
    results = [
        d.sample(
            stepper,
            lambda x, t: linear(x, weight),
            process,
            process.prior(STATE),
            d.uniform_grid(process, 4),
            noise=lambda draw: d.positional_noise(3, draw, 0, 64, channels=3)[None],
        )
        for stepper in d.SAMPLERS
    ]
    return torch.stack(results).numpy()


CALLS = {"vocode": vocoded, "generate": generated, "vary": varied, "sample": sampled}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_latent_model(tmp_path_factory.mktemp("latent") / "tiny")


@pytest.fixture(scope="module")
def expected(folder: Path) -> dict[str, npt.NDArray[np.float32]]:
    return {name: call(folder) for name, call in CALLS.items()}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("call", CALLS)
def test_the_samples_are_the_same_in_every_state(
    call: str, state: str, folder: Path, expected: dict[str, npt.NDArray[np.float32]]
) -> None:
    with STATES[state]():
        found = CALLS[call](folder)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected[call])


@pytest.mark.parametrize("state", STATES)
def test_what_is_cached_in_a_state_is_of_use_afterwards(state: str) -> None:
    rates = (16000 + list(STATES).index(state), 22050)  # a filter that no other test asks for
    with STATES[state]():
        process = d.CosineVP()
        d.SAMPLERS["adams_pc"]()
        resample(torch.from_numpy(NOISE), *rates)
    waveform = torch.from_numpy(NOISE).requires_grad_()
    resample(waveform, *rates).sum().backward()
    assert float(d.uniform_grid(process, 3)[0]) == process.t_max


@pytest.mark.parametrize("state", STATES)
def test_the_state_of_the_caller_comes_back(state: str) -> None:
    def described() -> tuple[object, ...]:
        return (
            torch.get_default_dtype(),
            torch.empty(0).device,
            torch.is_autocast_enabled("cpu"),
            torch.is_inference_mode_enabled(),
            torch.is_grad_enabled(),
            torch.are_deterministic_algorithms_enabled(),
            torch.get_float32_matmul_precision(),
        )

    with STATES[state]():
        before = described()
        with standard_state():
            assert described() == (torch.float32, torch.device("cpu"), False, False, False, False, "highest")
        assert described() == before


def test_bfloat16_is_fast_where_matrices_are_multiplied_in_it() -> None:
    told = bfloat16_is_fast("cpu")
    one = torch.randn(512, 512, generator=torch.Generator().manual_seed(0))

    def seconds(dtype: torch.dtype) -> float:
        matrix, best = one.to(dtype), float("inf")
        for _ in range(5):
            start = time.perf_counter()
            matrix @ matrix
            best = min(best, time.perf_counter() - start)
        return best

    ratio = seconds(torch.bfloat16) / seconds(torch.float32)
    assert ratio < 6.0 if told else ratio > 3.0  # emulated it takes some fifty times as long
