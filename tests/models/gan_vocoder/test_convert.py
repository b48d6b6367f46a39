"""Checkpoints of other projects become ours, and sound as by their own code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from audiodiff.errors import AudiodiffError
from audiodiff.models.gan_vocoder.convert import describe_source, is_generator, load_generator
from audiodiff.signal.mel_spec import MelSpec, preset
from tests.models.gan_vocoder import peers

# torch calls its old weight norm deprecated, which the packages of others use
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")

MEL = MelSpec(sample_rate=8000, n_fft=32, hop_length=8, win_length=32, n_mels=12, f_max=4000.0, magnitude_epsilon=1e-9)


@pytest.mark.slow
def test_the_hifigan_of_transformers(tmp_path: Path) -> None:
    theirs = peers.speecht5()
    theirs.save_pretrained(tmp_path)
    with pytest.raises(AudiodiffError, match="does not say which mel"):
        load_generator(tmp_path)
    ours = load_generator(tmp_path, MEL)
    assert describe_source(tmp_path) == "HiFi-GAN of transformers"
    mel = peers.log_mel()
    with torch.no_grad():
        expected = theirs(mel.transpose(1, 2))
        torch.testing.assert_close(ours(mel)[:, 0], expected, rtol=0, atol=1e-5)
    assert float(expected.std()) > 0.05


@pytest.mark.parametrize("variant", ["fused", "weight_g", "parametrizations"])
@pytest.mark.parametrize("resblock", ["1", "2"])
def test_every_way_to_write_a_hifigan(tmp_path: Path, variant: str, resblock: str) -> None:
    """The original's names with each kind of weight norm make the network of transformers."""
    theirs = peers.speecht5()
    state = peers.original_names(theirs.state_dict())
    if resblock == "2":  # V3: the same stacks without the second convolutions
        state = {name.replace("convs1", "convs"): value for name, value in state.items() if "convs2" not in name}
    if variant != "fused":
        state = peers.with_weight_norm(state, variant == "weight_g")
    path = peers.write(tmp_path, "g_02500000", {"generator": state}, {**peers.HIFIGAN, "resblock": resblock})
    model = load_generator(path)
    assert model.mel_spec == MEL
    mel = peers.log_mel()
    with torch.no_grad():
        if resblock == "1":
            standardised = theirs.mean + theirs.scale * mel.transpose(1, 2)  # undone inside
            expected = theirs(standardised)
        else:
            for block in theirs.resblocks:
                for (
                    conv
                ) in block.convs2:  # the identity takes the second convolution and its ReLU out, where it is last
                    torch.nn.init.dirac_(conv.weight)
                    torch.nn.init.zeros_(conv.bias)
            expected = _v3(state if variant == "fused" else None, theirs, mel)
        torch.testing.assert_close(model(mel)[:, 0], expected, rtol=0, atol=1e-5)


def _v3(state: Any, theirs: Any, mel: torch.Tensor) -> torch.Tensor:
    """The published forward pass of V3 on transformers' layers."""
    relu = torch.nn.functional.leaky_relu
    x = theirs.conv_pre(mel)
    for index, up in enumerate(theirs.upsampler):
        x = up(relu(x, 0.1))
        total = torch.zeros_like(x)
        for block in theirs.resblocks[2 * index : 2 * index + 2]:
            y = x
            for conv in block.convs1:
                y = y + conv(relu(y, 0.1))
            total = total + y
        x = total / 2
    return torch.tanh(theirs.conv_post(relu(x)))[:, 0]


@pytest.mark.parametrize(
    "changes",
    [
        {"activation": "snake", "snake_logscale": False},
        {},
        {"use_tanh_at_final": False, "use_bias_at_final": False, "fmax": None},
        {"resblock": "2"},
    ],
    ids=["v1", "v1 beta", "v2", "one convolution"],
)
def test_bigvgan(tmp_path: Path, changes: dict[str, Any]) -> None:
    theirs, config = peers.bigvgan(**changes)
    path = peers.write(tmp_path, "bigvgan_generator.pt", {"generator": theirs.state_dict()}, config)
    ours = load_generator(path.parent)
    assert ours.mel_spec == MEL
    mel = peers.log_mel()
    with torch.no_grad():
        expected = theirs(mel)
        torch.testing.assert_close(ours(mel), expected, rtol=0, atol=1e-5)
    assert float(expected.std()) > 0.02


@pytest.mark.parametrize("padding", ["center", "same"])
def test_vocos(tmp_path: Path, padding: str) -> None:
    theirs = peers.vocos(padding)
    state = {**theirs.state_dict(), "feature_extractor.mel_spec.spectrogram.window": torch.hann_window(32)}
    path = peers.write(tmp_path, "pytorch_model.bin", state, peers.VOCOS.format(padding=padding))
    ours = load_generator(path)
    spec = ours.mel_spec
    assert (spec.centring, spec.filterbank, spec.norm, spec.floor, spec.f_max) == (padding, "htk", None, 1e-7, 4000.0)
    mel = peers.log_mel()
    with torch.no_grad():
        expected = theirs.head(theirs.backbone(mel))
        made = ours(mel)[:, 0]
    assert made.shape[-1] == mel.shape[-1] * 8
    torch.testing.assert_close(made[:, : expected.shape[-1]], expected, rtol=0, atol=1e-5)
    assert expected.shape[-1] == made.shape[-1] - (8 if padding == "center" else 0)


def test_a_training_checkpoint_of_vocos(tmp_path: Path) -> None:
    """Lightning's, with discriminators in it and the config one level down."""
    theirs = peers.vocos("same")
    state = {**theirs.state_dict(), "multiperioddisc.discriminators.0.convs.0.bias": torch.zeros(3)}
    inside = peers.VOCOS.format(padding="same").replace("\n", "\n    ")
    path = peers.write(tmp_path, "vocos.ckpt", {"state_dict": state, "epoch": 3}, f"model:\n  init_args:{inside}")
    assert describe_source(path) == "Vocos"
    with torch.no_grad():
        mel = peers.log_mel()
        torch.testing.assert_close(
            load_generator(path)(mel)[:, 0], theirs.head(theirs.backbone(mel)), rtol=0, atol=1e-5
        )


def test_the_last_of_several_generators_is_taken(tmp_path: Path) -> None:
    path = peers.write_hifigan(tmp_path)
    stored = torch.load(path, weights_only=True)
    stored["generator"]["conv_post.bias"] += 1.0
    torch.save(stored, tmp_path / "g_00000020")
    torch.save({"mpd": {}, "optim_g": {}}, tmp_path / "do_00000020")
    assert is_generator(tmp_path)
    last = load_generator(tmp_path).state_dict()["network.conv_post.bias"]
    assert torch.equal(last, stored["generator"]["conv_post.bias"])


def test_safetensors_are_read_too(tmp_path: Path) -> None:
    path = peers.write_hifigan(tmp_path)
    save_file(torch.load(path, weights_only=True)["generator"], tmp_path / "generator.safetensors")
    theirs, ours = load_generator(path), load_generator(tmp_path / "generator.safetensors")
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value)


def test_the_mel_of_speecht5_is_known(tmp_path: Path) -> None:
    """Its config does not say it; the feature extractor of transformers does."""
    transformers = pytest.importorskip("transformers")
    from audiodiff.models.gan_vocoder.convert import _SPEECHT5_MEL
    from audiodiff.signal.mel import log_mel

    extractor = transformers.SpeechT5FeatureExtractor()
    waveform = 0.3 * torch.randn(6000, generator=torch.Generator().manual_seed(0))
    theirs = extractor(audio_target=waveform.numpy(), sampling_rate=16000, return_tensors="pt").input_values[0]
    ours = log_mel(waveform[None], _SPEECHT5_MEL)[0].T
    torch.testing.assert_close(ours[: len(theirs)], theirs, rtol=0, atol=1e-3)


class _Code:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("hostile"),))


def test_pickled_code_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = peers.write(tmp_path, "g_1", {"generator": _Code()}, peers.HIFIGAN)
    with pytest.raises(AudiodiffError, match="not a PyTorch checkpoint of plain tensors"):
        load_generator(path)
    assert not (tmp_path / "hostile").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"upsample_rates": [4, 3]}, "larger by an even number"),
        ({"upsample_rates": [4]}, "as many of the one"),
        ({"upsample_initial_channel": 10**9}, "upsample_initial_channel"),
        ({"upsample_initial_channel": 18}, "halved"),
        ({"resblock_kernel_sizes": [3, 4]}, "odd"),
        ({"resblock_dilation_sizes": [[1], []]}, "dilations"),
        ({"resblock": "3"}, "resblock"),
        ({"hop_size": 16}, "must be the same"),
        ({"num_mels": "80"}, "n_mels"),
        ({"sampling_rate": "fast"}, "sample_rate"),
        ({"upsample_initial_channel": 32}, "has shape"),
        ({"resblock_dilation_sizes": [[1, 3], [1, 2, 3]]}, "tensors missing"),
        ({"resblock_dilation_sizes": [[1, 3], [1]]}, "unknown"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = peers.write_hifigan(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**peers.HIFIGAN, **change}))
    with pytest.raises(AudiodiffError, match=message):
        load_generator(path)


def test_what_is_no_generator_is_refused(tmp_path: Path) -> None:
    path = peers.write_hifigan(tmp_path / "good")
    (tmp_path / "good" / "config.json").unlink()
    with pytest.raises(AudiodiffError, match="no config of the generator"):
        load_generator(path)
    for stored, message in (([1], "no tensors"), ({"other.weight": torch.ones(1)}, "no generator of")):
        torch.save(stored, tmp_path / "x.pt")
        with pytest.raises(AudiodiffError, match=message):
            load_generator(tmp_path / "x.pt")
    with pytest.raises(AudiodiffError, match="does not exist"):
        load_generator(tmp_path / "absent.pt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(AudiodiffError, match="holds no weights"):
        load_generator(tmp_path / "empty")
    broken = peers.write_hifigan(tmp_path / "broken")
    stored = torch.load(broken, weights_only=True)
    del stored["generator"]["conv_pre.weight_v"]
    torch.save(stored, broken)
    with pytest.raises(AudiodiffError, match="magnitude and no direction"):
        load_generator(broken)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1", "not a table"),
        ("a: [", "not YAML"),
        ("backbone: {}", "no feature_extractor"),
        (peers.VOCOS.format(padding="same").replace("Mel", "Encodec"), "expected one of mels"),
        (peers.VOCOS.format(padding="same").replace("dim: 16", "dim: wide"), "dim"),
        (peers.VOCOS.format(padding="same").replace("padding: same", "padding: left"), "left"),
    ],
)
def test_a_config_of_vocos_that_does_not_fit_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = peers.write(
        tmp_path, "pytorch_model.bin", {"backbone.embed.weight": torch.ones(1), "head.out.weight": torch.ones(1)}, text
    )
    with pytest.raises(AudiodiffError, match=message):
        load_generator(path)


def test_presets_name_the_mel_where_the_config_is_silent(tmp_path: Path) -> None:
    path = peers.write_hifigan(tmp_path)
    with pytest.raises(AudiodiffError, match="must be the same"):
        load_generator(path, preset("hifigan-22k"))
