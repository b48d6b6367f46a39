"""Progress bars on standard error, drawn only when somebody is looking at a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from audiodiff.printable import printable


@contextmanager
def progress_bar(label: str, unit: str, *, delay: float = 1.0) -> Iterator[Callable[[float, float], None]]:
    """Yield `report(done, total)`, which draws a bar once the job has lasted for `delay` seconds.

    Args:
        label: text in front of the bar.
        unit: what is counted, for example "s".
        delay: seconds before the bar appears.
    """
    from tqdm import tqdm

    # disable=None switches the bar off when standard error is not a terminal
    shape = "{desc} {percentage:3.0f} % |{bar}| {n:.0f}/{total:.0f} {unit}, {remaining} left"
    with tqdm(
        desc=printable(label), unit=unit, total=1.0, disable=None, delay=delay, leave=False, bar_format=shape
    ) as bar:

        def report(done: float, total: float) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield report
