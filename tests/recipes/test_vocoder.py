import contextlib
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from audiodiff.data.corpora import AudioItem
from audiodiff.errors import AudiodiffError
from audiodiff.models.checkpoint import load_checkpoint, read_config
from audiodiff.models.find import PRETRAINED
from audiodiff.models.vocoder import PriorConfig, Vocoder
from audiodiff.synthesis.live import SampleStream
from audiodiff.synthesis.settings import Sampling, VocodeSettings
from audiodiff.synthesis.vocode import VocoderSynthesizer, load
from audiodiff.training.progress import read_log
from audiodiff_recipes import autoencoder
from audiodiff_recipes.corpus import split_items
from audiodiff_recipes.vocoder import (
    RECIPE,
    Config,
    OutputConfig,
    VocoderSampling,
    build_model,
    configure,
    describe,
    for_sampling,
    train,
)
from tests.recipes.corpus import tiny_changes, write_corpus
from tests.refusals import refused


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write_corpus(tmp_path / "corpus")
    return tmp_path


def tiny(place: Path, run: str, steps: int = 3, **changes: str) -> Config:
    return configure("tiny", {**tiny_changes(place, run, steps), **changes})


def same_weights(a: Vocoder, b: Vocoder) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_every_preset_can_be_built_and_has_the_published_size() -> None:
    sizes = {name: sum(p.numel() for p in build_model(RECIPE.preset(name)).parameters()) for name in ("tiny", "speech")}
    assert sizes["tiny"] < 300_000
    assert sizes["speech"] * 4 < 60 * 2**20
    diffwave = build_model(RECIPE.preset("diffwave-ljspeech"))
    assert sum(p.numel() for p in diffwave.parameters()) == 2_619_971  # ours keeps the embedding table as a buffer


def test_configure_layers_file_and_changes(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("preset: tiny\ntrain:\n  learning_rate: 1e-3\nmodel:\n  wavenet:\n    channels: 48\n")
    config = configure(file, {"seed": "7", "gain_db": "-3,0"})
    assert config.preset == "tiny"
    assert config.train == dataclasses.replace(RECIPE.preset("tiny").train, learning_rate=1e-3, seed=7)
    assert config.model.wavenet.channels == 48
    assert config.data.gain_db == (-3.0, 0.0)
    assert RECIPE.command(config).endswith(
        "--model.wavenet.channels 48 --train.learning_rate 0.001 --train.seed 7 --data.gain_db '[-3.0, 0.0]'"
    )
    assert configure("tiny", {"model.mel": "bigvgan-24k"}).model.mel.sample_rate == 24000


@pytest.mark.parametrize(
    ("source", "changes", "message"),
    [
        ("tinny", {}, "no preset"),
        ("tiny", {"learning_rat": "1e-3"}, "learning_rate"),
        ("tiny", {"learning_rate": "quick"}, "number"),
        ("tiny", {"sampler": "magic"}, "sampler"),
        ("tiny", {"gain_db": "3,-9"}, "gain_db"),
        ("tiny", {"corpus": "timit"}, "ljspeech"),
        ("tiny", {"model.mel": "unheard-of"}, "preset"),
        ("tiny", {"front_end.hop_length": "100"}, "hop"),
    ],
)
def test_mistakes_in_settings_are_named(source: str, changes: dict[str, str], message: str) -> None:
    refused(message, lambda: configure(source, changes))


def test_tiny_trains_to_a_checkpoint_and_resumes_to_the_same_bits(place: Path) -> None:
    whole = train(tiny(place, "whole", 6), resume=False)
    train(tiny(place, "parts", 6, **{"train.stop_after_seconds": "0"}), resume=False)
    assert read_config(place / "parts")["metadata"]["step"] == 1
    parts = train(tiny(place, "parts", 6), resume=True)
    model = load_checkpoint(whole, Vocoder)
    assert same_weights(model, load_checkpoint(parts, Vocoder))

    metadata = read_config(whole)["metadata"]
    assert metadata["step"] == 6
    assert metadata["corpus"]["clips"] == 5
    assert metadata["corpus"]["licences"] == ["CC0-1.0"]
    assert str(place) not in json.dumps(metadata)  # no paths of this machine
    log = read_log(whole)
    assert [line["step"] for line in log if "loss" in line] == [6]
    assert [line["step"] for line in log if "validation_loss" in line] == [6]
    assert list((whole / "tensorboard").glob("events*"))
    assert not (whole / "validation").exists()


def test_run_folders_are_protected(place: Path) -> None:
    train(tiny(place, "run", 1), resume=False)
    refused("already holds", lambda: train(tiny(place, "run", 1), resume=False))
    with pytest.raises(AudiodiffError, match=r"model\.wavenet\.channels = 32, now it is 64"):
        train(tiny(place, "run", 1, channels="64"), resume=True)
    # more steps, another rate, another name of the corpus folder: still the same run
    (place / "corpus").rename(place / "moved")
    train(tiny(place, "run", 2, learning_rate="1e-5", **{"data.folder": str(place / "moved")}), resume=True)
    refused("--data", lambda: train(configure("tiny", {"output": str(place / "x")}), resume=False))
    refused("--output", lambda: train(configure("tiny", {"data.folder": str(place)}), resume=False))


def test_a_vocoder_out_of_a_latent_model_tells_its_own_origin() -> None:
    config = configure("music-vocoder", {"init": "music"})
    given = {"name": "mine", "clips": 0, "hours": 0.0, "licences": [], "sources": []}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("audiodiff_recipes.vocoder.describe_corpus", lambda config, data: given)
        origin = describe(config, None)["origins"]["init"]  # type: ignore[arg-type]
    inside = read_config(PRETRAINED / "music" / "vocoder")
    assert origin["model"] == "music"
    assert origin["weights_sha256"] == inside["weights_sha256"]
    assert origin["sources"] == sorted(inside["metadata"]["corpus"]["sources"])


def test_init_starts_from_a_checkpoint_of_the_same_shape(place: Path) -> None:
    train(tiny(place, "first", 1), resume=False)
    second = build_model(tiny(place, "second", init=str(place / "first")))
    assert same_weights(second, load_checkpoint(place / "first", Vocoder))
    with pytest.raises(AudiodiffError, match=r"wavenet\.channels is 32 there and 64 here"):
        build_model(tiny(place, "third", init=str(place / "first"), channels="64"))


def test_the_preset_for_streams_starts_from_speech_and_looks_ahead_40_ms_at_most() -> None:
    config = configure("speech-live")
    live, speech = build_model(config), load_checkpoint(PRETRAINED / "speech", Vocoder)
    assert same_weights(live, speech)
    mel = 0.1 * torch.randn(1, 80, 40, generator=torch.Generator().manual_seed(0)) - 5.0
    assert not torch.equal(live.condition(mel).hidden[0][0], speech.condition(mel).hidden[0][0])
    synth = VocoderSynthesizer(for_sampling(live, config))
    stream = SampleStream(synth.model, synth.plan(VocodeSettings(Sampling(steps=config.sampling.steps))), 0)  # type: ignore[arg-type]
    assert stream.look_ahead_samples == 640
    assert stream.look_ahead * 256 <= 0.04 * 22050


def test_not_a_number_is_stopped_with_the_clips_named(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loss = Vocoder.loss

    def broken(self: Vocoder, *arguments: torch.Tensor, wanted: None = None) -> object:
        result = loss(self, *arguments)
        return result._replace(per_item=result.per_item * float("nan"))

    monkeypatch.setattr(Vocoder, "loss", broken)
    refused(r"step 1\b.*clip\d\.wav", lambda: train(tiny(place, "run"), resume=False))


@pytest.mark.slow
def test_adversarial_training_resumes_to_the_same_bits(place: Path) -> None:
    def config(run: str, **changes: str) -> Config:
        adversarial = {"adversarial.weight": "1", "judged_items": "2", "fade_in_steps": "1"}
        return tiny(place, run, 4, **{**adversarial, **changes})

    whole = train(config("whole"), resume=False)
    train(config("parts", **{"train.stop_after_seconds": "0"}), resume=False)
    assert same_weights(load_checkpoint(whole, Vocoder), load_checkpoint(train(config("parts"), resume=True), Vocoder))
    assert not same_weights(
        load_checkpoint(whole, Vocoder), load_checkpoint(train(tiny(place, "plain", 4), resume=False), Vocoder)
    )
    assert {"adversarial", "features", "discriminator/loss"} <= read_log(whole)[-2].keys() | read_log(whole)[-1].keys()
    refused(r"judged_items is 5", lambda: config("bad", judged_items="5"))


def items(*splits: str) -> list[AudioItem]:
    return [AudioItem(Path(f"{index}.wav"), split=split) for index, split in enumerate(splits)]


def test_what_is_meant_for_whole_mels_is_recommended_and_streams_do_without(place) -> None:
    whole = OutputConfig(3, 5, 0.9, 2)
    config = tiny(place, "run")
    config = dataclasses.replace(config, sampling=dataclasses.replace(config.sampling, whole=whole))
    synth = load(train(config, resume=False))
    head, live = synth.model.config.head, synth.live.config.head
    assert (head.output_projections, head.output_half_projections, head.output_momentum) == (3, 5, 0.9)
    assert head.output_matching == 2
    assert live == config.model.head


def test_the_exported_model_has_the_projections_that_are_meant_for_sampling() -> None:
    sampling = VocoderSampling(
        8, "ddim", "uniform", prior=PriorConfig("shaped", 3, 0.5), output=OutputConfig(2, 5, 0.9)
    )
    config = dataclasses.replace(RECIPE.preset("tiny"), sampling=sampling)
    meant = for_sampling(Vocoder(config.model), config).config
    assert meant.prior == PriorConfig("shaped", 3, 0.5)
    assert (meant.head.output_projections, meant.head.output_half_projections, meant.head.output_momentum) == (
        2,
        5,
        0.9,
    )
    same = Vocoder(RECIPE.preset("tiny").model)
    assert for_sampling(same, RECIPE.preset("tiny")) is same
    assert RECIPE.from_dict(json.loads(json.dumps(RECIPE.to_dict(config)))) == config


def test_split_items() -> None:
    train, valid = split_items(items("train", "valid", "test", "valid", "train", "valid"), 2)
    assert [item.path.stem for item in train] == ["0", "4"]
    assert [item.path.stem for item in valid] == ["1", "3"]
    train, valid = split_items(items(*[""] * 100), 4)
    assert (len(train), len(valid)) == (98, 2)
    assert not {item.path for item in train} & {item.path for item in valid}
    train, valid = split_items(items("", ""), 4)
    assert (len(train), len(valid)) == (2, 2)
    refused("test", lambda: split_items(items("test"), 4))


@pytest.mark.slow
@pytest.mark.parametrize(("device", "fsdp"), [("cpu", "false"), ("auto", "false"), ("cpu", "true")])
def test_two_processes_train_what_one_does(place: Path, device: str, fsdp: str) -> None:
    """The same items, times and noise, so the same weights but for the order of sums."""
    pytest.importorskip("accelerate")
    alone = train(tiny(place, "alone", 4, device="cpu"), resume=False)
    words = [f"--{key}={value}" for key, value in tiny_changes(place, "pair", 4).items()]
    environment = {
        **os.environ,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "29517" if device == "cpu" else "29518",
        "ACCELERATE_USE_FSDP": fsdp,
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    with contextlib.ExitStack() as files:
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "audiodiff", "train", "tiny", f"--device={device}", *words],
                env={**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                cwd=Path(__file__).parents[2],
                stderr=files.enter_context((place / f"words-{rank}.txt").open("w")),
            )
            for rank in range(2)
        ]
        statuses = [process.wait(timeout=300) for process in processes]
    told = (place / "words-0.txt").read_text()
    assert statuses == [0, 0], told
    assert ("divided" in told) == (fsdp == "true"), told
    for a, b in zip(
        load_checkpoint(alone, Vocoder).state_dict().values(),
        load_checkpoint(place / "pair", Vocoder).state_dict().values(),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=2e-4)


def test_a_vocoder_can_learn_from_decoded_mels(place: Path) -> None:
    shape = {"width": 16, "latent_channels": 4, "blocks": [0, 0, 0]}
    codec = autoencoder.configure(
        "tiny-autoencoder", {**tiny_changes(place, "codec", 1), "model.network": shape, "validation.clips": 0}
    )
    autoencoder.train(codec, resume=False)
    train(tiny(place, "plain"), resume=False)
    train(tiny(place, "none", autoencoder=str(place / "codec"), autoencoder_share="0.0"), resume=False)
    train(tiny(place, "both", autoencoder=str(place / "codec")), resume=False)
    plain, none, both = (load_checkpoint(place / name, Vocoder) for name in ("plain", "none", "both"))
    assert same_weights(plain, none)
    assert not same_weights(plain, both)
    other = tiny(place, "no", autoencoder=str(place / "codec"), **{"model.mel": "bigvgan-22k"})
    refused("for another mel", lambda: train(other, resume=False))
