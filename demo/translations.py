"""The page in other languages, by Gradio's i18n: what a browser prefers is shown where it is known, else English.

Labels stand in the code once, in English, and are the keys of the tables in `languages/`. What the server says while it
works, and its errors, are English.
"""

import json
import re
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.i18n import I18nData

FOLDER = Path(__file__).parent / "languages"
LANGUAGES = ("de", "es")

_TEXTS = ("label", "info", "placeholder")
_VALUES = (gr.Button, gr.DownloadButton, gr.Markdown)
_HEADING = re.compile(r'(<h2 class="ad-unseen">)(.+)(</h2>)')


def read_table(language: str) -> dict[str, str]:
    """Return English text -> text in a language."""
    table: dict[str, str] = json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    return table


def translate(app: gr.Blocks) -> gr.I18n:
    """Mark the texts of a page that are known in other languages, and return the tables for its launch."""
    tables = {language: read_table(language) for language in LANGUAGES}
    known = {text for table in tables.values() for text in table}
    for block in app.blocks.values():
        for name in _TEXTS:
            if isinstance(text := getattr(block, name, None), str) and text in known:
                setattr(block, name, _marked(text))
        if isinstance(block, gr.Dropdown):
            block.choices = [(_marked(said) if said in known else said, value) for said, value in block.choices]
        if isinstance(block, _VALUES) and isinstance(block.value, str) and block.value in known:
            block.value = str(_marked(block.value))
        if isinstance(block, gr.HTML) and (found := _HEADING.fullmatch(str(block.value))) and found[2] in known:
            block.value = f"{found[1]}{_marked(found[2])}{found[3]}"
    english = {text: text for text in known}
    return gr.I18n(
        **{
            language: {_key(text): _message(said) for text, said in table.items()}
            for language, table in {"en": english, **tables}.items()
        }
    )


def plain(text: Any) -> str:
    """Return the English of a label that may be marked."""
    return str(getattr(text, "key", text))


def _marked(text: str) -> Any:
    return I18nData(_key(text))


def _key(text: str) -> str:
    """Return the key of a text: in the page, a brace would end it."""
    return text.replace("{", "").replace("}", "")


def _message(text: str) -> str:
    """Return a text as an ICU message that shows it; braces would be arguments."""
    return re.sub(r"[{}]+", lambda found: f"'{found[0]}'", text)
