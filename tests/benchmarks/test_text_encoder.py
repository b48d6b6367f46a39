import torch

from audiodiff.text.six_bits import GROUP, SixBit
from benchmarks.text_encoder import best_scale, compensated, rounded


def test_errors_are_made_up_for_where_inputs_go_together() -> None:
    torch.manual_seed(0)
    common = torch.randn(500, 8) @ torch.randn(8, 2 * GROUP)
    inputs = common + 0.1 * torch.randn(500, 2 * GROUP)
    weight = torch.randn(16, 2 * GROUP)
    scale = best_scale(weight, torch.ones(2 * GROUP))
    plain = SixBit.pack(rounded(weight, scale.repeat_interleave(GROUP, dim=1)), scale)
    errors = [((matrix[:] - weight) @ inputs.T).norm() for matrix in (plain, compensated(weight, inputs))]
    assert (plain[:] - weight).abs().max() < weight.abs().max() / 31
    assert errors[1] < 0.5 * errors[0]
