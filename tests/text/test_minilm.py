import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from audiodiff.text import minilm as module
from audiodiff.text.encoders import open_encoder
from audiodiff.text.minilm import MiniLM, bert_states, find_minilm
from tests.refusals import refused

SENTENCE = "a slow sad piano piece in D minor, 62 bpm"


@pytest.fixture(scope="module")
def encoder():
    return open_encoder()


def meaning(encoder, text):
    return F.normalize(encoder.encode([text])[0].tokens.mean(dim=0), dim=0)


def test_states_are_those_of_the_published_model(encoder):
    (states,) = encoder.encode([SENTENCE])
    assert states.tokens.shape == (14, encoder.width) == (14, 384)
    assert states.tokens.dtype == torch.float32
    assert not states.tokens.requires_grad
    # transformers 5.24, BertModel with eager attention.
    golden = [0.27422, 0.06822, -0.25265, 0.76581, -0.02126, 1.38882, -0.00812, 0.73187]
    assert states.tokens[[0, 1, 4, -1]][:, [0, 200]].flatten().tolist() == pytest.approx(golden, abs=2e-5)
    assert [SENTENCE[start:stop] for start, stop in states.offsets] == [
        *("", "a", "slow", "sad", "piano", "piece", "in", "d".upper(), "minor", ",", "62", "bp", "m", "")
    ]


def test_like_texts_have_like_states(encoder):
    sad, other, dog = (
        meaning(encoder, text)
        for text in ("a sad piano piece", "melancholy music for solo piano", "a dog barking in the street")
    )
    assert sad @ other > 0.6
    assert sad @ dog < 0.35


def test_neighbours_change_no_bit(encoder):
    texts = [SENTENCE, "dog", "", "very " * 60, "naïve Café — 日本の 🎹 (live) [x]"]
    together = encoder.encode(texts)
    again = open_encoder().encode(texts[::-1])[::-1]
    for text, one, two in zip(texts, together, again, strict=True):
        (alone,) = encoder.encode([text])
        assert torch.equal(alone.tokens, one.tokens)
        assert torch.equal(alone.tokens, two.tokens)
    assert encoder.encode([]) == []


def test_autocast_and_grad_mode_change_nothing(encoder):
    (states,) = encoder.encode([SENTENCE])
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(encoder.encode([SENTENCE])[0].tokens, states.tokens)
    # A network in training multiplies its weights with the states: inference tensors would refuse that.
    weight = torch.ones(384, requires_grad=True)
    (states.tokens @ weight).sum().backward()


def test_a_long_text_is_cut_and_says_so(encoder):
    text = " ".join(f"{number} apples" for number in range(100))
    (states,) = encoder.encode([text])
    assert encoder.max_tokens == len(states.tokens) == len(states.offsets) == 128
    assert states.n_dropped == 202 - 128
    assert states.dropped_text == text[text.index("63 apples") :]
    (end,) = (state.tokens[-1] for state in encoder.encode([text[: text.index(" 63 apples")]]))
    assert torch.equal(states.tokens[-1], end)


def test_special_tokens_in_a_text_are_text(encoder):
    (states,) = encoder.encode(["a [SEP] b"])
    assert len(states.tokens) == 7


@settings(max_examples=25, deadline=None)
@given(st.text(st.characters(exclude_categories=()), max_size=30))
def test_any_text_is_encoded(encoder, text):
    (states,) = encoder.encode([text])
    assert bool(states.tokens.isfinite().all())


@pytest.mark.slow
def test_the_arithmetic_is_that_of_any_bert():
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=50, hidden_size=24, num_hidden_layers=3, num_attention_heads=4, intermediate_size=40
    )
    model = transformers.BertModel(config, add_pooling_layer=False).eval()
    with torch.no_grad():
        for value in model.parameters():
            value.add_(0.3 * torch.randn_like(value))
        ids = torch.tensor([3, 1, 4, 1, 5, 9])
        expected = model(input_ids=ids[None]).last_hidden_state[0]
        assert (bert_states(model.state_dict(), ids, 4) - expected).abs().max() < 1e-5


@pytest.mark.parametrize("package", module.PACKAGES)
def test_found_in_either_package_without_importing_it(tmp_path, monkeypatch, package):
    name, inside = package
    folder = tmp_path / name / inside
    folder.mkdir(parents=True)
    (tmp_path / name / "__init__.py").write_text("raise RuntimeError('imported')")
    for file in ("model.safetensors", "tokenizer.json"):
        (folder / file).write_text("no")
    monkeypatch.setattr(module, "PACKAGES", (("no_such_package", "model"), package))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, name, raising=False)
    assert find_minilm() == folder
    refused("damaged or another model", open_encoder)
    monkeypatch.setattr(module, "WEIGHTS_SHA256", module.hashlib.sha256(b"no").hexdigest())
    refused("cannot be read", open_encoder)


def test_a_damaged_tokenizer_is_named(tmp_path, monkeypatch):
    (tmp_path / "model.safetensors").symlink_to(find_minilm() / "model.safetensors")
    (tmp_path / "tokenizer.json").write_text("{")
    monkeypatch.setattr(module, "find_minilm", lambda: tmp_path)
    refused(r"tokenizer\.json is damaged", open_encoder)


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setattr(module, "PACKAGES", (("no_such_package", "model"),))
    refused(r"pip install 'audiodiff-synth\[music\]'", open_encoder)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    refused("tokenizers", open_encoder)


@pytest.mark.slow
def test_no_large_library_is_loaded():
    code = """
import sys
from audiodiff.text.prompt import parse_prompt
parse_prompt("(a)")
print("torch" in sys.modules)
from audiodiff.text.encoders import open_encoder
open_encoder().encode(["a"])
print([name for name in ("transformers", "sentence_transformers", "sklearn") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["False", "[]"]


def test_a_minilm_is_what_its_parts_are():
    tokenizers = pytest.importorskip("tokenizers")
    weights = {"embeddings.word_embeddings.weight": torch.zeros(3, 8)}
    words = tokenizers.models.WordLevel({"[UNK]": 0, "a": 1, "b": 2}, unk_token="[UNK]")
    encoder = MiniLM(weights, tokenizers.Tokenizer(words), heads=2, max_tokens=5)
    assert (encoder.name, encoder.width, encoder.max_tokens) == ("minilm", 8, 5)
