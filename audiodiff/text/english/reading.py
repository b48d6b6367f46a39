"""English text to words with phonemes: `phonemes` for one utterance, `utterances` for a text of any length."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping

from audiodiff.errors import AudiodiffError
from audiodiff.text.english import homographs, lexicon
from audiodiff.text.english.foreign import check_language
from audiodiff.text.english.homograph_readings import READINGS
from audiodiff.text.english.lexicon import Phones
from audiodiff.text.english.normalize import Token, normalize
from audiodiff.text.english.reader import fold
from audiodiff.text.markup import PLACEHOLDER, Markup, check_characters, read_markup
from audiodiff.text.phones import VOWELS
from audiodiff.text.sentences import Sentence, sentences
from audiodiff.text.utterance import BOUNDARY_OF, MAX_PAUSE, NothingToSayError, Utterance, Word, emphasized, stronger

__all__ = ["LONGEST_TEXT", "LONGEST_WORD", "phonemes", "pronunciations", "utterances"]

LONGEST_TEXT = 10_000
"""Most characters of one utterance."""

LONGEST_WORD = 60
"""Most letters of a word that the letter-to-sound model reads."""

_NEIGHBOURS = 12
"""Words to each side that may tell which reading of a word is meant."""

_NONE: Mapping[str, Phones] = {}


def phonemes(
    text: str,
    *,
    own_words: Mapping[str, Phones] = _NONE,
    usual: Mapping[str, Phones] = _NONE,
    skip_unreadable: bool = False,
) -> Utterance:
    """Words and phonemes of an English text that is said in one go.

    Args:
        text: English, with `[pause 0.5]`, `*emphasis*`, `{HH AH0 L OW1}` and `/həˈloʊ/` where wanted.
        own_words: pronunciations that count before all others, by word in lower case (`read_lexicon`).
        usual: how a speaker usually says words that the dictionary gives several pronunciations for.
        skip_unreadable: leave letters of other scripts out with a note, and do not ask for the language, instead of
            refusing them: for the later parts of a text that is English on the whole.

    Raises:
        AudiodiffError: nothing to say, too long, control characters, letters of another script, another language, or a
            mistake in the signs; the message names the character.

    Examples:
        >>> [(word.text, " ".join(word.phones)) for word in phonemes("Read 2!").words]
        [('read', 'R IY1 D'), ('two', 'T UW1')]
    """
    if len(text) > LONGEST_TEXT:
        raise AudiodiffError(
            f"the text has {len(text)} characters, and one utterance has at most {LONGEST_TEXT}; "
            "say it sentence by sentence."
        )
    check_characters(text)
    if not text.strip():
        raise NothingToSayError("the text is empty; write what is to be said.")
    marked = read_markup(text)
    own_words = {fold(word): phones for word, phones in own_words.items()}
    if not skip_unreadable:
        check_language(marked.text)
    normalized = normalize(marked.text, keep=own_words.keys(), skip_unreadable=skip_unreadable)
    words = _words(text, marked, normalized.tokens, own_words, usual)
    if not words:
        raise NothingToSayError("the text has no word to say, only punctuation or signs; write what is to be said.")
    lead, paused = _with_pauses(words, marked.pauses)
    return Utterance(text, paused, lead, normalized.notes)


def utterances(
    text: str | Iterable[str],
    *,
    own_words: Mapping[str, Phones] = _NONE,
    usual: Mapping[str, Phones] = _NONE,
) -> Iterator[Utterance]:
    """Utterances of a text of any length, sentence by sentence, in constant memory.

    The language is judged by the first thousand characters or so; words in another script later on are left out with a
    note.

    Args:
        text: the text, or its blocks (`text_blocks` of a file).
        own_words: as in `phonemes`.
        usual: as in `phonemes`.

    Raises:
        AudiodiffError: as in `phonemes`; that there is nothing to say is known at the end.
    """
    stream = sentences(text)
    first: list[Sentence] = []
    while sum(len(sentence.text) for sentence in first) < 1000:
        following = next(stream, None)
        if following is None:
            break
        first.append(following)
    check_language(" ".join(sentence.text for sentence in first))
    # An utterance waits until it is known what follows: a pause without words belongs to the one before it.
    waiting: Utterance | None = None
    silence = 0.0
    dropped: tuple[str, ...] = ()
    for number, sentence in enumerate(itertools.chain(first, stream)):
        try:
            one = phonemes(sentence.text, own_words=own_words, usual=usual, skip_unreadable=number > 0)
        except NothingToSayError:
            if any(letter.isalpha() for letter in read_markup(sentence.text).text):
                dropped = (*dropped, f"left out, since it cannot be read: {sentence.text[:60]}")
            pause = sum(read_markup(sentence.text).pauses.values())
            if waiting is None:
                silence += pause
            else:
                waiting = _followed(waiting, pause, sentence.ends_paragraph)
            continue
        except AudiodiffError as error:
            if not sentence.start:
                raise
            raise AudiodiffError(f"in the sentence that begins at character {sentence.start + 1}: {error}") from error
        if waiting is not None:
            yield waiting
        notes, dropped = (*dropped, *one.notes), ()
        lead = min((one.lead or 0.0) + silence, MAX_PAUSE) if silence else one.lead
        silence = 0.0
        waiting = dataclasses.replace(
            one, lead=lead, notes=notes, offset=sentence.start, ends_paragraph=sentence.ends_paragraph
        )
    if waiting is None:
        raise NothingToSayError("the text has no word to say; write what is to be said.")
    yield waiting


def pronunciations(word: str, *, own_words: Mapping[str, Phones] = _NONE) -> tuple[Phones, ...]:
    """Every way to say a spoken word (`Word.text`), the usual one first: what an aligner may choose among."""
    if word in own_words:
        return (own_words[word],)
    if word in READINGS:
        listed = tuple(tuple(phones.split()) for phones in READINGS[word].values())
        return tuple(dict.fromkeys((*listed, *lexicon.pronounce(word).variants)))
    if word == "the":
        return (("DH", "AH0"), ("DH", "IY0"), ("DH", "AH1"), ("DH", "IY1"))
    return tuple(dict.fromkeys(lexicon.pronounce(word).variants))


def _words(
    text: str, marked: Markup, tokens: tuple[Token, ...], own_words: Mapping[str, Phones], usual: Mapping[str, Phones]
) -> list[Word]:
    """Words with their phonemes, without pauses."""
    spoken = [(word, token) for token in tokens for word in token.words or ("",)]
    words: list[Word] = []
    for index, (word, token) in enumerate(spoken):
        if not word:
            if words:
                mark = next(mark for mark, symbol in BOUNDARY_OF.items() if symbol == words[-1].boundary)
                words[-1] = dataclasses.replace(words[-1], boundary=BOUNDARY_OF[stronger(mark, token.mark)])
            continue
        stressed = any(start < token.end and token.start < end for start, end in marked.emphasis)
        if word == PLACEHOLDER:
            end, phones = marked.phones[token.start]
            words.append(Word(text[token.start : end], phones, token.start, end, "text", emphasis=stressed))
            continue
        if len(word) > LONGEST_WORD:
            raise AudiodiffError(
                f"the word at character {token.start + 1} has {len(word)} letters; expected at most {LONGEST_WORD}."
            )
        written = text[token.start : token.end] if len(token.words) == 1 else word
        found = _pronounced(word, written, _clause(spoken, index, text), own_words, usual)
        phones = emphasized(found.variants[0]) if stressed else found.variants[0]
        words.append(Word(word, phones, token.start, token.end, found.source, emphasis=stressed))
    words = [_linked(word, words[index + 1 : index + 2]) for index, word in enumerate(words)]
    if words and words[-1].boundary == "<sp>":
        words[-1] = dataclasses.replace(words[-1], boundary="<.>")
    return words


def _clause(spoken: list[tuple[str, Token]], index: int, text: str) -> tuple[list[str], int]:
    """The words near one, up to the next punctuation marks, as written, and its index among them."""
    begin = index
    while begin > max(0, index - _NEIGHBOURS) and spoken[begin - 1][0]:
        begin -= 1
    end = index
    while end < min(len(spoken), index + _NEIGHBOURS) and spoken[end][0]:
        end += 1
    words = [text[token.start : token.end] if len(token.words) == 1 else word for word, token in spoken[begin:end]]
    return words, index - begin


def _pronounced(
    word: str,
    written: str,
    clause: tuple[list[str], int],
    own_words: Mapping[str, Phones],
    usual: Mapping[str, Phones],
) -> lexicon.Pronunciation:
    if word in own_words:
        return lexicon.Pronunciation((own_words[word],), "lexicon")
    reading = homographs.choose(*clause) if written.lower() == word else ""
    if reading:
        return lexicon.Pronunciation((tuple(READINGS[word][reading].split()),), "dictionary")
    found = lexicon.pronounce(word)
    if word in usual and found.source == "dictionary" and word != "the":
        return lexicon.Pronunciation((usual[word],), "dictionary")
    return found


def _linked(word: Word, following: list[Word]) -> Word:
    """ "the" before a vowel has another vowel, and articles with emphasis their full one."""
    if word.text == "the" and word.source == "dictionary":
        vowel = bool(following) and word.boundary == "<sp>" and following[0].phones[0][:-1] in VOWELS
        phones = ("DH", "IY1") if word.emphasis else ("DH", "IY0") if vowel else ("DH", "AH0")
        return dataclasses.replace(word, phones=phones)
    if word.text == "a" and word.emphasis:
        return dataclasses.replace(word, phones=("EY1",))
    return word


def _followed(utterance: Utterance, pause: float, ends_paragraph: bool) -> Utterance:
    """The same with a longer pause after its last word, or the end of a paragraph."""
    *words, last = utterance.words
    if pause:
        last = dataclasses.replace(last, pause=min((last.pause or 0.0) + pause, MAX_PAUSE))
    return dataclasses.replace(
        utterance, words=(*words, last), ends_paragraph=utterance.ends_paragraph or ends_paragraph
    )


def _with_pauses(words: list[Word], pauses: Mapping[int, float]) -> tuple[float | None, tuple[Word, ...]]:
    """Pauses put after the words that they follow; the one before the first word comes first."""
    lead: float | None = None
    for position, seconds in sorted(pauses.items()):
        before = [index for index, word in enumerate(words) if word.start < position]
        if not before:
            lead = min((lead or 0.0) + seconds, MAX_PAUSE)
            continue
        last = words[before[-1]]
        boundary = "<,>" if last.boundary == "<sp>" else last.boundary
        total = min((last.pause or 0.0) + seconds, MAX_PAUSE)
        words[before[-1]] = dataclasses.replace(last, pause=total, boundary=boundary)
    return lead, tuple(words)
