"""Train the network of the letter-to-sound model: a token for each letter, from the letters on both sides."""

import random
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from audiodiff.text.english import letters

WIDTH = 160
BLOCKS = 5
EPOCHS = 6
BATCH = 192
LEARNING_RATE = 2e-3
NO_TOKEN = -100
"""Label of the edges and of the padding."""

Token = tuple[str, tuple[str, ...]]


class LetterNetwork(nn.Module):
    """What `letters.Network` computes, for whole batches and with drop-out."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        super().__init__()
        self.embedding = nn.Embedding(28, WIDTH)
        kernel = letters.KERNEL
        self.convolutions = nn.ModuleList(nn.Conv1d(WIDTH, WIDTH, kernel, padding=kernel // 2) for _ in range(BLOCKS))
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(BLOCKS))
        self.output = nn.Linear(WIDTH, len(tokens))
        self.dropout = nn.Dropout(0.1)
        allowed = torch.full((28, len(tokens)), -1e4)
        for number, (letter, _) in enumerate(tokens):
            allowed[letters.letter_numbers(letter)[0], number] = 0.0
        self.register_buffer("allowed", allowed, persistent=False)

    def forward(self, word: Tensor) -> Tensor:
        """Logits `[batch, n_letters, n_tokens]` of letter numbers `[batch, n_letters]`; 0 pads."""
        there = (word > 0).unsqueeze(-1).float()
        hidden = self.embedding(word) * there
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            mixed = convolution((norm(hidden) * there).transpose(1, 2)).transpose(1, 2)
            hidden = (hidden + self.dropout(functional.relu(mixed))) * there
        return self.output(hidden) + self.allowed[word]


def _padded(rows: Sequence[list[int]], value: int) -> Tensor:
    length = max(map(len, rows))
    return torch.tensor([row + [value] * (length - len(row)) for row in rows])


def train_network(sequences: Sequence[list[Token]], tokens: Sequence[Token], epochs: int = EPOCHS) -> letters.Network:
    """Train on aligned words; the average of the weights over the last steps, in the form that numpy reads."""
    torch.manual_seed(0)
    rng = random.Random(0)
    number = {token: index for index, token in enumerate(tokens)}
    words = [
        (
            [letters.EDGE, *letters.letter_numbers("".join(letter for letter, _ in sequence)), letters.EDGE],
            [NO_TOKEN, *(number[token] for token in sequence), NO_TOKEN],
        )
        for sequence in sequences
    ]
    network = LetterNetwork(tokens)
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=0.01, betas=(0.9, 0.98))
    total = epochs * -(-len(words) // BATCH)
    average = {name: value.detach().clone() for name, value in network.named_parameters()}
    step = 0
    for epoch in range(epochs):
        words.sort(key=lambda word: len(word[0]) + 2 * rng.random())  # words of like length make a batch
        starts = list(range(0, len(words), BATCH))
        rng.shuffle(starts)
        losses = []
        for start in starts:
            batch = words[start : start + BATCH]
            for group in optimizer.param_groups:
                group["lr"] = LEARNING_RATE * min(1.0, step / 300) * (1 - step / total)
            logits = network(_padded([word for word, _ in batch], 0))
            labels = _padded([label for _, label in batch], NO_TOKEN)
            loss = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=NO_TOKEN)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            losses.append(loss.item())
            with torch.no_grad():
                for name, value in network.named_parameters():
                    average[name].lerp_(value, 1 / min(step, 400))
        print(f"epoch {epoch + 1} of {epochs}: loss {np.mean(losses):.3f}", flush=True)
    return as_numpy(average)


def as_numpy(weights: dict[str, Tensor]) -> letters.Network:
    """The weights of a `LetterNetwork` in the form that numpy reads."""
    kernels = [weights[f"convolutions.{block}.weight"].permute(2, 1, 0).flatten(0, 1) for block in range(BLOCKS)]
    names = {"biases": "convolutions.{}.bias", "gains": "norms.{}.weight", "shifts": "norms.{}.bias"}
    rows = {
        name: torch.stack([weights[pattern.format(block)] for block in range(BLOCKS)]).numpy()
        for name, pattern in names.items()
    }
    return letters.Network(
        embedding=weights["embedding.weight"].numpy(),
        kernels=torch.stack(kernels).numpy(),
        output=weights["output.weight"].T.numpy(),
        output_bias=weights["output.bias"].numpy(),
        **rows,
    )
