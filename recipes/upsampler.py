"""Train an upsampler: from 8 kHz speech to 16 kHz, the second stage of a cascade.

    python recipes/upsampler.py upsampler-speech --data CORPUS --output runs/upsampler
    python recipes/upsampler.py tiny-upsampler --data CORPUS --output runs/tiny --channels 64

The story, each part a function of `audiodiff.presets.upsampler`, where every setting stands with its reason:

1. `configure`: a preset (the table below), changed key by key; a key that does not exist is refused.
2. `open_corpus`: full-band clips with their splits, decoded once, as random crops.
3. `build_model`: the network in its noise process, and how log-magnitudes are distributed in the corpus.
4. `make_player`: the upper band of a crop is mixed with noise at a random time, the lower band with a little noise of a
   random level that the network is told (`--augmentation_max`), and the model says what the upper band was.
5. `train_steps`: AdamW, averaged weights, a state on disk every few minutes from which a killed run goes on exactly.
6. `validation_loss`, `listen`: the same few clips again and again, as log-spectral distance and by ear (TensorBoard).
7. The run folder is a checkpoint: `audiodiff upsample in.wav -o out.wav --model runs/upsampler`.

The same in one command: `audiodiff train`.
"""

import sys
from pathlib import Path

from audiodiff.cli.main import main as command_line
from audiodiff.presets.upsampler import PRESETS, Config, configure, train

__all__ = ["PRESETS", "Config", "configure", "main"]

# preset           corpus                        model                       what for
# upsampler-speech speech at 16 kHz or more      framed 160 x 8, 8 to 16 kHz the shipped model: ten minutes of a core
# tiny-upsampler   any folder of sound files     framed 32 x 4               a test in seconds


def main(config: Config, *, resume: bool = False) -> Path:
    """Train, and return the run folder, which is then a checkpoint."""
    return train(config, resume=resume)


if __name__ == "__main__":
    sys.exit(command_line(["train", *sys.argv[1:]]))
