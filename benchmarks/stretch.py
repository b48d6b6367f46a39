"""Ways to bring a clip to another tempo, measured: the figures of "Stretching" in docs/music-experiments.md.

python -m benchmarks.stretch gen_*_0.ogg        # any clips of music
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import librosa
import numpy as np
import torch
from numpy.typing import NDArray

from audiodiff.metrics.music import key, tempo
from audiodiff.signal.audio_io import read_audio
from audiodiff.signal.resample import resample
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.load import load_generator
from audiodiff.synthesis.recording import load_init_audio
from audiodiff.synthesis.settings import GenerateSettings
from audiodiff.synthesis.streams import mel_blocks
from audiodiff.synthesis.verbs.stretch import stretched
from audiodiff.synthesis.whole import encode_whole

SECONDS = 10
SPEEDS = (0.75, 0.9, 1.2, 1.5)
HOP = 256

Wave = NDArray[np.float32]


def through_latents(synthesizer: LatentSynthesizer, samples: Wave, speed: float) -> Wave:
    recording = load_init_audio(synthesizer, samples, synthesizer.sample_rate, mono=True)
    latents = encode_whole(synthesizer, recording, recording.samples.shape[-1])
    scaled = torch.nn.functional.interpolate(latents, size=round(latents.shape[-1] / speed), mode="linear")
    plan = synthesizer.resolve(GenerateSettings(level="none")).vocoder
    return fitted(synthesizer.waveform(scaled, plan, None).numpy() / recording.gain, samples, speed)


def through_mel(synthesizer: LatentSynthesizer, samples: Wave, speed: float) -> Wave:
    recording = load_init_audio(synthesizer, samples, synthesizer.sample_rate, mono=True)
    mel = torch.cat(list(mel_blocks([recording.samples[:1]], synthesizer.model.mel_spec)), dim=-1)
    scaled = torch.nn.functional.interpolate(mel, size=round(mel.shape[-1] / speed), mode="linear")
    return fitted(synthesizer.vocoder.vocode_mel(scaled[0].numpy()) / recording.gain, samples, speed)


def fitted(made: NDArray[np.float32], samples: Wave, speed: float) -> Wave:
    length = round(samples.size / speed)
    return np.pad(made.reshape(-1), (0, max(0, length - made.size)))[:length].astype(np.float32)


def scores(before: Wave, after: Wave, rate: int, speed: float) -> tuple[float, float, float, float]:
    """Correlation of onsets, distance of log-mels (nepers), whether the tempo is right, whether the key is kept."""
    onsets = [librosa.onset.onset_strength(y=samples, sr=rate, hop_length=HOP) for samples in (before, after)]
    mels = [
        np.log(np.maximum(librosa.feature.melspectrogram(y=samples, sr=rate, hop_length=HOP, n_mels=80), 1e-7)) / 2
        for samples in (before, after)
    ]
    ratio = tempo(after, rate) / tempo(before, rate) / speed
    off = min(abs(ratio * octave - 1.0) for octave in (0.5, 1.0, 2.0))
    return (
        float(np.corrcoef(scaled(onsets[0], len(onsets[1])), onsets[1])[0, 1]),
        float(np.abs(scaled(mels[0], mels[1].shape[-1]) - mels[1]).mean()),
        float(off < 0.04),
        float(key(after, rate) == key(before, rate)),
    )


def scaled(values: NDArray[np.float32], length: int) -> NDArray[np.float64]:
    """Values scaled in time, their last axis, to a length."""
    places = np.linspace(0.0, values.shape[-1] - 1, length)
    low = places.astype(int)
    high = np.minimum(low + 1, values.shape[-1] - 1)
    return values[..., low] * (1.0 - places + low) + values[..., high] * (places - low)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--speeds", type=float, nargs="+", default=SPEEDS)
    arguments = parser.parse_args()
    synthesizer = load_generator("music", device="cpu")
    rate = synthesizer.sample_rate
    ways: dict[str, Callable[[Wave, float], Wave]] = {
        "phase vocoder, locked": lambda samples, speed: stretched(samples[None], rate, speed)[0],
        "phase vocoder of librosa": lambda samples, speed: librosa.effects.time_stretch(samples, rate=speed),
        "latents": lambda samples, speed: through_latents(synthesizer, samples, speed),
        "log-mel": lambda samples, speed: through_mel(synthesizer, samples, speed),
    }
    found: dict[str, list[tuple[float, ...]]] = {way: [] for way in ways}
    for path in arguments.clips:
        audio = read_audio(path)
        whole = resample(torch.from_numpy(audio.waveform).mean(dim=0), audio.sample_rate, rate)
        samples = whole.numpy()[: SECONDS * rate]
        for speed in arguments.speeds:
            for way, make in ways.items():
                started = time.perf_counter()
                made = make(samples, speed)
                elapsed = time.perf_counter() - started
                found[way].append((*scores(samples, made, rate, speed), elapsed))
    print("| | onsets | mel | tempo | key | seconds |\n|---|---|---|---|---|---|")
    for way, rows in found.items():
        print(f"| {way} | " + " | ".join(f"{value:.2f}" for value in np.mean(rows, axis=0)) + " |")


if __name__ == "__main__":
    main()
