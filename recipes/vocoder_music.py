"""Train a vocoder for music, at 44.1 kHz, for the mel of the music models.

    python recipes/vocoder_music.py music-vocoder --data CORPUS --output runs/music-vocoder
    python recipes/vocoder_music.py music-vocoder --corpus maestro --data maestro-v3.0.0 --output runs/piano-vocoder

The story is that of `vocoder_speech.py`, and every part is the same function of `audiodiff.presets.vocoder`. What music
changes, with reasons beside the preset:

1. The mel is `bigvgan-44k`: 128 bands up to 22.05 kHz, frames twice as long, so that BigVGAN-v2 vocoders fit, too.
2. A crop is a second, as in speech: a chord rings longer, but the network hears no further.
3. The random gain of a crop goes lower: music has passages far below the level of the whole.
4. The run folder goes into a latent model: `audiodiff train music ... --vocoder runs/music-vocoder`.

The same in one command: `audiodiff train`.
"""

import sys
from pathlib import Path

from audiodiff.cli.main import main as command_line
from audiodiff.presets.vocoder import PRESETS, Config, configure, train

__all__ = ["PRESETS", "Config", "configure", "main"]

# preset         corpus                                    model, mel                what for
# music-vocoder  a folder of music, or --corpus maestro,   framed 256 x 8,           the shipped music model, and the
#                musdb18, gtzan or fma                     bigvgan-44k               latent presets of music
# tiny           any folder of sound files                 framed 32 x 4             a test in seconds


def main(config: Config, *, resume: bool = False) -> Path:
    """Train, and return the run folder, which is then a checkpoint."""
    return train(config, resume=resume)


if __name__ == "__main__":
    sys.exit(command_line(["train", *sys.argv[1:]]))
