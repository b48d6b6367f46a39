"""Loading a vocoder of another project, ready to synthesise."""

from pathlib import Path

from audiodiff.models.find import find_checkpoint, public_name
from audiodiff.synthesis.gain import read_reference_level
from audiodiff.synthesis.machine import open_device
from audiodiff.synthesis.provenance import ModelRecord, hash_config
from audiodiff.synthesis.settings import Resolved, Sampling
from audiodiff.synthesis.vocode import SAMPLES_CALL_SECONDS, SAMPLES_WINDOW_SECONDS, VocoderSynthesizer

DEFAULTS = Resolved(steps=1, sampler="euler", grid="uniform")
"""One call makes the waveform; more steps change nothing."""


def load(name_or_path: str | Path, *, device: str = "auto") -> VocoderSynthesizer:
    """Load a converted HiFi-GAN, BigVGAN or Vocos.

    Args:
        name_or_path: a checkpoint folder, or `hf:ORG/NAME` for a folder of that form on the Hugging Face Hub.
        device: `auto` (CUDA, then MPS, then CPU), or what torch calls the device.

    Raises:
        AudiodiffError: there is no such model or device, or the folder holds something else.
    """
    from audiodiff.models.checkpoint import WEIGHTS_FILE, load_checkpoint, read_config, weights_hash
    from audiodiff.models.gan_vocoder import GanVocoder

    chosen, folder = open_device(device), find_checkpoint(name_or_path)
    config = read_config(folder, "gan_vocoder")
    metadata = config["metadata"]
    defaults = Sampling.from_metadata(metadata, folder).resolve(DEFAULTS)
    level = read_reference_level(metadata, folder)
    model = load_checkpoint(folder, GanVocoder)
    identity = ModelRecord(public_name(name_or_path), weights_hash(folder / WEIGHTS_FILE), hash_config(config["model"]))
    return VocoderSynthesizer(
        model.to(chosen),
        name=str(name_or_path),
        identity=identity,
        defaults=defaults,
        reference_level_db=level,
        device=chosen,
        window_seconds=SAMPLES_WINDOW_SECONDS,
        call_seconds=SAMPLES_CALL_SECONDS,
    )
