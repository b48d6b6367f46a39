"""The page in other languages, by Gradio's i18n: what a browser prefers is shown where it is known, else English.

Labels stand in the code once, in English, and are the keys of the tables in `languages/`; there are no braces in
them, which Gradio would take for places of values. What the server says while it
works is put into the language by `said`, the notes of clips and its errors by `sentences`; records of files, tables of
figures and the reports of the API are English.
"""

import re
from typing import Any

import gradio as gr
from gradio.i18n import I18nData

from .said import LANGUAGES, read_table

_TEXTS = ("label", "info", "placeholder")
_VALUES = (gr.Button, gr.DownloadButton, gr.Markdown)
_HTML = re.compile(r'(<h2 class="ad-unseen">|<div class="ad-status"><span>)(.+)(</h2>|</span></div>)')
"""Headings, and what stands in the line of a tab before anything is made."""


def translate(app: gr.Blocks) -> gr.I18n:
    """Mark the texts of a page that are known in other languages, and return the tables for its launch."""
    tables = {language: read_table(language) for language in LANGUAGES}
    known = {text for table in tables.values() for text in table}
    for block in app.blocks.values():
        for name in _TEXTS:
            if isinstance(text := getattr(block, name, None), str) and text in known:
                setattr(block, name, I18nData(text))
        if isinstance(block, gr.Dropdown):
            block.choices = [(I18nData(said) if said in known else said, value) for said, value in block.choices]
        if isinstance(block, _VALUES) and isinstance(block.value, str) and block.value in known:
            block.value = str(I18nData(block.value))
        if isinstance(block, gr.HTML) and (found := _HTML.fullmatch(str(block.value))) and found[2] in known:
            block.value = f"{found[1]}{I18nData(found[2])}{found[3]}"
    english = {text: text for text in known}
    return gr.I18n(**{"en": english, **tables})


def plain(text: Any) -> str:
    """Return the English of a label that may be marked."""
    return str(getattr(text, "key", text))
