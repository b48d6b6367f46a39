"""Hooks of the site: pages that lie elsewhere in the repository, the API reference, and sounds to play.

Pages of `docs/` link to files of the repository as GitHub shows them (`../benchmarks/results/edits.md`). Those named in
`ELSEWHERE` become pages of the site, and links are led there; a link to any other file outside of `docs/` loses its
target and keeps its words.
"""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]

ELSEWHERE = {"recipes/README.md": "recipes.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""File of the repository -> page of the site."""

ELSEWHERE_FOLDERS = {"benchmarks/results": (".md", ".png", ".svg")}
"""Folder of the repository, kept under its name -> endings of what the site takes from it."""

ROOMS = {
    "audiodiff": "Errors, and what every part uses. `audiodiff.load` is [`audiodiff.synthesis.load.load`]"
    "[audiodiff.synthesis.load.load]; `audiodiff.__version__` is the version, `audiodiff.AudiodiffError` the error.",
    "audiodiff.diffusion": "Processes, parameterizations, samplers, grids, losses, guidance: for tensors of any shape.",
    "audiodiff.signal": "Audio as tensors: mels, transforms, meters, resampling, files.",
    "audiodiff.nn": "The networks.",
    "audiodiff.text": "Prompts, text encoders, phonemes.",
    "audiodiff.composer": "Scores that a program composes and plays, with exact labels.",
    "audiodiff.models": "Models of every kind, and their checkpoints.",
    "audiodiff.data": "Corpora, manifests, shards, data sets, checks.",
    "audiodiff.metrics": "Objective measures and baselines.",
    "audiodiff.training": "The training loop, averaged weights, exact resume.",
    "audiodiff.synthesis": "What a user does with a model: what `audiodiff.load` returns, files, provenance.",
    "audiodiff.exporting": "Models for other runtimes.",
    "audiodiff.runtime": "Exported models without torch.",
    "audiodiff.evaluation": "A model against recordings and baselines.",
    "recipes": "What each model is trained with; installed as `audiodiff_recipes`.",
}
"""Part of the library -> what it holds; parts that are not named here come last, without a description."""

NOT_CALLED = {"audiodiff.cli"}
"""Nobody calls the command line from Python."""

_LINK = re.compile(r"(?P<image>!?)\[(?P<words>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^)\s#]*)(?P<anchor>#[^)\s]*)?\)")
_SOUND = re.compile(r'<a href="(?P<target>[^"]+\.flac)">(?P<words>.*?)</a>', re.DOTALL)


def packages(root: Path = ROOT) -> dict[str, list[str]]:
    """Return the public packages, by their dotted names, with their public modules, themselves first."""
    found: dict[str, list[str]] = {}
    others = sorted({f"audiodiff.{path.parent.name}" for path in (root / "audiodiff").glob("*/__init__.py")})
    for room in dict.fromkeys((*ROOMS, *(name for name in others if name not in NOT_CALLED))):
        top = root / room.replace(".", "/")
        folders = [top] if room == "audiodiff" else sorted({path.parent for path in top.rglob("__init__.py")})
        for folder in folders:
            name = ".".join(folder.relative_to(root).parts)
            modules = [path.stem for path in sorted(folder.glob("*.py")) if not path.stem.startswith("_")]
            found[name] = [name, *(f"{name}.{module}" for module in modules)]
    return found


def api_page(package: str, modules: list[str]) -> str:
    """Return the reference page of a package, in Markdown."""
    lines = [f"# {package}", ""]
    if package in ROOMS:
        lines += [ROOMS[package], ""]
    lines += [f"::: {package}", "    options:", "      members: false", "      show_root_heading: false", ""]
    for module in modules[1:]:
        lines += [f"::: {module}", ""]
    return "\n".join(lines)


def elsewhere() -> Iterator[tuple[str, str]]:
    """Yield the files from outside of `docs/`: path in the repository, path in the site."""
    yield from ELSEWHERE.items()
    for folder, endings in ELSEWHERE_FOLDERS.items():
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in endings:
                yield (path.relative_to(ROOT).as_posix(),) * 2


def led(markdown: str, place: str, page: str, site: dict[str, str]) -> str:
    """Return a page's text with its links led to where their targets are in the site.

    Args:
        markdown: the text.
        place: of the page in the repository, as `docs/results.md`.
        page: the same in the site, as `results.md`.
        site: path in the repository -> path in the site.
    """

    def lead(link: re.Match[str]) -> str:
        target = link["target"]
        if not target or "://" in target or target.startswith(("mailto:", "/")):
            return link[0]
        there = posixpath.normpath(posixpath.join(posixpath.dirname(place), target))
        if there not in site:
            return link[0] if there.startswith("docs/") else link["words"]
        way = posixpath.relpath(site[there], posixpath.dirname(page) or ".")
        return f"{link['image']}[{link['words']}]({way}{link['anchor'] or ''})"

    parts = re.split(r"(^```.*?^```$)", markdown, flags=re.DOTALL | re.MULTILINE)
    return "".join(part if part.startswith("```") else _LINK.sub(lead, part) for part in parts)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Leave out pages that are not there, and put the API reference where `API` stands."""
    added = {page for _, page in elsewhere()}
    docs = Path(config.docs_dir)

    def there(entry: Any) -> bool:
        (page,) = entry.values() if isinstance(entry, dict) else (entry,)
        return isinstance(page, list) or page in added or (docs / page).is_file()

    for section in config.nav or []:
        for title, entries in section.items():
            if title == "API":
                section[title] = ["api/index.md", *({name: f"api/{name}.md"} for name in packages())]
            elif isinstance(entries, list):
                section[title] = [entry for entry in entries if there(entry)]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and pictures from elsewhere, and the API reference."""
    for place, page in elsewhere():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / place)))
    for package, modules in packages().items():
        files.append(File.generated(config, f"api/{package}.md", content=api_page(package, modules)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links out of `docs/` to the pages that hold their targets."""
    site = {
        f"docs/{path.relative_to(config.docs_dir).as_posix()}": path.relative_to(config.docs_dir).as_posix()
        for path in Path(config.docs_dir).rglob("*")
    }
    site |= dict(elsewhere())
    here = {there: place for place, there in site.items()}
    name = page.file.src_uri
    return led(markdown, here.get(name, f"docs/{name}"), name, site)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put a player below every link to a sound."""
    return _SOUND.sub(r'\g<0><audio controls preload="none" src="\g<target>" title="\g<words>"></audio>', html)
