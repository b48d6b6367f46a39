import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiodiff.errors import AudiodiffError
from audiodiff.text.prompt import MAX_WEIGHT, Prompt, PromptPart, Span, parse_prompt


def only(text: str) -> PromptPart:
    (part,) = parse_prompt(text).parts
    return part


def stretches(part: PromptPart) -> list[tuple[str, float]]:
    return [(part.text[span.start : span.stop], pytest.approx(span.weight)) for span in part.spans]


@pytest.mark.parametrize(
    "text",
    [
        "warm piano",
        "tempo: 120",
        "at 3:30",
        "piano:0.5",
        "[x] {y} <z>",
        "日本の笛 🎹",
        "C:\\music\\new",
        "back\\",
        "a\\b",
        "👩‍🎤 sings",
    ],
)
def test_plain_text_is_left_alone(text):
    assert parse_prompt(text) == Prompt((PromptPart(text, 1.0, ()),))


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_the_empty_prompt_has_one_empty_part(text):
    assert parse_prompt(text) == Prompt((PromptPart("", 1.0, ()),))


@pytest.mark.parametrize(
    ("text", "plain", "weighted"),
    [
        ("(warm:1.3) piano", "warm piano", [("warm", 1.3)]),
        ("(warm) piano", "warm piano", [("warm", 1.1)]),
        ("((warm)) piano", "warm piano", [("warm", 1.21)]),
        ("(a (b:1.2):0.8) c", "a b c", [("a ", 0.8), ("b", 0.96)]),
        ("(a (b:1.25):0.8) c", "a b c", [("a ", 0.8)]),
        ("soft(er: 0 )", "softer", [("er", 0.0)]),
        ("(slow: tempo:.5)", "slow: tempo", [("slow: tempo", 0.5)]),
        ("(a\\:1.5) b", "a:1.5 b", [("a:1.5", 1.1)]),
        ("(x:1e-1)(y:+2.)", "xy", [("x", 0.1), ("y", 2.0)]),
        ("(a:1)", "a", []),
        ("(a:-0)", "a", [("a", 0.0)]),
        ("  two \n\t ( words :2)   here ", "two words here", [("words", 2.0)]),
        ("(日本 🎹:1.5)の笛", "日本 🎹の笛", [("日本 🎹", 1.5)]),
    ],
)
def test_weights(text, plain, weighted):
    part = only(text)
    assert part.text == plain
    assert [(words.strip(), weight) for words, weight in stretches(part)] == [(w.strip(), v) for w, v in weighted]


def test_escapes():
    assert only(r"live \(1\:2\) a\|b \\ c") == PromptPart(r"live (1:2) a|b \ c", 1.0, ())
    assert only(r"(a\):1.5)").text == "a)"
    assert parse_prompt(r"a\:2 | b").parts == (PromptPart("a:2", 1.0, ()), PromptPart("b", 1.0, ()))


def test_blends():
    prompt = parse_prompt("rainy piano | (distant:1.2) choir : 0.5|style: ambient|12:34:2e0")
    assert [part.text for part in prompt.parts] == ["rainy piano", "distant choir", "style: ambient", "12:34"]
    assert [part.weight for part in prompt.parts] == [1.0, 0.5, 1.0, 2.0]
    assert prompt.parts[1].spans == (Span(0, 7, 1.2),)
    assert prompt.shares == pytest.approx((1 / 4.5, 0.5 / 4.5, 1 / 4.5, 2 / 4.5))
    assert parse_prompt("a:1e308 | b:1e308").shares == (0.5, 0.5)
    assert parse_prompt("a:0 | b:7").shares == (0.0, 1.0)


def test_the_weight_of_a_token_is_the_mean_over_its_characters():
    part = only("(play:1.5)ing (loud:0.5)")
    assert part.text == "playing loud"
    assert part.weight_at(0, 7) == pytest.approx((4 * 1.5 + 3) / 7)
    assert part.weight_at(0, 4) == pytest.approx(1.5)
    assert part.weight_at(4, 7) == 1.0
    # Some tokenizers count the space before a word to the word.
    assert part.weight_at(7, 12) == 0.5
    assert part.weight_at(7, 8) == part.weight_at(0, 0) == 1.0


BROKEN = [
    ("warm (piano", "never closed", "     ^"),
    ("(a (b:1.2)", "never closed", "^"),
    ("a) b", "closes none", " ^"),
    ("(a:) b", "needs a weight", "   ^"),
    ("(a: loud) b", "needs a weight", "    ^"),
    ("(a:1_0)", "needs a weight", "   ^"),
    ("(a:(1.5))", "needs a weight", "   ^"),
    ("(a:-1)", "negative", "   ^"),
    ("(a: nan)", "finite", "    ^"),
    ("(a:inf)", "finite", "   ^"),
    ("(a:1e999)", "finite", "   ^"),
    ("(a:10.5)", "more than 10", "   ^"),
    ("(a (b:9):2)", "multiply to 18", "    ^"),
    ("x () y", "Nothing stands", "  ^"),
    ("x (:1.3)", "Nothing stands", "  ^"),
    ("(a|b)", "inside parentheses", "  ^"),
    ("a || b", "is empty", "   ^"),
    ("| b", "is empty", "^"),
    ("a | ", "is empty", "  ^"),
    ("a | :0.5 | b", "is empty", "         ^"),
    ("a | b:", "needs a weight", "     ^"),
    ("a | b:-2", "negative", "      ^"),
    ("a | b:NaN", "finite", "      ^"),
    ("a:0 | b:0", "all have weight 0", "        ^"),
    ("(" * 21 + "a" + ")" * 21, "deeper than 20", " " * 20 + "^"),
    ("日本 (a", "never closed", "     ^"),
    ("🎹 e\u0301 (a", "never closed", "     ^"),
    ("a\tb\nc (", "never closed", "      ^"),
]


@pytest.mark.parametrize(("text", "words", "caret"), BROKEN)
def test_broken_syntax_is_shown_with_a_caret(text, words, caret):
    with pytest.raises(AudiodiffError, match=words) as caught:
        parse_prompt(text)
    sentence, shown, pointer = str(caught.value).split("\n")
    assert sentence.endswith(".")
    assert sentence.count(". ") == 0
    assert shown == "    " + text.replace("\t", " ").replace("\n", " ")
    assert pointer == "    " + caret


def test_only_the_neighbourhood_of_a_mistake_is_shown():
    with pytest.raises(AudiodiffError) as caught:
        parse_prompt("word " * 100 + "(piano" + " tail" * 100)
    _, shown, pointer = str(caught.value).split("\n")
    assert len(shown) < 100
    assert shown.startswith("    ...")
    assert shown.endswith("...")
    assert shown[len(pointer) - 1] == "("


@settings(max_examples=60, deadline=None)
@given(st.text(st.one_of(st.sampled_from("()|:\\ .15a"), st.characters())))
def test_any_text_is_read_or_refused(text):
    try:
        prompt = parse_prompt(text)
    except AudiodiffError:
        return
    assert sum(prompt.shares) == pytest.approx(1.0)
    for part in prompt.parts:
        assert part.text == " ".join(part.text.split())
        stops = [0]
        for span in part.spans:
            assert stops[-1] <= span.start < span.stop <= len(part.text)
            assert 0 <= span.weight <= MAX_WEIGHT
            stops.append(span.stop)


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=40))
def test_escaped_text_comes_back(text):
    escaped = "".join("\\" + char if char in "()|:\\" else char for char in text)
    assert only(escaped) == PromptPart(" ".join(text.split()), 1.0, ())


def test_surrogates_are_joined_or_replaced():
    assert only("\ud83c\udfb9 a\ud800").text == "🎹 a\ufffd"
