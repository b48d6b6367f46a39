"""Hours of rendered music as an audio folder: clips and `metadata.csv`."""

import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from audiodiff.composer.captions import COLUMNS, metadata_row
from audiodiff.composer.compose import RECIPE, compose
from audiodiff.composer.soundfont import find_soundfonts, soundfont_name, unpacked
from audiodiff.data.render import find_synthesiser, render
from audiodiff.data.tables import write_table, write_text
from audiodiff.errors import AudiodiffError
from audiodiff.json_reader import read_json_table

CLIPS_NAME = "clips"
TABLE_NAME = "metadata.csv"
SETTINGS_NAME = "rendered.json"

_SECONDS = (2.0, 600.0)
_SAVE_EVERY = 50
"""Clips after which the table is written, so that what there is can be used."""


@dataclass(frozen=True)
class Rendered:
    """What `make_rendered` has made.

    Attributes:
        table: the metadata table.
        clips: number of clips.
        made: how many of them were rendered now; the others were there.
        seconds: duration of all clips (s).
    """

    table: Path
    clips: int
    made: int
    seconds: float

    def text(self) -> str:
        """Render for a terminal."""
        kept = f" ({self.clips - self.made} were there)" if self.made < self.clips else ""
        return f"{self.clips} clips{kept}, {self.seconds / 60:.1f} min: {self.table}"


def make_rendered(
    output: str | Path,
    *,
    hours: float,
    seed: int = 0,
    seconds: float = 20.0,
    soundfont: str | Path | None = None,
    jobs: int = 1,
) -> Rendered:
    """Compose and render music into a folder; a run that was stopped goes on where it was.

    Clip i is the same for every `hours`, so a collection can be made longer later.

    Args:
        output: folder for `metadata.csv` and the clips.
        hours: total duration (h), rounded to whole clips.
        seed: another seed is another collection.
        seconds: length of a clip (s).
        soundfont: one soundfont; None to alternate between those that are installed.
        jobs: clips rendered at a time.

    Raises:
        AudiodiffError: sizes out of range, no FluidSynth or soundfont, FluidSynth failed, a folder made with other
            settings or that cannot be written.
    """
    from tqdm import tqdm

    low, high = _SECONDS
    if not low <= seconds <= high:
        raise AudiodiffError(f"--seconds is {seconds:g}; expected {low:g} to {high:g} for a clip.")
    if not 0 < hours <= 100_000:
        raise AudiodiffError(f"--hours is {hours:g}; expected more than 0 and at most 100000.")
    if jobs < 1:
        raise AudiodiffError(f"--jobs is {jobs}; expected 1 or more.")
    synthesiser = find_synthesiser()
    fonts = find_soundfonts(None if soundfont is None else Path(soundfont))
    count = max(1, round(hours * 3600 / seconds))
    output = Path(output)
    settings = {
        "recipe": RECIPE,
        "seed": seed,
        "seconds": seconds,
        "soundfonts": [soundfont_name(font) for font in fonts],
    }
    _open_folder(output, settings)
    rows: list[dict[str, str]] = [{}] * count

    def make(index: int) -> bool:
        piece = compose(seed, index, seconds)
        font = fonts[index % len(fonts)]
        file_name = f"{CLIPS_NAME}/{piece.name}.flac"
        rows[index] = metadata_row(piece, file_name, soundfont_name(font))
        if (output / file_name).is_file():
            return False
        render(piece, output / file_name, playable[index % len(fonts)], synthesiser)
        return True

    made = 0
    # Threads suffice: the work is done by the synthesiser's processes.
    with tempfile.TemporaryDirectory(prefix="audiodiff-") as folder, ThreadPoolExecutor(jobs) as pool:
        playable = [unpacked(font, Path(folder)) for font in fonts]
        try:
            results = pool.map(make, range(count))
            for done, is_new in enumerate(tqdm(results, total=count, desc="Rendering", unit="clip", disable=None), 1):
                made += is_new
                if done % _SAVE_EVERY == 0 and is_new:
                    write_table(output / TABLE_NAME, COLUMNS, rows[:done])
        except BaseException:
            # Leaving the block waits for all clips that were asked for: ask for no more of them.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    write_table(output / TABLE_NAME, COLUMNS, rows)
    return Rendered(output / TABLE_NAME, count, made, count * seconds)


def _open_folder(output: Path, settings: dict[str, object]) -> None:
    """Make the folder, or see that it was begun with the same settings."""
    (output / CLIPS_NAME).mkdir(parents=True, exist_ok=True)
    path = output / SETTINGS_NAME
    if path.is_file():
        try:
            before = read_json_table(path)
        except AudiodiffError as error:
            raise AudiodiffError(f"{error} Or remove it and the clips, or choose another output.") from error
        if before != settings:
            raise AudiodiffError(
                f"{output} was started with other settings ({_brief(before)}; now {_brief(settings)}); "
                "give the same ones or choose another output."
            )
    elif any((output / CLIPS_NAME).iterdir()):
        raise AudiodiffError(f"{output / CLIPS_NAME} holds files but {path} is missing; choose another output.")
    else:
        write_text(path, json.dumps(settings, indent=1) + "\n")


def _brief(settings: object) -> str:
    """Say settings in one line; whatever a hand-edited file holds."""
    if not isinstance(settings, dict):
        return str(settings)
    return ", ".join(f"{name} {value}" for name, value in settings.items())
