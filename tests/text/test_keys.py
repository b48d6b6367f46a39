import pytest

from audiodiff.text.keys import KEYS, find_key, key_name


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("solo piano, slow, F# minor, 75 bpm", "F# minor"),
        ("in g flat major", "F# major"),
        ("waltz in Bb Major", "Bb major"),
        ("C-sharp minor", "C# minor"),
        ("E♭ minor", "Eb minor"),
        ("Am", ""),
        ("a minor chord, then silence", ""),
        ("song in A minor", "A minor"),
        ("ab major", "Ab major"),
        ("B min, then D maj", "B minor"),
        ("drum major", ""),
        ("minor key", ""),
        ("E dorian", ""),
        ("", ""),
    ],
)
def test_keys_are_found_in_prompts(text: str, key: str) -> None:
    assert find_key(text) == key


def test_every_key_has_one_name() -> None:
    assert len(set(KEYS)) == 24
    assert [key_name(key) for key in KEYS] == list(KEYS)
    assert [key_name(name) for name in ("Db major", "a minor", " G# minor ")] == ["C# major", "A minor", "Ab minor"]
    assert [key_name(name) for name in ("", "E dorian", "in C major", "H major")] == [""] * 4
