"""What functions are called with, held against what they take: Gradio's own refusals have no words for visitors."""

import math
import re
from typing import Any

import gradio as gr

from audiodiff.errors import AudiodiffError

from .checks import check_prompt
from .limits import MOST_FILES, Limits
from .translations import plain
from .visitors import language_asked
from .widgets import as_error

_TEXTS = gr.Textbox | gr.Radio | gr.Dropdown | gr.HTML | gr.Markdown
_FILES = gr.File | gr.Audio | gr.DownloadButton


def guard(app: gr.Blocks, limits: Limits) -> None:
    """Let whatever is wrong with a call of a function of the app be reported in a sentence, not in the server's log."""
    prepare, process = app.preprocess_data, app.process_api

    async def prepare_or_tell(function: Any, inputs: list[Any], *args: Any, **kwargs: Any) -> Any:
        check(limits, function, inputs)
        try:
            return await prepare(function, inputs, *args, **kwargs)
        except gr.Error as error:
            raise AudiodiffError(f"an argument cannot be used: {str(error.message)[:200]}") from None
        except Exception as error:
            # such as a file that was not uploaded; what Gradio says of it is for programmers
            raise AudiodiffError(
                f"an argument of {_name(function)} cannot be used ({type(error).__name__}); expected what the page "
                "sends, and files that were uploaded."
            ) from None

    async def process_or_tell(*args: Any, **kwargs: Any) -> Any:
        try:
            return await process(*args, **kwargs)
        except Exception as error:
            raise as_error(error, language_asked(kwargs.get("request"))) from None

    app.preprocess_data = prepare_or_tell
    app.process_api = process_or_tell


def check(limits: Limits, function: Any, values: list[Any]) -> None:
    """Hold the arguments of a call against the components that they are for.

    Raises:
        AudiodiffError: there are too few, or one is of the wrong kind, out of range or too long.
    """
    if len(values) < len(function.inputs):
        raise AudiodiffError(f"{_name(function)} got {len(values)} arguments; expected {len(function.inputs)}.")
    for component, value in zip(function.inputs, values, strict=False):
        label = plain(getattr(component, "label", None) or "argument").partition(",")[0]
        what = label[:1].lower() + label[1:]
        if value is None or component.stateful:
            continue
        if isinstance(component, gr.Number | gr.Slider):
            _check_number(what, value, component)
        elif isinstance(component, gr.Checkbox):
            if not isinstance(value, bool):
                raise AudiodiffError(f"{what} is {str(value)[:40]!r}; expected true or false.")
        elif isinstance(component, _TEXTS):
            check_prompt(limits, what, value)
        elif isinstance(component, _FILES):
            _check_files(what, value)
        elif _names_file(value):
            raise AudiodiffError(f"{what} names a file; expected none there.")


def _check_number(what: str, value: object, component: gr.Number | gr.Slider) -> None:
    low, high = component.minimum, component.maximum
    if isinstance(value, bool) or not isinstance(value, int | float) or not _finite(value):
        raise AudiodiffError(f"{what} is {str(value)[:40]!r}; expected a number.")
    if component.precision == 0 and value != int(value):  # which Gradio would round
        raise AudiodiffError(f"{what} is {value:g}; expected a whole number.")
    if low is not None and value < low:
        raise AudiodiffError(f"{what} must be {low:g} or more, and is {value:g}.")
    if high is not None and value > high:
        raise AudiodiffError(f"{what} must be {high:g} or less, and is {value:g}.")


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond all floats
        return False


def _check_files(what: str, value: object) -> None:
    given = value if isinstance(value, list) else [value]
    if len(given) > MOST_FILES:
        raise AudiodiffError(f"{what} has {len(given)} files; this demo takes {MOST_FILES} at a time.")
    for file in given:
        path = file.get("path") if isinstance(file, dict) else None
        # Gradio would fetch an address, of any size and from anywhere
        if not isinstance(path, str) or re.match(r"\s*[a-z][a-z0-9+.-]+:", path, re.IGNORECASE):
            raise AudiodiffError(f"{what} is {str(file)[:40]!r}; expected a file that was uploaded.")


def _names_file(value: object) -> bool:
    """Whether Gradio would look for a file in a value."""
    if isinstance(value, dict):
        return "path" in value or any(_names_file(item) for item in value.values())
    return isinstance(value, list) and any(_names_file(item) for item in value)


def _name(function: Any) -> str:
    name = getattr(function, "api_name", None)
    return f"/{name}" if isinstance(name, str) and name else "the function"
