import pytest

from demo.shown import as_html, as_markdown


def test_what_others_wrote_is_text_in_html() -> None:
    assert as_html("<img src=x>\u202e &\nco") == "&lt;img src=x&gt;\\u202e &amp;\\x0aco"
    assert as_html("a\nb\x1b", lines=True) == "a\nb\\x1b"


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
