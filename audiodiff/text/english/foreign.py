"""Is this English? Other languages in Latin letters are told by their small words."""

import re
import unicodedata
from collections.abc import Iterable

from audiodiff.errors import AudiodiffError
from audiodiff.text.phones import word_set

__all__ = ["check_language", "other_language"]

_ENGLISH = word_set(
    "the of and to in is was that it he she for on with as his her they be at by have had not are but from or "
    "which you were this an there been their has will would what all can if when who my we me him them i your no "
    "so do did said then its"
)
_SMALL_WORDS = {
    "German": "der die das und ist nicht ein eine einen ich sie er wir ihr den dem des mit auf für von zu zum zur "
    "im auch es über aber wie wenn sind hat haben wird war ja nein kann sich bei nach aus wurde dass soll "
    "bin bist was so um wo hier dort",
    "French": "le la les des est et une un je tu il elle nous vous ils dans que qui ne pas sur avec pour ce cette "
    "du au aux sont mais plus était être son sa ses mon ma bonjour c'est j'ai d'un d'une très où à",
    "Spanish": "el la los las un una es y de que en no se por con para su al del como más pero está son yo tú muy "
    "fue qué hola lo cuando también sí hay este esta",
    "Italian": "il lo la gli le un una è e di che in non si per con sono della nel alla del ma come più questo "
    "questa ho hai ha anche io tu lui lei perché molto",
    "Portuguese": "o a os as um uma é e de que em não se por com para do da dos das no na mais mas foi está são eu "
    "você muito também isso",
    "Dutch": "de het een en is niet van ik je hij zij wij dat die op met voor aan te zijn was er maar om ook naar "
    "bij deze heeft",
}
_FOREIGN = {
    name: frozenset(words.split())
    - _ENGLISH
    - {"a", "do", "no", "me", "die", "war", "son", "hat", "an", "am", "was", "so", "um", "hier", "is"}
    for name, words in _SMALL_WORDS.items()
}


def other_language(words: Iterable[str]) -> str:
    """Name of the language that a text is written in; "" for English and whatever may be English.

    Args:
        words: its words, in lower case, with accents.
    """
    words = list(words)
    counts = {name: sum(word in small for word in words) for name, small in _FOREIGN.items()}
    name = max(counts, key=lambda key: counts[key])
    english = sum(word in _ENGLISH for word in words)
    different = len({word for word in words if word in _FOREIGN[name]})
    return name if different >= 3 and counts[name] > 2 * english and counts[name] >= 0.2 * len(words) else ""


def check_language(text: str) -> None:
    """Refuse a text in another language.

    Raises:
        AudiodiffError: the text's small words are those of another language, or many of its letters of another script.
    """
    letters = [letter for letter in text if letter.isalpha()]
    others = [letter for letter in letters if not unicodedata.name(letter, "").startswith(("LATIN", "MODIFIER"))]
    if len(others) > 0.2 * len(letters):
        script = unicodedata.name(others[0], "unknown").split()[0].capitalize()
        place = text.index(others[0]) + 1
        raise AudiodiffError(
            f"the text is written in {script} letters (the first is {others[0]!r} at character {place}), and only "
            "English in Latin letters can be read; write it in Latin letters, or give phonemes such as {HH AH0 L OW1}."
        )
    name = other_language(re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)?", text.lower().replace("’", "'")))
    if name:
        raise AudiodiffError(
            f"the text looks like {name}, and only English can be read; translate it, or give phonemes in braces."
        )
