import numpy as np
import pytest

from audiodiff.signal.watermark_code import CODED_BITS, decode, encode


@pytest.mark.parametrize("identifier", [0, 1, 0x3F2A91C0, (1 << 32) - 1])
def test_what_is_encoded_is_decoded(identifier) -> None:
    signs = encode(identifier)
    assert signs.shape == (CODED_BITS,)
    assert set(signs.tolist()) == {-1.0, 1.0}
    assert decode(signs) == identifier


def test_one_in_seven_wrong_signs_are_corrected() -> None:
    generator = np.random.default_rng(0)
    for identifier in generator.integers(1 << 32, size=10).tolist():
        signs = encode(identifier)
        wrong = generator.choice(CODED_BITS, CODED_BITS // 7, replace=False)
        signs[wrong] *= -1
        assert decode(signs) == identifier


def test_noise_has_no_checksum() -> None:
    generator = np.random.default_rng(0)
    assert [decode(generator.standard_normal(CODED_BITS)) for _ in range(20)] == [None] * 20
