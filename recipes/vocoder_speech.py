"""Train a speech vocoder.

    python recipes/vocoder_speech.py speech --data CORPUS --output runs/speech
    python recipes/vocoder_speech.py tiny --data CORPUS --output runs/tiny --learning_rate 4e-4 --channels 64

The story, each part a function of `audiodiff.presets.vocoder`, where every setting stands with its reason:

1. `configure`: a preset (the table below), changed key by key; a key that does not exist is refused.
2. `open_corpus`: clips with their splits, decoded once, as random crops.
3. `build_model`: the network in its noise process. It sees waveforms through their STFT and knows their mel.
4. `make_players`: a crop is mixed with noise at a random time, and the model says what it was; in adversarial
   fine-tuning a discriminator has its say, too.
5. `train_steps`: AdamW, averaged weights, a state on disk every few minutes from which a killed run goes on exactly.
6. `validation_loss`, `show_clips`: the same few clips again and again, on paper and by ear (TensorBoard).
7. The run folder is a checkpoint: `audiodiff vocode in.wav -o out.wav --model runs/speech`.

The same in one command: `audiodiff train`.
"""

import sys
from pathlib import Path

from audiodiff.cli.main import main as command_line
from audiodiff.presets.vocoder import PRESETS, Config, configure, train

__all__ = ["PRESETS", "Config", "configure", "main"]

# preset             corpus                       model, mel                      what for
# speech             the shipped model's          framed 320 x 8, hifigan-22k     two CPU cores, 95 minutes
# speech-adversarial the same, with --init        the same, a discriminator       the last touch
# folder             any folder of sound files    the same                        your own voices
# ljspeech           LJSpeech, one reader         the same                        comparisons with papers
# libritts           LibriTTS, 2,456 readers      the same, bigvgan-24k           voices never heard before
# vctk               VCTK, 110 speakers           the same                        accents
# diffwave-ljspeech  LJSpeech                     DiffWave 64 x 30, diffwave-lmnt the published model
# music-vocoder      music                        see vocoder_music.py            the music models
# tiny               any folder of sound files    framed 32 x 4                   a test in seconds


def main(config: Config, *, resume: bool = False) -> Path:
    """Train, and return the run folder, which is then a checkpoint."""
    return train(config, resume=resume)


if __name__ == "__main__":
    sys.exit(command_line(["train", *sys.argv[1:]]))
