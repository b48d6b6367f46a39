"""The watermark's message: 32 bits with a checksum in a convolutional code, decoded from soft values.

The code has constraint length 9 and rate 1/4, with the generators 765, 671, 513 and 473 (octal) of 3GPP2 C.S0002; it is
decoded by the Viterbi algorithm (Forney 1973).
"""

import binascii

import numpy as np
from numpy.typing import NDArray

IDENTIFIER_BITS = 32
_CHECK_BITS = 16
_MEMORY = 8
_GENERATORS = (0o765, 0o671, 0o513, 0o473)
_STATES = 1 << _MEMORY
_STEPS = IDENTIFIER_BITS + _CHECK_BITS + _MEMORY

CODED_BITS = _STEPS * len(_GENERATORS)
"""Length of an encoded message."""


def _outputs() -> NDArray[np.float64]:
    """Signs `[2 * states, generators]` that are sent; the index has the newest bit first, then the older ones."""
    registers = np.arange(2 * _STATES)
    parities = [[int(value & mask).bit_count() & 1 for mask in _GENERATORS] for value in registers]
    return 1.0 - 2.0 * np.array(parities, dtype=np.float64)


_SIGNS = _outputs()


def _checksum(identifier: int) -> int:
    # The initial value makes that the message of zeros, the least random one, has a checksum of its own.
    return binascii.crc_hqx(identifier.to_bytes(IDENTIFIER_BITS // 8, "big"), 0xFFFF)


def encode(identifier: int) -> NDArray[np.float64]:
    """Return the signs `[CODED_BITS]`, +1 or -1, that carry a number of 32 bits."""
    message = (identifier << _CHECK_BITS) | _checksum(identifier)
    bits = [message >> place & 1 for place in reversed(range(IDENTIFIER_BITS + _CHECK_BITS))] + [0] * _MEMORY
    register, signs = 0, []
    for bit in bits:
        register = (bit << _MEMORY) | (register >> 1)
        signs.append(_SIGNS[register])
    return np.concatenate(signs)


def decode(values: NDArray[np.float64]) -> int | None:
    """Return the most likely number, or `None` if its checksum is wrong.

    Args:
        values: `[CODED_BITS]`, positive where +1 is likelier, the larger the surer.
    """
    table = values.reshape(_STEPS, len(_GENERATORS)) @ _SIGNS.T
    cost = np.full(_STATES, -np.inf)
    cost[0] = 0.0
    states = np.arange(_STATES)
    older = np.stack([states << 1 & (_STATES - 1), (states << 1 | 1) & (_STATES - 1)])
    newest = states >> (_MEMORY - 1)
    registers = (newest << _MEMORY) | older
    chosen = np.zeros((_STEPS, _STATES), dtype=np.int64)
    for step in range(_STEPS):
        likelihood = cost[older] + table[step][registers]
        chosen[step] = likelihood.argmax(axis=0)
        cost = likelihood.max(axis=0)
    state, message = 0, 0
    for step in reversed(range(_STEPS)):
        if step < IDENTIFIER_BITS + _CHECK_BITS:
            message |= int(newest[state]) << (IDENTIFIER_BITS + _CHECK_BITS - 1 - step)
        state = int(older[chosen[step, state], state])
    identifier = message >> _CHECK_BITS
    return identifier if message & 0xFFFF == _checksum(identifier) else None
