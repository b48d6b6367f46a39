import io
import os
import threading

import numpy as np
import pytest
import soundfile

from audiodiff.signal.wav_stream import WavReader, WavStream, wav_header
from tests.refusals import refused

SOUND = np.random.default_rng(0).uniform(-0.9, 0.9, (2, 5000)).astype(np.float32)


def written(subtype: str, **options: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, SOUND.T, 16000, subtype=subtype, format="WAV", **options)
    return file.getvalue()


def read_all(data: bytes) -> np.ndarray:
    reader = WavReader(io.BufferedReader(io.BytesIO(data)))
    assert (reader.sample_rate, reader.channels) == (16000, 2)
    return np.concatenate(list(reader.blocks()), axis=-1)


@pytest.mark.parametrize(("subtype", "error"), [("PCM_16", 2.0**-15), ("PCM_32", 1e-7), ("FLOAT", 0), ("DOUBLE", 1e-7)])
def test_a_wav_is_read_as_it_was_written(subtype: str, error: float) -> None:
    np.testing.assert_allclose(read_all(written(subtype)), SOUND, rtol=0, atol=error)


def test_what_is_written_to_a_pipe_is_read_from_it_before_it_ends() -> None:
    reading, writing = os.pipe()
    seen, wanted = [], threading.Event()

    def write() -> None:
        with os.fdopen(writing, "wb") as stream:
            wav = WavStream(stream, 16000, "a test", 2, wait=False)
            wav.write(SOUND[:, :1111])
            wanted.wait(10)
            wav.write(SOUND[:, 1111:])
            wav.close()

    writer = threading.Thread(target=write)
    writer.start()
    with os.fdopen(reading, "rb") as stream:
        for block in WavReader(stream).blocks():
            seen.append(block)
            wanted.set()  # the rest is written only when the beginning has been read
    writer.join()
    np.testing.assert_allclose(np.concatenate(seen, axis=-1), SOUND, rtol=0, atol=2.0**-15)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "ends before"),
        (b"hello, this is no sound at all", "no WAV"),
        (written("PCM_16")[:30], "ends before"),
        (written("PCM_24"), "24-bit"),
        (written("ULAW"), "16-bit PCM"),
        (wav_header(5, 0, ""), "at 5 Hz"),
        (wav_header(16000, 0, "", 99), "99 channels"),
        (b"RIFF\0\0\0\0WAVEfmt \xff\xff\xff\xff", "damaged"),
        (b"RIFF\0\0\0\0WAVEdata\0\0\0\0", "does not say"),
    ],
)
def test_what_is_no_wav_is_refused(data: bytes, words: str) -> None:
    refused(words, lambda: read_all(data))


def test_a_cut_sample_at_the_end_is_left_out() -> None:
    assert read_all(written("PCM_16")[:-3]).shape == (2, 4999)
