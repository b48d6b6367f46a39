"""Puts the results of the benchmarks into `docs/results.md`, so that no figure there is typed by hand.

    python -m benchmarks.results_page          rewrite the generated regions of the page
    python -m benchmarks.results_page --check  exit status 1 if the page is not what the results say

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

SOURCES = {
    "speech": "speech.md",
    "vocoder-quality": "vocoder_quality/readme.md",
    "vocoder-speed": "vocoder_speed.md",
    "streaming": "streaming.md",
    "samplers": "samplers.md",
    "music": "music/readme.md",
    "music-speed": "music_speed.md",
    "edits": "edits_summary.md",
    "edit-losses": "edit_losses.md",
    "stereo": "stereo.md",
    "demo-soak": "demo_soak.md",
    "upsample": "upsample.md",
    "marks": "marks.md",
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
    """Update or check the page."""
    parser = argparse.ArgumentParser(description="Fill the generated regions of docs/results.md.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit status 1 if it is out of date")
    options = parser.parse_args(arguments)
    page = ROOT / "docs" / "results.md"
    before = page.read_text(encoding="utf-8")
    try:
        after = updated(before, RESULTS)
    except AudiodiffError as error:
        print(f"results_page: {error}", file=sys.stderr)
        return 2
    if options.check:
        return int(before != after)
    page.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
