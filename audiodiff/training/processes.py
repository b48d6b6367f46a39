"""What the processes of one run do together, and weights that are divided among them."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor, nn

from audiodiff.errors import AudiodiffError

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Sharding:
    """How the weights of a model are divided among the processes of a run (FSDP2, `torch.distributed.fsdp`).

    Each process keeps its part of the weights, their gradients, the moments of the optimizer and the averages, and
    gathers the weights of a block of layers when they are computed with. The modules that are divided are those with an
    attribute `shard_methods`: the names of all their methods that compute with their weights. All other
    weights, those between the blocks, are kept by each process whole.

    Attributes:
        reshard_after_forward: drop gathered weights after the forward pass and gather them again for the backward one.
            False takes less traffic and more memory.
    """

    reshard_after_forward: bool = True

    def divide(self, module: nn.Module, device: torch.device) -> None:
        """Replace the weights of the blocks of `module` by this process's part of them.

        From then on everything that computes with the module has to go through `call`.

        Raises:
            AudiodiffError: the module has no blocks that can be divided, or torch is too old.
        """
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

        blocks, divided = _blocks(module), divided_parameters(module)
        if not blocks:
            raise AudiodiffError("the weights of this model cannot be divided among processes; train it without FSDP.")
        if "ignored_params" not in signature(fully_shard).parameters:
            raise AudiodiffError(
                f"FSDP needs a newer torch than {torch.__version__}; update it, or train without FSDP."
            )
        mesh = init_device_mesh(device.type, (n_processes(),))
        for block in blocks:
            fully_shard(block, mesh=mesh, reshard_after_forward=self.reshard_after_forward)
            for name in tuple(block.shard_methods):  # type: ignore[arg-type]
                register_fsdp_forward_method(block, name)
        # The blocks need a common root to gather ahead of the computation. It holds no weights of its own.
        fully_shard(module, mesh=mesh, ignored_params={p for p in module.parameters() if p not in divided})
        setattr(module, _CALL, _call)
        register_fsdp_forward_method(module, _CALL)


def divided_parameters(module: nn.Module) -> set[nn.Parameter]:
    """Return the weights that `Sharding` divides."""
    return {parameter for block in _blocks(module) for parameter in block.parameters()}


def _blocks(module: nn.Module) -> list[nn.Module]:
    return [each for each in module.modules() if hasattr(each, "shard_methods")]


_CALL = "_call_under_fsdp"


def _call(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    return function(*args, **kwargs)


def call(module: nn.Module, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function that computes with `module`, whose weights may be divided."""
    result: T = getattr(module, _CALL, _call)(function, *args, **kwargs)
    return result


def n_processes() -> int:
    """Return how many processes take part in the run."""
    return torch.distributed.get_world_size() if _ready() else 1


def rank() -> int:
    """Return the number of this process; 0 is the main one."""
    return torch.distributed.get_rank() if _ready() else 0


def _ready() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def agree(wish: bool, device: torch.device) -> bool:
    """Let the main process decide for all, since clocks differ."""
    if n_processes() == 1:
        return wish
    flag = torch.tensor([float(wish)], device=device)
    torch.distributed.broadcast(flag, src=0)
    return bool(flag.item())


@torch.no_grad()
def share_weights(modules: Iterable[nn.Module]) -> None:
    """Give all processes the main one's weights; they must not be divided yet."""
    if n_processes() == 1:
        return
    for module in modules:
        for tensor in module.state_dict().values():
            torch.distributed.broadcast(tensor, src=0)


def average(tensors: Sequence[Tensor]) -> None:
    """Replace tensors of the same dtype by their means over the processes."""
    if n_processes() == 1 or not tensors:
        return
    flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
    torch.distributed.all_reduce(flat)
    flat /= n_processes()
    offset = 0
    for tensor in tensors:
        tensor.copy_(flat[offset : offset + tensor.numel()].reshape(tensor.shape))
        offset += tensor.numel()


def norm(whole: list[Tensor], parts: list[Tensor]) -> Tensor:
    """Return the norm of tensors of which each process has all and of others of which it has a part."""
    norms = list(torch._foreach_norm(whole)) if whole else []
    if parts:
        squares = torch.stack(torch._foreach_norm(parts)).square().sum()
        torch.distributed.all_reduce(squares)
        norms.append(squares.sqrt())
    total: Tensor = torch.linalg.vector_norm(torch.stack(norms))
    return total


def is_divided(tensor: Tensor) -> bool:
    """Tell whether this process has only a part of the tensor."""
    return hasattr(tensor, "device_mesh")  # a DTensor; its class is costly to import


def local(tensor: Tensor) -> Tensor:
    """Return what this process has of a tensor, in the same memory."""
    return tensor.detach().to_local() if is_divided(tensor) else tensor  # type: ignore[attr-defined]


def whole(tensor: Tensor) -> Tensor:
    """Return all of a tensor; where it is divided all processes must call this."""
    return tensor.detach().full_tensor() if is_divided(tensor) else tensor  # type: ignore[attr-defined]


def collected(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return all of the tensors on the CPU of the main process, and none on the others, which must call this, too.

    One at a time, since a device need not have room for more than its part.
    """
    found = {}
    for name, tensor in tensors.items():
        all_of_it = whole(tensor)
        if rank() == 0:
            found[name] = all_of_it.cpu()
    return found


def divided_like(part: Tensor, parameter: Tensor) -> Tensor:
    """Return a tensor whose parts are those given, divided as `parameter` is."""
    if not is_divided(parameter):
        return part
    from torch.distributed.tensor import DTensor

    mesh, placements = parameter.device_mesh, parameter.placements  # type: ignore[attr-defined]
    shape, stride = parameter.shape, parameter.stride()
    return DTensor.from_local(part, mesh, placements, run_check=False, shape=shape, stride=stride)


@torch.no_grad()
def copy_whole(target: Tensor, source: Tensor) -> None:
    """Copy a whole tensor into one that may be divided."""
    if is_divided(target):
        # Parts along the first dimension, the last ones smaller or empty, as `torch.chunk` makes them.
        size = math.ceil(source.shape[0] / n_processes())
        source = source[rank() * size : (rank() + 1) * size]
    local(target).copy_(source)


def any_divided(tensors: Iterable[Tensor]) -> bool:
    """Tell whether this process has only parts of some of the tensors."""
    return any(is_divided(tensor) for tensor in tensors)
