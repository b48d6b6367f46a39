import pytest

from demo.shown import as_html, as_markdown, clean

HOSTILE = "a\x1b[31m\u202eb\u2066c\x00\u200bd\ufeff\ud800\u2028e\x9b\n"


def test_nothing_is_left_that_moves_the_cursor_or_turns_the_text() -> None:
    assert clean(HOSTILE) == "a [31m b c  d   e  "
    assert clean("a\nb\r\tc", lines=True) == "a\nb  c"
    for text in ("مى‌خواهم", "👩‍🎤 שלום 悲伤的钢琴曲 é"):
        assert clean(text) == text


def test_what_others_wrote_is_text_in_html() -> None:
    assert as_html("<img src=x>\u202e & co") == "&lt;img src=x&gt;  &amp; co"


@pytest.mark.parametrize(
    "text",
    [
        "[click](http://a.b)",
        "![x](http://a.b/c.png)",
        "**bold** _it_ `code`",
        "<b>x</b>",
        "# big",
        "| a | b |",
        "http://a.b",
    ],
)
def test_what_others_wrote_is_text_in_markdown(text: str) -> None:
    markdown = pytest.importorskip("markdown_it", reason="comes with Gradio")
    drawn = markdown.MarkdownIt("gfm-like", {"linkify": False}).render(f"**name**: {as_markdown(text)}")
    for tag in ("<a", "<img", "<em", "<code", "<h1", "<table", "<b>"):
        assert tag not in drawn
    assert drawn.count("<strong>") == 1
