import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from audiodiff.models.vocoder import VocoderConfig
from audiodiff.synthesis.provenance import ModelRecord
from audiodiff.synthesis.vocode import VocoderSynthesizer
from benchmarks import stream_quality
from benchmarks.long_file import EXAMPLE
from benchmarks.stream_quality import Streamed, limits_for, main
from tests.models.vocoder.cases import ANCHORED, LIVE, make


def vocoder(name: str, config: VocoderConfig = ANCHORED) -> VocoderSynthesizer:
    return VocoderSynthesizer(make(config), name=name, identity=ModelRecord(name, weights_sha256=""))


def test_a_copy_is_as_long_as_the_recording_and_a_limit_changes_it() -> None:
    sound, rate = soundfile.read(EXAMPLE, dtype="float32")
    part = sound[:16_000]
    streams = [Streamed(vocoder("small"), ahead) for ahead in (0.02, None)]
    limited, whole = (stream(part, rate) for stream in streams)
    assert [stream.name for stream in streams] == ["small, 20 ms", "small, no limit"]
    assert limited.shape == whole.shape == part.shape
    assert not np.allclose(limited, whole, atol=1e-3)
    assert streams[0].made == pytest.approx(len(part) / rate, abs=0.05)
    assert min(stream.worked for stream in streams) > 0.0


def test_limits_are_for_networks_without_one() -> None:
    assert limits_for(vocoder("small"), (0.02, 0.1)) == (0.02, 0.1)
    assert limits_for(vocoder("live", LIVE), (0.02, 0.1)) == ()


@pytest.mark.slow
def test_it_measures_and_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pesq")
    pytest.importorskip("distillmos")
    monkeypatch.setattr(stream_quality, "tune_allocator", lambda: False)
    monkeypatch.setattr(stream_quality, "load", vocoder)
    (tmp_path / "corpus").mkdir()
    shutil.copy(EXAMPLE, tmp_path / "corpus")
    (tmp_path / "corpus" / "metadata.csv").write_text(f"file_name,split\n{EXAMPLE.name},test\n")
    words = f"--data {tmp_path / 'corpus'} --look_ahead 0.05 --seconds 2 --output {tmp_path} --threads"
    main([*words.split(), str(torch.get_num_threads())])
    found = json.loads((tmp_path / "stream_quality.json").read_text("utf-8"))
    assert [each["system"] for each in found["scores"]] == ["speech, 50 ms", "speech, no limit"]
    assert all(1.0 < each["pesq_wb"] <= 4.65 for each in found["scores"])
    assert "| speech, 50 ms |" in (tmp_path / "stream_quality.md").read_text("utf-8")
