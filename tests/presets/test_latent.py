import dataclasses
import json
from pathlib import Path

import pytest
import soundfile
import torch

from audiodiff.cli.train import PRESET_NAMES
from audiodiff.data.corpora import AudioItem
from audiodiff.data.shards import LatentDataset
from audiodiff.errors import AudiodiffError
from audiodiff.models.checkpoint import load_autoencoder, load_mel_latent, read_config
from audiodiff.presets import autoencoder, latent
from audiodiff.presets.encode import captions, encode_corpus, encode_waveform, numbers_of
from audiodiff.signal import mel
from tests.presets.corpus import write_corpus

CAPTIONS = ("solo piano, slow, 60 bpm", "fast drums, 160 bpm", "", "organ, C major", "flute", "violin, sad", "choir")


def write_music(folder: Path) -> Path:
    """The tones of `write_corpus`, with captions and labels."""
    write_corpus(folder)
    rows = (folder / "metadata.csv").read_text().splitlines()
    labelled = ["file_name,split,license,text,text1,tempo,label_source,instrument,source"]
    for number, row in enumerate(rows[1:]):
        tempo = "60.0" if number == 0 else ""
        labelled.append(f'{row},"{CAPTIONS[number]}","{"piano" if number == 0 else ""}",{tempo},exact,piano,made here')
    (folder / "metadata.csv").write_text("\n".join(labelled) + "\n")
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus, an autoencoder that has seen three steps of it, and its shards."""
    place = tmp_path_factory.mktemp("latent")
    write_music(place / "corpus")
    config = autoencoder.configure(
        "tiny-autoencoder",
        {
            "data.folder": str(place / "corpus"),
            "data.cache": str(place / "cache"),
            "output": str(place / "ae"),
            "train.steps": "3",
        },
    )
    autoencoder.train(config, resume=False)
    encode_corpus(
        str(place / "corpus"),
        place / "shards",
        autoencoder=place / "ae",
        text_encoder="minilm",
        cache=str(place / "cache"),
    )
    return place


def tiny(place: Path, run: str, steps: int = 3, **changes: str) -> latent.Config:
    given = {
        "data.folder": str(place / "shards"),
        "autoencoder": str(place / "ae"),
        "output": str(place / run),
        "train.steps": str(steps),
    }
    return latent.configure("tiny-latent", {**given, **changes})


def test_presets_survive_json_and_the_command_line_knows_them() -> None:
    for module in (autoencoder, latent):
        assert tuple(module.PRESETS) == PRESET_NAMES[module.__name__]
        for config in module.PRESETS.values():
            assert module.config_from_dict(json.loads(json.dumps(module.config_to_dict(config)))) == config


def test_the_shipped_models_fit_their_budget() -> None:
    model = latent.MelLatent(latent.PRESETS["music"].model)
    assert 2 * sum(parameter.numel() for parameter in model.parameters()) < 28 * 2**20  # fp16; the vocoder has the rest


def test_shards_hold_what_the_autoencoder_and_the_metadata_say(place: Path) -> None:
    data = LatentDataset(place / "shards" / "train")
    assert len(data) == 5
    assert data.index.numbers == ("tempo", "seconds")
    first = data.clips[0]
    assert first.texts == (CAPTIONS[0], "piano")
    assert first.numbers["tempo"] == 60.0
    assert first.classes == {"source": "rendered"}
    assert data.clips[2].texts == ()
    # the latents are those of the whole clip, up to the rounding of float16
    model = load_autoencoder(place / "ae")
    waveform, rate = soundfile.read(place / "corpus" / "clip0.wav", dtype="float32")
    assert rate == 22050
    samples = torch.from_numpy(waveform)
    samples = samples * (0.08 / samples.square().mean().sqrt())  # the level of every clip
    log_mel = mel.log_mel(samples[None], model.mel_spec)
    torch.testing.assert_close(data.latent(0), model.encode(log_mel)[0].detach(), rtol=0, atol=0.05)


def test_long_clips_are_encoded_in_blocks_as_in_one_go(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_autoencoder(place / "ae")
    waveform = 0.1 * torch.randn(256 * 403, generator=torch.Generator().manual_seed(0))
    whole = encode_waveform(model, waveform)
    monkeypatch.setattr("audiodiff.presets.encode._BLOCK_FRAMES", 128)
    torch.testing.assert_close(encode_waveform(model, waveform), whole, rtol=0, atol=1e-4)


def test_training_ends_as_a_checkpoint_that_says_what_it_knows(place: Path) -> None:
    run = latent.train(tiny(place, "whole"), resume=False)
    model = load_mel_latent(run)
    trained = load_autoencoder(place / "ae")
    assert torch.equal(model.autoencoder.latent_mean, trained.latent_mean)
    metadata = read_config(run)["metadata"]
    assert metadata["step"] == 3
    assert metadata["corpus"]["clips"] == 5
    assert metadata["corpus"]["licences"] == ["CC0-1.0"]
    assert metadata["sampling"]["window_seconds"] > 0
    assert "--autoencoder" in metadata["command"]


def test_a_stopped_run_goes_on_to_the_same_weights(place: Path) -> None:
    latent.train(tiny(place, "parts", 1), resume=False)
    latent.train(tiny(place, "parts", 3), resume=True)
    if not (place / "whole2").exists():
        latent.train(tiny(place, "whole2"), resume=False)
    parts, whole = (load_mel_latent(place / name).state_dict() for name in ("parts", "whole2"))
    # the cosine of a run of one step is another, but with warm-up all three steps are within it
    assert all(torch.equal(parts[name], whole[name]) for name in whole)


def test_another_autoencoder_or_encoder_is_refused(place: Path) -> None:
    other = autoencoder.configure(
        "tiny-autoencoder",
        {
            "data.folder": str(place / "corpus"),
            "data.cache": str(place / "cache"),
            "output": str(place / "other"),
            "train.steps": "1",
            "train.seed": "5",
        },
    )
    autoencoder.train(other, resume=False)
    with pytest.raises(AudiodiffError, match="another autoencoder"):
        latent.train(tiny(place, "no", autoencoder=str(place / "other")), resume=False)
    with pytest.raises(AudiodiffError, match="text_encoder minilm"):
        latent.train(tiny(place, "no", text_encoder="t5:google/t5"), resume=False)
    config = dataclasses.replace(tiny(place, "no"), autoencoder="")
    data = latent.open_shards(config, "train")
    with pytest.raises(AudiodiffError, match="autoencoder is not set"):
        latent.check_shards(data, config)


def test_recordings_can_be_drawn_more_often(place: Path) -> None:
    config = tiny(place, "no", recorded_weight="3.0")
    data = latent.open_shards(config, "train")
    plain = latent.open_shards(tiny(place, "no"), "train")
    # every clip here is rendered, so nothing changes
    assert torch.equal(data.batch(0, 0, 8, 4).index, plain.batch(0, 0, 8, 4).index)


def test_metadata_that_is_no_number_is_named() -> None:
    with pytest.raises(AudiodiffError, match="tempo 'fast'"):
        numbers_of(AudioItem(Path("a.wav"), extra={"tempo": "fast"}))
    assert captions(AudioItem(Path("a.wav"), text=" ", extra={"text1": "b", "text3": "c"})) == ("b", "c")
