"""Words that are spelt alike and said in two ways: which one a sentence means, by the words around it.

`READINGS` lists each word's readings; a small rule for each word, or the question whether it is a
verb here, chooses between them. `benchmarks` and tests measure the choice on labelled sentences.
"""

import re
from collections.abc import Callable, Sequence

from audiodiff.text.english.homograph_readings import READINGS
from audiodiff.text.phones import word_set

__all__ = ["choose"]


_DETERMINERS = word_set(
    "the a an this that these those my your his her its our their no any some every each another one two three "
    "four five whose what which such both all many several few"
)
_PREPOSITIONS = word_set(
    "of in for with by on at from into under about as without between against during over through per like off "
    "after before within upon near beside behind"
)
_VERB_BEFORE = word_set(
    "to will would can could shall should may might must cannot do does did don't doesn't didn't won't wouldn't "
    "can't couldn't shouldn't mustn't i you we they i'll you'll we'll they'll he'll she'll it'll i'd you'd we'd "
    "they'd he'd she'd let's please never always often not who help helps helped let lets make makes made ever "
    "only just then also usually"
)
_SUBJECTS = word_set("he she it who that which this everyone nobody somebody someone")
_OBJECTS = word_set(
    "the a an this that these those my your his her its our their him me them us it you himself herself"
)
_AFTER_NOUN = word_set("of is was are were has had have will would can could may might must be been and or")
_BE = word_set("is was were are am be been being i'm you're he's she's it's we're they're isn't wasn't weren't aren't")
_PAST_CUES = word_set(
    "yesterday ago last once was were had did said told saw went came took sat stood thought felt knew found got "
    "then already aloud earlier"
)
_PRESENT_CUES = word_set("every often always usually now today daily sometimes never can't rarely tomorrow tonight")
_NOT_ADJECTIVES = _PREPOSITIONS | _VERB_BEFORE | _BE | _OBJECTS | {"", "and", "or", "but", "if", "when"}
_NOT_PLURALS = word_set("sales sports news arms customs always perhaps as has was does his its this us yes unless")
_LIVE_NOUNS = word_set(
    "music show shows concert broadcast broadcasts performance performances audience wire wires coverage "
    "recording recordings album stream streams video television tv radio animals bait ammunition band event "
    "events feed birds"
)
_LEAD_NOUNS = word_set(
    "pipe pipes paint poisoning bullet bullets weight weights pencil pencils acid ore glass shot balloon battery "
    "batteries crystal mine mines roof soldier soldiers"
)
_METALS = word_set("copper tin zinc silver iron mercury gold steel")
_TORN = word_set("shirt fabric cloth sail jacket muscle paper curtain tent sleeve coat dress net ligament pants knee")
_ARCHERS = word_set(
    "arrow arrows tie ties ribbon ribbons violin cello string strings hair fiddle archer archery hunting quiver "
    "gift knot tied strung"
)
_FISH = word_set(
    "fish fishing lake caught catch river sea striped trout largemouth perch bait pond grilled boat eat ate"
)
_TINY = word_set(
    "detail details particle particles amount amounts trace traces difference differences fragment fragments "
    "quantity quantities size scale inspection examination creatures changes crack cracks"
)
_TURNS = word_set("up around down through its tightly along across between past round")
_RIPS = word_set("down up apart off out open into away at through")


class _Place:
    """A word of a sentence and its neighbours, in lower case; "" beyond the ends of a clause."""

    def __init__(self, words: Sequence[str], index: int) -> None:
        lower = [word.lower() for word in words]
        self.word = lower[index]
        self.written = words[index]
        self.first = lower[index - 1] if index else ""
        self.second = lower[index - 2] if index > 1 else ""
        self.next = lower[index + 1] if index + 1 < len(lower) else ""
        self.after = lower[index + 2] if index + 2 < len(lower) else ""
        self.left = set(lower[max(0, index - 8) : index])
        self.right = set(lower[index + 1 : index + 8])
        self.all = self.left | self.right


def _is_verb(place: _Place) -> bool:
    """Whether the word is a verb here, by the kind of words around it."""
    if place.first in ("not", "never") and place.second in _BE:
        return False
    if place.first == "to" and place.second in ("due", "according", "next", "thanks", "access", "subject"):
        return False
    if place.first in ("did", "does", "do", "can", "will") and place.next in ("of", "is", "was"):
        return False
    if place.first in ("you", "it") and place.second in ("for", "of", "with"):
        return False
    plural = place.word.endswith("s") and place.word[:-1] in READINGS
    if plural and place.first in _SUBJECTS:
        return place.next not in ("are", "were", "of")
    if place.first in _VERB_BEFORE:
        return True
    if place.first in _DETERMINERS or place.first.endswith("'s"):
        return False
    if place.first in _PREPOSITIONS or place.first in _BE:
        return False
    if place.next in _AFTER_NOUN - {"and", "or", "have"}:
        return False
    if place.next in _OBJECTS and not (plural and place.first == ""):
        return True
    if not place.first:
        return False
    if place.first == "and" and place.second in _VERB_BEFORE:
        return True
    if not plural and _after_plural(place):
        return True
    # "a new record", "the world record": something between a determiner and the word.
    if place.second in _DETERMINERS or place.second in _PREPOSITIONS:
        return (
            plural
            and place.next in _PREPOSITIONS | {"that", "about"}
            and place.second in ("the", "a", "this", "that", "my")
        )
    return place.next in ("to", "that", "about") and place.first not in _NOT_ADJECTIVES and plural


def _after_plural(place: _Place) -> bool:
    """Whether a plural noun, which a verb may follow, stands before the word: "these farms produce wheat"."""
    many = (
        place.first.endswith("s") and not place.first.endswith(("ss", "us", "is")) and place.first not in _NOT_PLURALS
    )
    return many and place.next not in _AFTER_NOUN | {""}


def _noun_or_verb(place: _Place) -> str:
    return "verb" if _is_verb(place) else "noun"


def _refuse(place: _Place) -> str:
    noun = (
        place.first in _DETERMINERS | {"of", "household", "garbage", "kitchen", "with", "and"}
        and place.second not in _VERB_BEFORE
    )
    return "noun" if noun and place.next not in ("to",) else "verb"


def _use(place: _Place) -> str:
    if place.next == "of" and place.first not in ("to", "will", "can"):
        return "noun"
    return "verb" if not place.first or place.first in ("and", "or", "people", "often") else _noun_or_verb(place)


def _content(place: _Place) -> str:
    feeling = place.first in _BE | {
        "feel",
        "felt",
        "seemed",
        "seems",
        "quite",
        "perfectly",
        "very",
        "not",
        "looked",
        "remain",
    }
    return "adjective" if feeling or (place.next in ("with", "to") and place.first not in _DETERMINERS) else "noun"


def _read(place: _Place) -> str:
    if place.first in ("have", "has", "had", "having", "i've", "we've", "you've", "they've", "well", "widely") or (
        place.first in _BE | {"not", "never", "already", "ever", "often", "be"}
        and (place.first in _BE or place.second in {"have", "has", "had", "haven't", "hasn't", "hadn't", "i've"} | _BE)
    ):
        return "past"
    if place.first in ("haven't", "hasn't", "hadn't"):
        return "past"
    if place.first in _DETERMINERS or place.second in ("a", "an"):
        return "present"
    if place.first in _VERB_BEFORE - {
        "i",
        "you",
        "we",
        "they",
        "who",
        "then",
        "only",
        "just",
        "never",
        "also",
        "always",
        "often",
    }:
        return "present"
    if not place.first:
        return "present"
    cues_past, cues_now = place.all & _PAST_CUES, place.all & _PRESENT_CUES
    if place.first in ("and", "or") and place.second in ("sit", "write", "learn", "listen", "rest", "to"):
        return "present"
    if cues_now and not cues_past:
        return "present" if place.first not in ("he", "she") else "past"
    if cues_past or any(word.endswith("ed") for word in place.all):
        return "past"
    return "present" if place.first in ("you", "we", "they", "who", "people", "children", "students") else "past"


def _lead(place: _Place) -> str:
    metal = place.next in _LEAD_NOUNS and place.first not in ("to", "will", "would", "can")
    metal = (
        metal or place.first in ("molten", "like", "contains", "pencil", "melted", "melt") or bool(place.all & _METALS)
    )
    metal = metal or (
        place.first in ("of", "as", "with") and place.next in ("", "and", "in") and place.next != "singer"
    )
    return "metal" if metal else "guide"


def _live(place: _Place) -> str:
    broadcast = place.next in _LIVE_NOUNS or place.first in (
        "a",
        "the",
        "go",
        "going",
        "went",
        "goes",
        "recorded",
        "streamed",
    )
    performed = place.first in ("performed", "perform", "played", "sang", "broadcast", "shown", "appeared")
    on_air = (
        place.next in ("on", "from")
        and place.after in ("stage", "air", "tv", "television", "radio", "the")
        and place.first in _BE
    )
    return "adjective" if broadcast or performed or on_air else "verb"


def _lives(place: _Place) -> str:
    if place.first in _SUBJECTS - {"this"}:
        return "verb"
    plural = _DETERMINERS - {"this", "one", "no"} | {
        "of",
        "human",
        "save",
        "saved",
        "lost",
        "cost",
        "claimed",
        "private",
        "daily",
    }
    if place.first in plural or place.first.endswith("'s"):
        return "noun"
    return (
        "verb"
        if place.next in _PREPOSITIONS | {"here", "there", "alone", "nearby", "next", "up", "forever"}
        else "noun"
    )


def _wind(place: _Place) -> str:
    if place.first in _DETERMINERS or place.first in _PREPOSITIONS:
        return "air"
    if place.word == "winds":
        return "turn" if place.next in _TURNS and place.first not in ("strong", "high", "trade", "west") else "air"
    turn = place.first in _VERB_BEFORE - {"not"} or (place.next in _TURNS | {"the"} and not place.first)
    return "turn" if turn else "air"


def _tear(place: _Place) -> str:
    if place.next in ("gas", "drop", "drops", "ducts", "duct", "stained"):
        return "eye"
    if place.first == "and" and place.second == "wear":
        return "rip"
    if place.all & _TORN and (place.next in ("in", "through") or place.first in _VERB_BEFORE | _DETERMINERS):
        return "rip"
    if place.word == "tears":
        rips = place.next in _RIPS | _OBJECTS and place.first not in (
            "in",
            "with",
            "of",
            "shed",
            "burst",
            "her",
            "his",
            "the",
        )
        return "rip" if rips or (place.first in _SUBJECTS and place.next) else "eye"
    if place.first in _DETERMINERS or place.second in _DETERMINERS:
        return "eye" if place.next not in _RIPS - {"down", "at", "through", "into"} else "rip"
    return "rip" if _is_verb(place) or place.next in _RIPS else "eye"


def _close(place: _Place) -> str:
    if place.next in (
        "to",
        "by",
        "enough",
        "together",
        "up",
        "range",
        "friend",
        "friends",
        "call",
        "attention",
        "behind",
    ):
        return "shut" if place.first in ("to", "will", "must") and place.next not in ("to", "enough") else "near"
    if place.first in _VERB_BEFORE - {"not", "only", "just", "never", "always", "often"}:
        return "shut"
    if place.next in _OBJECTS and place.first not in _BE:
        return "shut"
    if place.first in ("the", "a") and place.next == "of":
        return "shut"
    if _after_plural(place) and place.next in ("at", "in", "for", "on", "early", "late"):
        return "shut"
    return "shut" if place.first in ("and", "or") and place.second in ("open", "opens") else "near"


def _bow(place: _Place) -> str:
    return "arrow" if place.all & _ARCHERS else "bend"


def _row(place: _Place) -> str:
    quarrel = place.next in ("about", "over", "with", "between", "erupted", "broke") and place.first in _DETERMINERS | {
        "heated",
        "bitter",
        "huge",
    }
    return "quarrel" if quarrel or place.first in ("heated", "bitter") else "line"


def _sow(place: _Place) -> str:
    noun = place.first in _DETERMINERS or (place.second in _DETERMINERS and place.first not in _VERB_BEFORE)
    return "pig" if noun else "seed"


def _bass(place: _Place) -> str:
    return "fish" if place.all & _FISH else "music"


def _dove(place: _Place) -> str:
    deep = place.next in ("into", "in", "off", "for", "under", "down", "head", "deep", "beneath", "from", "through")
    return "dive" if deep and place.first not in _DETERMINERS and place.second not in ("a", "the") else "bird"


def _wound(place: _Place) -> str:
    if place.first in ("he", "she", "they", "we", "i", "who") and place.next in _OBJECTS:
        return "turned"
    return (
        "turned"
        if (place.next in _TURNS and place.first not in _DETERMINERS) or place.first in ("tightly", "i")
        else "injury"
    )


def _minute(place: _Place) -> str:
    if place.next in _TINY or place.first in ("very", "most", "extremely", "so"):
        return "tiny"
    return "tiny" if place.first in _BE and place.next in ("", "and", "in", "but") else "time"


def _used(place: _Place) -> str:
    if place.next != "to":
        return "employed"
    passive = place.first in _BE and place.after not in _OBJECTS and not place.after.endswith("ing")
    return "employed" if passive and place.after else "accustomed"


def _resume(place: _Place) -> str:
    return "paper" if not _is_verb(place) and (place.first in _DETERMINERS or place.second in _DETERMINERS) else "go on"


def _invalid(place: _Place) -> str:
    person = place.first in ("an", "the") and (
        place.next in ("", "in", "who", "was", "for", "and", "needed", "could", "had")
    )
    return "patient" if person or place.next in ("carriage", "chair") or place.first in ("helpless", "old") else "void"


def _polish(place: _Place) -> str:
    return (
        "nation"
        if place.written[0].isupper() and (place.first or not place.next.startswith(("the", "your", "it")))
        else "shine"
    )


_RULES: dict[str, Callable[[_Place], str]] = {
    **{
        "content": _content,
        "read": _read,
        "lead": _lead,
        "live": _live,
        "lives": _lives,
        "wind": _wind,
        "winds": _wind,
    },
    **{
        "tear": _tear,
        "tears": _tear,
        "close": _close,
        "bow": _bow,
        "row": _row,
        "sow": _sow,
        "bass": _bass,
        "dove": _dove,
    },
    **{"wound": _wound, "minute": _minute, "used": _used, "resume": _resume, "invalid": _invalid, "polish": _polish},
    **{"refuse": _refuse, "use": _use},
}


def choose(words: Sequence[str], index: int) -> str:
    """Reading of `words[index]` in its clause, as named in `READINGS`; "" for a word that has one reading only.

    Args:
        words: the words of a clause (between two punctuation marks) as written, so that capitals tell names.
        index: which of them.
    """
    word = re.sub("’", "'", words[index].lower())
    return _RULES.get(word, _noun_or_verb)(_Place(words, index)) if word in READINGS else ""
