"""The packages of Debian that hold free game music, and where it stands in them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class GamePackage:
    """One package.

    Attributes:
        name: of the package.
        folder: what the paths of `tracks` begin with, below the root of the file system or of `archive`.
        tracks: patterns of the tracks below `folder`; `*` matches any text, slashes included.
        style: what all of its music has in common, in a few words.
        source_folder: where the upstream source, whose paths `debian/copyright` names, keeps `folder`.
        archive: a zip file that holds the tracks; "" where they lie in the package itself.
        stated: for a copyright file that is prose: a sentence of it, and the licence that this is.
        author: of all tracks, where neither the tracks nor the copyright file's paragraphs say.
        by_folder: a track is a folder, and its files that match are its parts, to be mixed.
    """

    name: str
    folder: str
    tracks: tuple[str, ...]
    style: str
    source_folder: str = ""
    archive: str = ""
    stated: tuple[str, str] | None = None
    author: str = ""
    by_folder: bool = False


_FRETS = "usr/share/games/fretsonfire/data/songs/"

PACKAGES = (
    GamePackage(
        "0ad-data",
        "audio/music/",
        ("*.ogg",),
        "orchestral and folk music of antiquity",
        source_folder="binaries/data/mods/public/audio/music/",
        archive="usr/share/games/0ad/mods/public/public.zip",
    ),
    GamePackage(
        "ufoai-music",
        "music/",
        ("*.ogg",),
        "electronic and orchestral science fiction music",
        source_folder="base/music/",
        archive="usr/share/games/ufoai/base/0music.pk3",
    ),
    GamePackage(
        "supertuxkart-data",
        "usr/share/games/supertuxkart/data/",
        ("music/*.ogg", "tracks/battleisland/Gran_Paradiso*.ogg"),
        "lively racing game music",
        source_folder="data/",
    ),
    GamePackage(
        "naev-data",
        "usr/share/naev/dat/snd/music/",
        ("*.ogg",),
        "electronic space game music",
        source_folder="dat/snd/music/",
    ),
    GamePackage(
        "unknown-horizons",
        "usr/share/unknown-horizons/content/audio/music/",
        ("*.ogg",),
        "orchestral seafaring game music",
        source_folder="content/audio/music/",
    ),
    GamePackage(
        "singularity-music",
        "usr/share/games/singularity/music/",
        ("*.ogg",),
        "spacey electronic music",
        stated=("e.g., Attribution-ShareAlike 3.0 US", "CC-BY-SA-3.0"),
        author="Max McCracken",
    ),
    GamePackage(
        "flare-game",
        "usr/share/games/flare/mods/fantasycore/music/",
        ("*_theme.ogg",),
        "fantasy role-playing game music",
        source_folder="mods/fantasycore/music/",
    ),
    GamePackage(
        "megaglest-data",
        "usr/share/games/megaglest/",
        ("techs/*/music/*.ogg", "data/core/menu/music/*.ogg"),
        "strategy game music",
    ),
    GamePackage(
        "hyperrogue-music",
        "usr/share/hyperrogue/music/",
        ("*.ogg",),
        "eerie ambient game music",
        source_folder="music/",
    ),
    GamePackage(
        "fretsonfire-songs-muldjord",
        _FRETS + "muldjord/",
        ("*.ogg",),
        "heavy death metal",
        stated=("Attribution ShareAlike licence 3.0", "CC-BY-SA-3.0"),
        author="Muldjord",
        by_folder=True,
    ),
    GamePackage(
        "fretsonfire-songs-sectoid",
        _FRETS + "sectoid/",
        ("*.ogg",),
        "instrumental heavy metal",
        stated=("Permission is hereby granted, free of charge", "MIT"),
        author="Sectoid (Carlos Viola)",
        by_folder=True,
    ),
    GamePackage(
        "widelands-data",
        "usr/share/games/widelands/data/music/",
        ("*.ogg",),
        "calm strategy game music",
        source_folder="data/music/",
    ),
)
