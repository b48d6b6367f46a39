"""What can be done between two mel specifications: tell them apart, convert where it is exact, refuse otherwise.

A mel made with one recipe and read with another sounds like noise, so a model keeps its `MelSpec` next to its weights.
"""

import dataclasses
import math
from typing import Literal

import torch
from torch import Tensor

from audiodiff.errors import AudiodiffError
from audiodiff.signal.mel import band_norm, compress, expand, mel_bound, value_of, value_range, window_gain
from audiodiff.signal.mel_spec import PRESETS, MelSpec, describe

__all__ = ["check_mel", "convert_log_mel", "guess_preset"]


def _clamped_at(log_mel: Tensor) -> float | None:
    """The lowest value, if it stands in the clip so often that a floor must have made it."""
    lowest = log_mel.min()
    return float(lowest) if int((log_mel == lowest).sum()) >= 4 else None


def guess_preset(log_mel: Tensor) -> tuple[str, ...]:
    """Name the presets that a log-mel of normal speech or music may have been made with, the likeliest first.

    Args:
        log_mel: `[..., n_mels, n_frames]`.

    Returns:
        Names of `PRESETS` with that many bands whose values can be such; presets with equal values (the same
        recipe on other frames) follow one another. Empty if none fits.
    """
    if log_mel.ndim < 2 or log_mel.numel() == 0 or not bool(torch.isfinite(log_mel).all()):
        return ()
    values = log_mel.double()
    lowest, highest, clamp = float(values.min()), float(values.max()), _clamped_at(values)
    scores: dict[str, float] = {}
    # The range of a specification needs its filters, and the largest take 0.7 s: only those of so many bands are asked.
    for name, spec in ((name, spec) for name, spec in PRESETS.items() if spec.n_mels == log_mel.shape[-2]):
        low, high = value_range(spec)
        tolerance = 1e-4 * max(1.0, abs(low))
        if lowest < low - tolerance or highest > high + tolerance:
            continue
        at_floor = clamp is not None and abs(clamp - low) <= tolerance
        if clamp is not None and not at_floor and spec.log != "root4":
            # Repeated lowest values that are not this recipe's floor were made by another.
            continue
        if spec.log == "db-top80":
            scores[name] = 10.0 * abs(highest - high)
            continue
        # Loud speech reaches about a sixth of the bound; a clip spans some 11 nepers from peak to pause.
        peak = math.log(max(float(expand(values.max(), spec)), 1e-30))
        pause = math.log(max(float(expand(values.min(), spec)), 1e-30))
        scores[name] = abs(peak - math.log(mel_bound(spec)) + 1.8) + abs(peak - pause - 11.0) / 3.0
        scores[name] -= 10.0 if at_floor else 0.0
    return tuple(sorted(scores, key=lambda name: scores[name]))


def check_mel(log_mel: Tensor, spec: MelSpec) -> None:
    """Refuse a log-mel that cannot have been made with `spec`.

    Args:
        log_mel: `[..., n_mels, n_frames]`.
        spec: what a model expects.

    Raises:
        AudiodiffError: wrong number of bands, no frames, values that are not finite, out of range, or clearly of
            another scale; the message names the specification and the likely preset.
    """
    shape = list(log_mel.shape)
    if log_mel.ndim < 2 or shape[-2] != spec.n_mels:
        hint = ""
        if log_mel.ndim >= 2 and shape[-1] == spec.n_mels:
            hint = "; it looks transposed, swap its last two axes"
        raise AudiodiffError(
            f"The mel has shape {shape}; expected [..., {spec.n_mels}, n_frames] for {describe(spec)}{hint}."
        )
    if log_mel.numel() == 0:
        raise AudiodiffError(f"The mel has shape {shape}: no frames; expected at least one.")
    if not bool(torch.isfinite(log_mel).all()):
        raise AudiodiffError("The mel has values that are not numbers or infinite; compute it again.")
    low, high = value_range(spec)
    lowest, highest = float(log_mel.min()), float(log_mel.max())
    # Predicted mels overshoot a little, those of another recipe a lot.
    slack = 0.15 * (high - low)
    quietest = value_of(mel_bound(spec) / 50.0, spec)
    loudest = value_of(mel_bound(spec) / math.e, spec)
    neper = value_of(mel_bound(spec) / math.e, spec) - value_of(mel_bound(spec) / math.e**2, spec)
    clamp = _clamped_at(log_mel)
    guesses = guess_preset(log_mel)
    problem = ""
    if lowest < low - slack or highest > high + slack:
        problem = f"values from {lowest:.3g} to {highest:.3g} where {low:.3g} to {high:.3g} is possible"
    elif spec.log != "db-top80" and lowest > quietest:
        problem = f"no value below {lowest:.3g}, so that every band of every frame would be loud"
    elif spec.log not in ("db-top80", "root4") and highest > loudest and lowest > loudest - 6.0 * neper:
        problem = f"all values from {lowest:.3g} to {highest:.3g}, as loud as can be and almost without pauses"
    elif clamp is not None and clamp > low + 0.01 * (high - low) and guesses:
        floor = value_range(PRESETS[guesses[0]])[0]
        if abs(clamp - floor) <= 1e-4 * max(1.0, abs(floor)) and PRESETS[guesses[0]].log != "root4":
            problem = f"a floor at {clamp:.4g} where this recipe's is {low:.4g}"
    if problem:
        likely = [name for name in guesses if PRESETS[name] != spec]
        hint = f"it looks like {' or '.join(likely[:2])}" if likely else "no known preset has such values"
        raise AudiodiffError(
            f"The mel does not fit {describe(spec)}: {problem}; {hint}. Compute it with the expected recipe."
        )


# What may differ between two specifications for an exact conversion.
_CONVERTIBLE = ("log", "floor", "offset", "scale", "norm", "normalized")


def convert_log_mel(
    log_mel: Tensor, source: MelSpec, target: MelSpec, *, at_floor: Literal["refuse", "keep"] = "refuse"
) -> Tensor:
    """Turn a log-mel of one specification into that of another where this is exact.

    Exact are: another log (ln, log10, dB, root), an affine map, a lower or higher floor, the other band
    normalisation and the window's normalisation, all on the same frames, bands and magnitudes.

    Args:
        log_mel: `[..., n_mels, n_frames]` made with `source`.
        source: its specification.
        target: the wanted specification.
        at_floor: values that `source` has cut off (at its floor, or at the ends of "db-lmnt") and `target` would
            show are unknown: "refuse" them, or "keep" them at the value of the cut.

    Returns:
        `[..., n_mels, n_frames]`.

    Raises:
        AudiodiffError: not exact; the message says which fields differ and names both specifications.
    """
    both = f"from {describe(source)} to {describe(target)}"
    fixed = [field.name for field in dataclasses.fields(MelSpec) if field.name not in _CONVERTIBLE]
    differing = [name for name in fixed if getattr(source, name) != getattr(target, name)]
    if differing:
        shown = ", ".join(f"{name} {getattr(source, name)} -> {getattr(target, name)}" for name in differing)
        raise AudiodiffError(
            f"A mel cannot be converted {both}: {shown} cannot be changed afterwards; compute it with the target."
        )
    if log_mel.ndim < 2 or log_mel.shape[-2] != source.n_mels:
        raise AudiodiffError(
            f"The mel has shape {list(log_mel.shape)}; expected [..., {source.n_mels}, n_frames] for {both}."
        )
    if source == target:
        return log_mel
    if source.log == "db-top80":
        raise AudiodiffError(f"A mel cannot be converted {both}: its level is relative to its own maximum.")
    wide = log_mel.double()
    gain = (window_gain(target) / window_gain(source)) ** source.power
    bands = torch.tensor(band_norm(target) / band_norm(source) * gain, device=wide.device)[:, None]
    mel = expand(wide, source) * bands
    if at_floor == "refuse" and target.log != "db-top80":
        lost = _cut_off(wide, source, lowest=True) & (mel > _lowest_mel(target) * (1.0 + 1e-6))
        lost |= _cut_off(wide, source, lowest=False) & (mel < _highest_mel(target) * (1.0 - 1e-6))
        if bool(lost.any()):
            raise AudiodiffError(
                f"A mel cannot be converted exactly {both}: {int(lost.sum())} values lie where the source was cut "
                "off and the target is not; compute it with the target."
            )
    return compress(mel, target).to(log_mel.dtype)


def _lowest_mel(spec: MelSpec) -> float:
    """Mel magnitudes up to this one give the same, lowest value."""
    if spec.log == "root4":
        return 0.0
    return max(spec.floor, 1e-4) if spec.log == "db-lmnt" else spec.floor


def _highest_mel(spec: MelSpec) -> float:
    return 10.0 if spec.log == "db-lmnt" else math.inf


def _cut_off(log_mel: Tensor, spec: MelSpec, *, lowest: bool) -> Tensor:
    mel = _lowest_mel(spec) if lowest else _highest_mel(spec)
    if mel in (0.0, math.inf):
        return torch.zeros_like(log_mel, dtype=torch.bool)
    value = value_of(mel, spec)
    tolerance = 1e-6 * max(1.0, abs(value))
    return log_mel <= value + tolerance if lowest else log_mel >= value - tolerance
