from collections import Counter

from audiodiff.composer.deck import BLOCK, PERCUSSION, cards, style_and_key
from audiodiff.composer.styles import STYLES


def test_keys_have_equal_shares() -> None:
    """Of every 25 clips one is percussion and each of the 24 keys has one."""
    for start in (0, 25, 2500):
        drawn = [style_and_key(3, index) for index in range(start, start + len(BLOCK))]
        keys = Counter("" if style.keyless else key.name for style, key in drawn)
        assert len(keys) == 25
        assert set(keys.values()) == {1}
        assert all(style.keyless or key.mode in style.modes for style, key in drawn)
    order = [style_and_key(3, index)[1].name for index in range(50)]
    assert order[:25] != order[25:]
    assert order != [style_and_key(4, index)[1].name for index in range(50)]


def test_every_deck_holds_every_style_by_its_weight() -> None:
    assert set(cards("major")) | set(cards("minor")) | set(cards(PERCUSSION)) == set(STYLES)
    assert not set(cards(PERCUSSION)) & (set(cards("major")) | set(cards("minor")))
    size = len(cards("minor"))
    clips = 25 * (2 * size // 12 + 1)
    drawn = [style for style, key in (style_and_key(5, i) for i in range(clips)) if not style.keyless and key.is_minor]
    assert Counter(drawn[:size]) == Counter(drawn[size : 2 * size]) == Counter(cards("minor"))
    assert drawn[:size] != drawn[size : 2 * size]
