"""Which of the adapters are for which of the models that the demo serves."""

from collections.abc import Sequence
from pathlib import Path

from audiodiff.errors import AudiodiffError
from audiodiff.models.adapter import Adapter
from audiodiff.models.checkpoint import WEIGHTS_FILE, weights_hash
from audiodiff.models.find import VOCODER_FOLDER, find_checkpoint, find_vocoder, read_model_config


def divide(adapters: Sequence[Adapter], models: Sequence[Sequence[Path]]) -> list[tuple[Adapter, ...]]:
    """Return for each model the adapters of its weights and of its vocoder's.

    Args:
        adapters: what was given with --adapter.
        models: for each model the folders whose weights it uses.

    Raises:
        AudiodiffError: an adapter is for none of them.
    """
    if not adapters:
        return [()] * len(models)
    hashes = [{weights_hash(folder / WEIGHTS_FILE) for folder in folders} for folders in models]
    for each in adapters:
        if not any(each.base.weights_sha256 in known for known in hashes):
            raise AudiodiffError(
                f"the adapter {each.folder} is for the model {each.base.name} (weights "
                f"{each.base.weights_sha256[:12]}), which this demo does not serve; name it with --model, --vocoder or "
                "--voice."
            )
    return [tuple(each for each in adapters if each.base.weights_sha256 in known) for known in hashes]


def with_vocoder(name: str) -> list[Path]:
    """Return the folders of a model and of the vocoder in it, or of the one that it names.

    Raises:
        AudiodiffError: one of them is missing.
    """
    folder = find_checkpoint(name)
    if (folder / VOCODER_FOLDER).is_dir():
        return [folder, folder / VOCODER_FOLDER]
    metadata = read_model_config(folder).get("metadata")
    named = metadata.get("vocoder") if isinstance(metadata, dict) else None
    return [folder, find_vocoder(named)] if isinstance(named, str) else [folder]
