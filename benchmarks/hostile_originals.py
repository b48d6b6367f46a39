"""Valid files of every kind that audiodiff reads, small, for `benchmarks.hostile` to damage."""

import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
import torch

from audiodiff.data.shards.format import ShardIndex
from audiodiff.data.shards.writer import LatentClip, ShardWriter
from audiodiff.models.autoencoder import MelAutoencoder, MelAutoencoderConfig
from audiodiff.models.checkpoint import save_checkpoint
from audiodiff.models.mel_latent import MelLatent, MelLatentConfig
from audiodiff.models.upsampler import Upsampler, UpsamplerConfig
from audiodiff.models.vocoder import Vocoder, VocoderConfig
from audiodiff.nn.autoencoder import AutoencoderConfig
from audiodiff.nn.transformer import DiTConfig
from audiodiff.nn.wavenet import WaveNetConfig
from audiodiff.signal import mel
from audiodiff.text.library import SavedPrompt, save_prompt

RATE = 22_050


class Originals:
    """Valid files of every kind, made once.

    Args:
        folder: made; what is in it is copied and never changed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        torch.manual_seed(0)
        spec = mel.preset("hifigan-22k")
        wavenet = WaveNetConfig(channels=8, layers=2, dilation_cycle=2, cond_channels=8, embedding_width=8)
        codec = MelAutoencoderConfig(spec, AutoencoderConfig(width=8, latent_channels=2, blocks=(1, 0, 1)))
        latent = MelLatentConfig(codec, dit=DiTConfig(width=16, depth=1, heads=2), text_width=3, text_encoder="minilm")
        low = UpsamplerConfig(n_fft=128, hop_length=32, bands=6, wavenet=wavenet)
        sampling = {"sampling": {"steps": 1}, "description": "tiny", "corpus": {"name": "none", "licences": ["CC0"]}}
        save_checkpoint(folder / "vocoder", Vocoder(VocoderConfig(spec, wavenet=wavenet)), sampling)
        save_checkpoint(folder / "autoencoder", MelAutoencoder(codec), sampling)
        save_checkpoint(folder / "upsampler", Upsampler(low), sampling)
        save_checkpoint(folder / "mel_latent", MelLatent(latent), sampling)
        shutil.copytree(folder / "vocoder", folder / "mel_latent" / "vocoder")
        self.waveform = self._sound()
        self.sounds = self._encoded()
        corpus = folder / "corpus"
        corpus.mkdir()
        for number in range(3):
            soundfile.write(corpus / f"{number}.wav", self.waveform, RATE)
        self.table = [["file_name", "text", "split"], *([f"{n}.wav", f"clip {n}", "train"] for n in range(3))]
        index = ShardIndex("minilm", 3, "0" * 64, 2, 21.5, ("tempo", "seconds"), {"key": ("C", "D")}, {"corpus": "x"})
        with ShardWriter(folder / "shards", index, clips_per_shard=2) as writer:
            for number in range(3):
                writer.add(
                    LatentClip(
                        f"clip{number}",
                        torch.randn(2, 20 + number),
                        1.0,
                        ("a caption",),
                        (torch.randn(4, 3),),
                        {"tempo": 90.0},
                        {"key": "C"},
                        beats=(0.1, 0.6),
                    )
                )
        self.prompts = folder / "prompts.json"
        for name in ("one", "two"):
            prompt = SavedPrompt(name, "slow piano", negative="drums", settings={"steps": 4}, seed=3, tags=("calm",))
            save_prompt(prompt, path=self.prompts)

    @staticmethod
    def _sound() -> npt.NDArray[np.float32]:
        time = np.arange(RATE // 4) / RATE
        tone = sum(np.sin(2 * np.pi * 180 * k * time) / k for k in range(1, 12))
        return np.asarray(0.1 * tone, dtype=np.float32)

    def _encoded(self) -> dict[str, bytes]:
        found = {}
        for name, extra in (("wav", "PCM_16"), ("float.wav", "FLOAT"), ("flac", None), ("ogg", None), ("mp3", None)):
            kind = name.rsplit(".", 1)[-1]
            if kind.upper() in soundfile.available_formats():
                buffer = io.BytesIO()
                soundfile.write(buffer, self.waveform, RATE, format=kind.upper(), subtype=extra)
                found[name] = buffer.getvalue()
        return found

    def record(self) -> dict[str, Any]:
        """A record as a sidecar holds it."""
        return {
            "audiodiff_provenance": 1,
            "verb": "vocode",
            "models": [{"name": "speech", "weights_sha256": "0" * 64, "config_sha256": "0" * 64, "role": "vocoder"}],
            "settings": {"steps": 1, "sampler": "ddim", "grid": "uniform", "precision": "fp32", "seed": 0},
            "seed": 0,
            "audio": {
                "sample_rate": RATE,
                "channels": 1,
                "n_samples": 100,
                "samples_sha256": "0" * 64,
                "generated_sha256": "0" * 64,
            },
            "machine": {"device": "cpu", "processor": "x", "threads": 1, "torch": "2", "libsndfile": "1"},
            "inputs": [{"name": "in.wav", "sha256": "0" * 64}],
            "prompt": "slow piano",
            "negative": "",
            "made_by": "generated by a diffusion model",
            "audiodiff_version": "1.0",
        }

    def tree(self, name: str, place: Path) -> Path:
        """A copy of a folder of originals."""
        return Path(shutil.copytree(self.folder / name, place / name))


def trained(originals: Originals) -> Path:
    """A run of one step, made when it is first wanted."""
    run = originals.folder / "run"
    if not run.is_dir():
        from audiodiff_recipes.vocoder import configure, train

        changes = {"data.folder": str(originals.folder / "corpus"), "output": str(run), "train.steps": 1}
        train(configure("tiny", {**changes, "validation.clips": 0, "train.validate_every": 0}), resume=False)
    return run
