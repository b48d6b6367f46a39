"""Make the sounds of the demo's example prompts with the shipped model, small enough to come with the package.

Usage: python -m benchmarks.demo_examples [TITLE ...]
"""

import argparse
import tempfile
from pathlib import Path

import soundfile

from audiodiff.signal.audio_io import read_audio
from audiodiff.signal.tags import put_tags
from audiodiff.synthesis.files import run_file
from audiodiff.synthesis.load import load_generator
from audiodiff.synthesis.provenance import provenance_tags, read_provenance
from demo.app_state import GENERATOR
from demo.examples import EXAMPLES, MOST_BYTES

QUALITY = {"bitrate_mode": "VARIABLE", "compression_level": 0.6}
"""Some 60 kbit/s; the 130 that audiodiff writes elsewhere would be twice as large."""


def main() -> None:
    """Write a file for each example, and tell how large they are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("titles", nargs="*", metavar="TITLE", help="make these alone")
    titles = parser.parse_args().titles
    synthesizer = load_generator(GENERATOR, device="cpu")
    for example in EXAMPLES:
        if titles and example.title not in titles:
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "whole.flac"
            told = run_file("generate", synthesizer, [], path, example.settings)
            sound, tags = read_audio(path), provenance_tags(read_provenance(path))
            soundfile.write(
                example.path, sound.waveform.T, sound.sample_rate, "MPEG_LAYER_III", format="MP3", **QUALITY
            )
            put_tags(example.path, tags)
        size = example.path.stat().st_size
        print(
            f"{example.path.name}: {told.seconds:.1f} s, {size / 1000:.0f} kB, {told.elapsed:.0f} s of work", flush=True
        )
    total = sum(example.path.stat().st_size for example in EXAMPLES if example.path.is_file())
    print(f"all together: {total / 1000:.0f} kB")
    if total > MOST_BYTES:
        raise SystemExit(f"that is more than {MOST_BYTES / 1000:.0f} kB; shorten them.")


if __name__ == "__main__":
    main()
