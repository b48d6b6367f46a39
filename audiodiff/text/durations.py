"""Whole frames out of the durations that a speech model draws. Imports no torch."""

from collections.abc import Sequence

from audiodiff.text.utterance import Utterance

__all__ = ["whole_durations"]

_SHORTEST, _LONGEST = 2, 60
"""Frames of a phoneme: less cannot be heard, and more was in no recording."""

_LEAST_PAUSE, _LONGEST_PAUSE = 3, 70
"""Frames of a pause that the model decides on; shorter ones are none."""


def whole_durations(
    wanted: Sequence[float], utterance: Utterance, speed: float, frame: float, ending: float
) -> tuple[list[int], dict[int, int]]:
    """Whole frames of each symbol, so bounded that none is skipped and none goes on for ever.

    Args:
        wanted: frames of each symbol as the model has them.
        utterance: whose symbols they are.
        speed: 1 as the model has them.
        frame: duration of a frame (s).
        ending: least silence after the last word (s).

    Returns:
        Durations as the model is to see them, and those of silences that were asked for and are longer, by symbol.
    """
    lengths: list[int] = []
    pauses: dict[int, int] = {}
    asked = list(utterance.pauses)
    if asked[-2] is not None:  # silence after the last word is that of <end>
        asked[-1], asked[-2] = asked[-2], 0.0
    owed = 0.0
    exact_lengths = list(wanted)
    if ending > 0.0:
        exact_lengths[0] = max(exact_lengths[0], _LEAST_PAUSE)
        exact_lengths[-1] = max(exact_lengths[-1], ending / frame)
    for index, (symbol, length, pause) in enumerate(zip(utterance.symbols, exact_lengths, asked, strict=True)):
        if pause is not None:
            frames = round(pause / frame)
            lengths.append(min(frames, _LONGEST_PAUSE))
            if frames > _LONGEST_PAUSE:
                pauses[index] = frames
            continue
        silent = symbol.startswith("<")
        if silent and (length < _LEAST_PAUSE or index == len(asked) - 2):
            lengths.append(0)
            continue
        exact = max(min(length, _LONGEST_PAUSE if silent else _LONGEST), _SHORTEST) / speed
        # What rounding takes from one is given to the next.
        frames = max(round(exact + owed), 1 if speed > 1.0 else _SHORTEST)
        owed += exact - frames
        lengths.append(frames)
    return lengths, pauses
