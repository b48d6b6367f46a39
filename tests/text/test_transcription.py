import pytest

from audiodiff.text.english import utterances
from audiodiff.text.transcription import read_transcription, transcribe
from tests.refusals import refused

TEXT = (
    'Hello, *big* world [pause 0.5]... It\'s 23 - "well" and/or *{HH AH0 L OW1}*! [pause 2]\n\n'
    "[pause 1.25] New paragraph; okay? [pause 0.1] Then: /nˈoʊ/ (really), *the* end\n\n* * *\n\nThe last one!"
)


def told(blocks: str) -> list[tuple[object, ...]]:
    return [
        (one.symbols, one.pauses, one.lead, one.ends_paragraph, [word.emphasis for word in one.words])
        for one in utterances(blocks)
    ]


def test_utterances_are_read_back_as_they_were() -> None:
    written = transcribe(utterances(TEXT))
    assert written.splitlines()[0] == "{HH AH0 L OW1}, *{B IH1 G}* {W ER1 L D}. [pause 0.5]"
    again = [
        (one.symbols, one.pauses, one.lead, one.ends_paragraph, [word.emphasis for word in one.words])
        for one in read_transcription(written)
    ]
    assert again == told(TEXT)
    assert transcribe(read_transcription(written)) == written
    assert again[1][1][-2] == 2.0  # type: ignore[index]


def test_it_is_text_that_can_be_spoken() -> None:
    text = "Hello, *big* world! Is it 23 o'clock - or later? Yes; no: maybe.\n\nThe end."
    assert told(transcribe(utterances(text)).replace("\n\n", "\0").replace("\n", " ").replace("\0", "\n\n")) == told(
        text
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{HH AH0} oops", "line 1 .* character 9"),
        ("{HH AH0}\n{HH XX}", "line 2 .*'XX' at character 5"),
        ("{}", "line 1 .* no phoneme"),
        ("[pause 1]", "line 1 .* no word"),
        ("{AH0} [pause 99]", "99 s cannot be made"),
    ],
)
def test_what_is_no_transcription_is_refused(text: str, said: str) -> None:
    refused(said, lambda: list(read_transcription(text)))
