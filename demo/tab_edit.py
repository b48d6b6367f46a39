"""The tab that changes clips; it is there as soon as `audiodiff.synthesis` can do any of it."""

from collections.abc import Sequence

import gradio as gr

from .actions import Action


def build(actions: Sequence[Action]) -> None:
    """Say what can be done."""
    gr.Markdown("\n".join(f"- **{action.label}** (`audiodiff {action.name}`): {action.hint}" for action in actions))
