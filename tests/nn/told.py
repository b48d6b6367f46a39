"""What every latent denoiser does with conditions that lie along time."""

import pytest
import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.nn.condition import Condition
from audiodiff.nn.transformer import DiT
from audiodiff.nn.unet import UNet


def check_beats(net: DiT | UNet, x: Tensor, c_noise: Tensor, cond: Condition) -> None:
    """Beats are heard where they are known, by their place within the beat; those of another stretch are refused."""
    beats = torch.linspace(0.0, 2.3, 7).repeat(2, 1)
    beats[1] = torch.nan
    out, told = net(x, c_noise, cond), net(x, c_noise, cond._replace(beats=beats))
    torch.testing.assert_close(told[1], out[1])
    assert not torch.allclose(told[0], out[0], atol=1e-3)
    shifted = net(x, c_noise, cond._replace(beats=beats + 0.25))
    assert not torch.allclose(told[0], shifted[0], atol=1e-3)
    again = net(x, c_noise, cond._replace(beats=beats + 3.0))
    torch.testing.assert_close(told, again, rtol=1e-4, atol=1e-4)
    projected = net.project_cond(cond._replace(beats=beats))
    assert torch.equal(net(x, c_noise, projected), told)
    with pytest.raises(AudiodiffError, match=r"beats \[2, 6\] for 2 items of 7 latents"):
        net(x, c_noise, cond._replace(beats=torch.zeros(2, 6)))


def check_known(net: DiT | UNet, x: Tensor, c_noise: Tensor, cond: Condition) -> None:
    """Latents that are known are heard at every place; those of another stretch are refused."""
    known = torch.full_like(x, torch.nan)
    out = net(x, c_noise, cond)
    torch.testing.assert_close(net(x, c_noise, cond._replace(known=known)), out)
    known[0, :, :3] = 1.0
    told = net(x, c_noise, cond._replace(known=known))
    torch.testing.assert_close(told[1], out[1])
    assert bool(((told[0] - out[0]).abs().amax(dim=0) > 1e-3).all())
    other = net(x, c_noise, cond._replace(known=known + 1.0))
    assert not torch.allclose(other[0], told[0], atol=1e-3)
    projected = net.project_cond(cond._replace(known=known))
    assert torch.equal(net(x, c_noise, projected), told)
    with pytest.raises(AudiodiffError, match=r"known latents \[2, 3, 6\] for latents \[2, 3, 7\]"):
        net(x, c_noise, cond._replace(known=torch.zeros(2, 3, 6)))
