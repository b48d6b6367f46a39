"""Captions for the traits of a clip: several phrasings, some of them as people request music."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from audiodiff.composer.captions import tempo_word

TAG_MEANINGS: Mapping[str, Mapping[str, tuple[str, str, float]]] = {
    "musicnn-mtt": {
        "guitar": ("instrument", "guitar", 0.25),
        "piano": ("instrument", "piano", 0.2),
        "strings": ("instrument", "strings", 0.2),
        "violin": ("instrument", "violin", 0.2),
        "cello": ("instrument", "cello", 0.2),
        "flute": ("instrument", "flute", 0.25),
        "harp": ("instrument", "harp", 0.2),
        "harpsichord": ("instrument", "harpsichord", 0.2),
        "sitar": ("instrument", "sitar", 0.15),
        "synth": ("instrument", "synthesizer", 0.2),
        "drums": ("instrument", "drums", 0.25),
        "beat": ("instrument", "drums", 0.25),
        "choir": ("instrument", "choir", 0.1),
        "choral": ("instrument", "choir", 0.1),
        "vocal": ("instrument", "vocals", 0.25),
        "female": ("instrument", "female vocals", 0.25),
        "male": ("instrument", "male vocals", 0.25),
        "classical": ("genre", "classical", 0.3),
        "techno": ("genre", "techno", 0.25),
        "electronic": ("genre", "electronic", 0.25),
        "rock": ("genre", "rock", 0.25),
        "ambient": ("genre", "ambient", 0.25),
        "indian": ("genre", "indian", 0.3),
        "opera": ("genre", "opera", 0.3),
        "pop": ("genre", "pop", 0.25),
        "dance": ("genre", "dance", 0.2),
        "country": ("genre", "country", 0.2),
        "metal": ("genre", "metal", 0.12),
        "new age": ("genre", "new age", 0.2),
        "slow": ("mood", "calm", 0.3),
        "quiet": ("mood", "calm", 0.2),
        "soft": ("mood", "gentle", 0.2),
        "weird": ("mood", "strange", 0.2),
        "fast": ("mood", "energetic", 0.3),
        "loud": ("mood", "energetic", 0.2),
    },
    "musicnn-msd": {
        "jazz": ("genre", "jazz", 0.35),
        "electronic": ("genre", "electronic", 0.35),
        "electro": ("genre", "electronic", 0.2),
        "ambient": ("genre", "ambient", 0.25),
        "rock": ("genre", "rock", 0.35),
        "experimental": ("genre", "experimental", 0.3),
        "folk": ("genre", "folk", 0.2),
        "pop": ("genre", "pop", 0.2),
        "country": ("genre", "country", 0.15),
        "blues": ("genre", "blues", 0.15),
        "hard rock": ("genre", "hard rock", 0.1),
        "punk": ("genre", "punk", 0.1),
        "House": ("genre", "house", 0.1),
        "metal": ("genre", "metal", 0.08),
        "heavy metal": ("genre", "heavy metal", 0.06),
        "funk": ("genre", "funk", 0.05),
        "soul": ("genre", "soul", 0.06),
        "Hip-Hop": ("genre", "hip hop", 0.03),
        "chillout": ("mood", "relaxed", 0.12),
        "Mellow": ("mood", "mellow", 0.05),
        "beautiful": ("mood", "beautiful", 0.045),
        "sad": ("mood", "sad", 0.02),
        "happy": ("mood", "happy", 0.015),
        "party": ("mood", "party", 0.015),
    },
}
"""For each tagger the tags that say something: what they are about, the word for it, and the least mean probability.

The taggers give some tags much more freely than others; these bounds are met by some tenth of the clips of game music.
"""

_BUSY, _SPARSE = 5.5, 3.0
"""Onsets per second from which music is busy, and below which it is sparse: a quarter of game music each."""

_LOUD, _MIDDLE, _QUIET = -15.0, -19.0, -23.0
"""Loudness (LUFS) from which a clip is loud, that of the middle, and below which it is quiet: a tenth of game music."""


_HARD = frozenset(("metal", "heavy metal", "hard rock", "punk", "techno", "dance", "house"))


@dataclass(frozen=True)
class ClipTraits:
    """What is known of a clip; what is not sure is left out.

    Attributes:
        instruments: most prominent first.
        genre: "" if unsure.
        moods: most prominent first.
        tempo: beats per minute; None if unsure.
        key: such as "F# minor"; "" if unsure.
        loudness: LUFS.
        density: onsets per second.
    """

    instruments: tuple[str, ...] = ()
    genre: str = ""
    moods: tuple[str, ...] = ()
    tempo: float | None = None
    key: str = ""
    loudness: float = -20.0
    density: float = 4.0

    @property
    def is_minor(self) -> bool:
        """Whether the key is minor for sure."""
        return self.key.endswith("minor")

    @property
    def has_voice(self) -> bool:
        """Whether somebody sings."""
        return any("vocal" in name or name == "choir" for name in self.instruments)

    def is_slow(self, below: float = 90.0) -> bool:
        """Whether the tempo is known and lower than that."""
        return self.tempo is not None and self.tempo < below

    @property
    def is_calm(self) -> bool:
        """Whether it is neither busy nor loud nor hard."""
        return (
            self.density < _BUSY and self.loudness < _LOUD and self.genre not in _HARD and "energetic" not in self.moods
        )


_CALM = frozenset(("calm", "relaxed", "mellow", "gentle", "beautiful"))


def moods(tags: tuple[str, ...], traits: ClipTraits) -> tuple[str, ...]:
    """Return the moods by tags, and those that density, loudness and mode speak for."""
    found = [*tags]
    # Onsets alone may be those of a soft harp: something has to drive them.
    driven = "drums" in traits.instruments or traits.genre in _HARD or (traits.tempo or 0.0) >= 115.0
    energetic = driven and traits.density >= _BUSY and traits.loudness > _MIDDLE and not traits.is_slow()
    calm = traits.density < _SPARSE or (traits.is_slow() and traits.density < _BUSY) or traits.loudness < _QUIET
    if energetic and not _CALM & set(found):
        found.append("energetic")
    elif calm and "party" not in found:
        found.append("calm")
        if traits.is_minor and "happy" not in found:
            found.append("dark" if traits.genre in ("ambient", "experimental", "electronic") else "sad")
    if traits.key.endswith("major") and traits.density >= _SPARSE and "sad" not in found:
        found.append("cheerful")
    return tuple(dict.fromkeys(found))[:3]


def _any(traits: ClipTraits, *genres: str) -> bool:
    return traits.genre in genres


_SCENES: tuple[tuple[tuple[str, ...], Callable[[ClipTraits], bool]], ...] = (
    (
        ("boss fight", "boss battle music", "epic final battle"),
        lambda h: "energetic" in h.moods and (h.is_minor or _any(h, "metal", "heavy metal", "hard rock", "rock")),
    ),
    (
        ("something sad for a rainy scene", "sad rainy day music", "music for a farewell scene"),
        lambda h: "sad" in h.moods and h.is_calm,
    ),
    (
        ("lofi beat to study to", "chill beats for studying", "lofi hip hop to relax to"),
        lambda h: (
            h.tempo is not None
            and 60.0 <= h.tempo <= 100.0
            and "drums" in h.instruments
            and h.is_calm
            and _any(h, "hip hop", "electronic", "jazz", "soul", "rnb", "")
        ),
    ),
    (
        ("dark cave ambience", "exploring a dungeon", "eerie background for a horror game"),
        lambda h: "dark" in h.moods and h.density < _BUSY,
    ),
    (
        ("floating through space", "space exploration music", "background for a space game"),
        lambda h: _any(h, "ambient", "electronic", "new age") and h.is_calm,
    ),
    (
        ("cosy village theme", "tavern music", "peaceful town music"),
        lambda h: h.is_calm and not h.is_minor and bool({"guitar", "flute", "harp", "violin"} & set(h.instruments)),
    ),
    (
        ("racing game music", "high-speed chase", "music for an action scene"),
        lambda h: "energetic" in h.moods and not h.is_slow(115.0),
    ),
    (
        ("music to dance to", "party music", "club track"),
        lambda h: _any(h, "techno", "dance", "house") and not h.is_slow(110.0),
    ),
    (
        ("cheerful music for a puzzle game", "happy tune", "feel-good music"),
        lambda h: "happy" in h.moods or "cheerful" in h.moods,
    ),
    (
        ("menu music", "title screen music", "calm music for a game menu"),
        lambda h: h.is_calm and not h.has_voice and bool(_CALM & set(h.moods)),
    ),
)


def scenes(traits: ClipTraits) -> tuple[str, ...]:
    """Return what people may ask for when they want such music, the closest first; never nothing."""
    found = tuple(phrase for phrases, fits in _SCENES if fits(traits) for phrase in phrases)
    return found or ("background music", "music for a video game", "soundtrack")


_FULL = (
    "{mood} {genre}{with_players}, {pace}{comma_key}",
    "{genre}{comma_players}{comma_mood}{comma_key}{comma_bpm}",
    "a {pace} {mood} {genre} piece{in_key}{with_players}",
)
_TAGS = (
    "{players}, {genre}, {mood}",
    "{genre}, {pace}, {mood}{comma_mode}",
    "{mood}, {players}, {dynamics}{comma_bpm}",
)
_SENTENCES = (
    "{mood} music{with_players}{in_mode}",
    "a {dynamics} {genre} piece{with_players}",
    "{pace} {genre}{in_mode}, {mood} mood",
)
_SHORT = ("{mood} {genre}", "{genre}{comma_bpm}", "{players}", "{mood} {players}")


def captions(traits: ClipTraits, name: str) -> tuple[str, ...]:
    """Return captions: a full one, tags, a sentence, a short one, and two of what people say.

    Args:
        traits: what is known of the clip.
        name: of its file; it chooses the wordings, so that they are the same every time.
    """
    rng = Random(f"audiodiff caption {name}")
    mode = traits.key.split(" ")[-1] if traits.key else ""
    dynamics = "loud" if traits.loudness > _LOUD else "quiet" if traits.loudness < _QUIET else ""
    density = "busy" if traits.density >= _BUSY else "sparse" if traits.density < _SPARSE else ""
    players = _listed(traits.instruments[:3])
    mood = traits.moods[0] if traits.moods else ""
    speed = tempo_word(traits.tempo) if traits.tempo else ""
    bpm = f"{traits.tempo:.0f} bpm" if traits.tempo else ""
    genre = traits.genre or "music"
    values = {
        "mood": mood,
        "genre": genre,
        "players": players,
        "with_players": f" with {players}" if players else "",
        "comma_players": f", {players}" if players else "",
        "comma_mood": f", {mood}" if mood else "",
        "pace": speed,
        "dynamics": rng.choice([word for word in (dynamics, density) if word] or [""]),
        "comma_bpm": f", {bpm}" if bpm else "",
        "comma_key": f", {traits.key}" if traits.key else "",
        "in_key": f" in {traits.key}" if traits.key else "",
        "comma_mode": f", {mode} key" if mode else "",
        "in_mode": f" in a {mode} key" if mode else "",
    }
    found = [_tidied(rng.choice(kind).format(**values)) for kind in (_FULL, _TAGS, _SENTENCES, _SHORT)]
    requests = scenes(traits)
    found.append(requests[rng.randrange(min(3, len(requests)))])
    found.append(rng.choice(requests[:6]))
    return tuple(dict.fromkeys(filter(None, found)))


def _listed(names: tuple[str, ...]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _tidied(text: str) -> str:
    """Close the gaps that unknown words have left, and put the right article."""
    parts = [" ".join(part.split()) for part in text.split(",")]
    text = ", ".join(dict.fromkeys(part for part in parts if part and part not in ("mood", "music piece")))
    text = re.sub(r"\b(\w+) \1\b", r"\1", text).replace("music piece", "piece")
    return re.sub(r"\ba (?=[aeiou](?!u))", "an ", text)
