"""Buttons that show that they are at work, which the page does by itself: what the server says may come late."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

_NARROW = 768
"""Pixels up to which the result stands below the form, out of sight."""

_BEGIN = """
() => {
  document.querySelector('#BUTTON').setAttribute('aria-busy', 'true');
  if (window.innerWidth < NARROW) document.querySelector('#LINE').scrollIntoView({ behavior: 'smooth' });
}
"""
_END = "() => { document.querySelector('#BUTTON').removeAttribute('aria-busy'); }"


def begin_busy(starts: Sequence[Any], button: gr.Button, line: gr.HTML) -> None:
    """Mark a button as busy from its click on; on a phone, scroll to the result.

    Must be called before the work is connected: Gradio does what a click starts one after the other.

    Args:
        starts: what begins the work, such as `button.click`.
        button: the button; it has an identifier.
        line: tells how far the work is; it has an identifier.
    """
    script = _BEGIN.replace("BUTTON", str(button.elem_id)).replace("LINE", str(line.elem_id))
    gr.on(starts, None, None, None, js=script.replace("NARROW", str(_NARROW)), api_visibility="private")


def end_busy(event: Any, button: gr.Button) -> None:
    """Mark a button as busy no more when the work has ended, well or not.

    Args:
        event: the work, as Gradio's listeners return it.
        button: the button; it has an identifier.
    """
    for ended in (event.then, event.failure):  # after an error, Gradio 6.31 calls the second alone
        ended(None, None, None, js=_END.replace("BUTTON", str(button.elem_id)), api_visibility="private")
