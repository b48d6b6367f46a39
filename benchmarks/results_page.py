"""Puts the results of the benchmarks into `PAGES` of docs/, so that no figure there is typed by hand.

    python -m benchmarks.results_page          rewrite the generated regions of the pages
    python -m benchmarks.results_page --check  exit status 1 if a page is not what the results say

A region is what stands between `<!-- generated:NAME -->` and `<!-- /generated:NAME -->`; NAME is a file of
`benchmarks/results` (see `SOURCES`). Headings of the results become one level deeper than a section of the page.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from audiodiff.errors import AudiodiffError

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGES = tuple(ROOT / "docs" / name for name in ("results.md", "adapters.md", "scaling.md"))

SOURCES = {
    "speech": "speech.md",
    "vocoder-quality": "vocoder_quality/readme.md",
    "vocoder-speed": "vocoder_speed.md",
    "objectives": "objectives.md",
    "streaming": "streaming.md",
    "stream-quality": "stream_quality.md",
    "engines": "engines.md",
    "samplers": "samplers.md",
    "music": "music/readme.md",
    "music-speed": "music_speed.md",
    "plain-words": "plain_words.md",
    "edits": "edits_summary.md",
    "edit-losses": "edit_losses.md",
    "variety": "variety.md",
    "stereo": "stereo.md",
    "demo-soak": "demo_soak.md",
    "upsample": "upsample.md",
    "marks": "marks.md",
    "adapters": "adapters.md",
    "scaling": "scaling.md",
}
"""Region -> the file whose text it holds."""

_REGION = re.compile(r"(<!-- generated:(?P<name>[a-z-]+) -->\n)(?P<text>.*?)(<!-- /generated:(?P=name) -->)", re.DOTALL)


def section(name: str, results: Path) -> str:
    """Return the text of a region: the file without its title and its remarks, other headings one level deeper.

    Remarks are the lists below a table; they stay in the file, which the page links.

    Raises:
        AudiodiffError: the region has no source, or it has not been generated yet.
    """
    if name not in SOURCES:
        raise AudiodiffError(f'the page has a generated region "{name}" without a source; known: {", ".join(SOURCES)}.')
    path = results / SOURCES[name]
    if not path.is_file():
        raise AudiodiffError(f"{path} does not exist; run the benchmark that makes it first.")
    lines = path.read_text(encoding="utf-8").strip().splitlines()
    if lines and lines[0].startswith("# "):
        lines = lines[1:]
    kept = ("#" + line if line.startswith("## ") else line for line in lines if not line.startswith("- "))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip() + "\n"


def updated(text: str, results: Path) -> str:
    """Return the page's text with every region filled from `results`."""
    return _REGION.sub(lambda found: f"{found[1]}\n{section(found['name'], results)}\n{found[4]}", text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Update or check the pages."""
    parser = argparse.ArgumentParser(description="Fill the generated regions of pages of docs/.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit status 1 if one is out of date")
    options = parser.parse_args(arguments)
    before = {page: page.read_text(encoding="utf-8") for page in PAGES}
    try:
        after = {page: updated(text, RESULTS) for page, text in before.items()}
    except AudiodiffError as error:
        print(f"results_page: {error}", file=sys.stderr)
        return 2
    if options.check:
        return int(before != after)
    for page, text in after.items():
        page.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
