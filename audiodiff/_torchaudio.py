"""Guarded import of torchaudio.

The newest torch and torchaudio on the package index are at times built for different CUDA versions, and
torchaudio then refuses to be imported at all, also on machines without a GPU. Only its pure-Python parts
(mel filter banks, resampling, corpora) are used here, so that check is answered "no CUDA" while it loads.
"""

from types import ModuleType

from audiodiff.errors import AudiodiffError


def import_torchaudio() -> ModuleType:
    """Return the torchaudio module, whatever CUDA version it was built for.

    Raises:
        AudiodiffError: torchaudio is missing or cannot be loaded even so.
    """
    import torch

    cuda_version = torch.version.cuda
    try:
        torch.version.cuda = None
        import torchaudio
    except (ImportError, OSError, RuntimeError) as error:
        raise AudiodiffError(
            f"torchaudio could not be imported ({error}); it comes with the extras train and eval, and must fit "
            f"torch {torch.__version__}: pip install 'audiodiff-synth[train]'."
        ) from error
    finally:
        torch.version.cuda = cuda_version
    module: ModuleType = torchaudio
    return module
