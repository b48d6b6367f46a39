import hashlib

import numpy as np
import pytest
import soundfile

from audiodiff.signal.audio_io import write_audio
from audiodiff.signal.sample_hash import SampleHash, samples_sha256
from tests.refusals import refused
from tests.signal.signals import noise


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg"])
def test_anybody_can_compute_it(tmp_path, name):
    write_audio(tmp_path / name, np.stack([noise(30000).numpy(), np.zeros(30000)]), 16000)
    samples, _ = soundfile.read(tmp_path / name, dtype="float32")
    assert samples_sha256(tmp_path / name) == hashlib.sha256(samples.tobytes()).hexdigest()


def test_blocks_make_no_difference():
    samples = np.stack([noise(1000).numpy(), noise(1000, seed=1).numpy()])
    whole, parts = SampleHash(), SampleHash()
    whole.update(samples)
    for start in range(0, 1000, 77):
        parts.update(samples[:, start : start + 77])
    assert whole.hexdigest() == parts.hexdigest()
    mono, row = SampleHash(), SampleHash()
    mono.update(samples[0])
    row.update(samples[:1])
    assert mono.hexdigest() == row.hexdigest() != whole.hexdigest()


def test_one_bit_is_seen(tmp_path):
    samples = (noise(1000).numpy() * 1000).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", samples, 16000)
    samples[500] ^= 1
    soundfile.write(tmp_path / "b.wav", samples, 16000)
    assert samples_sha256(tmp_path / "a.wav") != samples_sha256(tmp_path / "b.wav")
    refused("does not exist", lambda: samples_sha256(tmp_path / "c.wav"))
