"""Recordings with their texts made ready to learn a voice from: aligned phonemes, pitch, log-mels, kept in a file."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from audiodiff.atomic import atomic_file
from audiodiff.data.alignment import Alignment, Transcript, align, check_length, misfits, train_aligner, transcript
from audiodiff.data.alignment import usual_pronunciations as usual_of
from audiodiff.data.dataset import AudioDataset
from audiodiff.data.items import progress_bar
from audiodiff.data.phone_model import PhoneModel
from audiodiff.errors import AudiodiffError
from audiodiff.signal import mel
from audiodiff.signal.f0 import track_f0
from audiodiff.signal.mel import MelSpec
from audiodiff.text.english import phonemes, pronunciations
from audiodiff.text.phones import SYMBOL_ID, SYMBOLS
from audiodiff.text.utterance import Utterance

__all__ = ["VoiceBatch", "VoiceClips", "level_of_speech", "read_transcript", "voice_clips"]

_FORMAT = 2
_MOST_TO_TRAIN = 2000
"""Clips that the aligner is trained on at most; three hours tell no more of a voice than all."""

_LOUD = 0.05
"""Frames above this share of the loud frames' energy are speech."""


class VoiceBatch(NamedTuple):
    """Whole utterances, padded with zeros: `ids` and `durations` `[batch, n_symbols]`, `log_hertz` (base 2) and
    `voiced` `[batch, n_frames]`, `log_mel` `[batch, n_frames, n_mels]`, `speaker` `[batch]`.
    """

    ids: Tensor
    durations: Tensor
    log_hertz: Tensor
    voiced: Tensor
    log_mel: Tensor
    speaker: Tensor


@dataclass(frozen=True)
class VoiceClips:
    """Aligned clips, one after the other.

    Attributes:
        arrays: `ids` and `durations` `[symbols of all]`, `log_hertz` and `voiced` `[frames of all]`, `log_mel`
            `[frames of all, n_mels]` in float16, `symbol_ends` and `frame_ends` `[clips]`, `index` `[clips]`: which
            clip of the dataset each is; and the Gaussians of the aligner.
        usual: how the speaker says words most often.
        skipped: path and reason of clips that are left out.
    """

    arrays: Mapping[str, Tensor]
    usual: Mapping[str, str]
    skipped: tuple[tuple[str, str], ...]

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.arrays["frame_ends"])

    @property
    def aligner(self) -> PhoneModel:
        """The aligner of these clips."""
        return PhoneModel(
            self.arrays["aligner_means"].double().numpy(), self.arrays["aligner_whiteners"].double().numpy()
        )

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Frames of each clip `[clips]`."""
        return np.diff(self.arrays["frame_ends"].numpy(), prepend=0)

    def batch(self, clips: Sequence[int], speakers: Sequence[int]) -> VoiceBatch:
        """Utterances of some clips.

        Args:
            clips: their numbers.
            speakers: number of the speaker of each.
        """
        parts: list[Tensor] = []
        for name in ("ids", "durations", "log_hertz", "voiced", "log_mel"):
            ends = self.arrays["symbol_ends" if name in ("ids", "durations") else "frame_ends"]
            rows = [self.arrays[name][int(ends[n - 1]) if n else 0 : int(ends[n])] for n in clips]
            whole = pad_sequence(rows, batch_first=True)
            parts.append(whole.long() if name in ("ids", "durations") else whole.float())
        parts.append(torch.tensor(speakers))
        return VoiceBatch(*parts)


def level_of_speech(waveform: Tensor) -> float:
    """Root mean square of the frames in which there is speech, of a clip `[n_samples]`; pauses do not count."""
    size = 512
    frames = torch.nn.functional.pad(waveform, (0, -len(waveform) % size)).view(-1, size)
    energy = frames.double().square().mean(dim=1)
    loud = energy[energy >= _LOUD * torch.quantile(energy, 0.9)]
    return float(loud.mean().sqrt())


def voice_clips(
    data: AudioDataset, spec: MelSpec, level: float, pitch: tuple[float, float], aligner: PhoneModel | None = None
) -> VoiceClips:
    """Align a corpus to its texts, track its pitch and keep all with its log-mels in the dataset's cache.

    Args:
        data: clips with texts.
        spec: of the mels.
        level: root mean square that speech is brought to.
        pitch: lowest and highest (Hz).
        aligner: of these speakers; None trains one on these clips, and leaves out those whose texts do not fit.

    Raises:
        AudiodiffError: no clip can be used, or the cache cannot be written.
    """
    texts = [item.text for item in data.items]
    known = None if aligner is None else hashlib.sha256(aligner.means.astype(np.float32).tobytes()).hexdigest()
    key = json.dumps([_FORMAT, mel.to_dict(spec), level, pitch, texts, known, SYMBOLS])
    path = Path(data.cache) / f"voice-{hashlib.sha256(key.encode()).hexdigest()[:16]}.safetensors"
    if not path.is_file():
        arrays, facts = _build(data, spec, level, pitch, aligner)
        with atomic_file(path) as temporary:
            # safetensors writes memory as it lies
            save_file(
                {name: np.ascontiguousarray(array) for name, array in arrays.items()},
                temporary,
                {"facts": json.dumps(facts)},
            )
    try:
        with safe_open(path, "pt") as file:
            found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            told = json.loads(file.metadata()["facts"])
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise AudiodiffError(f"{path} is damaged ({error}); delete it.") from error
    return VoiceClips(found, told["usual"], tuple((where, why) for where, why in told["skipped"]))


class _Clip(NamedTuple):
    """A clip that may be used: its number in the dataset, what is said, its factor of level, and its log-mel."""

    number: int
    utterance: Utterance
    text: Transcript
    gain: float
    log_mel: npt.NDArray[np.float32]


def _build(
    data: AudioDataset, spec: MelSpec, level: float, pitch: tuple[float, float], aligner: PhoneModel | None
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    clips, skipped = _readable(data, spec, level)
    if not clips:
        raise AudiodiffError(
            f"no clip can be learnt from: a voice needs recordings with their texts (a column `text` in metadata.csv); "
            f"the first of {len(skipped)}: {skipped[0][1] if skipped else 'the corpus is empty'}"
        )
    found, model = _aligned(clips, aligner)
    wrong = misfits(found) if aligner is None else {}
    for number, reason in wrong.items():
        path = str(data.items[clips[number].number].path)
        skipped.append((path, f"{path}: {reason}."))
    kept = [pair for number, pair in enumerate(zip(clips, found, strict=True)) if number not in wrong]
    tracks = [
        track_f0(data.waveform(clip.number) * clip.gain, spec, *pitch)
        for clip, _ in progress_bar(kept, "Tracking pitch")
    ]
    hertz = np.concatenate([track.hertz for track in tracks])
    arrays = {
        "index": np.array([clip.number for clip, _ in kept]),
        "symbol_ends": np.cumsum([len(one.symbols) for _, one in kept]),
        "frame_ends": np.cumsum([clip.log_mel.shape[1] for clip, _ in kept]),
        "ids": np.array([SYMBOL_ID[symbol] for _, one in kept for symbol in one.symbols], np.int16),
        "durations": np.concatenate([one.durations for _, one in kept]).astype(np.int16),
        "log_hertz": np.log2(np.maximum(hertz, pitch[0])).astype(np.float32),
        "voiced": np.concatenate([track.voiced for track in tracks]).astype(np.uint8),
        "log_mel": np.concatenate([clip.log_mel.T.astype(np.float16, order="C") for clip, _ in kept]),
        "aligner_means": model.means.astype(np.float32),
        "aligner_whiteners": model.whiteners.astype(np.float32),
    }
    words = [[word.text for word in clip.utterance.words] for clip, _ in kept]
    usual = usual_of(words, [one for _, one in kept])
    return arrays, {"usual": {word: " ".join(phones) for word, phones in usual.items()}, "skipped": skipped}


def _readable(data: AudioDataset, spec: MelSpec, level: float) -> tuple[list[_Clip], list[tuple[str, str]]]:
    """Clips with a text that can be said in their time, and the others with the reason."""
    clips: list[_Clip] = []
    skipped: list[tuple[str, str]] = []
    for index, item in enumerate(progress_bar(data.items, "Reading texts")):
        try:
            utterance, text = read_transcript(item.text)
            waveform = data.waveform(index)
            gain = level / max(level_of_speech(waveform), 1e-6)
            log_mel = mel.log_mel(waveform[None] * gain, spec)[0].numpy()
            check_length("it", log_mel, text)
        except AudiodiffError as error:
            skipped.append((str(item.path), f"{item.path}: {error}"))
            continue
        clips.append(_Clip(index, utterance, text, gain, log_mel))
    return clips, skipped


def read_transcript(text: str) -> tuple[Utterance, Transcript]:
    """What a clip's text says.

    Raises:
        AudiodiffError: it is empty, or cannot be read.
    """
    if not text.strip():
        raise AudiodiffError("it has no text.")
    utterance = phonemes(text)
    return utterance, transcript(utterance, pronunciations)


def _aligned(clips: Sequence[_Clip], model: PhoneModel | None) -> tuple[list[Alignment], PhoneModel]:
    """Alignments of clips, and the aligner."""
    if model is None:
        some = clips[:: -(-len(clips) // _MOST_TO_TRAIN)]
        rounds = train_aligner([clip.log_mel for clip in some], [clip.text for clip in some])
        *_, (_, model, found) = progress_bar(rounds, "Aligning")
        if len(some) == len(clips):
            return found, model
    return [align(model, clip.log_mel, clip.text) for clip in progress_bar(clips, "Aligning")], model
