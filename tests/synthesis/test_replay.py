import json
import math
import os
import re
import shutil
import struct
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file

from audiodiff.errors import AudiodiffError
from audiodiff.models.checkpoint import save_checkpoint
from audiodiff.models.find import ASSETS, PRETRAINED
from audiodiff.models.vocoder import FrontEndConfig, Vocoder, VocoderConfig
from audiodiff.nn.wavenet import WaveNetConfig
from audiodiff.signal.mel import MelSpec, log_mel
from audiodiff.signal.tags import read_tags
from audiodiff.synthesis import replay as replay_module
from audiodiff.synthesis.files import run_file
from audiodiff.synthesis.machine import threads
from audiodiff.synthesis.provenance import (
    FORMAT,
    ModelRecord,
    ProvenanceRecord,
    file_sha256,
    read_provenance,
    sidecar_path,
)
from audiodiff.synthesis.replay import ReplayContext, differences, replay
from audiodiff.synthesis.settings import Sampling, VocodeSettings
from audiodiff.synthesis.verbs.vocode import VocodeFileSettings
from audiodiff.synthesis.vocode import VocoderSynthesizer, load
from tests.synthesis.records import RECORD, write, write_provenance
from tests.synthesis.vocoder_fakes import recording, synthesizer

RATE = 9000
RECORDED = Path(__file__).parent / "recorded"
"""Sidecars as audiodiff wrote them when the format was another."""

SPEC = MelSpec(sample_rate=RATE, n_fft=128, hop_length=32, win_length=128, n_mels=16, f_max=4000.0)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny vocoder with random weights."""
    torch.manual_seed(0)
    wavenet = WaveNetConfig(channels=4, layers=2, dilation_cycle=2, cond_channels=4, embedding_width=4)
    model = Vocoder(VocoderConfig(mel=SPEC, front_end=FrontEndConfig("stft", 128, 32), wavenet=wavenet))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.2)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_checkpoint(folder, model, {"sampling": {"steps": 2}, "reference_level_db": -20.0})
    return folder


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "in.wav"
    soundfile.write(path, recording(0.5, RATE), RATE)
    return path


def samples(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="float32")[0]


@pytest.mark.parametrize("name", ["out.wav", "out.flac", "out.ogg"])
def test_vocoding_again_gives_the_same_file(tmp_path, checkpoint, clip, name) -> None:
    settings = VocodeSettings(Sampling(steps=3, sampler="ddpm", grid="angle", seed=5), window_seconds=0.2)
    first = run_file(
        "vocode", load(checkpoint), [clip], tmp_path / name, VocodeFileSettings(settings, rate=11025), sidecar=True
    )
    again = tmp_path / f"again_{name}"
    report = replay(tmp_path / name, again, model=checkpoint)
    assert (report.identical, report.reasons, report.untouched) == (True, (), True)
    assert again.read_bytes() == (tmp_path / name).read_bytes()
    assert read_provenance(again) == first.record == report.record
    from_sidecar = replay(sidecar_path(tmp_path / name), tmp_path / "third.flac", model=checkpoint)
    assert (from_sidecar.identical, from_sidecar.untouched) == (True, None)


def test_the_record_has_every_setting(tmp_path, checkpoint, clip) -> None:
    report = run_file(
        "vocode",
        load(checkpoint),
        [clip],
        tmp_path / "out.wav",
        VocodeFileSettings(VocodeSettings(Sampling(precision="bf16"))),
    )
    assert report.record is not None
    settings = dict(report.record.settings)
    assert re.fullmatch(r"1:[0-9a-f]{8}", str(settings.pop("watermark")))
    assert settings == {
        "steps": 2,
        "sampler": "euler",
        "grid": "uniform",
        "precision": "bf16",
        "level": "match",
        "reference_level_db": -20.0,
        "output_rate": RATE,
        "mel": None,
        "piece_frames": load(checkpoint).piece_frames,
        "renewals": 0,
        "output_projections": 1,
        "output_half_projections": 0,
        "output_momentum": 0.0,
        "output_matching": 0,
        "watermark_peaks": "limit",
    }
    (model,) = report.record.models
    config = json.loads((checkpoint / "config.json").read_text())
    assert (model.name, model.weights_sha256, model.role) == ("tiny", config["weights_sha256"], "vocoder")
    assert report.record.inputs[0].name == "in.wav"
    written = " ".join(read_tags(tmp_path / "out.wav").values())
    assert str(tmp_path) not in written
    assert str(checkpoint.parent) not in written


def test_without_provenance_the_file_is_bare(tmp_path, checkpoint, clip) -> None:
    report = run_file("vocode", load(checkpoint), [clip], tmp_path / "out.wav", VocodeFileSettings(), provenance=False)
    assert report.record is None
    assert read_tags(tmp_path / "out.wav") == {}
    run_file("vocode", load(checkpoint), [clip], tmp_path / "told.wav", VocodeFileSettings())
    np.testing.assert_array_equal(samples(tmp_path / "out.wav"), samples(tmp_path / "told.wav"))
    with pytest.raises(AudiodiffError, match="sidecar"):
        run_file(
            "vocode",
            load(checkpoint),
            [clip],
            tmp_path / "no.wav",
            VocodeFileSettings(),
            provenance=False,
            sidecar=True,
        )
    assert not (tmp_path / "no.wav").exists()


@pytest.mark.parametrize("level", ["match", "keep"])
def test_mels_windows_and_calls_are_replayed(tmp_path, checkpoint, level) -> None:
    waveform = torch.from_numpy(recording(1.0, RATE))
    spec = replace(SPEC, offset=1.0)  # another recipe, exactly convertible
    np.save(tmp_path / "mel.npy", log_mel(waveform, spec).numpy())
    model = load(checkpoint)
    split = VocoderSynthesizer(
        model.model,
        identity=model.identity,
        defaults=model.defaults,
        reference_level_db=model.reference_level_db,
        call_seconds=0.1,
    )
    settings = VocodeSettings(level=level, window_seconds=0.3)
    run_file("vocode", split, [tmp_path / "mel.npy"], tmp_path / "out.wav", VocodeFileSettings(settings, mel=spec))
    report = replay(tmp_path / "out.wav", tmp_path / "again.wav", model=checkpoint)
    assert report.identical
    assert (tmp_path / "again.wav").read_bytes() == (tmp_path / "out.wav").read_bytes()


def test_what_the_config_recommends_now_is_not_asked(tmp_path, checkpoint, clip) -> None:
    run_file("vocode", load(checkpoint), [clip], tmp_path / "out.wav", VocodeFileSettings())
    changed = tmp_path / "tiny"
    shutil.copytree(checkpoint, changed)
    config = json.loads((changed / "config.json").read_text())
    config["metadata"] = {"sampling": {"steps": 5, "grid": "late", "precision": "bf16"}, "reference_level_db": -40.0}
    (changed / "config.json").write_text(json.dumps(config))
    assert replay(tmp_path / "out.wav", tmp_path / "again.wav", model=changed).identical


# -- refusals ----------------------------------------------------------------------------------------------------------


def refused(source: Path, words: str, **arguments: object) -> None:
    """Replaying is refused with these words, and nothing is written."""
    target = source.with_name("again.wav")
    before = sorted(os.listdir(source.parent))
    with pytest.raises(AudiodiffError, match=words) as caught:
        replay(source, target, **arguments)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert sorted(os.listdir(source.parent)) == before


def test_other_weights_are_refused(tmp_path, checkpoint, clip) -> None:
    run_file("vocode", load(checkpoint), [clip], tmp_path / "out.wav", VocodeFileSettings())
    other = tmp_path / "other"
    shutil.copytree(checkpoint, other)
    state = load_file(other / "model.safetensors")
    first = sorted(state)[0]
    state[first].view(-1)[0] += 1e-3
    save_file(state, other / "model.safetensors")  # the config still tells the old hash
    refused(tmp_path / "out.wav", "weights of .*other are not those that made", model=other)
    told = run_file("vocode", load(other), [clip], tmp_path / "other.wav", VocodeFileSettings()).record
    assert told is not None
    assert told.models[0].weights_sha256 == file_sha256(other / "model.safetensors")
    (other / "model.safetensors").unlink()
    refused(tmp_path / "out.wav", "cannot be read", model=other)
    refused(tmp_path / "out.wav", "model tiny .*give it with --model")
    refused(tmp_path / "out.wav", "no model 'nonesuch'", model="nonesuch")


def test_another_model_of_that_name_in_the_package_is_refused(tmp_path, checkpoint, clip) -> None:
    namesake = tmp_path / "speech"
    shutil.copytree(checkpoint, namesake)
    run_file("vocode", load(namesake), [clip], tmp_path / "out.wav", VocodeFileSettings())
    refused(tmp_path / "out.wav", "weights of speech are not those")
    assert replay(tmp_path / "out.wav", tmp_path / "again.wav", model=namesake).identical


def test_a_record_makes_nothing_be_fetched(tmp_path, checkpoint, clip, monkeypatch) -> None:
    record = run_file("vocode", load(checkpoint), [clip], tmp_path / "out.wav", VocodeFileSettings()).record
    assert record is not None
    write_provenance(tmp_path / "out.wav", replace(record, models=(replace(record.models[0], name="hf:some/body"),)))
    monkeypatch.setattr("audiodiff.models.find._hub_folder", lambda name: pytest.fail("it asked the Hub"))
    refused(tmp_path / "out.wav", "hf:some/body .*--model")


def test_the_recording_must_be_the_one(tmp_path, checkpoint, clip) -> None:
    (tmp_path / "there").mkdir()
    run_file("vocode", load(checkpoint), [clip], tmp_path / "there" / "out.wav", VocodeFileSettings())
    source = tmp_path / "there" / "out.wav"
    refused(source, r"made from in\.wav .*not next to it.*--input", model=checkpoint)
    refused(source, "does not exist", model=checkpoint, recording=tmp_path / "nothing.wav")
    soundfile.write(tmp_path / "there" / "in.wav", recording(0.5, RATE, seed=1), RATE)
    refused(source, r"in\.wav is not the in\.wav .*content differs", model=checkpoint)
    refused(source, "content differs", model=checkpoint, recording=tmp_path / "there" / "in.wav")
    moved = clip.rename(tmp_path / "renamed.wav")
    report = replay(source, tmp_path / "there" / "again.wav", model=checkpoint, recording=moved)
    assert report.identical
    assert report.again.inputs[0].name == "renamed.wav"


def test_other_records_are_refused(tmp_path, checkpoint, clip) -> None:
    path = tmp_path / "out.wav"
    record = run_file("vocode", load(checkpoint), [clip], path, VocodeFileSettings()).record
    assert record is not None
    refused(clip, "no audiodiff provenance record")
    for changed, words in (
        (replace(record, format=FORMAT + 1), f"format {FORMAT + 1} .*update audiodiff"),
        (replace(record, verb="sing"), "`audiodiff sing`.*it can: .*vocode"),
        (replace(record, models=()), "one model and one input"),
        (replace(record, models=(replace(record.models[0], weights_sha256=""),)), "not loaded from a checkpoint"),
        (replace(record, settings={**record.settings, "steps": "2"}), "steps"),
        (replace(record, settings={**record.settings, "steps": 0}), "steps"),
        (replace(record, settings={**record.settings, "sampler": "magic"}), "magic"),
        (replace(record, settings={**record.settings, "piece_frames": 0}), "piece_frames"),
        (replace(record, settings={**record.settings, "renewals": -1}), "renewals"),
        (replace(record, settings={**record.settings, "renewals": 1.5}), "renewals"),
        (replace(record, settings={**record.settings, "mel": [1]}), "mel"),
        (replace(record, settings={key: 1 for key in record.settings if key != "level"}), "setting"),
        (replace(record, seed=-1), "seed"),
    ):
        write_provenance(path, changed)
        refused(path, words, model=checkpoint)
    write_provenance(path, record)
    with pytest.raises(AudiodiffError, match="input as well"):
        replay(path, path, model=checkpoint)
    with pytest.raises(AudiodiffError, match="input as well"):
        replay(path, clip, model=checkpoint)
    assert soundfile.info(clip).frames == RATE // 2


def test_a_model_made_by_hand_says_that_it_cannot_be_replayed(tmp_path) -> None:
    soundfile.write(tmp_path / "in.wav", recording(0.3), 8000)
    report = run_file("vocode", synthesizer(), [tmp_path / "in.wav"], tmp_path / "out.wav", VocodeFileSettings())
    assert report.record is not None
    assert report.record.models == (ModelRecord("fake", weights_sha256=""),)
    refused(tmp_path / "out.wav", "not loaded from a checkpoint")


# -- not identical -----------------------------------------------------------------------------------------------------


def test_what_is_not_identical_is_explained(tmp_path, checkpoint, clip) -> None:
    path = tmp_path / "out.wav"
    record = run_file("vocode", load(checkpoint), [clip], path, VocodeFileSettings()).record
    assert record is not None
    machine = replace(record.machine, torch="1.0", device="cuda", threads=10**6)
    write_provenance(
        path, replace(record, machine=machine, audio=replace(record.audio, samples_sha256="0", generated_sha256="1"))
    )
    report = replay(path, tmp_path / "again.wav", model=checkpoint)
    assert not report.identical
    assert report.untouched is False
    assert any(reason.startswith("torch 1.0, now ") for reason in report.reasons)
    assert any("cores here" in reason for reason in report.reasons)
    if not torch.cuda.is_available():
        assert "device cuda, now cpu" in report.reasons or "device cuda, now mps" in report.reasons
    assert differences(record, record) == ("everything recorded is the same; other processors may round differently",)
    changed = replace(record, models=(replace(record.models[0], config_sha256="9" * 64),))
    assert differences(record, changed)[0].startswith("config of tiny ")


def test_an_edited_file_is_told_apart(tmp_path, checkpoint, clip) -> None:
    path = tmp_path / "out.wav"
    record = run_file("vocode", load(checkpoint), [clip], path, VocodeFileSettings()).record
    assert record is not None
    soundfile.write(path, samples(path)[::-1], RATE)
    write_provenance(path, record)
    report = replay(path, tmp_path / "again.wav", model=checkpoint)
    assert (report.identical, report.untouched) == (True, False)


def test_threads_are_those_of_the_record(tmp_path, monkeypatch) -> None:
    told = write(tmp_path / "a.wav")
    seen: list[int] = []

    def redo(record: ProvenanceRecord, context: ReplayContext) -> ProvenanceRecord:
        seen.append(torch.get_num_threads())
        return write(context.target)

    monkeypatch.setattr(replay_module, "_again", redo)
    before = torch.get_num_threads()
    write_provenance(tmp_path / "a.wav", replace(told, machine=replace(RECORD.machine, threads=before + 2)))
    assert replay(tmp_path / "a.wav", tmp_path / "b.wav").identical
    assert seen == [before + 2]
    assert torch.get_num_threads() == before


def test_identical_is_what_decodes_or_was_given_to_the_encoder(tmp_path, monkeypatch) -> None:
    write(tmp_path / "a.flac")
    monkeypatch.setattr(replay_module, "_again", lambda record, context: write(context.target, seed=1))
    report = replay(tmp_path / "a.flac", tmp_path / "b.flac")
    assert not report.identical
    monkeypatch.setattr(replay_module, "_again", lambda record, context: write(context.target))
    assert replay(tmp_path / "a.flac", tmp_path / "b.ogg").identical  # as given to the encoder
    assert replay(tmp_path / "a.flac", tmp_path / "b.wav").identical


# -- the shipped model -------------------------------------------------------------------------------------------------


needs_speech = pytest.mark.skipif(not (PRETRAINED / "speech").is_dir(), reason="no model shipped yet")


def second_of_speech(folder: Path) -> Path:
    waveform, rate = soundfile.read(ASSETS / "example.flac", frames=22050)
    soundfile.write(folder / "second.flac", waveform, rate)
    return folder / "second.flac"


@needs_speech
def test_the_shipped_model_on_a_second_of_speech(tmp_path) -> None:
    settings = VocodeSettings(Sampling(steps=2, seed=3))
    run_file(
        "vocode", load("speech"), [second_of_speech(tmp_path)], tmp_path / "out.flac", VocodeFileSettings(settings)
    )
    report = replay(tmp_path / "out.flac", tmp_path / "again.flac")
    assert report.identical
    np.testing.assert_array_equal(samples(tmp_path / "out.flac"), samples(tmp_path / "again.flac"))
    assert (tmp_path / "out.flac").read_bytes() == (tmp_path / "again.flac").read_bytes()
    other = tmp_path / "speech"
    shutil.copytree(PRETRAINED / "speech", other)
    weights = bytearray((other / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (other / "model.safetensors").write_bytes(weights)
    refused(tmp_path / "out.flac", "are not those that made", model=other)


@needs_speech
@pytest.mark.slow
def test_the_number_of_threads_decides_the_last_bits(tmp_path) -> None:
    clip, path = second_of_speech(tmp_path), tmp_path / "out.flac"
    with threads(2):
        run_file("vocode", load("speech"), [clip], path, VocodeFileSettings(VocodeSettings(Sampling(steps=1))))
    with threads(1):
        assert replay(path, tmp_path / "again.flac").identical


@pytest.mark.parametrize("verb", ["vocode", "generate"])
def test_records_of_format_1_are_read_and_written_as_they_were(tmp_path, verb) -> None:
    path = RECORDED / f"{verb}-1.json"
    record = read_provenance(path)
    assert (record.format, record.verb, record.unknown) == (1, verb, {})
    assert record.to_dict() == json.loads(path.read_text())


def test_a_record_of_format_1_is_replayed(tmp_path) -> None:
    with wave.open(str(tmp_path / "chirp.wav"), "wb") as file:
        file.setparams((1, 2, 22050, 0, "NONE", ""))
        values = (round(8000 * math.sin(i * i / 20000)) for i in range(6000))
        file.writeframes(b"".join(struct.pack("<h", value) for value in values))
    # As made by the weights that the package has now: those of the record are in the history of the repository.
    told = json.loads((RECORDED / "vocode-1.json").read_text())
    told["models"][0]["weights_sha256"] = file_sha256(PRETRAINED / "speech" / "model.safetensors")
    (tmp_path / "vocode-1.json").write_text(json.dumps(told))
    report = replay(tmp_path / "vocode-1.json", tmp_path / "again.flac", recording=tmp_path, device="cpu")
    assert (report.record.format, report.again.format) == (1, 2)
    assert report.again.audio.n_samples == report.record.audio.n_samples
    assert report.record.settings["sampler"] == "arc"
    own = {
        "renewals": 1,
        "output_projections": 1,
        "output_half_projections": 6,
        "output_momentum": 0.99,
        "output_matching": 0,
    }
    assert report.again.settings == {**report.record.settings, "sampler": "adams_pc", **own}
    assert not any("sampler" in reason for reason in report.reasons)
