import shutil
from dataclasses import replace
from pathlib import Path

from audiodiff.models.checkpoint import save_checkpoint
from audiodiff.models.vocoder import PriorConfig, Vocoder
from audiodiff.synthesis.files import run_file
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.load import load_generator
from audiodiff.synthesis.replay import replay
from audiodiff.synthesis.verbs.vocode import VocodeFileSettings
from audiodiff.synthesis.vocode import VocoderSynthesizer
from tests.synthesis.recordings import quick
from tests.synthesis.records import write_provenance


def test_files_from_before_the_pieces_and_renewals_of_the_vocoder_were_told_replay(
    tiny: LatentSynthesizer, tiny_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder, folder)
    assert isinstance(tiny.vocoder.model, Vocoder)
    stored = tiny.vocoder.model.with_prior(PriorConfig(projections=1))
    save_checkpoint(folder / "vocoder", stored, {"sampling": {"steps": 2, "sampler": "ddpm", "renewals": 1}})
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
        if "before" in name:
            other = reports[name.replace("before", "now")].record
            assert other is not None
            assert other.audio.samples_sha256 != report.record.audio.samples_sha256
            # vocoded files told their pieces from the start
            later = ("renewals",) if "vocoded" in name else ("renewals", "piece_frames")
            older = {key: value for key, value in report.record.settings.items() if key not in later}
            write_provenance(wavs[name], replace(report.record, settings=older))
        # of files that the vocoder of a latent model made, too, that model is given
        assert replay(wavs[name], wavs["again"], model=folder, recording=tmp_path).identical, name
