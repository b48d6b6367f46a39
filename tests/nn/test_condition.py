import math

import torch
from torch import Tensor

from audiodiff.nn.condition import (
    CHORD_FEATURES,
    BeatEmbedding,
    Condition,
    ConditionEmbedding,
    KnownEmbedding,
    drop_conditions,
    drop_parts,
    repeat_condition,
)
from tests.refusals import refused


def condition(batch: int = 3, n_tokens: int = 4) -> Condition:
    generator = torch.Generator().manual_seed(1)
    return Condition(
        torch.randn(batch, n_tokens, 6, generator=generator),
        torch.arange(n_tokens).expand(batch, n_tokens) < torch.arange(2, 2 + batch)[:, None],
        torch.tensor([[120.0, 10.0]]).repeat(batch, 1) + torch.arange(batch)[:, None],
        torch.tensor([[1, 2]]).repeat(batch, 1),
        torch.linspace(0.0, 3.0, 7).repeat(batch, 1),
        torch.ones(batch, 2, 7),
        torch.ones(batch, CHORD_FEATURES, 7),
        torch.ones(batch, 5),
    )


def embedding() -> ConditionEmbedding:
    torch.manual_seed(0)
    return ConditionEmbedding(8, 6, 2, (3, 4), 5)


def vector(cond: Condition | None, batch: int = 3) -> Tensor:
    return embedding()(cond, batch).vector


def test_nothing_known_is_the_same_however_it_is_said() -> None:
    cond, network = condition(), embedding()
    everything = torch.ones(3, dtype=torch.bool)
    loud = cond._replace(tokens=torch.full_like(cond.tokens, torch.inf))
    without = network(None, 3)
    for null in (drop_conditions(cond, everything), drop_conditions(loud, everything)):
        embedded = network(null, 3)
        torch.testing.assert_close(embedded.vector, without.vector)
        assert embedded.tokens is not None
        assert embedded.mask is not None
        assert without.tokens is not None
        assert embedded.tokens.isfinite().all()
        torch.testing.assert_close(embedded.tokens[embedded.mask], without.tokens[:, 0])
    assert not torch.allclose(network(cond, 3).vector, without.vector, atol=1e-2)


def test_dropping_takes_whole_items_and_leaves_the_others_alone() -> None:
    cond = condition()
    dropped = drop_conditions(cond, torch.tensor([False, True, False]))
    assert not dropped.mask[1].any()
    assert dropped.numbers[1].isnan().all()
    assert not dropped.classes[1].any()
    assert dropped.beats[1].isnan().all()
    assert dropped.known[1].isnan().all()
    assert dropped.chords[1].isnan().all()
    assert dropped.clip[1].isnan().all()
    for old, new in zip(cond, dropped, strict=True):
        assert torch.equal(old[0::2], new[0::2])
    assert cond.mask[1].any()
    assert cond.numbers.isfinite().all()


def test_dropping_parts_takes_each_part_by_itself() -> None:
    cond = condition()
    dropped = drop_parts(
        cond,
        torch.tensor([True, False, False]),
        torch.tensor([[False, False], [False, True], [False, False]]),
        torch.tensor([[False, False], [False, False], [True, False]]),
        torch.tensor([False, True, False]),
        torch.tensor([False, False, True]),
        torch.tensor([True, False, True]),
        torch.tensor([False, True, True]),
    )
    assert dropped.mask.any(dim=1).tolist() == [False, True, True]
    assert dropped.numbers.isnan().tolist() == [[False, False], [False, True], [False, False]]
    assert dropped.classes.tolist() == [[1, 2], [1, 2], [0, 2]]
    assert dropped.beats.isnan().any(dim=1).tolist() == [False, True, False]
    assert dropped.known.isnan().all(dim=(1, 2)).tolist() == [False, False, True]
    assert dropped.chords.isnan().all(dim=(1, 2)).tolist() == [True, False, True]
    assert dropped.clip.isnan().all(dim=1).tolist() == [False, True, True]


def test_the_embedding_of_a_clip_starts_without_effect_and_is_then_told_from_none() -> None:
    cond, network = condition(), embedding()
    unknown = cond._replace(clip=cond.clip[:, :0])
    assert torch.equal(network(cond, 3).vector, network(unknown, 3).vector)
    torch.nn.init.normal_(network.clip_projection.weight)
    told = network(cond._replace(clip=torch.zeros(3, 5)), 3).vector
    without = network(unknown, 3).vector
    assert not torch.allclose(told, without, atol=1e-3)  # zeros are the mean of all clips, not no clip
    assert not torch.allclose(network(cond, 3).vector, told, atol=1e-3)
    some = cond.clip.clone()
    some[1] = torch.nan
    mixed = network(cond._replace(clip=some), 3).vector
    assert torch.equal(mixed[1], without[1])
    assert torch.equal(mixed[0], network(cond, 3).vector[0])


def test_embeddings_of_another_width_are_refused() -> None:
    cond = condition()
    refused(
        r"clip embeddings \[3, 4\]; this network takes \[batch, 5\]",
        lambda: embedding()(cond._replace(clip=torch.ones(3, 4)), 3),
    )
    plain = ConditionEmbedding(8, 6, 2, (3, 4))
    refused("this network takes none", lambda: plain(cond, 3))


def test_repeating_goes_through_the_batch_again_and_again() -> None:
    cond = condition(2)
    for old, new in zip(cond, repeat_condition(cond, 3), strict=True):
        assert torch.equal(new, torch.cat([old, old, old]))


def test_unknown_numbers_are_finite_forwards_and_backwards() -> None:
    network = embedding()
    cond = condition()._replace(numbers=torch.tensor([[math.nan, 10.0], [120.0, math.nan], [math.nan, math.nan]]))
    out = network(cond, 3).vector
    out.square().sum().backward()
    assert out.isfinite().all()
    for name, parameter in network.named_parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all(), name


def test_near_numbers_are_told_apart_and_far_ones_too() -> None:
    values = torch.tensor([0.5, 1.0, 119.0, 120.0, 240.0, 900.0])
    cond = condition(6)._replace(
        tokens=torch.zeros(6, 4, 6), numbers=torch.stack([values, torch.full((6,), math.nan)], dim=1)
    )
    cond = cond._replace(mask=torch.zeros(6, 4, dtype=torch.bool))
    distances = torch.cdist(vector(cond, 6), vector(cond, 6))
    assert (distances + torch.eye(6)).min() > 1e-2


def test_a_weighted_token_counts_for_more() -> None:
    # The prompt syntax weights words by scaling their states: nothing on the way may take the scale out.
    cond, network = condition(), embedding()
    plain, doubled = network(cond, 3), network(cond._replace(tokens=2.0 * cond.tokens), 3)
    assert plain.tokens is not None
    assert doubled.tokens is not None
    real = cond.mask
    torch.testing.assert_close(doubled.tokens[:, :-1][real], 2.0 * plain.tokens[:, :-1][real])


def test_the_pooled_text_is_the_mean_of_its_real_tokens() -> None:
    cond = condition()
    mean = torch.stack([tokens[mask].mean(dim=0) for tokens, mask in zip(cond.tokens, cond.mask, strict=True)])
    one = cond._replace(tokens=mean[:, None], mask=torch.ones(3, 1, dtype=torch.bool))
    torch.testing.assert_close(vector(cond), vector(one))


def test_conditions_of_other_sizes_are_refused() -> None:
    network, cond = embedding(), condition()
    refused("5 wide and this network reads 6", lambda: network(cond._replace(tokens=cond.tokens[:, :, :5]), 3))
    refused("mask", lambda: network(cond._replace(mask=cond.mask[:, :2]), 3))
    refused(r"\[1\] numbers", lambda: network(cond._replace(numbers=cond.numbers[:, :1]), 3))
    refused("repeat_condition", lambda: network(cond, 6))


def test_beats_are_told_by_their_place_within_the_beat() -> None:
    torch.manual_seed(0)
    embed = BeatEmbedding(6)
    assert not embed(torch.rand(2, 9)).any()  # starts as nothing
    torch.nn.init.normal_(embed.projection.weight)
    beats = torch.tensor([[0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 400.25]])
    vectors = embed(beats)[0].detach()
    torch.testing.assert_close(vectors[4], vectors[0])
    torch.testing.assert_close(vectors[5], vectors[2])
    torch.testing.assert_close(vectors[6], vectors[1])
    distances = torch.cdist(vectors[:4], vectors[:4])
    assert float(distances[~torch.eye(4, dtype=torch.bool)].min()) > 0.5


def test_unknown_beats_add_nothing_and_stop_no_gradient() -> None:
    torch.manual_seed(0)
    embed = BeatEmbedding(6)
    torch.nn.init.normal_(embed.projection.weight)
    vectors = embed(torch.tensor([[torch.nan, 0.3]]))
    assert not vectors[0, 0].any()
    assert vectors[0, 1].any()
    vectors.sum().backward()
    assert embed.projection.weight.grad is not None
    assert embed.projection.weight.grad.isfinite().all()


def test_what_is_not_known_of_latents_adds_nothing_and_stops_no_gradient() -> None:
    torch.manual_seed(0)
    embed = KnownEmbedding(2, 6)
    known = torch.tensor([[[torch.nan, 0.0, 0.5], [torch.nan, 0.0, 0.5]]])
    assert not embed(known).any()  # starts as nothing
    torch.nn.init.normal_(embed.projection.weight)
    vectors = embed(known)[0]
    assert not vectors[0].any()
    assert vectors[1].any()  # a known zero is not an unknown
    assert not torch.allclose(vectors[1], vectors[2])
    vectors.sum().backward()
    assert embed.projection.weight.grad is not None
    assert embed.projection.weight.grad.isfinite().all()
