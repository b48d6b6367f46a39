"""Train a model that makes speech: a digit that is asked for, or the voice of a reader.

    python recipes/autoencoder.py sc09-autoencoder --data SpeechCommands --output runs/digit-codec
    audiodiff encode SpeechCommands -o shards/digits --autoencoder runs/digit-codec --preset sc09-latent
    python recipes/latent_speech.py sc09-latent --data shards/digits --autoencoder runs/digit-codec \
        --vocoder audiodiff/pretrained/speech --output runs/digits
    audiodiff generate seven -o seven.wav --model runs/digits

The parts are those of `latent_music.py`, and everything is the same function; what differs is the condition:

- `sc09-latent` knows ten words by name, as a class (`word`) and as a text, each withheld at times so that either alone
  is enough. The clips are a second long, and so is everything that the model makes in one piece.
- `ljspeech-latent` reads whole sentences as states of MiniLM. These tell what a sentence means, hardly what sounds it
  is made of, and nothing lines them up with time: expect the voice and the pace of the reader, not the words. It is a
  speaker to vocode and to listen to, no text-to-speech.

The vocoder of the package takes the mel of both. The same in one command: `audiodiff train`.
"""

import sys
from pathlib import Path

from audiodiff.cli.main import main as command_line
from audiodiff.presets.encode import encode_for
from audiodiff.presets.latent import PRESETS, Config, configure, train

__all__ = ["PRESETS", "Config", "configure", "encode_for", "main"]

# preset           corpus of the shards        model            can be asked for
# sc09-latent      digits of Speech Commands   DiT 384 x 8      one of ten words, as a class or a text
# ljspeech-latent  LJSpeech, 24 h              DiT 512 x 12     a sentence, and how long it takes
# tiny-latent      any captioned folder        DiT 32 x 2       a test in seconds


def main(config: Config, *, resume: bool = False) -> Path:
    """Train, and return the run folder, which is then a checkpoint."""
    return train(config, resume=resume)


if __name__ == "__main__":
    sys.exit(command_line(["train", *sys.argv[1:]]))
