import itertools
from pathlib import Path

from audiodiff.synthesis.subtitles import LONGEST_CAPTION, Caption, captions, to_srt, write_srt
from audiodiff.text.english import phonemes
from tests.refusals import refused

LONG = (
    "When the sunlight strikes raindrops in the air, they act as a prism and form a rainbow; the rainbow is a division "
    "of white light into 1234 beautiful colours, [pause 1] *these* take the shape of a long round arch."
)


def test_long_sentences_are_shown_in_parts() -> None:
    utterance = phonemes(LONG)
    times = [(float(index), index + 0.5) for index in range(len(utterance.words))]
    shown = list(captions(utterance, times))
    assert len(shown) == 3
    assert max(len(caption.text) for caption in shown) <= LONGEST_CAPTION
    assert " ".join(caption.text for caption in shown) == " ".join(
        LONG.replace("[pause 1] ", "").replace("*", "").split()
    )
    assert shown[0].start == 0.0
    assert shown[-1].end == times[-1][1]
    assert all(before.end < after.start for before, after in itertools.pairwise(shown))
    words = [word for caption in shown for word in caption.words]
    assert [word.text for word in words] == LONG.replace("[pause 1] ", "").replace("*", "").split()
    number = next(word for word in words if word.text == "1234")
    assert number.end - number.start > 2  # several words are said


def test_srt(tmp_path: Path) -> None:
    shown = [Caption(0.1234, 1.0, "Hello."), Caption(3661.5, 3662.9996, "Bye.")]
    expected = "1\n00:00:00,123 --> 00:00:01,000\nHello.\n\n2\n01:01:01,500 --> 01:01:03,000\nBye.\n"
    assert to_srt(shown) == expected
    write_srt(tmp_path / "a.srt", shown)
    assert (tmp_path / "a.srt").read_text("utf-8") == expected
    refused("does not exist", lambda: write_srt(tmp_path / "none" / "a.srt", shown))
