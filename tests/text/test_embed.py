import pytest
import torch

from audiodiff.text.embed import embed_prompt
from audiodiff.text.encoder import TextStates
from audiodiff.text.prompt import parse_prompt
from tests.refusals import refused
from tests.text.fakes import WordEncoder


def embed(text, encoder=None):
    return embed_prompt(parse_prompt(text), encoder or WordEncoder())


def test_a_plain_prompt_is_its_states():
    encoder = WordEncoder()
    embedded = embed("warm piano", encoder)
    ((weight, tokens),) = embedded.parts
    assert weight == 1.0
    assert torch.equal(tokens, encoder.encode(["warm piano"])[0].tokens)
    assert (embedded.n_dropped, embedded.dropped_text) == (0, ())


@pytest.mark.parametrize("text", ["", "  "])
def test_the_empty_prompt_has_no_tokens(text):
    embedded = embed(text)
    ((weight, tokens),) = embedded.parts
    assert weight == 1.0
    assert tokens.shape == (0, 6)


def test_weights_move_states_from_and_to_the_empty_text():
    encoder = WordEncoder()
    plain = encoder.encode(["soft warm piano"])[0].tokens
    base = torch.stack([encoder.state("<"), encoder.state(">")]).mean(dim=0)
    ((_, tokens),) = embed("(soft:0) (warm:1.5) piano", encoder).parts
    assert torch.equal(tokens[[0, 3, 4]], plain[[0, 3, 4]])
    assert torch.allclose(tokens[1], base, atol=1e-6)
    assert torch.allclose(tokens[2], base + 1.5 * (plain[2] - base), atol=1e-6)
    # Distance from the base is what the weight scales.
    assert (tokens[2] - base).norm() / (plain[2] - base).norm() == pytest.approx(1.5, rel=1e-5)


def test_blends_keep_their_prompts_apart():
    encoder = WordEncoder()
    embedded = embed("rainy (piano:1.2) | distant choir:0.5 | gone:0", encoder)
    assert [part.weight for part in embedded.parts] == pytest.approx([2 / 3, 1 / 3])
    assert torch.equal(embedded.parts[0].tokens, embed("rainy (piano:1.2)").parts[0].tokens)
    assert torch.equal(embedded.parts[1].tokens, embed("distant choir").parts[0].tokens)
    assert "gone" not in encoder.encoded


def test_what_is_cut_off_is_told():
    embedded = embed(" | ".join(" ".join(f"{letter}{number}" for number in range(11)) for letter in "xy"))
    assert embedded.n_dropped == 2
    assert embedded.dropped_text == ("x10", "y10")


def test_weights_of_a_cut_prompt_fall_on_the_right_words():
    words = " ".join(f"w{number}" for number in range(20))
    plain, weighted = (embed(text).parts[0].tokens for text in (words, words.replace("w9", "(w9:2)")))
    changed = (plain != weighted).any(dim=1).nonzero().flatten().tolist()
    assert changed == [10]


def test_an_encoder_without_offsets_cannot_weigh():
    class Blind(WordEncoder):
        def encode(self, texts):
            return [TextStates(*states[:3]) for states in super().encode(texts)]

    assert len(embed("warm piano", Blind()).parts[0].tokens) == 4
    refused("without weights", lambda: embed("(warm) piano", Blind()))
