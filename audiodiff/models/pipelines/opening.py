"""Opening a saved pipeline with diffusers, and running it: quietly, and without touching the caller's state."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.models.pipelines.folder import PipelineFolder
from audiodiff.models.pipelines.interface import PipelineClass, Request
from audiodiff.models.pipelines.table import PIPELINES

__all__ = ["library_versions", "open_pipeline", "pipeline_class", "run_pipeline"]

_LIBRARIES = ("diffusers", "transformers")


def library_versions() -> str:
    """Return what else computes the samples, as in "diffusers 0.35.0, transformers 4.55.0"."""
    return ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)


def pipeline_class(known: PipelineClass) -> Any:
    """Import the class of a pipeline from diffusers.

    Raises:
        AudiodiffError: diffusers or transformers is missing or too old.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import_module("transformers")
            found = getattr(import_module("diffusers"), known.name, None)
        except (ImportError, RuntimeError) as error:  # a broken installation is a RuntimeError of its lazy imports
            raise AudiodiffError(
                "pipelines of diffusers need diffusers and transformers; install them with `pip install "
                "'audiodiff-synth[diffusers]'`."
            ) from error
    if found is None:
        raise AudiodiffError(
            f"diffusers {version('diffusers')} has no {known.name}; update it with `pip install -U diffusers`."
        )
    return found


def open_pipeline(folder: PipelineFolder, device: torch.device, dtype: torch.dtype) -> Any:
    """Load the weights of a pipeline, safetensors only, onto a device.

    Raises:
        AudiodiffError: a library is missing, or something in the folder is missing or damaged.
    """
    found = pipeline_class(PIPELINES[folder.class_name])
    try:
        with _quiet():
            pipeline = found.from_pretrained(
                str(folder.path), torch_dtype=dtype, use_safetensors=True, local_files_only=True
            )
            pipeline.set_progress_bar_config(disable=True)
            return pipeline.to(device)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # whatever a damaged file makes of the two libraries
        raise AudiodiffError(f"{folder.path} cannot be loaded as a {folder.class_name}: {_reason(error)}") from error


def run_pipeline(pipeline: Any, request: Request, call: Callable[[], Tensor]) -> Tensor:
    """Call a pipeline, and return its waveform `[channels, n_samples]`, float32 on the CPU.

    Some of its classes draw from torch's global generators, which are seeded here and given back as they were; its
    scheduler keeps nothing of the calls before.

    Args:
        pipeline: from `open_pipeline`.
        request: what it is asked for.
        call: runs it.

    Raises:
        AudiodiffError: it refuses or fails, or gives values that are not numbers.
    """
    scheduler = pipeline.scheduler
    devices = [pipeline.device] if pipeline.device.type == "cuda" else []
    try:
        with _quiet(), torch.random.fork_rng(devices):
            torch.manual_seed(request.seed)
            pipeline.scheduler = type(scheduler).from_config(scheduler.config)
            made = call()
    except (AudiodiffError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # whatever two libraries raise for what they cannot do
        raise AudiodiffError(f"the {type(pipeline).__name__} of diffusers failed: {_reason(error)}") from error
    finally:
        pipeline.scheduler = scheduler
    waveform = made.detach().to("cpu", torch.float32)
    if not bool(torch.isfinite(waveform).all()):
        raise AudiodiffError(
            f"the pipeline gave values that are not numbers ({request.steps} steps, guidance {request.guidance:g}); "
            "try its usual steps and guidance, or precision fp32."
        )
    missing = request.n_samples - waveform.shape[-1]
    waveform = waveform[..., : request.n_samples]
    return torch.nn.functional.pad(waveform, (0, missing)) if missing > 0 else waveform


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the bars and the advice of two libraries from the terminal; our own bar shows the steps."""
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        for name in _LIBRARIES:
            log = import_module(f"{name}.utils.logging")
            stack.callback(log.set_verbosity, log.get_verbosity())
            log.set_verbosity_error()
            if log.is_progress_bar_enabled():
                stack.callback(log.enable_progress_bar)
                log.disable_progress_bar()
        yield
