"""A voice at few steps on several grids: how far its mel is from that of many steps, and how good it sounds.

    python -m benchmarks.few_steps --voice kathleen --grids uniform 1,0.6047 1,0.8223,0.5833,0.2874 --steps 2,4

Says sentences of `speech_sentences.tsv` with seeds that no search has seen, on every named grid at every number of
steps and on every list of times. Needs the extra `eval`; a grid with a dozen sentences takes a minute of one core.
"""

import argparse
import sys
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from audiodiff.diffusion.names import listed_times
from audiodiff.errors import AudiodiffError
from audiodiff.metrics.table import markdown_table
from audiodiff.synthesis.speaker import Speaker, load_speaker
from benchmarks.speech_sentences import other_sentences

Mos = Callable[[NDArray[np.float32], int], float]
MANY = 64
FIRST_SEED = 100
EVERY = 11
"""So many sentences lie between those that are said: they are of all kinds."""


def runs_of(grids: Sequence[str], steps: Sequence[int]) -> list[tuple[int, str]]:
    """Numbers of steps with the grids to run them on: a list of times at its own number alone."""
    found = []
    for grid in grids:
        times = listed_times(grid)
        found += [(count, grid) for count in steps] if times is None else [(len(times), grid)]
    return sorted(found, key=lambda run: run[0])


def measure(voice: Speaker, texts: Sequence[str], runs: Sequence[tuple[int, str]], mos: Mos) -> list[list[str]]:
    """Rows of the table: steps, grid, distance of the log-mel to that of many steps, and MOS, with standard errors."""
    many = [
        voice.log_mel(text, steps=MANY, sampler="dpmpp_2m", grid="uniform", seed=FIRST_SEED + index)
        for index, text in enumerate(texts)
    ]
    rows = []
    for steps, grid in runs:
        far, heard = [], []
        for index, text in enumerate(texts):
            seed = FIRST_SEED + index
            far.append(float((voice.log_mel(text, steps=steps, grid=grid, seed=seed) - many[index]).abs().mean()))
            heard.append(mos(voice.speak(text, steps=steps, grid=grid, seed=seed), voice.sample_rate))
        rows.append([str(steps), grid, _cell(far, 4), _cell(heard, 3)])
    return rows


def _cell(values: Sequence[float], decimals: int) -> str:
    error = float(np.std(values)) / max(len(values), 1) ** 0.5
    return f"{np.mean(values):.{decimals}f} ± {error:.{decimals}f}"


def distill_mos(waveform: NDArray[np.float32], sample_rate: int) -> float:
    """DistillMOS, which listens to the copy alone."""
    from audiodiff.metrics.scoring import named_measure

    return named_measure("distill_mos").function(waveform, waveform, sample_rate)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--voice", default="kathleen")
    parser.add_argument("--grids", nargs="+", default=["uniform"])
    parser.add_argument("--steps", type=lambda text: tuple(int(n) for n in text.split(",")), default=(2, 4))
    parser.add_argument("--sentences", type=int, default=12)
    args = parser.parse_args(arguments)
    texts = [each.text for each in other_sentences()][::EVERY][: args.sentences]
    rows = measure(load_speaker(args.voice, device="cpu"), texts, runs_of(args.grids, args.steps), distill_mos)
    print(markdown_table(["steps", "grid", f"log-mel L1 to {MANY} steps", "DistillMOS"], rows))


if __name__ == "__main__":
    try:
        main()
    except AudiodiffError as error:
        sys.exit(f"few_steps: {error}")
