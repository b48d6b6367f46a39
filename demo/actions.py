"""What can be done with a clip that is there: a list that the page and the API are built from.

An action appears as soon as the module that does it does; the page asks for no more than that.
"""

from dataclasses import dataclass
from importlib.util import find_spec

EDITING = "audiodiff.synthesis.edit_files"


@dataclass(frozen=True)
class Action:
    """One thing to do with a clip.

    Attributes:
        name: of the command, and of the function of the API.
        label: of the button.
        hint: what it does, in a sentence.
        module: what does it.
    """

    name: str
    label: str
    hint: str
    module: str = EDITING


ACTIONS = (
    Action("vary", "Vary", "Other clips like this one, a little or a lot."),
    Action("inpaint", "Inpaint", "Make a stretch of it again; the rest stays."),
    Action("extend", "Extend", "Go on at its end, or lead up to its beginning."),
    Action("loop", "Loop", "A clip whose end runs into its beginning."),
    Action("interpolate", "Interpolate", "Clips between this one and another."),
)


def available_actions() -> tuple[Action, ...]:
    """Return the actions that this version of audiodiff can do."""
    return tuple(action for action in ACTIONS if find_spec(action.module) is not None)
