import sys

import pytest
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.text import hub
from audiodiff.text.encoders import open_encoder
from audiodiff.text.hub import HubEncoder
from tests.refusals import refused

WORDS = {"<pad>": 0, "</s>": 1, "<s>": 2, "<unk>": 3, "sad": 4, "piano": 5, "dog": 6}


def tokenizer_of(folder, template):
    tokenizers = pytest.importorskip("tokenizers")
    transformers = pytest.importorskip("transformers")
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel(WORDS, unk_token="<unk>"))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    inner.post_processor = tokenizers.processors.TemplateProcessing(
        single=template, special_tokens=[("<s>", 2), ("</s>", 1)]
    )
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="</s>", bos_token="<s>", unk_token="<unk>"
    )
    fast.save_pretrained(folder)


def t5_folder(folder):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.T5Config(vocab_size=7, d_model=16, d_kv=4, d_ff=24, num_layers=2, num_heads=4)
    model = transformers.T5ForConditionalGeneration(config).half()
    model.save_pretrained(folder)
    tokenizer_of(folder, "$A </s>")
    return model.encoder.float().eval()


def clap_folder(folder):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    text = {"vocab_size": 7, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4}
    text |= {"intermediate_size": 24, "projection_dim": 8, "max_position_embeddings": 90, "pad_token_id": 0}
    audio = {"hidden_size": 32, "patch_embeds_hidden_size": 16, "depths": [1, 1], "num_attention_heads": [2, 2]}
    audio |= {"projection_dim": 8, "spec_size": 64, "num_mel_bins": 16, "patch_size": 4, "window_size": 4}
    model = transformers.ClapModel(transformers.ClapConfig(text_config=text, audio_config=audio, projection_dim=8))
    model.save_pretrained(folder)
    tokenizer_of(folder, "<s> $A </s>")
    return model.text_model.eval()


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "make", "ids"), [("t5", t5_folder, [4, 5, 1]), ("clap", clap_folder, [2, 4, 5, 1])])
def test_models_in_a_folder_are_read(tmp_path, kind, make, ids):
    model = make(tmp_path)
    encoder = open_encoder(f"{kind}:{tmp_path}")
    assert encoder.name == f"{kind}:{tmp_path}"
    assert encoder.width == 16
    (states,) = encoder.encode(["sad piano"])
    with torch.no_grad():
        expected = model(input_ids=torch.tensor([ids])).last_hidden_state[0]
    assert torch.equal(states.tokens, expected)
    assert states.tokens.dtype == torch.float32
    assert [offset for offset in states.offsets if offset != (0, 0)] == [(0, 3), (4, 9)]

    # Alone or not, cut, empty, and with the end token written out.
    texts = ["dog " * 200, "sad piano", "", "sad </s> piano"]
    long, again, empty, literal = encoder.encode(texts)
    assert torch.equal(again.tokens, states.tokens)
    assert len(long.tokens) == encoder.max_tokens
    assert long.n_dropped == 200 + len(ids) - 2 - encoder.max_tokens
    assert long.dropped_text.split() == ["dog"] * long.n_dropped
    assert len(empty.tokens) == len(ids) - 2
    assert len(literal.tokens) == len(ids) + 1


@pytest.mark.slow
def test_models_of_another_kind_are_refused(tmp_path):
    t5_folder(tmp_path)
    with pytest.raises(AudiodiffError, match="clap") as caught:
        open_encoder(f"clap:{tmp_path}")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_what_cannot_be_loaded_is_one_sentence(tmp_path):
    pytest.importorskip("transformers")
    with pytest.raises(AudiodiffError, match="cannot be loaded") as caught:
        open_encoder(f"t5:{tmp_path}")
    assert "\n" not in str(caught.value)


def test_the_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    for name in ("t5:a/b", "clap:a/b"):
        with pytest.raises(AudiodiffError, match="pip install transformers"):
            open_encoder(name)


class FakeModel(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(100, 8)

    def forward(self, input_ids):
        return type("Output", (), {"last_hidden_state": self.table(input_ids).half()})


def fake_tokenizer(text, **_):
    words = text.split()
    return {
        "input_ids": [*range(len(words)), 99],
        "offset_mapping": [*((text.index(word), text.index(word) + len(word)) for word in words), (0, 0)],
        "special_tokens_mask": [*(0 for _ in words), 1],
    }


def test_states_of_a_fake_model():
    model = FakeModel()
    encoder = HubEncoder("t5:fake", model, fake_tokenizer, 8, 4)
    (states,) = encoder.encode(["one two three four"])
    assert torch.equal(states.tokens, model.table.weight[[0, 1, 2, 99]].half().float())
    assert states.tokens.dtype == torch.float32
    assert states.offsets == ((0, 3), (4, 7), (8, 13), (0, 0))
    assert (states.n_dropped, states.dropped_text) == (1, "four")
    assert not any(value.requires_grad for value in model.parameters())


@pytest.mark.parametrize(("missing", "fast", "words"), [(["x.weight"], True, "lacks 1"), ([], False, "fast tokenizer")])
def test_models_that_do_not_fit_are_refused(monkeypatch, missing, fast, words):
    class Kind:
        @staticmethod
        def from_pretrained(place, use_safetensors, output_loading_info):
            return torch.nn.Linear(1, 1), {"missing_keys": missing}

    class Tokenizer:
        is_fast = fast

        @classmethod
        def from_pretrained(cls, place, use_fast):
            return cls()

    fake = type("Transformers", (), {"T5EncoderModel": Kind, "AutoTokenizer": Tokenizer})
    monkeypatch.setattr(hub, "_transformers", lambda: fake)
    refused(words, lambda: open_encoder("t5:a/b"))
