import pytest
import torch

from audiodiff.text.six_bits import GROUP, HIGHEST, SixBit


@pytest.mark.parametrize("groups", [1, 3])
def test_what_is_packed_comes_out(groups: int) -> None:
    torch.manual_seed(0)
    codes = torch.randint(-HIGHEST - 1, HIGHEST + 1, (70, groups * GROUP))
    scale = torch.rand(70, groups).half()
    matrix = SixBit.pack(codes.float(), scale)
    assert matrix.packed.shape == (70, groups * GROUP * 3 // 4)
    expected = codes * scale.float().repeat_interleave(GROUP, dim=1)
    assert {-HIGHEST - 1, HIGHEST} <= set(codes.flatten().tolist())
    assert torch.equal(matrix[:], expected)
    rows = torch.tensor([5, 0, 5])
    assert torch.equal(matrix[rows], expected[rows])
    kept = matrix.codes()
    assert kept.codes.dtype == torch.int8
    assert torch.equal(kept.codes, codes.to(torch.int8))
    assert torch.equal(kept.values(), expected)
