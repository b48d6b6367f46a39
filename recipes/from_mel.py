"""Settings of a vocoder that follow from its mel, where they are not given."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import torch

from audiodiff.signal import mel
from audiodiff.signal.mel import MelSpec
from audiodiff.signal.mel_convert import convert_log_mel


def follow_mel(values: Mapping[str, Any], before: Mapping[str, Any], given: Collection[str]) -> dict[str, Any]:
    """Return the values of a `VocoderConfig` with those brought up to its mel that are not given.

    Args:
        values: of the config, as plain values.
        before: the same before anything was changed: what did not follow the mel there does not here.
        given: dotted keys of `values` that are to stay.
    """
    spec, old = (mel.from_dict(each["mel"]) for each in (values, before))
    if spec == old:
        return dict(values)
    result = {part: dict(value) if isinstance(value, Mapping) else value for part, value in values.items()}
    followed = mel_settings(old)
    for key, value in mel_settings(spec).items():
        part, name = key.split(".")
        if key == "wavenet.cond_channels" and result["front_end"]["name"] != "samples":
            continue  # on samples the mel itself is the condition
        if key not in given and before[part][name] == followed[key]:
            result[part][name] = value
    return result


def mel_settings(spec: MelSpec) -> dict[str, Any]:
    """What a network for mels of `spec` needs: its frames, resolutions of the loss around them, the mel's range.

    Raises:
        AudiodiffError: bands of the mel are empty.
    """
    mel.check_filters(spec)
    sizes = [max(spec.n_fft // part, 4) for part in (4, 2, 1)]
    mean, std = _range(spec)
    return {
        "front_end.n_fft": spec.n_fft,
        "front_end.hop_length": spec.hop_length,
        "loss.resolutions": [[size, size // 4] for size in sizes],
        "head.mel_mean": mean,
        "head.mel_std": std,
        "wavenet.cond_channels": spec.n_mels,
    }


def _range(spec: MelSpec) -> tuple[float, float]:
    """Mean and deviation of log-mels of normal audio: -4 and 3 in the usual recipe, and what becomes of these."""
    if spec.log == "db-top80":
        return -40.0, 20.0
    plain = replace(spec, log="ln", norm="slaney", normalized=False, offset=0.0, scale=1.0, floor=1e-30)
    values = [
        convert_log_mel(torch.full((spec.n_mels, 1), x * spec.power).double(), plain, spec, at_floor="keep").mean()
        for x in (-4.0, -1.0)
    ]
    return round(values[0].item(), 3), round((values[1] - values[0]).item(), 3)
