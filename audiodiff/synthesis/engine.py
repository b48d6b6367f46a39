"""Engines that compute the denoiser of a latent model in the place of torch: ONNX Runtime, and OpenVINO.

Only the network changes: sampler, noise, guidance, windows and edits are the same, and so is the clip, as far as
engines round alike. The network is handed over when it is first called, by tracing, which takes a second or two.
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from audiodiff.errors import AudiodiffError
from audiodiff.nn.attention import KeysValues
from audiodiff.nn.condition import ProjectedCondition
from audiodiff.nn.onnx_graph import write_graph
from audiodiff.nn.transformer import DiT
from audiodiff.runtime.engines import ENGINES as RUNTIME_ENGINES
from audiodiff.runtime.engines import Graph
from audiodiff.runtime.package import reason_of
from audiodiff.synthesis.engine_names import ENGINES
from audiodiff.synthesis.settings import Precision, Resolved, Sampling, check_name

Network = Callable[[Tensor, Tensor, Any], Tensor]

_PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino"}
"""Engine -> its package, which is its name in `audiodiff.runtime` as well."""

_PLACES = ("beats", "known", "chords")


class EngineNetwork:
    """A `DiT` that an engine computes.

    Args:
        network: with its weights, on the CPU.
        engine: a name in `audiodiff.runtime.engines.ENGINES`.
    """

    def __init__(self, network: DiT, engine: str) -> None:
        self._network = network
        self._engine = engine
        self._graphs: dict[tuple[tuple[str, ...], bool, Precision, int], Graph] = {}

    def __call__(
        self, x: Tensor, c_noise: Tensor, cond: ProjectedCondition, *, circular: bool, precision: Precision
    ) -> Tensor:
        """The network's output for a state `[batch, channels, n_latents]` at noise levels `[batch]`."""
        inputs = _named(x, c_noise, cond)
        threads = torch.get_num_threads()
        key = tuple(inputs), circular, precision, threads
        if key not in self._graphs:
            self._graphs[key] = self._open(inputs, circular, precision, threads)
        arrays = {name: value.detach().contiguous().numpy() for name, value in inputs.items()}
        try:
            return torch.from_numpy(self._graphs[key](arrays)[0])
        except Exception as error:  # the errors of the engines have no common class
            raise AudiodiffError(f"{self._engine} cannot compute the denoiser ({reason_of(error)}).") from error

    def _open(self, inputs: dict[str, Tensor], circular: bool, precision: Precision, threads: int) -> Graph:
        free: dict[str, tuple[int, ...]] = {name: _free(name) for name in inputs} | {"output": (0, 2)}
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            path = Path(folder) / "denoiser.onnx"
            write_graph(path, _Named(self._network, tuple(inputs), circular), inputs, ["output"], free)
            try:
                return RUNTIME_ENGINES[self._engine](path, threads, precision)
            except AudiodiffError:
                raise
            except Exception as error:
                raise AudiodiffError(f"{self._engine} cannot open the denoiser ({reason_of(error)}).") from error


@dataclass(frozen=True)
class Engine:
    """What computes the denoiser of a loaded model.

    Attributes:
        name: one of `engine_names.ENGINES`.
        library: its name and version, for records; empty for torch.
        compute: the network on it; `None` for torch.
    """

    name: str = "torch"
    library: str = ""
    compute: EngineNetwork | None = None

    def network(self, precision: Precision, *, circular: bool) -> Network | None:
        """What `MelLatent.denoiser` is to call in the place of its network."""
        return None if self.compute is None else partial(self.compute, circular=circular, precision=precision)

    def defaults(self, recommended: Resolved, asked: Sampling) -> Resolved:
        """What a model recommends with this engine, which computes in float32 unless another precision is asked for.

        Raises:
            AudiodiffError: the engine has not the precision that is asked for.
        """
        if self.name == "onnx" and asked.precision not in (None, "fp32"):
            raise AudiodiffError(
                f"the engine onnx computes in fp32, not in {asked.precision}; leave the precision out."
            )
        return recommended if self.compute is None else replace(recommended, precision="fp32")


TORCH = Engine()


def use_engine(model: object, name: str) -> None:
    """Let an engine compute the denoiser of a loaded latent model; "torch" is how it was loaded.

    Raises:
        AudiodiffError: there is no such engine, it is not installed, or it cannot compute this model.
    """
    check_name("engine", name, ENGINES)
    synthesizer: Any = getattr(model, "synthesizer", model)
    if not isinstance(getattr(synthesizer, "engine", None), Engine):
        raise AudiodiffError(
            f"the engine {name} computes latent models such as music, and {getattr(synthesizer, 'name', 'this')} is "
            "none."
        )
    if name == "torch":
        synthesizer.engine = TORCH
        return
    network = synthesizer.model.network
    if not isinstance(network, DiT):
        raise AudiodiffError(f"the engine {name} computes networks of the kind DiT, which {synthesizer.name} has not.")
    if synthesizer.device.type != "cpu":
        raise AudiodiffError(f"the engine {name} computes on the CPU; give the device cpu with it.")
    package = _PACKAGES[name]
    try:
        library = f"{package} {version(package)}"
        version("onnx")  # which the network is handed over in
    except PackageNotFoundError as error:
        raise AudiodiffError(
            f"the engine {name} needs {package} and onnx; install them with `pip install 'audiodiff-synth[{name}]'`."
        ) from error
    synthesizer.engine = Engine(name, library, EngineNetwork(network, package))


class _Named(nn.Module):
    """The network with the parts of its condition as arguments, in the order of their names."""

    def __init__(self, network: DiT, names: tuple[str, ...], circular: bool) -> None:
        super().__init__()
        self.network = network
        self.names = names
        self.circular = circular

    def forward(self, *values: Tensor) -> Tensor:
        """Estimate `[batch, channels, n_latents]`."""
        given = dict(zip(self.names, values, strict=True))
        n_layers = sum(name.startswith("keys") for name in given)
        text = tuple(KeysValues(given[f"keys{i}"], given[f"values{i}"]) for i in range(n_layers))
        places = {name: given.get(name) for name in _PLACES}
        cond = ProjectedCondition(given["vector"], text, given.get("mask"), **places)
        output: Tensor = self.network(given["x"], given["c_noise"], cond, circular=self.circular)
        return output


def _named(x: Tensor, c_noise: Tensor, cond: ProjectedCondition) -> dict[str, Tensor]:
    """All that the network is called with, by name; what is not known has none."""

    def parts() -> Iterator[tuple[str, Tensor | None]]:
        yield from (("x", x), ("c_noise", c_noise), ("vector", cond.vector), ("mask", cond.mask))
        yield from ((name, getattr(cond, name)) for name in _PLACES)
        for index, (keys, values) in enumerate(cond.text):
            yield f"keys{index}", keys
            yield f"values{index}", values

    found = {name: value for name, value in parts() if value is not None}
    return {name: value if value.dtype == torch.bool else value.float() for name, value in found.items()}


def _free(name: str) -> tuple[int, ...]:
    """Axes of an input whose length is not known before."""
    if name in {"c_noise", "vector"}:
        return (0,)
    return (0, 1) if name in {"mask", "beats"} else (0, 2)
