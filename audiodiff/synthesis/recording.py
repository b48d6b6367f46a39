"""A recording as the latent model takes it, and states that are partly noise and partly recording."""

import hashlib
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from audiodiff.diffusion.process import Process
from audiodiff.errors import AudiodiffError
from audiodiff.signal.beats import beat_positions, track_beats
from audiodiff.signal.resample import resample
from audiodiff.signal.stereo import analyse, cancels_in_mono
from audiodiff.synthesis.arrays import check_rate, waveform_tensor
from audiodiff.synthesis.clip import Waveform
from audiodiff.synthesis.clip_latents import ClipLatents
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.settings import MAX_SECONDS, Resolved
from audiodiff.synthesis.streams import mel_blocks
from audiodiff.torch_state import standard_state

ENCODE_RMS = 0.08
"""Level of the clips that latents are made of in training (the recipes)."""

SILENCE_RMS = 1e-4
MAX_GAIN = 100.0


def hash_of_autoencoder(autoencoder: nn.Module) -> str:
    """Hash of the weights of an autoencoder: which one latents belong to."""
    weights = (each.detach().cpu().contiguous() for each in autoencoder.state_dict().values())
    # In any order: a layer that is called otherwise in a later version is the same layer.
    hashes = sorted(hashlib.sha256(each.numpy().tobytes()).digest() for each in weights)
    return hashlib.sha256(b"".join(hashes)).hexdigest()


@dataclass(frozen=True)
class Recording:
    """A recording, ready to be edited.

    Attributes:
        original: `[channels, n_samples]` as it came, or mixed to one channel.
        sample_rate: of `original` (Hz).
        samples: `[channels, n]` at the model's rate and at the level that the model knows.
        gain: what brought it to that level; divided out again.
        notes: sentences about what had to be done to it.
        latents: `[channels, latent channels, n_latents]` that it was decoded from; `None` where it must be encoded.
        lead: samples at the model's rate that latent 0 begins before the recording.
        started_from: hash of `latents`; empty if there are none.
        stereo: of two channels that were mixed for a stereo model, their parameters `[2, n_bands, n_latents]`; `None`
            of anything else.
    """

    original: Tensor
    sample_rate: int
    samples: Tensor
    gain: float
    notes: tuple[str, ...]
    latents: Tensor | None = None
    lead: int = 0
    started_from: str = ""
    stereo: Tensor | None = None

    @property
    def seconds(self) -> float:
        """Its length (s)."""
        return self.original.shape[-1] / self.sample_rate

    @property
    def joint(self) -> bool:
        """Whether latents tell of both channels of `original` at once: `samples` are then their mean."""
        return len(self.samples) < len(self.original)

    @property
    def on_grid(self) -> Tensor:
        """`samples` from the beginning of latent 0 on."""
        return torch.nn.functional.pad(self.samples, (self.lead, 0)) if self.lead else self.samples


def load_init_audio(
    synthesizer: LatentSynthesizer,
    waveform: Waveform,
    sample_rate: int,
    latents: ClipLatents | None = None,
    *,
    mono: bool,
    aligned: bool = False,
    joint: bool = False,
) -> Recording:
    """Take in a recording.

    Args:
        synthesizer: who edits it.
        waveform: the recording.
        sample_rate: its rate (Hz).
        latents: that it was decoded from; used if they fit, else there is a note.
        mono: mix its channels.
        aligned: use only latents that begin with the recording.
        joint: for a stereo model, take the two channels of a stereo recording at once and keep them in `original`.

    Raises:
        AudiodiffError: it is empty, too long, no waveform, has values that are not numbers, or cancels out in mono.
    """
    rate = check_rate(sample_rate)
    original = waveform_tensor(waveform)
    notes: list[str] = []
    spec, stereo = synthesizer.model.autoencoder.stereo_spec, None
    if original.shape[-1] > MAX_SECONDS * rate:
        raise AudiodiffError(
            f"the recording has {original.shape[-1] / rate:.0f} s; at most {MAX_SECONDS:g} s can be edited, cut it."
        )
    if mono and original.shape[0] > 1:
        if cancels_in_mono(original):
            raise AudiodiffError(
                "the recording is silence in mono: its channels are of opposite phase and cancel out; invert one of "
                "them."
            )
        if spec is not None and original.shape[0] == 2:
            stereo = analyse(resample(original, rate, synthesizer.sample_rate), spec)
        else:
            notes.append(f"the recording has {original.shape[0]} channels, which were mixed to one")
        original = original.mean(dim=0, keepdim=True)
    mixed = original
    # Equal channels are to stay equal, and of opposite ones the mean tells nothing: these go channel by channel.
    if joint and spec is not None and len(original) == 2 and any(distinct(original)) and not cancels_in_mono(original):
        stereo = analyse(resample(original, rate, synthesizer.sample_rate), spec)
        mixed = original.mean(dim=0, keepdim=True)
    samples = resample(mixed, rate, synthesizer.sample_rate)
    own, misfits = _own_latents(synthesizer, latents, samples, aligned=aligned)
    notes += misfits
    level, highest = float(samples.double().square().mean().sqrt()), float(samples.abs().max())
    gain = 1.0
    if level < SILENCE_RMS:
        notes.append("the recording is silence, or nearly so")
    else:
        gain = min(ENCODE_RMS / level, 1.0 / highest, MAX_GAIN)
    if latents is None or own is None:
        return Recording(original, rate, samples * gain, gain, tuple(notes), stereo=stereo)
    if stereo is None:  # one channel of a stereo clip tells of no other
        own = synthesizer.model.autoencoder.with_stereo(own)
    given = samples * latents.gain, latents.gain
    sides = stereo if mixed is not original else None
    return Recording(original, rate, *given, tuple(notes), own, latents.lead, latents.sha256, sides)


def _own_latents(
    synthesizer: LatentSynthesizer, latents: ClipLatents | None, samples: Tensor, *, aligned: bool
) -> tuple[Tensor | None, list[str]]:
    """Latents `[channels, latent channels, n_latents]` that fit `samples [channels, n]`, or a note about why not."""
    if latents is None:
        return None, []
    values = torch.from_numpy(latents.values.astype(np.float32))
    if len(values) > len(samples) and not any(distinct(values)):
        values = values[:1]
    reach = (values.shape[-1] + 1) * samples_per_latent(synthesizer)  # resampling may give some samples more
    misfit = ""
    if latents.autoencoder_sha256 != hash_of_autoencoder(synthesizer.model.autoencoder):
        misfit = "are of another autoencoder"
    elif values.shape[1] != synthesizer.model.channels or latents.lead + samples.shape[-1] > reach:
        misfit = "are not of its size"
    elif len(values) != len(samples):
        misfit = f"are of {len(values)} channel{'s' if len(values) > 1 else ''}"
    elif aligned and latents.lead:
        misfit = "do not begin where it begins"
    if misfit:
        return None, [f"the latents kept with the recording {misfit}, so its samples were encoded"]
    return values.to(synthesizer.device), []


def distinct(channels: Tensor) -> list[int]:
    """For each channel, the first one that is equal to it."""
    return [
        next(earlier for earlier in range(index + 1) if torch.equal(channels[earlier], channel))
        for index, channel in enumerate(channels)
    ]


def kept_latents(synthesizer: LatentSynthesizer, latents: Tensor, gain: float, lead: int = 0) -> ClipLatents | None:
    """The latents of a clip as they are kept, `None` if 16 bits cannot hold them.

    Args:
        synthesizer: whose they are.
        latents: `[channels, latent channels, n_latents]`.
        gain: what brings the clip to the level of what they are decoded to.
        lead: samples at the model's rate that they begin before the clip.
    """
    values = latents.detach().cpu().numpy().astype(np.float16)
    return (
        ClipLatents(values, lead, gain, hash_of_autoencoder(synthesizer.model.autoencoder))
        if np.isfinite(values).all()
        else None
    )


def samples_per_latent(synthesizer: LatentSynthesizer) -> int:
    """Samples at the model's rate that one latent stands for."""
    return synthesizer.model.mel_spec.hop_length * synthesizer.model.autoencoder.frames_per_latent


def shortest_latents(synthesizer: LatentSynthesizer) -> int:
    """The fewest latents that are denoised: the model was trained on none shorter."""
    return math.ceil(round(synthesizer.shortest_seconds * synthesizer.sample_rate) / samples_per_latent(synthesizer))


@standard_state()
def encode_audio(
    synthesizer: LatentSynthesizer, samples: Tensor, start: int, stop: int, stereo: Tensor | None = None
) -> Tensor:
    """Latents `[1, channels, stop - start]` of places `start` to `stop` of `samples [n]`, from what lies around them.

    Beyond the end of the samples there is silence. The parameters `stereo [2, n_bands, n_latents]` are of place 0 on.
    """
    autoencoder, spec = synthesizer.model.autoencoder, synthesizer.model.mel_spec
    per_latent = samples_per_latent(synthesizer)
    reach = autoencoder.context_frames * spec.hop_length + spec.n_fft
    first = max(0, start - math.ceil(reach / per_latent))
    stretch = samples[first * per_latent : stop * per_latent + reach]
    missing = (stop - first) * per_latent - stretch.shape[-1]
    if missing > 0:
        stretch = torch.nn.functional.pad(stretch, (0, missing))
    log_mel = torch.cat(list(mel_blocks([stretch[None]], spec)), dim=-1)
    sides = None if stereo is None else stereo[None, ..., min(first, stereo.shape[-1] - 1) :]
    return autoencoder.encode(log_mel.to(synthesizer.device), sides)[..., start - first : stop - first]


def latents_of(synthesizer: LatentSynthesizer, recording: Recording, channel: int, start: int, stop: int) -> Tensor:
    """Latents `[1, channels, stop - start]` of a recording: its own, and where it has none those of its samples."""
    if recording.latents is None:
        return encode_audio(synthesizer, recording.samples[channel], start, stop, recording.stereo)
    own = recording.latents[channel, :, start:stop][None]
    known = start + own.shape[-1]
    if known == stop:
        return own
    rest = encode_audio(synthesizer, recording.on_grid[channel], known, stop, recording.stereo)
    return torch.cat([own, rest], dim=-1)


def beats_of(
    synthesizer: LatentSynthesizer, recording: Recording, tempo: float | None, start: int, stop: int
) -> tuple[Tensor, tuple[str, ...]]:
    """Beats that have passed at latents `start` to `stop`, `[stop - start]`, and what there is to say about them.

    They are those of the recording if it has the tempo that is asked for, and go on beyond its ends; else those of that
    tempo from the recording's beginning on. Without a tempo, or for a model without beats: NaN.
    """
    if tempo is None or not synthesizer.model.config.beats:
        return synthesizer.beats(None, start, stop), ()
    found = track_beats(recording.samples.mean(dim=0).numpy(), synthesizer.sample_rate, tempo)
    if not found:
        said = f"the recording has no steady beat of {tempo:g} bpm; what is new has, counted from the beginning"
        return synthesizer.beats(tempo, start, stop), (said,)
    times = (np.arange(start, stop, dtype=np.float64) + 0.5) / np.float64(synthesizer.model.latents_per_second)
    times -= recording.lead / synthesizer.sample_rate
    return torch.from_numpy(beat_positions(found, times)).to(synthesizer.device), ()


def start_time(process: Process, strength: float) -> float:
    """The process time whose state is noise by `strength` and data by the rest: `sigma / (alpha + sigma)`.

    On a rectified flow that is `strength` itself. Grows with it, from 0 to `t_max`.
    """
    if strength <= 0.0:
        return 0.0
    if strength >= 1.0:
        return process.t_max
    log_snr = 2.0 * (math.log1p(-strength) - math.log(strength))
    return float(process.time_at(torch.tensor(log_snr, dtype=torch.float64, device="cpu")))


def times_from(times: Tensor, start: float) -> Tensor:
    """The rest of a grid from `start` on, `[steps + 1]`: as fine as the whole, so that less noise takes fewer steps."""
    if start >= float(times[0]):
        return times
    rest = times[times < start]
    # A first step of next to no length would be a network call for nothing.
    if len(rest) > 1 and start - float(rest[0]) < 0.5 * float(rest[0] - rest[1]):
        rest = rest[1:]
    return torch.cat([torch.tensor([start], dtype=times.dtype), rest])


def init_state(
    synthesizer: LatentSynthesizer, sampling: Resolved, latents: Tensor, strength: float, start: int = 0
) -> tuple[Tensor, Tensor]:
    """The state that denoising `latents [1, channels, n]` starts from, and the times from there on.

    Args:
        synthesizer: the model.
        sampling: the grid, and the seed of the noise.
        latents: clean ones.
        strength: above 0; see `start_time`.
        start: place of the first latent.
    """
    process = synthesizer.model.process
    at = start_time(process, strength)
    noise = synthesizer.noise(sampling.seed, 0, start, start + latents.shape[-1])
    state = process.prior(noise) if strength >= 1.0 else process.mix(latents, noise, torch.tensor([at]))
    return state, times_from(synthesizer.times(sampling), at)
