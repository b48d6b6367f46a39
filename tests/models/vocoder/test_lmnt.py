import pickle
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from audiodiff.models.checkpoint import load_checkpoint, save_checkpoint
from audiodiff.models.vocoder import Vocoder
from audiodiff.models.vocoder.lmnt import diffwave_config, load_lmnt_diffwave
from tests.refusals import refused


def lmnt_state(channels: int, layers: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Random tensors under lmnt's names, in the shapes of its published file."""

    def randn(*shape: int) -> Tensor:
        return 0.1 * torch.randn(shape, generator=generator)

    state = {"input_projection.weight": randn(channels, 1, 1), "input_projection.bias": randn(channels)}
    for i, columns in ((1, 128), (2, 512)):
        state[f"diffusion_embedding.projection{i}.weight"] = randn(512, columns)
        state[f"diffusion_embedding.projection{i}.bias"] = randn(512)
        state[f"spectrogram_upsampler.conv{i}.weight"] = randn(1, 1, 3, 32)
        state[f"spectrogram_upsampler.conv{i}.bias"] = randn(1)
    for i in range(layers):
        prefix = f"residual_layers.{i}."
        state[prefix + "dilated_conv.weight"] = randn(2 * channels, channels, 3)
        state[prefix + "dilated_conv.bias"] = randn(2 * channels)
        state[prefix + "diffusion_projection.weight"] = randn(channels, 512)
        state[prefix + "diffusion_projection.bias"] = randn(channels)
        state[prefix + "conditioner_projection.weight"] = randn(2 * channels, 80, 1)
        state[prefix + "conditioner_projection.bias"] = randn(2 * channels)
        state[prefix + "output_projection.weight"] = randn(2 * channels, channels, 1)
        state[prefix + "output_projection.bias"] = randn(2 * channels)
    state["skip_projection.weight"] = randn(channels, channels, 1)
    state["skip_projection.bias"] = randn(channels)
    state["output_projection.weight"] = randn(1, channels, 1)
    state["output_projection.bias"] = randn(1)
    return state


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights.pt"
    state = lmnt_state(64, 30, torch.Generator().manual_seed(0))
    torch.save(
        {"step": 7, "model": state, "optimizer": {}, "params": {"dilation_cycle_length": 10}, "scaler": {}}, path
    )
    return path


def test_the_published_size() -> None:
    model = Vocoder(diffwave_config())
    assert sum(parameter.numel() for parameter in model.parameters()) == 2_619_971
    assert len(model.state_dict()) == 254


def test_weights_arrive_and_survive_our_own_checkpoint(weights: Path, tmp_path: Path) -> None:
    model = load_lmnt_diffwave(weights)
    save_checkpoint(tmp_path / "converted", model, {"source": "lmnt"})
    again = load_checkpoint(tmp_path / "converted", Vocoder)
    for key, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[key])
    stored = torch.load(weights, weights_only=True)["model"]
    assert torch.equal(
        model.wavenet.residual_layers[29].dilated_conv.weight, stored["residual_layers.29.dilated_conv.weight"]
    )


def test_forward_values_equal_lmnt_s_own_code(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Its module decorates a function with torch.jit.script, which newer torch warns about.
    monkeypatch.setattr(torch.jit, "script", lambda function: function)
    sys.modules.pop("diffwave.model", None)
    package = pytest.importorskip("diffwave.model", reason="pip install --no-deps diffwave")
    params = pytest.importorskip("diffwave.params").params
    theirs = package.DiffWave(params)
    theirs.load_state_dict(torch.load(weights, weights_only=True)["model"])
    ours = load_lmnt_diffwave(weights)
    generator = torch.Generator().manual_seed(1)
    audio, mel = torch.randn(2, 2048, generator=generator), torch.rand(2, 80, 8, generator=generator)
    with torch.no_grad():
        for step in (torch.tensor([3, 41]), torch.tensor([4.086654])):
            expected = theirs(audio[: len(step)], mel[: len(step)], step)
            cond = ours.condition(mel[: len(step)])
            t = step.double() + 1.0
            row = ours.denoiser().coefficients(t)
            torch.testing.assert_close(row.c_noise, step.double())
            actual = ours.denoiser().network_output(audio[: len(step), None], t, cond)
            torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)


def test_the_published_noise_levels(weights: Path) -> None:
    model = load_lmnt_diffwave(weights)
    t = torch.tensor([1.0, 50.0], dtype=torch.float64)
    # alpha_bar of the first and the last step of linspace(1e-4, 0.05, 50)
    torch.testing.assert_close(
        model.process.alpha(t).square(), torch.tensor([0.9999, 0.27967], dtype=torch.float64), rtol=0, atol=1e-5
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: {k: v for k, v in state.items() if "upsampler" not in k}, "unconditional"),
        (lambda state: {**state, "diffusion_embedding.projection1.weight": torch.zeros(512, 128, 1)}, "2020-09-23"),
        (lambda state: {**state, "postnet.weight": torch.zeros(1)}, "DiffWave's tensors"),
        (lambda state: {**state, "skip_projection.bias": torch.zeros(3)}, "does not fit"),
    ],
)
def test_other_weights_are_refused(weights: Path, change, message: str) -> None:  # type: ignore[no-untyped-def]
    stored = torch.load(weights, weights_only=True)
    torch.save({**stored, "model": change(stored["model"])}, weights)
    refused(message, lambda: load_lmnt_diffwave(weights))


class _Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("code ran",)


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "trap.pt"
    path.write_bytes(pickle.dumps(_Trap()))
    refused("plain tensors", lambda: load_lmnt_diffwave(path))
    assert "code ran" not in capsys.readouterr().out


def test_missing_and_foreign_files_are_refused(tmp_path: Path) -> None:
    refused("does not exist", lambda: load_lmnt_diffwave(tmp_path / "absent.pt"))
    torch.save({"weights": torch.zeros(2)}, tmp_path / "other.pt")
    refused('no "model"', lambda: load_lmnt_diffwave(tmp_path / "other.pt"))
