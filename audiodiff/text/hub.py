"""T5 and CLAP text encoders through `transformers`, from the Hugging Face Hub or from a folder."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from audiodiff.errors import AudiodiffError
from audiodiff.text.encoder import TextStates, cut_tokens
from audiodiff.text.prompt import join_surrogates

__all__ = ["HubEncoder", "open_clap", "open_t5"]

_T5_TOKENS = 128
_CLAP_TOKENS = 77  # what CLAP models were trained on


class HubEncoder:
    """An encoder of the `transformers` library.

    Args:
        name: name that `open_encoder` takes.
        model: a module that maps `input_ids` `[1, n_tokens]` to an output with `last_hidden_state`.
        tokenizer: a fast tokenizer, one that knows where in the text its tokens stand.
        width: numbers per token.
        max_tokens: longest text in tokens, start and end included.
    """

    def __init__(self, name: str, model: Any, tokenizer: Any, width: int, max_tokens: int) -> None:
        self.name = name
        self.width = width
        self.max_tokens = max_tokens
        self._model = model.eval().requires_grad_(False)
        self._tokenizer = tokenizer

    def encode(self, texts: Sequence[str]) -> list[TextStates]:
        """Return the states of each text; each is computed alone, so that its neighbours change no bit of it."""
        return [self._encode(join_surrogates(text)) for text in texts]

    def _encode(self, text: str) -> TextStates:
        tokens = self._tokenizer(
            text,
            return_offsets_mapping=True,
            return_special_tokens_mask=True,
            split_special_tokens=True,  # "</s>" in a prompt is text
            verbose=False,  # texts that are too long are cut below, and said to be
        )
        cut = cut_tokens(
            text, tokens["input_ids"], tokens["offset_mapping"], tokens["special_tokens_mask"], self.max_tokens
        )
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            output = self._model(input_ids=torch.tensor([cut.ids], device="cpu"))
        return TextStates(output.last_hidden_state[0].float(), cut.n_dropped, cut.dropped_text, cut.offsets)


def open_t5(place: str) -> HubEncoder:
    """Load the encoder half of a T5 model.

    Args:
        place: ORG/NAME on the Hugging Face Hub, or a folder.

    Raises:
        AudiodiffError: `transformers` or the model is missing, or the model is of another kind.
    """
    transformers = _transformers()
    model, tokenizer = _load(transformers, transformers.T5EncoderModel, place, "t5")
    return HubEncoder(f"t5:{place}", model, tokenizer, model.config.d_model, _T5_TOKENS)


def open_clap(place: str) -> HubEncoder:
    """Load the text half of a CLAP model.

    Args:
        place: ORG/NAME on the Hugging Face Hub, or a folder.

    Raises:
        AudiodiffError: `transformers` or the model is missing, or the model is of another kind.
    """
    transformers = _transformers()
    # With the projection, for its tensors bear the names that they have in the whole model.
    model, tokenizer = _load(transformers, transformers.ClapTextModelWithProjection, place, "clap")
    return HubEncoder(f"clap:{place}", model.text_model, tokenizer, model.config.hidden_size, _CLAP_TOKENS)


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise AudiodiffError(
            "The text encoders t5: and clap: need transformers; install it with: pip install transformers."
        ) from error
    return transformers


def _load(transformers: Any, kind: Any, place: str, prefix: str) -> tuple[Any, Any]:
    def attempt(load: Callable[[], Any]) -> Any:
        try:
            return load()
        except Exception as error:  # the library, its network client and its file formats raise of every kind
            reason = " ".join(str(error).split())[:200]
            raise AudiodiffError(
                f"The text encoder {prefix}:{place} cannot be loaded ({reason}); check the name and the network, "
                "or give the folder of a copy with safetensors weights and tokenizer.json."
            ) from error

    # Safetensors only: other weight files are pickles, which can run code.
    model, loading = attempt(lambda: kind.from_pretrained(place, use_safetensors=True, output_loading_info=True))
    tokenizer = attempt(lambda: transformers.AutoTokenizer.from_pretrained(place, use_fast=True))
    missing = sorted(loading["missing_keys"])
    if missing:
        raise AudiodiffError(
            f"{place} lacks {len(missing)} tensors of a {prefix} text encoder (first: {missing[0]}); "
            "it is a model of another kind."
        )
    if not tokenizer.is_fast:
        raise AudiodiffError(f"{place} has no fast tokenizer; expected a model with tokenizer.json.")
    return model.float(), tokenizer
