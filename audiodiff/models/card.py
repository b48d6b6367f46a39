"""Model cards for the Hugging Face Hub: what a checkpoint says of itself, as a `README.md`."""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from audiodiff.errors import AudiodiffError
from audiodiff.models.kinds import KINDS

__all__ = ["model_card"]

_MOST_SOURCES = 60


def model_card(
    config: Mapping[str, Any],
    repository: str,
    *,
    licence: str | None = None,
    evaluation: str = "",
    sounds: Sequence[str] = (),
    text: str = "",
) -> str:
    """Write the card of a checkpoint.

    Args:
        config: its `config.json`.
        repository: `ORG/NAME`.
        licence: of the weights, by its name on the Hub, such as `cc-by-4.0`; None takes that of the corpus if it has
            one alone, and `other` with those of the corpus below otherwise.
        evaluation: report in Markdown.
        sounds: paths in the repository.
        text: Markdown to begin with in the place of title and description.

    Raises:
        AudiodiffError: the licence is no name.
    """
    kind, metadata = KINDS[config["kind"]], config["metadata"]
    corpora = _corpora(metadata)
    known = sorted({name for corpus in corpora for name in _texts(corpus.get("licences"))})
    if licence is not None and not re.fullmatch(r"[A-Za-z0-9][\w.+-]{0,59}", licence):
        raise AudiodiffError(f"the licence {licence[:60]!r} is no name; expected one such as cc-by-4.0 or apache-2.0.")
    chosen = licence or (_hub_name(known[0]) if len(known) == 1 else "other")
    header = [f"license: {chosen.lower()}", "library_name: audiodiff"]
    header += [f"pipeline_tag: {kind.task}"] if kind.task else []
    header += ["tags:", "- audio", f"- {kind.name.replace('_', '-')}"]
    title = repository.partition("/")[2] or repository
    described = str(metadata.get("description") or kind.label)
    parts = [text.strip() or f"# {title}\n\n{described[:1].upper()}{described[1:]}."]
    parts.append(_use(kind.example, repository))
    parts += [_corpus(corpora)] if corpora else []
    parts += [_figures(metadata["validation"])] if isinstance(metadata.get("validation"), Mapping) else []
    parts += ["## Evaluation\n\n" + _below(evaluation)] if evaluation.strip() else []
    parts += [_sounds(sounds, repository)] if sounds else []
    parts.append("What it makes is synthetic. Say so where you publish it.")
    return "---\n" + "\n".join(header) + "\n---\n\n" + "\n\n".join(parts) + "\n"


def _use(example: str, repository: str) -> str:
    name = f"hf:{repository}"
    shell = f"\n```bash\n{example.format(model=name)}\n```\n" if example else ""
    return f'## Use\n{shell}\n```python\nimport audiodiff\n\nmodel = audiodiff.load("{name}")\n```'


def _corpora(metadata: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What the weights learned from, those of the models that they started from among them."""
    found, waiting = [], [metadata]
    while waiting:
        item = waiting.pop(0)
        corpus = item.get("corpus", item if "licences" in item else None)
        if isinstance(corpus, Mapping) and corpus and corpus not in found:
            found.append(corpus)
        origins = item.get("origins")
        if isinstance(origins, Mapping):
            waiting += [each for each in origins.values() if isinstance(each, Mapping)]
    return found


def _corpus(corpora: Sequence[Mapping[str, Any]]) -> str:
    lines = ["## Training data", ""]
    for corpus in corpora:
        size = ", ".join(
            f"{corpus[key]:g} {key}" for key in ("hours", "clips") if isinstance(corpus.get(key), int | float)
        )
        lines.append(f"- {corpus.get('name', 'a corpus without a name')}" + (f" ({size})" if size else ""))
        licences = _texts(corpus.get("licences"))
        lines += [f"  - licences: {', '.join(licences)}"] if licences else []
        sources = _texts(corpus.get("sources"))
        lines += [f"  - {source}" for source in sources[:_MOST_SOURCES]]
        more = len(sources) - _MOST_SOURCES
        lines += [f"  - and {more} more, listed in `config.json`"] if more > 0 else []
    return "\n".join(lines)


def _figures(values: Mapping[str, Any]) -> str:
    rows = [f"| {name} | {value:.4g} |" for name, value in values.items() if isinstance(value, int | float)]
    return "\n".join(["## Validation", "", "| figure | value |", "|---|---|", *rows])


def _below(report: str) -> str:
    """A report whose headings are below the card's."""
    return re.sub(r"^(#+) ", r"##\1 ", report.strip(), flags=re.M)


def _sounds(sounds: Sequence[str], repository: str) -> str:
    lines = ["## Sounds", ""]
    for path in sounds:
        place = f"https://huggingface.co/{repository}/resolve/main/{path}"
        lines += [f"{PurePosixPath(path).stem}: [{path}]({path})", "", f'<audio controls src="{place}"></audio>', ""]
    return "\n".join(lines).rstrip()


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list | tuple) else []


def _hub_name(licence: str) -> str:
    """What the Hub calls a licence of SPDX."""
    return "cc0-1.0" if licence == "Public-Domain" else licence.lower()
