"""Models to and from the Hugging Face Hub, and to and from folders of its form."""

import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from audiodiff.atomic import atomic_file
from audiodiff.errors import AudiodiffError
from audiodiff.models.card import model_card
from audiodiff.models.checkpoint import load_checkpoint, read_config, save_checkpoint
from audiodiff.models.export import export_checkpoint
from audiodiff.models.find import find_checkpoint

__all__ = ["from_pretrained", "package", "push_to_hub", "save_pretrained"]

M = TypeVar("M", bound=nn.Module)

CARD_FILE = "README.md"
_OWN_CARD = "MODEL_CARD.md"
_EVALUATION = "evaluation"
_SOUNDS = "sounds"
_AUDIO = (".flac", ".wav", ".mp3", ".ogg")
_MOST_SOUNDS = 12


def save_pretrained(
    model: nn.Module,
    folder: Path | str,
    metadata: Mapping[str, Any] | None = None,
    *,
    repository: str = "",
    licence: str | None = None,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write a checkpoint folder with a model card, ready for the Hub.

    Args:
        model: of any kind.
        folder: made if missing.
        metadata: JSON values that travel with the weights: description, corpus, sampling.
        repository: `ORG/NAME`, for the card; the name of the folder by default.
        licence: of the weights, by its name on the Hub.
        dtype: stored dtype of the weights.

    Raises:
        AudiodiffError: the model is of no known kind, or the folder cannot be written.
    """
    folder = Path(folder)
    save_checkpoint(folder, model, metadata or {}, dtype=dtype)
    card = model_card(read_config(folder), repository or folder.resolve().name, licence=licence)
    with atomic_file(folder / CARD_FILE) as temporary:
        temporary.write_text(card, encoding="utf-8")


def from_pretrained(name_or_path: str | Path, module: type[M]) -> M:
    """Load a model's network, in evaluation mode; `audiodiff.load` gives one that is ready to make sound.

    Args:
        name_or_path: a model of the package, a checkpoint folder, or `hf:ORG/NAME[@REVISION]`.
        module: the class of the model, such as `Vocoder`, or `nn.Module` for whatever it is.

    Raises:
        AudiodiffError: there is no such model, or it is of another kind.
    """
    return load_checkpoint(find_checkpoint(name_or_path), module)


def push_to_hub(
    source: Path | str,
    repository: str,
    *,
    licence: str | None = None,
    evaluation: Path | None = None,
    sounds: Sequence[Path] = (),
    private: bool = False,
    message: str = "",
    half: bool = False,
) -> str:
    """Upload a trained model with its parts and its card, by the account that `hf auth login` knows.

    Args:
        source: run or checkpoint folder, or a model of the package.
        repository: `ORG/NAME`; made if there is none.
        licence, evaluation, sounds: see `package`.
        private: whether a repository that is made is private.
        message: of the commit.
        half: store weights in float16.

    Returns:
        The address of the commit.

    Raises:
        AudiodiffError: the model, the name or the account cannot be used, or the upload fails.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", repository):
        raise AudiodiffError(f"{repository[:80]!r} does not name a repository; expected ORG/NAME.")
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise AudiodiffError(
            "pushing to the Hugging Face Hub needs huggingface_hub; install it with `pip install huggingface_hub`."
        ) from error
    with tempfile.TemporaryDirectory(prefix="audiodiff-") as scratch:
        folder = Path(scratch) / "model"
        package(source, folder, repository, licence=licence, evaluation=evaluation, sounds=sounds, half=half)
        try:
            api = HfApi(library_name="audiodiff")
            # None leaves a repository that exists as visible as it is, and makes one by the account's settings
            api.create_repo(repository, private=private or None, exist_ok=True)
            commit = api.upload_folder(
                repo_id=repository, folder_path=folder, commit_message=message or "Upload by audiodiff"
            )
        except Exception as error:  # the hub's client raises a dozen unrelated classes
            said = [str(each) or type(each).__name__ for each in (error, error.__cause__) if each is not None]
            reason = " ".join(" ".join(said).split())[:300]
            raise AudiodiffError(
                f"{repository} could not be pushed to the Hugging Face Hub: {reason} (log in with `hf auth login`, and "
                "check that the account may write there)."
            ) from error
    return str(commit.commit_url)


def package(
    source: Path | str,
    folder: Path,
    repository: str,
    *,
    licence: str | None = None,
    evaluation: Path | None = None,
    sounds: Sequence[Path] = (),
    half: bool = False,
) -> list[str]:
    """Write what is pushed: inference weights, parts, card, report and sounds.

    Args:
        source: run or checkpoint folder, or a model of the package.
        folder: written to; empty, or made.
        repository: `ORG/NAME`.
        licence: of the weights, by its name on the Hub; None as `model_card` says.
        evaluation: folder that `audiodiff evaluate -o` wrote; None takes `evaluation` in the source, if it is there.
        sounds: audio files; the first of `sounds` in the source if none are given, and it is there.
        half: store weights in float16.

    Returns:
        The paths of the files, relative to `folder`.

    Raises:
        AudiodiffError: the source is no model, or a file cannot be used.
    """
    source = find_checkpoint(source)
    folder.mkdir(parents=True, exist_ok=True)
    export_checkpoint(source, folder, torch.float16 if half else torch.float32)
    report = _report(source / _EVALUATION if evaluation is None else evaluation, asked=evaluation is not None)
    if report:
        (folder / _EVALUATION).mkdir()
        for path in report:
            shutil.copyfile(path, folder / _EVALUATION / path.name)
    listened = []
    for path in _chosen(source / _SOUNDS, sounds):
        (folder / _SOUNDS).mkdir(exist_ok=True)
        shutil.copyfile(path, folder / _SOUNDS / path.name)
        listened.append(f"{_SOUNDS}/{path.name}")
    written = next((path for path in report if path.suffix == ".md"), None)
    own = source / _OWN_CARD
    card = model_card(
        read_config(folder),
        repository,
        licence=licence,
        evaluation="" if written is None else written.read_text("utf-8"),
        sounds=listened,
        text=own.read_text("utf-8") if own.is_file() else "",
    )
    (folder / CARD_FILE).write_text(card, encoding="utf-8")
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _report(folder: Path, *, asked: bool) -> list[Path]:
    """The files of an evaluation's report.

    Raises:
        AudiodiffError: it was asked for, and there is none.
    """
    found = [folder / f"evaluation.{suffix}" for suffix in ("md", "json", "csv")]
    found = [path for path in found if path.is_file()]
    if asked and not any(path.suffix == ".md" for path in found):
        raise AudiodiffError(f"{folder} holds no evaluation.md; give a folder that `audiodiff evaluate -o` wrote.")
    return found


def _chosen(folder: Path, given: Sequence[Path]) -> list[Path]:
    """The sounds for the card.

    Raises:
        AudiodiffError: one is no audio file, or two have one name.
    """
    if not given:
        found = sorted(path for path in folder.glob("*") if path.suffix.lower() in _AUDIO)
        return found[:_MOST_SOUNDS]
    for path in given:
        if not path.is_file() or path.suffix.lower() not in _AUDIO:
            raise AudiodiffError(f"{path} is no audio file; expected one of {', '.join(_AUDIO)}.")
    if len({path.name for path in given}) < len(given) or len(given) > _MOST_SOUNDS:
        raise AudiodiffError(f"the sounds of a card need names of their own, and are at most {_MOST_SOUNDS}.")
    return list(given)
