"""Which clips of a corpus of speech have a text that is not what is said in them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from audiodiff.data.alignment import (
    ADAPTATIONS,
    LEAST_FIT,
    USUAL_FIT,
    Alignment,
    Transcript,
    align,
    check_length,
    fit_threshold,
    misfits,
    train_aligner,
)
from audiodiff.data.dataset import decode_mono
from audiodiff.data.items import AudioItem, progress_bar, sound_info
from audiodiff.data.phone_model import PhoneModel
from audiodiff.data.voice_clips import read_transcript
from audiodiff.errors import AudiodiffError
from audiodiff.signal.mel import MelSpec, log_mel

LONGEST_SECONDS = 120.0
"""Longer clips are not compared with their texts."""

_OWN_MODEL = 50
"""Clips of a speaker from which on an aligner of their own tells more than that of another voice."""

_MOST_TO_TRAIN = 200
_TRIED, _MOST = 20, 0.65
"""Clips that tell whether texts are what is said at all (they may be descriptions, or in another language), and the
share of them that must fit their own text better than another."""

Mel = npt.NDArray[np.float32]


@dataclass(frozen=True)
class TextFits:
    """How the texts of a corpus fit its sound.

    Attributes:
        misfits: path and reason of clips whose text is not what is said in them.
        notes: sentences about what was not compared.
    """

    misfits: tuple[tuple[Path, str], ...] = ()
    notes: tuple[str, ...] = ()


def text_fits(items: Iterable[AudioItem], phones: PhoneModel, spec: MelSpec) -> TextFits:
    """Compare clips with their texts.

    Args:
        items: clips that can be read; those without a text are left alone.
        phones: of any voice; speakers with many clips are compared with a model of their own.
        spec: of the mels that it knows.
    """
    groups: dict[str, list[AudioItem]] = {}
    with_text = [item for item in items if item.text.strip()]
    for item in with_text:
        if sound_info(item.path).seconds <= LONGEST_SECONDS:
            groups.setdefault(item.speaker, []).append(item)
    few = [item for group in groups.values() if len(group) < _OWN_MODEL for item in group]
    found: list[tuple[Path, str]] = []
    notes: list[str] = []
    for group in [*(group for group in groups.values() if len(group) >= _OWN_MODEL), *([few] if few else [])]:
        if not _are_said(group[:: -(-len(group) // _TRIED)], phones, spec):
            named = sorted({item.speaker for item in group} - {""})
            notes.append(
                f"texts of {len(group)} clips{f' ({_listed(named)})' if named else ''} were not compared with what is "
                "said: most do not fit, being descriptions, in another language than English, or those of other clips"
            )
        else:
            found += _misfits(group, phones, spec)
    long = len(with_text) - sum(map(len, groups.values()))
    if long:
        notes.append(f"{long} clips of more than {LONGEST_SECONDS:g} s were not compared with their texts")
    return TextFits(tuple(found), tuple(notes))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if names[3:] else "")


def _are_said(items: Sequence[AudioItem], phones: PhoneModel, spec: MelSpec) -> bool:
    """Whether most texts fit their clips better than those of other clips do."""
    fits = _fits(items, phones, spec)
    if len(items) == 1:
        return fits[0] >= LEAST_FIT
    others = [replace(item, text=items[number - 1].text) for number, item in enumerate(items)]
    return float(np.mean(np.array(fits) > _fits(others, phones, spec))) >= _MOST


def _fits(items: Sequence[AudioItem], phones: PhoneModel, spec: MelSpec) -> list[float]:
    found = _aligned(items, phones, spec)
    return [one.fit if isinstance(one, Alignment) else -np.inf for one in found]


def _misfits(group: Sequence[AudioItem], phones: PhoneModel, spec: MelSpec) -> Iterator[tuple[Path, str]]:
    """Clips whose texts do not fit their sound as those of the others do, or cannot be read."""
    own = _own_model(group, spec) if len(group) >= _OWN_MODEL else None
    found = [*_aligned(progress_bar(group, "Comparing texts"), own or phones, spec, 0 if own else ADAPTATIONS)]
    fitting = [(item, one) for item, one in zip(group, found, strict=True) if isinstance(one, Alignment)]
    least = None if own else _least_fit([one.fit for _, one in fitting])
    reasons = misfits([one for _, one in fitting], least)
    wrong = {fitting[number][0].path: reason for number, reason in reasons.items()}
    for item, one in zip(group, found, strict=True):
        reason = one if isinstance(one, str) else wrong.get(item.path)
        if reason is not None:
            yield item.path, f'{reason}: "{" ".join(item.text.split())[:60]}"'


def _least_fit(fits: Sequence[float]) -> float:
    """Fit to the model of another voice below which a clip is suspect, of however few clips."""
    alike = np.percentile(fits, 75) > USUAL_FIT  # the voices, so that a bad fit tells of the text
    return max(min(fit_threshold(fits), USUAL_FIT), LEAST_FIT if alike else -np.inf)


def _own_model(group: Sequence[AudioItem], spec: MelSpec) -> PhoneModel:
    """Train an aligner on some of a speaker's clips, as for a voice."""
    mels: list[Mel] = []
    texts: list[Transcript] = []
    for item in group[:: -(-len(group) // _MOST_TO_TRAIN)]:
        try:
            mel, text = _read(item, spec)
        except AudiodiffError:
            continue
        mels.append(mel)
        texts.append(text)
    *_, (_, model, _) = progress_bar(train_aligner(mels, texts), "Aligning")
    return model


def _aligned(
    items: Iterable[AudioItem], phones: PhoneModel, spec: MelSpec, adaptations: int = ADAPTATIONS
) -> Iterator[Alignment | str]:
    """Alignment of each clip, or the reason why there is none."""
    for item in items:
        try:
            yield align(phones, *_read(item, spec), adaptations=adaptations)
        except AudiodiffError as error:
            yield str(error).removesuffix(".")


def _read(item: AudioItem, spec: MelSpec) -> tuple[Mel, Transcript]:
    """Log-mel and text of a clip.

    Raises:
        AudiodiffError: the text cannot be read or said in that time, or the clip cannot be read.
    """
    text = read_transcript(item.text)[1]
    rate = sound_info(item.path).sample_rate
    samples = np.concatenate(list(decode_mono(item.path, rate, spec.sample_rate)))
    # A clip may be shorter than a window.
    samples = np.pad(samples, (0, max(0, spec.n_fft - len(samples))))
    mel: Mel = log_mel(torch.from_numpy(samples)[None], spec)[0].numpy()
    check_length("the recording", mel, text)
    return mel, text
