"""A text encoder that needs no weights: one token per word, states from the word's hash."""

import hashlib
import re
from collections.abc import Sequence

import torch
from torch import Tensor

from audiodiff.text.encoder import TextStates, cut_tokens


class WordEncoder:
    def __init__(self, width: int = 6, max_tokens: int = 12, name: str = "words") -> None:
        self.name = name
        self.width = width
        self.max_tokens = max_tokens
        self.encoded: list[str] = []

    def state(self, word: str) -> Tensor:
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4])
        return torch.randn(self.width, generator=torch.Generator().manual_seed(seed))

    def encode(self, texts: Sequence[str]) -> list[TextStates]:
        self.encoded += texts
        results = []
        for text in texts:
            found = list(re.finditer(r"\w+", text))
            words = ["<", *(match.group() for match in found), ">"]
            offsets = [(0, 0), *(match.span() for match in found), (0, 0)]
            special = [1, *(0 for _ in found), 1]
            cut = cut_tokens(text, range(len(words)), offsets, special, self.max_tokens)
            tokens = torch.stack([self.state(words[index]) for index in cut.ids])
            results.append(TextStates(tokens, cut.n_dropped, cut.dropped_text, cut.offsets))
        return results
