"""Bounds of the numbers in a config, so that one that nobody can mean is refused before anything is built of it."""

from audiodiff.errors import AudiodiffError

__all__ = ["check_bounds"]


def check_bounds(config: object, where: str, **bounds: tuple[float, float]) -> None:
    """Refuse fields outside of their bounds; every entry of a tuple is looked at.

    Args:
        config: any object with numbers, or tuples of numbers, as attributes; those that are None are left out.
        where: what to call it in the message; empty for the names of the fields alone.
        bounds: name of a field -> smallest and largest value.

    Raises:
        AudiodiffError: one is outside, or not a number (NaN).
    """
    for name, (low, high) in bounds.items():
        value = getattr(config, name)
        for item in value if isinstance(value, tuple) else (value,):
            if item is not None and not low <= item <= high:
                full = f"{where}.{name}" if where else name
                raise AudiodiffError(f"{full} is {_shown(item)}; expected {_shown(low)} to {_shown(high)}.")


def _shown(number: float) -> str:
    return f"{number:g}" if abs(number) > 2**64 else str(number)
