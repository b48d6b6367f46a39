from audiodiff.text.encoder import cut_tokens


def test_a_text_that_fits_is_kept_whole():
    offsets = [(0, 0), (0, 3), (4, 7), (0, 0)]
    cut = cut_tokens("one two", [7, 1, 2, 8], offsets, [1, 0, 0, 1], 4)
    assert cut == ([7, 1, 2, 8], tuple(offsets), 0, "")


def test_a_long_text_is_cut_before_its_end_tokens():
    offsets = [(9, 9), (0, 3), (4, 7), (7, 13), (9, 9), (9, 9)]
    cut = cut_tokens("one two three", [7, 1, 2, 3, 8, 9], offsets, [1, 0, 0, 0, 1, 1], 4)
    assert cut == ([7, 1, 8, 9], ((0, 0), (0, 3), (0, 0), (0, 0)), 2, "two three")
    # An encoder without a start token.
    cut = cut_tokens("one two three", [1, 2, 3, 8], offsets[1:5], [0, 0, 0, 1], 3)
    assert cut == ([1, 2, 8], ((0, 3), (4, 7), (0, 0)), 1, "three")
