"""How to speak: the one settings class that the command line, Python and the demo share. Imports no torch."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.plain_numbers import make_plain
from audiodiff.synthesis.settings import Sampling, check_range, check_unguided, check_whole

LONGEST_TEXT = 1_000_000
"""Most characters of one text: 18 hours or so, which is less than a WAV holds."""


@dataclass(frozen=True)
class Manner:
    """How a voice reads.

    Attributes:
        variation: share of the noise that pitch starts from: 0 for one take whatever the seed, 1 for as much as the
            recordings.
        rhythm: share of the noise that durations start from at a variation of 1.
        texture: share of the noise that the mel starts from at a variation of 1.
        intonation: how far pitch moves from that of the whole sentence: 0 is a monotone, 1 as the model draws it. Flows
            draw less than they were shown, and more than 1 makes up for it.
        ending: least silence after the last word (s).
    """

    variation: float = 0.8
    rhythm: float = 0.15
    texture: float = 0.3
    intonation: float = 1.0
    ending: float = 0.0

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            AudiodiffError: one is out of range.
        """
        for item in fields(self):
            high, unit = (1.0, "s") if item.name == "ending" else (2.0, "(0 for none)")
            check_range(item.name, getattr(self, item.name), 0.0, high, unit)

    def but(self, **given: float | None) -> "Manner":
        """The same but for what is given."""
        return replace(self, **{name: value for name, value in given.items() if value is not None})


@dataclass(frozen=True)
class SpeakSettings:
    """Settings of a text that is spoken.

    Attributes:
        text: what to say, with `[pause 0.5]`, `*emphasis*`, `{HH AH0 L OW1}` and `/həˈloʊ/` where wanted.
        speed: how fast, 1 as the speaker does.
        pitch: semitones above the speaker's own voice, or below if negative.
        variation: how much takes differ: 0 is the most likely reading, 1 is as varied as the recordings.
        intonation: how far pitch moves: 0 is a monotone, 1 as the model draws it.
        ending: least silence after the last word of a sentence (s), before that between sentences is added.
        speaker: name of a speaker, for a voice that has several.
        language: read the text by espeak-ng, as the language of that name (such as de); English when empty.
        lexicon: pronunciations that count before all others, by word in lower case.
        phonemes: the text as `audiodiff.text.transcription` writes it, which is said instead of reading the text.
        sampling: how to sample; each sentence has a seed of its own, made from that.
        vocoder_steps: sampling steps of the vocoder; its own recommendation when `None`.
        srt: also write subtitles beside the file, as .srt.
    """

    text: str = ""
    speed: float = 1.0
    pitch: float = 0.0
    variation: float | None = None
    intonation: float | None = None
    ending: float | None = None
    speaker: str = ""
    language: str = ""
    lexicon: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    phonemes: str = ""
    sampling: Sampling = field(default_factory=Sampling)
    vocoder_steps: int | None = None
    srt: bool = False

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            AudiodiffError: a field is out of range, or the text is too long.
        """
        make_plain(self)
        check_unguided(self.sampling)
        for name in ("text", "speaker", "language", "phonemes"):
            if not isinstance(getattr(self, name), str):
                raise AudiodiffError(f"{name} is {getattr(self, name)!r}; it must be text.")
        check_text_length(len(self.text))
        check_range("speed", self.speed, 0.25, 4.0, "(1 means as the speaker does)")
        check_range("pitch", self.pitch, -12.0, 12.0, "semitones")
        check_range("variation", self.variation, 0.0, 2.0, "(0 means none)")
        check_range("intonation", self.intonation, 0.0, 2.0, "(1 means as the model draws it)")
        check_range("ending", self.ending, 0.0, 1.0, "s")
        check_whole("vocoder_steps", self.vocoder_steps)


@dataclass(frozen=True)
class RespeakSettings:
    """Settings of a recording in which other words are said.

    Attributes:
        text: what is said in it, all of it.
        replace: words, and what is said in their place; nothing to leave them out.
        variation: how much takes differ: 0 is the most likely reading, 1 is as varied as the recordings.
        intonation: how far pitch moves in new words: 0 is a monotone, 1 as the model draws it.
        speaker: name of a speaker, for a voice that has several.
        sampling: how to sample.
        vocoder_steps: sampling steps of the vocoder; its own recommendation when `None`.
    """

    text: str = ""
    replace: tuple[tuple[str, str], ...] = ()
    variation: float | None = None
    intonation: float | None = None
    speaker: str = ""
    sampling: Sampling = field(default_factory=Sampling)
    vocoder_steps: int | None = None

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            AudiodiffError: a field is out of range, or words to be replaced are not in the text.
        """
        make_plain(self)
        check_unguided(self.sampling)
        for text in (self.text, self.speaker, *(word for pair in self.replace for word in pair)):
            if not isinstance(text, str):
                raise AudiodiffError(f"{text!r} is no text; texts, words and the name of a speaker are.")
        object.__setattr__(self, "replace", tuple(tuple(pair) for pair in self.replace))
        check_range("variation", self.variation, 0.0, 2.0, "(0 means none)")
        check_range("intonation", self.intonation, 0.0, 2.0, "(1 means as the model draws it)")
        check_whole("vocoder_steps", self.vocoder_steps)
        if self.replace and self.text and self.new_text.split() == self.text.split():
            raise AudiodiffError("the new words are the old ones, so nothing would change; give others.")

    @property
    def new_text(self) -> str:
        """What is said afterwards.

        Raises:
            AudiodiffError: words to be replaced are not in the text.
        """
        text = self.text
        for old, new in self.replace:
            pattern = words_pattern(old)
            if not old.strip() or not pattern.search(text):
                raise AudiodiffError(
                    f'"{old}" is not in the text "{text[:60]}"; give words of it, as they stand there.'
                )
            text = pattern.sub(lambda _, new=new: new.strip(), text)  # type: ignore[misc]
        return text


def words_pattern(words: str) -> re.Pattern[str]:
    """What finds words in a text, and no parts of longer ones."""
    return re.compile(rf"(?<!\w){re.escape(words.strip())}(?!\w)")


def check_text_length(count: int) -> None:
    """Refuse a text of more characters than one file can say.

    Raises:
        AudiodiffError: it is too long.
    """
    if count > LONGEST_TEXT:
        raise AudiodiffError(
            f"the text has {count} characters or more, and at most {LONGEST_TEXT} are spoken into one file; give it "
            "chapter by chapter."
        )
