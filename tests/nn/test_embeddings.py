import math

import pytest
import torch

from audiodiff.nn.embeddings import FourierEmbedding, TableEmbedding


def test_the_table_holds_sines_then_cosines_of_the_published_frequencies() -> None:
    table = TableEmbedding(50, 8).get_buffer("table")
    assert table.shape == (50, 128)
    for step in (0, 1, 7, 49):
        for k in (0, 5, 63):
            angle = step * 10.0 ** (4.0 * k / 63.0)
            # float32 angles, as published: exact to one part in 10^7 of the angle
            tolerance = 2e-6 + 3e-7 * angle
            assert table[step, k].item() == pytest.approx(math.sin(angle), abs=tolerance)
            assert table[step, 64 + k].item() == pytest.approx(math.cos(angle), abs=tolerance)


def test_fractional_steps_are_interpolated_and_whole_ones_are_not() -> None:
    torch.manual_seed(0)
    embedding = TableEmbedding(10, 16)
    table = embedding.get_buffer("table")
    between = torch.lerp(table[3], table[4], 0.25)
    hidden = torch.nn.functional.silu(embedding.projection1(between))
    expected = torch.nn.functional.silu(embedding.projection2(hidden))
    torch.testing.assert_close(embedding(torch.tensor([3.25]))[0], expected)
    assert not torch.allclose(embedding(torch.tensor([3.25])), embedding(torch.tensor([3.0])), atol=1e-4)


def test_steps_outside_the_table_are_held_at_its_ends() -> None:
    embedding = TableEmbedding(10, 16)
    torch.testing.assert_close(embedding(torch.tensor([-2.0, 12.0])), embedding(torch.tensor([0.0, 9.0])))


def test_fourier_features_tell_near_levels_apart() -> None:
    torch.manual_seed(0)
    embedding = FourierEmbedding(64, 32, 0.5, 60.0)
    out = embedding(torch.tensor([0.50, 0.51, 0.50]))
    assert out.shape == (3, 32)
    assert torch.equal(out[0], out[2])
    assert not torch.allclose(out[0], out[1], atol=1e-4)
