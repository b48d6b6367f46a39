"""Other engines compute the same clips, up to rounding, and files tell of them."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import audiodiff
from audiodiff.cli.main import main
from audiodiff.nn.unet import UNet
from audiodiff.synthesis import engine as engines
from audiodiff.synthesis.engine import use_engine
from audiodiff.synthesis.files import run_file
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.load import load, load_generator
from audiodiff.synthesis.provenance import read_provenance
from audiodiff.synthesis.replay import replay
from audiodiff.synthesis.settings import GenerateSettings, Sampling
from audiodiff.synthesis.verbs.inpaint import InpaintSettings
from audiodiff.synthesis.windowed import PositionConditions, with_conditions
from tests.refusals import refused
from tests.synthesis.latent_models import write_latent_model

ENGINES = ["onnx", "openvino"]
EXACT = Sampling(steps=3, precision="fp32")


def needs(engine: str) -> None:
    pytest.importorskip({"onnx": "onnxruntime"}.get(engine, engine), reason=f"the extra {engine} is not installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_latent_model(tmp_path_factory.mktemp("engines") / "tiny")


@pytest.fixture
def opened(folder: Path) -> Callable[[str], LatentSynthesizer]:
    def open_with(engine: str) -> LatentSynthesizer:
        needs(engine)
        model = load_generator(folder, device="cpu")
        use_engine(model, engine)
        return model

    return open_with


def latents(model: LatentSynthesizer, settings: GenerateSettings, n_latents: int) -> torch.Tensor:
    return model.latents(model.resolve(settings), n_latents)[0]


@pytest.mark.parametrize("engine", ENGINES)
def test_latents_are_those_of_torch(engine: str, folder: Path, opened: Callable[[str], LatentSynthesizer]) -> None:
    ours, other = load_generator(folder, device="cpu"), opened(engine)
    for settings, n_latents in (
        (GenerateSettings(prompt="solo piano", sampling=EXACT), 20),
        (GenerateSettings(prompt="solo piano | metal:0.5", negative="drums", tempo=120.0, sampling=EXACT), 33),
        (GenerateSettings(sampling=EXACT), 7),
        (GenerateSettings(prompt="a long prompt of more words", key="A minor", sampling=EXACT), 90),  # in windows
    ):
        expected, found = latents(ours, settings, n_latents), latents(other, settings, n_latents)
        assert float(expected.std()) > 0.1
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-3)
        assert torch.equal(latents(other, settings, n_latents), found)
    different = latents(ours, GenerateSettings(prompt="metal", sampling=EXACT), 20)
    same_seed = latents(other, GenerateSettings(prompt="solo piano", sampling=EXACT), 20)
    assert (different - same_seed).abs().max() > 1e-2


def test_a_loop_is_a_circle(folder: Path, opened: Callable[[str], LatentSynthesizer]) -> None:
    ours, other = load_generator(folder, device="cpu"), opened("onnx")
    x = torch.randn(1, 4, 24, generator=torch.Generator().manual_seed(0))
    found = []
    for model in (ours, other):
        clip = model.resolve(GenerateSettings(prompt="solo piano", sampling=EXACT))
        for circular in (False, True):
            denoise = with_conditions(
                model.guided(clip, circular=circular)[0], PositionConditions(model.beats(None, 0, 24))
            )
            found.append(denoise(x, torch.full((1,), 0.5)))
    torch.testing.assert_close(found[2:], found[:2], rtol=0, atol=1e-4)
    assert (found[0] - found[1]).abs().max() > 1e-3


def test_an_engine_that_fails_is_one_sentence(
    opened: Callable[[str], LatentSynthesizer], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, settings = opened("onnx"), GenerateSettings(prompt="solo piano", sampling=EXACT)

    def fails(*given: object) -> object:
        raise RuntimeError("no\nsuch operator")

    with monkeypatch.context() as patched:
        patched.setitem(engines.RUNTIME_ENGINES, "onnxruntime", fails)
        refused("onnxruntime cannot open the denoiser .no such operator.", lambda: latents(model, settings, 8))
        patched.setitem(engines.RUNTIME_ENGINES, "onnxruntime", lambda *given: fails)
        refused("onnxruntime cannot compute the denoiser .no such operator.", lambda: latents(model, settings, 8))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_file_tells_its_engine_and_replays_with_it(
    engine: str, opened: Callable[[str], LatentSynthesizer], folder: Path, tmp_path: Path
) -> None:
    model = opened(engine)
    settings = GenerateSettings(prompt="solo piano", seconds=1.0, sampling=EXACT)
    made = run_file("generate", model, [], tmp_path / "clip.wav", settings)
    record = read_provenance(tmp_path / "clip.wav")
    assert made.record == record
    assert record.settings["engine"] == engine
    assert record.machine.libraries == model.engine.library
    assert {"onnx": "onnxruntime", "openvino": "openvino"}[engine] in model.engine.library
    report = replay(tmp_path / "clip.wav", tmp_path / "again.wav", model=folder)
    assert report.identical
    assert report.again.settings["engine"] == engine
    clip = GenerateSettings(prompt="solo piano", level="none", sampling=EXACT)
    inpainted = InpaintSettings(((0.2, 0.6),), clip)
    run_file("inpaint", model, [tmp_path / "clip.wav"], tmp_path / "part.wav", inpainted)
    assert replay(tmp_path / "part.wav", tmp_path / "again.wav", model=folder).identical


def test_torch_is_not_told_and_what_was_made_with_it_replays_with_it(
    opened: Callable[[str], LatentSynthesizer], folder: Path, tmp_path: Path
) -> None:
    model = opened("onnx")
    use_engine(model, "torch")
    assert model.engine == engines.TORCH
    settings = GenerateSettings(prompt="solo piano", seconds=1.0, sampling=EXACT)
    run_file("generate", model, [], tmp_path / "clip.wav", settings)
    assert "engine" not in read_provenance(tmp_path / "clip.wav").settings
    assert replay(tmp_path / "clip.wav", tmp_path / "again.wav", model=folder).identical


def test_a_record_of_an_engine_that_is_not_known_is_refused(
    opened: Callable[[str], LatentSynthesizer], folder: Path, tmp_path: Path
) -> None:
    settings = GenerateSettings(prompt="solo piano", seconds=1.0, sampling=EXACT)
    report = run_file("generate", opened("onnx"), [], tmp_path / "clip.wav", settings, sidecar=True)
    path = tmp_path / "clip.json"
    path = path if path.exists() else next(tmp_path.glob("*.json"))
    path.write_text(path.read_text().replace('"onnx"', '"abacus"'))
    assert report.record is not None
    refused("abacus", lambda: replay(path, tmp_path / "again.wav", model=folder))


def test_precision(opened: Callable[[str], LatentSynthesizer]) -> None:
    model = opened("onnx")
    model.defaults = dataclasses.replace(model.defaults, precision="bf16")
    assert model.resolve(GenerateSettings()).sampling.precision == "fp32"
    refused(
        "computes in fp32, not in bf16", lambda: model.resolve(GenerateSettings(sampling=Sampling(precision="bf16")))
    )
    rounded = opened("openvino").resolve(GenerateSettings(sampling=Sampling(precision="bf16")))
    assert rounded.sampling.precision == "bf16"


def test_what_an_engine_cannot_compute_is_refused(
    folder: Path, opened: Callable[[str], LatentSynthesizer], monkeypatch: pytest.MonkeyPatch
) -> None:
    refused(
        "the engine onnx computes latent models such as music, and speech is none",
        lambda: load("speech", engine="onnx"),
    )
    refused("engine 'abacus' is unknown", lambda: load(folder, engine="abacus"))
    model = opened("onnx")
    model.device = torch.device("meta")
    refused("computes on the CPU", lambda: use_engine(model, "onnx"))
    model.device = torch.device("cpu")
    model.model.network = UNet.__new__(UNet)
    refused("networks of the kind DiT", lambda: use_engine(model, "onnx"))

    for lost in ("openvino", "onnx"):

        def found(name: str, lost: str = lost) -> str:
            if name == lost:
                raise engines.PackageNotFoundError(name)
            return "1.0"

        monkeypatch.setattr(engines, "version", found)
        refused(
            r"needs openvino and onnx; install them with `pip install 'audiodiff-synth\[openvino\]'`",
            lambda: load(folder, engine="openvino"),
        )


@pytest.mark.parametrize("engine", ENGINES)
def test_the_command_and_the_library_make_the_same(engine: str, folder: Path, tmp_path: Path) -> None:
    needs(engine)
    target = tmp_path / "clip.wav"
    words = ["generate", "solo piano", "--seconds", "1", "--steps", "3", "--precision", "fp32", "--no-watermark"]
    assert main([*words, "-o", str(target), "--bits", "24", "--model", str(folder), "--engine", engine]) == 0
    assert read_provenance(target).settings["engine"] == engine
    made = audiodiff.load(folder, device="cpu", engine=engine).generate(
        "solo piano", seconds=1.0, steps=3, precision="fp32"
    )
    written, rate = soundfile.read(target, dtype="float32", always_2d=True)
    assert rate == audiodiff.load(folder).sample_rate
    np.testing.assert_allclose(written.T.squeeze(), made, rtol=0, atol=2e-7)


def test_an_engine_that_is_none_ends_with_2(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["generate", "x", "-o", str(tmp_path / "x.wav"), "--model", str(folder), "--engine", "abacus"]
    assert main(words) == 2
    assert "abacus" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
