import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from audiodiff.models.checkpoint import save_checkpoint
from audiodiff.models.vocoder import PriorConfig, Vocoder
from audiodiff.synthesis.files import run_file
from audiodiff.synthesis.iterations import ITERATIONS
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.load import load_generator
from audiodiff.synthesis.replay import replay
from audiodiff.synthesis.settings import Sampling, VocodeSettings
from audiodiff.synthesis.verbs.vocode import VocodeFileSettings
from audiodiff.synthesis.vocode import VocoderSynthesizer, load
from tests.synthesis.recordings import quick
from tests.synthesis.records import write_provenance


@pytest.mark.slow
def test_files_from_before_the_pieces_and_iterations_of_the_vocoder_were_told_replay(
    tiny: LatentSynthesizer, tiny_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder, folder)
    assert isinstance(tiny.vocoder.model, Vocoder)
    stored = tiny.vocoder.model.with_prior(PriorConfig(projections=1))
    more = {"steps": 2, "sampler": "ddpm", "renewals": 1, "output_projections": 3, "output_momentum": 0.99}
    save_checkpoint(folder / "vocoder", stored, {"sampling": more})
    now, before = load_generator(folder, device="cpu"), load_generator(folder, device="cpu")
    assert isinstance(now.vocoder.model, Vocoder)
    assert now.vocoder.model.config.prior.renewals == 1
    first = VocoderSynthesizer(stored, identity=now.vocoder.identity, defaults=now.vocoder.defaults, call_seconds=8.0)
    before.vocoder = first
    settings = quick(seconds=13.0)
    wavs = {name: tmp_path / f"{name}.wav" for name in ("now", "before", "vocoded now", "vocoded before", "again")}
    reports = {
        "now": run_file("generate", now, [], wavs["now"], settings),
        "before": run_file("generate", before, [], wavs["before"], settings),
        "vocoded now": run_file("vocode", now.vocoder, [wavs["now"]], wavs["vocoded now"], VocodeFileSettings()),
        "vocoded before": run_file("vocode", first, [wavs["now"]], wavs["vocoded before"], VocodeFileSettings()),
    }
    for name, report in reports.items():
        assert report.record is not None
        assert report.record.settings["renewals"] == (0 if "before" in name else 1)
        assert report.record.settings["output_projections"] == (1 if "before" in name else 3)
        if "before" in name:
            other = reports[name.replace("before", "now")].record
            assert other is not None
            assert other.audio.samples_sha256 != report.record.audio.samples_sha256
            # vocoded files told their pieces from the start
            later = ITERATIONS if "vocoded" in name else (*ITERATIONS, "piece_frames")
            older = {key: value for key, value in report.record.settings.items() if key not in later}
            write_provenance(wavs[name], replace(report.record, settings=older))
        # of files that the vocoder of a latent model made, too, that model is given
        assert replay(wavs[name], wavs["again"], model=folder, recording=tmp_path).identical, name


def test_files_replay_after_the_model_has_learnt_other_times(tiny_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder, folder)
    mine, its = ({"searched": [{"sampler": "euler", "times": [1.0, time]}]} for time in (0.3, 0.7))

    def store(where: Path, more: dict) -> None:
        config = json.loads((where / "config.json").read_text())
        config["metadata"]["sampling"] |= more
        (where / "config.json").write_text(json.dumps(config))

    store(folder, mine)
    store(folder / "vocoder", its)
    wavs = {name: tmp_path / f"{name}.wav" for name in ("first", "vocoded", "plain", "again")}
    settings = quick(seconds=1.0, steps=2, vocoder_steps=2)
    first = run_file("generate", load_generator(folder, device="cpu"), [], wavs["first"], settings).record
    assert first is not None
    assert (first.settings["sampler"], first.settings["grid"]) == ("euler", "1,0.3")
    assert (first.settings["vocoder_sampler"], first.settings["vocoder_grid"]) == ("euler", "1,0.7")
    vocoder = load(folder / "vocoder", device="cpu")
    two = VocodeFileSettings(VocodeSettings(Sampling(steps=2)))
    vocoded = run_file("vocode", vocoder, [wavs["first"]], wavs["vocoded"], two).record
    assert vocoded is not None
    assert (vocoded.settings["sampler"], vocoded.settings["grid"]) == ("euler", "1,0.7")
    assert "vocoder_grid" not in vocoded.settings
    # a file from before there were searched times
    for where, usual in ((folder, "dpmpp_2m"), (folder / "vocoder", "ddim")):
        store(where, {"searched": [], "sampler": usual})
    plain = run_file("generate", load_generator(folder, device="cpu"), [], wavs["plain"], settings).record
    assert plain is not None
    assert plain.audio.samples_sha256 != first.audio.samples_sha256
    older = {key: value for key, value in plain.settings.items() if not key.startswith("vocoder_") or "steps" in key}
    write_provenance(wavs["plain"], replace(plain, settings=older))
    for time in (0.2, 0.8):
        for where in (folder, folder / "vocoder"):
            store(where, {"searched": [{"sampler": "euler", "times": [1.0, time]}]})
        assert replay(wavs["first"], wavs["again"], model=folder).identical
        assert replay(wavs["vocoded"], wavs["again"], model=folder / "vocoder", recording=tmp_path).identical
        assert replay(wavs["plain"], wavs["again"], model=folder).identical
