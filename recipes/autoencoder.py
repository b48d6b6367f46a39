"""Train a mel autoencoder: the codec between a latent model and its vocoder.

    python recipes/autoencoder.py music-autoencoder --data CORPUS --output runs/codec
    python recipes/autoencoder.py maestro-autoencoder --data maestro-v3.0.0 --output runs/piano-codec --device cuda

The story, each part a function of `audiodiff.presets.autoencoder`, where every setting stands with its reason:

1. `configure`: a preset (the table below), changed key by key; a key that does not exist is refused.
2. `open_corpus`: clips with their splits, decoded once, as random crops.
3. `build_model`: convolutions over time. Some crops decide how log-mels are standardised.
4. `make_player`: a crop's log-mel at a random gain is encoded, blurred as its variance says, and decoded again.
5. `run_steps`: AdamW, averaged weights, a state on disk every few minutes from which a killed run goes on exactly.
6. `reconstruct`: the same few clips again and again; the distance of their log-mels, and pictures (TensorBoard).
7. The run folder is a checkpoint, its latents standardised, for `audiodiff encode`.

The same in one command: `audiodiff train`.
"""

import sys
from pathlib import Path

from audiodiff.cli.main import main as command_line
from audiodiff.presets.autoencoder import PRESETS, Config, configure, train

__all__ = ["PRESETS", "Config", "configure", "main"]

# preset               corpus (--data)               mel, latents a second   what for
# music-autoencoder    music with a metadata.csv     bigvgan-44k, 21.5       the shipped model's codec
# speech-autoencoder   a folder of speech            hifigan-22k, 43.1       the same for speech
# folder-autoencoder   any folder of music           bigvgan-44k, 21.5       your own music
# maestro-autoencoder  MAESTRO 3.0.0, 200 h          the same                piano
# musdb18-autoencoder  MUSDB18-HQ, 10 h              the same                songs with voices
# gtzan-autoencoder    GTZAN, 8 h at 22.05 kHz       the same                ten genres
# fma-autoencoder      FMA small 66 h, medium 208 h  the same                everything
# sc09-autoencoder     digits of Speech Commands     hifigan-22k, 43.1       a benchmark of a second
# ljspeech-autoencoder LJSpeech, 24 h                the same                one reader
# tiny-autoencoder     any folder of sound files     hifigan-22k, 21.5       a test in seconds


def main(config: Config, *, resume: bool = False) -> Path:
    """Train, and return the run folder, which is then a checkpoint."""
    return train(config, resume=resume)


if __name__ == "__main__":
    sys.exit(command_line(["train", *sys.argv[1:]]))
