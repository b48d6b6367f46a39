"""Other languages by espeak-ng, a program that is used where it is installed and asked for.

Its IPA goes to the nearest English phonemes, so that a voice trained on English says the language with an accent.
"""

import dataclasses
import re
import shutil
import subprocess
from collections.abc import Iterator

from audiodiff.errors import AudiodiffError
from audiodiff.text.markup import PLACEHOLDER, check_characters, read_markup
from audiodiff.text.phones import from_ipa
from audiodiff.text.sentences import sentences
from audiodiff.text.utterance import BOUNDARY_OF, NothingToSayError, Utterance, Word, stronger

__all__ = ["espeak_phonemes", "espeak_utterances"]

_WORD = re.compile(rf"[^\W_]+(?:['’.,-][^\W_]+)*|{PLACEHOLDER}|[.,;:!?…—–]")
_SWITCH = re.compile(r"\([a-z-]+\)")
_MARKS = {"…": ".", "—": "-", "–": "-"}
_SECONDS = 60.0


def espeak_utterances(text: str, language: str) -> Iterator[Utterance]:
    """Utterances of a text of any length in a language that espeak-ng knows, sentence by sentence.

    Raises:
        AudiodiffError: as `espeak_phonemes`; that there is nothing to say is known at the end.
    """
    said = False
    for sentence in sentences(text):
        try:
            one = espeak_phonemes(sentence.text, language)
        except NothingToSayError:
            continue
        said = True
        yield dataclasses.replace(one, offset=sentence.start, ends_paragraph=sentence.ends_paragraph)
    if not said:
        raise NothingToSayError("the text has no word to say; write what is to be said.")


def espeak_phonemes(text: str, language: str) -> Utterance:
    """Words and phonemes of a text in any language that espeak-ng knows.

    Args:
        text: the text of one utterance; phonemes in braces and pauses are understood as in English.
        language: a voice of espeak-ng, such as "de" or "fr-fr".

    Raises:
        AudiodiffError: espeak-ng is not installed, does not know the language, or the text is refused.
    """
    program = shutil.which("espeak-ng")
    if program is None:
        raise AudiodiffError(
            f"the language {language!r} is read by espeak-ng, which is not installed; install it "
            "(apt install espeak-ng)."
        )
    check_characters(text)
    marked = read_markup(text)
    found = list(_WORD.finditer(marked.text))
    spoken = [match[0] for match in found if match[0][0].isalnum()]
    if not spoken and not marked.phones:
        raise NothingToSayError("the text has no word to say; write what is to be said.")
    ipa = iter(_ask(program, spoken, language))
    words: list[Word] = []
    for match in found:
        if match[0] == PLACEHOLDER:
            end, phones = marked.phones[match.start()]
            words.append(Word(text[match.start() : end], phones, match.start(), end, "text"))
        elif match[0][0].isalnum():
            # One written word may be several spoken ones ("23"): each its own, all at the same place.
            for part in next(ipa).split():
                phones = from_ipa(_SWITCH.sub("", part), skip_unknown=True)
                if phones:
                    words.append(Word(match[0].lower(), phones, match.start(), match.end(), "espeak"))
        elif words:
            before = next(mark for mark, symbol in BOUNDARY_OF.items() if symbol == words[-1].boundary)
            words[-1] = _ended(words[-1], stronger(before, _MARKS.get(match[0], match[0])))
    if not words:
        raise NothingToSayError("espeak-ng has no phoneme for the text; write what is to be said.")
    if words[-1].boundary == "<sp>":
        words[-1] = _ended(words[-1], ".")
    return Utterance(text, tuple(words))


def _ended(word: Word, mark: str) -> Word:
    return Word(word.text, word.phones, word.start, word.end, word.source, BOUNDARY_OF[mark])


def _ask(program: str, words: list[str], language: str) -> list[str]:
    """IPA of each word: a clause of its own for each, so that the answers can be told apart."""
    command = [program, "-q", "--ipa", "-v", language, "--stdin"]
    try:
        done = subprocess.run(
            command, input="\n\n".join(words) + "\n", capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AudiodiffError(f"espeak-ng does not answer: {error}.") from error
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it gives no reason"])[0]
        raise AudiodiffError(
            f"espeak-ng refuses the language {language!r}: {reason}; `espeak-ng --voices` lists those it knows."
        )
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    if len(lines) != len(words):
        raise AudiodiffError(f"espeak-ng gave {len(lines)} answers for {len(words)} words; report the text as a bug.")
    return lines
