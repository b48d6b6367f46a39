import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiodiff.models.checkpoint import save_checkpoint
from benchmarks.upsample import LOW_PASSED, RECORDING, SINC, TRUE_BANDS, Config, low_passed, main
from tests.models.upsampler.cases import make, voice


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    lines = ["file_name,split,speaker"]
    for index, (split, speaker) in enumerate((("train", "a"), ("test", "a"), ("test", "b"), ("test", "b"))):
        soundfile.write(folder / f"{index}.wav", voice(12_000, seed=index)[0].numpy(), 16_000)
        lines.append(f"{index}.wav,{split},{speaker}")
    soundfile.write(folder / "short.wav", voice(4_000)[0].numpy(), 16_000)
    lines.append("short.wav,test,b")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_low_passing_is_what_it_says() -> None:
    sound = voice(8_000)[0].numpy()
    spectra = [np.abs(np.fft.rfft(x)) for x in (sound, low_passed(sound, 16_000, 4_000.0))]
    np.testing.assert_allclose(spectra[1][:1_999], spectra[0][:1_999], atol=1e-3)
    assert spectra[1][2_000:].max() < 1e-3


def test_the_table_has_every_system_and_group(corpus: Path, tmp_path: Path) -> None:
    model = make()
    model.fit_statistics(voice(16_000))
    save_checkpoint(tmp_path / "tiny", model, {"sampling": {"steps": 2}})
    config = Config(
        corpus, str(tmp_path / "tiny"), tmp_path / "out", steps=(1, 2), augmentations=(0.0, 0.5), speech=False
    )
    rows = main(config)
    assert {row.group for row in rows} == {"known speakers", "unseen speakers"}
    unseen = {row.system: row.scores["lsd_above"] for row in rows if row.group == "unseen speakers"}
    assert list(unseen) == [
        RECORDING,
        SINC,
        LOW_PASSED,
        TRUE_BANDS,
        "ours, 1 step",
        "ours, 2 steps",
        "ours, 2 steps, augmentation 0",
        "ours, 2 steps, augmentation 0.5",
    ]
    assert all(len(values) == 2 for values in unseen.values())  # the short clip is left out
    assert np.mean(unseen[TRUE_BANDS]) < 0.5 * np.mean(unseen[SINC])
    text = (tmp_path / "out" / "upsample.md").read_text(encoding="utf-8")
    record = json.loads((tmp_path / "out" / "upsample.json").read_text(encoding="utf-8"))
    assert "| sinc interpolation |" in text
    assert str(tmp_path) not in text + json.dumps(record)
    assert len(record["rows"]) == 16
