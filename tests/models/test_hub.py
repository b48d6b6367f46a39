"""Models to and from a hub-shaped server on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import nn

from audiodiff.cli.main import main
from audiodiff.errors import AudiodiffError
from audiodiff.models.checkpoint import load_checkpoint, read_config, save_checkpoint
from audiodiff.models.gan_vocoder import GanVocoder, GanVocoderConfig
from audiodiff.models.hub import from_pretrained, package, push_to_hub, save_pretrained
from audiodiff.models.mel_latent import MelLatent
from audiodiff.nn.vocos import VocosConfig
from audiodiff.signal.mel_spec import MelSpec
from tests.models.hub_server import HubState, hub_server
from tests.synthesis.latent_models import write_latent_model

pytest.importorskip("huggingface_hub")
# how the library calls its own client
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

MEL = MelSpec(sample_rate=8000, n_fft=32, hop_length=8, win_length=32, n_mels=12, f_max=4000.0)
CORPUS = {"name": "voices", "hours": 1.5, "clips": 100, "licences": ["CC0-1.0"], "sources": ["a reader"]}


def tiny_vocoder() -> GanVocoder:
    torch.manual_seed(0)
    return GanVocoder(GanVocoderConfig(MEL, vocos=VocosConfig(12, 16, 24, 2, 32, 8, "same"))).eval()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubState]:
    """A server that huggingface_hub takes for the Hub, with an empty cache and an account."""
    from huggingface_hub import constants

    with hub_server() as state:
        monkeypatch.setattr(constants, "ENDPOINT", state.url)
        template = state.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
        monkeypatch.setenv("HF_TOKEN", "hf_test")
        yield state


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A latent model as it is trained: a vocoder inside, training state beside it, an evaluation, sounds."""
    folder = write_latent_model(tmp_path / "runs" / "mine")
    metadata = {
        **read_config(folder)["metadata"],
        "corpus": CORPUS,
        "origins": {"autoencoder": {"corpus": {"name": "tunes", "licences": ["CC-BY-4.0"], "sources": ["a band"]}}},
        "validation": {"loss": 0.25},
    }
    save_checkpoint(folder, load_checkpoint(folder, MelLatent), metadata)
    (folder / "state").mkdir()
    (folder / "state" / "optimizer.safetensors").write_bytes(b"large")
    (folder / "evaluation").mkdir()
    (folder / "evaluation" / "evaluation.md").write_text("# Scores\n\n| PESQ |\n|---|\n| 3.7 |\n")
    (folder / "sounds").mkdir()
    soundfile.write(folder / "sounds" / "piano.wav", np.zeros(100), 22050)
    return folder


def test_a_pushed_run_is_loaded_by_its_name_and_offline_too(
    hub: HubState, run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["push", str(run_folder), "somebody/mine", "--private", "--message", "first"]) == 0
    assert "load it as hf:somebody/mine" in capsys.readouterr().out
    files = hub.files["somebody/mine"]
    assert {"config.json", "model.safetensors", "vocoder/config.json", "vocoder/model.safetensors"} <= files.keys()
    assert {"README.md", "evaluation/evaluation.md", "sounds/piano.wav"} <= files.keys()
    assert not any("state" in name for name in files)
    assert (hub.messages, hub.private["somebody/mine"]) == (["first"], True)
    card = files["README.md"].decode()
    for words in ("license: other", "pipeline_tag: text-to-audio", "hf:somebody/mine", "1.5 hours", "CC-BY-4.0"):
        assert words in card
    for words in ("| loss | 0.25 |", "### Scores", "| 3.7 |", "somebody/mine/resolve/main/sounds/piano.wav"):
        assert words in card
    trained = load_checkpoint(run_folder, MelLatent)
    loaded = from_pretrained("hf:somebody/mine", nn.Module)
    for name, value in trained.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)
    # the Hub is gone: the same from the cache
    hub.files.clear()
    again = from_pretrained("hf:somebody/mine", MelLatent)
    assert torch.equal(again.state_dict()[name], value)


def test_without_a_network_the_cache_serves(hub: HubState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    save_pretrained(tiny_vocoder(), tmp_path / "mine")
    push_to_hub(tmp_path / "mine", "somebody/vocoder")
    from_pretrained("hf:somebody/vocoder", GanVocoder)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    loaded = from_pretrained("hf:somebody/vocoder@main", GanVocoder)
    assert loaded.config == tiny_vocoder().config
    with pytest.raises(AudiodiffError, match="could not be fetched"):
        from_pretrained("hf:somebody/other", GanVocoder)


def test_a_second_push_replaces_the_first(hub: HubState, tmp_path: Path) -> None:
    save_pretrained(tiny_vocoder(), tmp_path / "mine", {"corpus": CORPUS})
    push_to_hub(tmp_path / "mine", "somebody/vocoder")
    before = hub.files["somebody/vocoder"]["model.safetensors"]
    assert "license: cc0-1.0" in hub.files["somebody/vocoder"]["README.md"].decode()
    push_to_hub(tmp_path / "mine", "somebody/vocoder", licence="mit", half=True)
    assert len(hub.files["somebody/vocoder"]["model.safetensors"]) < 0.7 * len(before)
    assert "license: mit" in hub.files["somebody/vocoder"]["README.md"].decode()


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    save_pretrained(tiny_vocoder(), tmp_path / "mine", {"description": "tiny"}, licence="apache-2.0")
    card = (tmp_path / "mine" / "README.md").read_text()
    assert card.startswith("---\nlicense: apache-2.0\n")
    assert "# mine\n\nTiny." in card
    loaded, made = from_pretrained(tmp_path / "mine", GanVocoder), tiny_vocoder()
    assert all(torch.equal(loaded.state_dict()[name], value) for name, value in made.state_dict().items())


def test_a_dry_run_writes_what_would_be_pushed(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["push", str(run_folder), "somebody/mine", "--dry-run", str(tmp_path / "out")]) == 0
    assert str(tmp_path / "out" / "README.md") in capsys.readouterr().out
    load_checkpoint(tmp_path / "out", MelLatent)
    assert main(["push", str(run_folder), "somebody/mine", "--dry-run", str(tmp_path / "out")]) == 2


def test_a_card_written_by_hand_is_kept(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "mine", tiny_vocoder(), {})
    (tmp_path / "mine" / "MODEL_CARD.md").write_text("# My model\n\nBy hand.\n")
    package(tmp_path / "mine", tmp_path / "out", "somebody/mine")
    card = (tmp_path / "out" / "README.md").read_text()
    assert "# My model\n\nBy hand." in card
    assert "## Use" in card


def test_what_cannot_be_pushed_is_one_sentence(hub: HubState, tmp_path: Path, run_folder: Path) -> None:
    for name in ("mine", "a/b/c", "some body/x", "/x", "a/", "../x"):
        with pytest.raises(AudiodiffError, match="expected ORG/NAME"):
            push_to_hub(run_folder, name)
    with pytest.raises(AudiodiffError, match="there is no model"):
        push_to_hub(tmp_path / "absent", "a/b")
    with pytest.raises(AudiodiffError, match=r"no evaluation\.md"):
        push_to_hub(run_folder, "a/b", evaluation=tmp_path)
    with pytest.raises(AudiodiffError, match="no audio file"):
        push_to_hub(run_folder, "a/b", sounds=[run_folder / "config.json"])
    with pytest.raises(AudiodiffError, match="names of their own"):
        push_to_hub(run_folder, "a/b", sounds=[run_folder / "sounds" / "piano.wav"] * 2)
    with pytest.raises(AudiodiffError, match="licence"):
        push_to_hub(run_folder, "a/b", licence="mit\nextra: true")
    assert hub.files == {}
    hub.refuses = True
    with pytest.raises(AudiodiffError, match="could not be pushed"):
        push_to_hub(run_folder, "a/b")
