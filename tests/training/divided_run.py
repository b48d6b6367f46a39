"""What two processes that divide the weights train, for test_processes.py.

`python -m tests.training.divided_run FOLDER STEPS [--whole]` trains one small model of each architecture into a folder
of its own in FOLDER. Started by torchrun it is one of several processes.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from audiodiff.models.voice.layers import Block, FlowNetwork, SelfAttention
from audiodiff.nn.autoencoder import AutoencoderConfig, MelDecoder, MelEncoder
from audiodiff.nn.condition import CHORD_FEATURES, Condition
from audiodiff.nn.transformer import DiT, DiTConfig
from audiodiff.nn.unet import UNet, UNetConfig
from audiodiff.nn.wavenet import FrameConditioner, WaveNet, WaveNetConfig
from audiodiff.training.devices import Devices, close_devices, end_process, open_devices
from audiodiff.training.loop import LossOutput, ModelAndLoss, TrainConfig, train_steps
from audiodiff.training.processes import Sharding, any_divided

BATCH = 4


class Codec(nn.Module):
    """Encoder and decoder of mels."""

    def __init__(self) -> None:
        super().__init__()
        config = AutoencoderConfig(width=12, latent_channels=4, strides=(2,), blocks=(1, 1))
        self.encoder, self.decoder = MelEncoder(10, config), MelDecoder(10, config)

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x)[0])  # type: ignore[no-any-return]


class Vocoder(nn.Module):
    """A WaveNet with its conditioner, called by methods other than `forward`."""

    def __init__(self) -> None:
        super().__init__()
        # 5 channels and 3 taps: parts of uneven size.
        self.wavenet = WaveNet(WaveNetConfig(channels=5, layers=3, cond_channels=4, embedding_width=6), 10, 10)
        self.conditioner = FrameConditioner(10, 4, -1.0, 2.0)
        nn.init.normal_(self.wavenet.output_projection.weight, std=0.1)

    def estimate(self, x: Tensor, noise: Tensor, twice: bool) -> Tensor:
        out: Tensor = self.wavenet(x, noise, self.conditioner(x))
        if twice:
            projected = self.wavenet.project_cond(self.conditioner(x))
            out = self.wavenet(out, noise, projected)
        return out


class Voice(nn.Module):
    """Layers of the speech model, some of them frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.block, self.attention = Block(10, 3, 2, 0.0), SelfAttention(10, 2, 0.0)
        self.flow = FlowNetwork(10, 10, 8, 2, 6, 0.0)
        nn.init.normal_(self.flow.out.weight, std=0.1)
        self.block.up.requires_grad_(False)

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        y, mask = x.transpose(1, 2), torch.ones(x.shape[0], x.shape[2], 1)
        y = self.attention(self.block(y, mask), mask)
        return self.flow(y, noise, (y, mask)).transpose(1, 2)  # type: ignore[no-any-return]


def condition(x: Tensor) -> Condition:
    tokens = x[:, :8].transpose(1, 2)
    batch, nothing = x.shape[0], x[:, :, :0]
    return Condition(
        tokens=tokens,
        mask=torch.ones(tokens.shape[:2], dtype=torch.bool),
        numbers=x[:, 0, :2],
        classes=torch.zeros(batch, 0, dtype=torch.long),
        beats=nothing[:, 0],
        known=nothing,
        chords=x.new_zeros(batch, CHORD_FEATURES, 0),
        clip=nothing[:, 0],
    )


def networks() -> dict[str, tuple[nn.Module, Callable[[nn.Module, Tensor, Tensor, int], Tensor]]]:
    sizes = {"text_width": 8, "numbers": 2, "heads": 2}
    dit = DiT(DiTConfig(channels=10, width=16, depth=2, conv_kernel=3, modulation="block", **sizes))
    unet = UNet(UNetConfig(channels=10, width=8, levels=(1, 2), blocks=1, attention_levels=1, **sizes))
    for module in (dit, unet):
        for parameter in module.parameters():
            nn.init.normal_(parameter, std=0.1)
    return {
        "dit": (dit, lambda net, x, noise, step: net(x, noise, condition(x))),
        "unet": (unet, lambda net, x, noise, step: net(x, noise, condition(x))),
        "codec": (Codec(), lambda net, x, noise, step: net(x)),
        "voice": (Voice(), lambda net, x, noise, step: net(x, noise)),
        "wavenet": (Vocoder(), lambda net, x, noise, step: net.estimate(x, noise, step % 2 == 1)),
    }


def models(name: str, devices: Devices) -> list[ModelAndLoss]:
    """A network and a critic that judges it, each computed in two parts."""
    torch.manual_seed(3 + devices.rank)  # the processes start from different weights, and must agree on the main one's
    module, evaluate = networks()[name]
    critic = nn.Conv1d(10, 1, 3)

    def parts(loss: Callable[[Tensor, Tensor, int], Tensor]) -> list[Callable[[int, torch.Generator], LossOutput]]:
        def of_part(part: Devices) -> Callable[[int, torch.Generator], LossOutput]:
            def loss_fn(step: int, generator: torch.Generator) -> LossOutput:
                x = torch.randn(BATCH, 10, 16, generator=generator)
                value = loss(part.shard(x), part.shard(torch.rand(BATCH, generator=generator)), step)
                return LossOutput(value, {"doubled": 2.0 * value})

            return loss_fn

        return [of_part(part) for part in devices.parts(2)]

    def of_model(x: Tensor, noise: Tensor, step: int) -> Tensor:
        y = evaluate(module, x, noise, step)
        return (y - x.roll(1, -1)).square().mean() + 0.1 * critic(y).square().mean()

    def of_critic(x: Tensor, noise: Tensor, step: int) -> Tensor:
        return (critic(evaluate(module, x, noise, step)) - 1.0).square().mean() + critic(x).square().mean()

    first, second = parts(of_model), parts(of_critic)
    return [
        ModelAndLoss("model", module, first[0], further=first[1:]),
        ModelAndLoss("critic", critic, second[0], further=second[1:]),
    ]


def main(folder: Path, steps: int, sharding: Sharding | None) -> None:
    torch.set_num_threads(1)
    devices = open_devices("cpu")
    for name in networks():
        config = TrainConfig(
            steps=steps, batch_size=BATCH, accumulate=2, warmup_steps=2, ema_half_life=8.0, clip_norm=0.5
        )
        trained = models(name, devices)

        def export(module: nn.Module, step: int, name: str = name) -> None:
            save_file(module.state_dict(), str(folder / name / "average.safetensors"))

        lines = [
            f"{step.loss!r} {step.grad_norm!r} {step.terms['critic/grad_norm']!r}"
            for step in train_steps(
                trained, config, folder / name, resume=True, export=export, on_validate=export, sharding=sharding
            )
        ]
        assert any_divided(trained[0].module.parameters()) == (devices.n_processes > 1 and sharding is not None)
        if devices.rank == 0:
            (folder / name / "steps.txt").write_text("\n".join(lines))
    close_devices()
    end_process()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), None if "--whole" in sys.argv else Sharding())
