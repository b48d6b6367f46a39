"""Train a model that makes music from a prompt.

    python recipes/autoencoder.py maestro-autoencoder --data maestro-v3.0.0 --output runs/piano-codec
    audiodiff encode maestro-v3.0.0 -o shards/piano --autoencoder runs/piano-codec --preset maestro-latent
    python recipes/latent_music.py maestro-latent --data shards/piano --autoencoder runs/piano-codec \
        --vocoder runs/vocoder --output runs/piano
    audiodiff generate "solo piano, Claude Debussy" -o out.wav --model runs/piano

The story, each part a function of `audiodiff.presets.latent`, where every setting stands with its reason:

1. `encode_for` the preset, once: every recording becomes latents, in parts of a minute at most; its captions become
   states of a frozen text encoder; numbers and classes are those that the preset's model takes.
2. `configure`: a preset (the table below), changed key by key; the shape of the codec is that of its checkpoint.
3. `open_shards`, `check_shards`: clips of latents as random crops; shards of another codec are refused.
4. `build_model`: a DiT (or a U-Net) over latents, with the finished codec beside it.
5. `make_player`: a crop is mixed with noise at a random time, and the model says what it was; conditions are withheld
   at random, which is what guidance lives on.
6. `run_steps`: AdamW, averaged weights, a state on disk every few minutes from which a killed run goes on exactly.
7. `validation_loss`, and with `--vocoder` `show_sounds`: a few captions of the validation split, generated again and
   again, to look at and to hear (TensorBoard).
8. The run folder is a checkpoint with codec and vocoder: `audiodiff generate PROMPT -o out.wav --model runs/piano`.

The same in one command: `audiodiff train`.
"""

import sys
from pathlib import Path

from audiodiff.cli.main import main as command_line
from audiodiff.presets.encode import encode_for
from audiodiff.presets.latent import PRESETS, Config, configure, train

__all__ = ["PRESETS", "Config", "configure", "encode_for", "main"]

# preset          corpus of the shards          model                   can be asked for
# music           music with a metadata.csv     DiT 256 x 6             a caption, tempo, length, rendered or recorded
# music-unet      the same                      U-Net                   the same
# music-finetune  a captioned folder            the model `music`       the same
# folder-latent   a captioned folder            DiT 512 x 12            the same
# maestro-latent  MAESTRO 3.0.0, 200 h          DiT 512 x 12            composer and title
# musdb18-latent  MUSDB18-HQ, 10 h              DiT 384 x 8             artist and title
# gtzan-latent    GTZAN, 8 h                    DiT 384 x 8             one of ten genres
# fma-latent      FMA small 66 h, medium 208 h  DiT 512 x 12            genre and title
# tiny-latent     any captioned folder          DiT 32 x 2              a test in seconds


def main(config: Config, *, resume: bool = False) -> Path:
    """Train, and return the run folder, which is then a checkpoint."""
    return train(config, resume=resume)


if __name__ == "__main__":
    sys.exit(command_line(["train", *sys.argv[1:]]))
