import torch

from audiodiff_recipes.gaps import LONGEST, SHORTEST, with_gaps


def gaps(n_items: int = 600, n_latents: int = 50, length: int = 50) -> torch.Tensor:
    """Which latents are missing, `[n_items, n_latents]`."""
    latents = torch.randn(n_items, 3, n_latents)
    lengths = torch.full((n_items,), length)
    given = with_gaps(latents, lengths, torch.Generator().manual_seed(0))
    missing = given.isnan()
    assert torch.equal(missing.all(dim=1), missing.any(dim=1))  # all channels of a place, or none
    assert torch.equal(given[~missing], latents[~missing])
    return missing.all(dim=1)


def test_every_item_has_one_gap_of_a_length_that_is_wanted() -> None:
    missing = gaps()
    sizes = missing.sum(dim=1)
    assert int(sizes.min()) >= round(SHORTEST * 50)
    assert int(sizes.max()) <= round(LONGEST * 50)
    assert len(sizes.unique()) > 20
    edges = torch.nn.functional.pad(missing.int(), (1, 1)).diff(dim=1)
    assert (edges == 1).sum(dim=1).tolist() == [1] * len(missing)


def test_gaps_are_ends_beginnings_and_middles_in_turn() -> None:
    missing = gaps()
    first, last = missing[:, 0], missing[:, -1]
    for share in (first.float().mean(), last.float().mean(), (~first & ~last).float().mean()):
        assert 0.25 < float(share) < 0.42
    assert not bool((first & last).any())


def test_what_fills_a_batch_up_is_not_known_and_no_part_of_the_gap() -> None:
    missing = gaps(length=20)
    assert bool(missing[:, 20:].all())
    inside = missing[:, :20].sum(dim=1)
    assert int(inside.min()) >= round(SHORTEST * 20)
    assert int(inside.max()) <= round(LONGEST * 20)


def test_the_shortest_item_has_a_gap_too() -> None:
    assert bool(gaps(4, 1, 1).all())
