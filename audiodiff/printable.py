"""Text by others on a terminal or a page: nothing in it moves the cursor, hides, or runs backwards."""

# Escape sequences begin with a C0 or C1 control; bidirectional controls and line separators change the order and place
# of what is read; a lone surrogate is a byte of a file name that is no text.
_CONTROLS = frozenset(
    [*range(0x20), *range(0x7F, 0xA0), 0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A), 0xFEFF]
)
_ESCAPES = {code: f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" for code in _CONTROLS}
_LINES = {code: escape for code, escape in _ESCAPES.items() if chr(code) not in "\n\t"}


def printable(text: object, *, lines: bool = False) -> str:
    """Return `text` with its control characters written out, such as `\\x1b`; it can be encoded as UTF-8.

    Args:
        text: a name, a tag, a message: whatever may have been written by others.
        lines: keep line breaks and tabs.
    """
    shown = str(text).translate(_LINES if lines else _ESCAPES)
    return "".join(f"\\u{ord(c):04x}" if 0xD800 <= ord(c) < 0xE000 else c for c in shown)
