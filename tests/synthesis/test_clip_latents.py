import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audiodiff.signal.sample_hash import samples_sha256
from audiodiff.signal.tags import read_tags, write_tags
from audiodiff.synthesis import clip_latents
from audiodiff.synthesis.clip import Clip
from audiodiff.synthesis.clip_latents import TAG, ClipLatents, read_latents
from audiodiff.synthesis.files import FileReport, apply, run_file
from audiodiff.synthesis.generator import Generator
from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.load import load_generator
from audiodiff.synthesis.provenance import read_provenance, sidecar_path
from audiodiff.synthesis.recording import samples_per_latent
from audiodiff.synthesis.replay import replay
from audiodiff.synthesis.source import Source
from audiodiff.synthesis.verbs.extend import ExtendSettings
from audiodiff.synthesis.verbs.inpaint import InpaintSettings
from audiodiff.synthesis.verbs.interpolate import InterpolateSettings
from audiodiff.synthesis.verbs.vary import VarySettings
from tests.refusals import refused
from tests.synthesis.latent_models import RATE, write_latent_model
from tests.synthesis.recordings import quick, tones

SECONDS = 3.3
NOTHING = VarySettings(quick(), 0.0)
EDITS: dict[str, Any] = {
    "vary": VarySettings(quick(), 0.5),
    "inpaint": InpaintSettings(((1.0, 1.5),), quick()),
    "extend": ExtendSettings(0.7, quick()),
    "interpolate": InterpolateSettings(0.3, quick()),
    "generate": quick(seconds=1.0),  # beside it
}


@pytest.fixture(scope="module")
def clip(tiny: LatentSynthesizer) -> Clip:
    return apply("generate", tiny, [], quick(seconds=SECONDS, level="peak"))


@pytest.fixture
def made(tiny: LatentSynthesizer, tmp_path: Path) -> Path:
    """A clip of ours, with its latents."""
    run_file("generate", tiny, [], tmp_path / "made.wav", quick(seconds=SECONDS, level="peak"), watermark=False)
    return tmp_path / "made.wav"


def own(clip: Clip) -> ClipLatents:
    assert clip.latents is not None
    return clip.latents


def of_file(path: Path) -> ClipLatents:
    found = read_latents(path)
    assert found is not None
    return found


def sound(clip: Clip) -> tuple[Any, int, ClipLatents | None]:
    return clip.waveform, clip.sample_rate, clip.latents


def edit(tiny: LatentSynthesizer, name: str, source: Path, target: Path, **options: Any) -> FileReport:
    sources = [source] * (2 if name == "interpolate" else 1)
    return run_file(name, tiny, sources, target, EDITS[name], **options)


def started_from(path: Path) -> list[str]:
    return [item.latents_sha256 for item in read_provenance(path).inputs]


# -- in the file -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg"])
def test_every_format_keeps_the_latents_that_the_clip_was_decoded_from(
    tiny: LatentSynthesizer, clip: Clip, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    run_file("generate", tiny, [], path, quick(seconds=SECONDS, level="peak"))
    found = of_file(path)
    assert (found.values.dtype, found.values.shape) == (np.float16, (1, 4, 72))
    np.testing.assert_array_equal(found.values, own(clip).values)
    assert (found.lead, found.gain) == (0, own(clip).gain)
    assert found.samples_sha256 == samples_sha256(path)
    assert found.sha256 == own(clip).sha256
    assert len(read_tags(path)[TAG.lower()]) < 2 * found.values.nbytes + 500
    assert "latents" not in read_provenance(path).to_dict()


def test_none_are_kept_where_none_are_wanted(tiny: LatentSynthesizer, tmp_path: Path) -> None:
    for number, options in enumerate(({"latents": False}, {"provenance": False}, {"latents": False, "sidecar": True})):
        path = tmp_path / f"{number}.flac"
        run_file("generate", tiny, [], path, quick(seconds=1.0), **options)
        assert read_latents(path) is None
        assert TAG.lower() not in read_tags(path)


def test_many_latents_are_kept_beside_the_file_or_left_out_with_a_note(
    tiny: LatentSynthesizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clip_latents, "MOST_IN_TAG", 500)
    report = run_file("generate", tiny, [], tmp_path / "a.wav", quick(seconds=SECONDS))
    assert any("too long for its latents" in note for note in report.notes)
    assert read_latents(tmp_path / "a.wav") is None
    report = run_file("generate", tiny, [], tmp_path / "b.wav", quick(seconds=SECONDS), sidecar=True)
    assert not any("latents" in note for note in report.notes)
    assert TAG.lower() not in read_tags(tmp_path / "b.wav")
    edit(tiny, "vary", tmp_path / "b.wav", tmp_path / "c.wav")
    assert started_from(tmp_path / "c.wav") == [of_file(sidecar_path(tmp_path / "b.wav")).sha256]
    sidecar_path(tmp_path / "b.wav").unlink()
    refused("has not the latents", lambda: Source(tmp_path / "b.wav", latents="0" * 64).sound)


def test_the_sidecar_of_another_sound_of_that_name_is_not_taken(tiny: LatentSynthesizer, tmp_path: Path) -> None:
    run_file("generate", tiny, [], tmp_path / "a.wav", quick(seconds=SECONDS), sidecar=True)
    soundfile.write(tmp_path / "a.wav", tones(SECONDS, RATE), RATE)
    report = edit(tiny, "vary", tmp_path / "a.wav", tmp_path / "b.wav")
    assert started_from(tmp_path / "b.wav") == [""]
    assert not any("latents" in note for note in report.notes)


# -- edits start from them ---------------------------------------------------------------------------------------------


def test_a_variation_by_nothing_is_the_clip(tiny: LatentSynthesizer, clip: Clip) -> None:
    again = apply("vary", tiny, [sound(clip)], NOTHING)
    assert np.abs(again.waveform - clip.waveform).max() < 0.01
    encoded = apply("vary", tiny, [sound(clip)[:2]], NOTHING)
    assert np.abs(encoded.waveform - clip.waveform).max() > 0.1
    np.testing.assert_array_equal(own(again).values, own(clip).values)
    assert own(again).gain == pytest.approx(own(clip).gain)


def test_a_clip_at_another_level_stays_at_that(tiny: LatentSynthesizer, clip: Clip) -> None:
    quiet = replace(clip, waveform=clip.waveform / 4.0, latents=replace(own(clip), gain=4.0 * own(clip).gain))
    louder = apply("vary", tiny, [sound(quiet)], VarySettings(quick(level="peak"), 0.0))
    again = apply("vary", tiny, [sound(louder)], NOTHING)
    assert np.abs(louder.waveform).max() > 3.0 * np.abs(quiet.waveform).max()
    assert np.abs(again.waveform - louder.waveform).max() < 0.01


@pytest.mark.parametrize("name", sorted(EDITS))
def test_every_edit_starts_from_them_and_is_replayed_bit_for_bit(
    tiny: LatentSynthesizer, tiny_folder: Path, made: Path, tmp_path: Path, name: str
) -> None:
    report = edit(tiny, name, made, tmp_path / "a.wav")
    count = 2 if name == "interpolate" else 1
    assert started_from(tmp_path / "a.wav") == [of_file(made).sha256] * count
    assert not any("encoded" in note for note in report.notes)
    assert replay(tmp_path / "a.wav", tmp_path / "again.wav", model=tiny_folder).identical
    assert (tmp_path / "again.wav").read_bytes() == (tmp_path / "a.wav").read_bytes()

    # A record that names none is of an edit that encoded the samples, as every edit was before there were any.
    bare = tmp_path / "bare.wav"
    sources = [Source(made, latents="") for _ in range(count)]
    run_file(name, tiny, sources, bare, EDITS[name])
    assert "latents_sha256" not in json.dumps(read_provenance(bare).to_dict())
    assert samples_sha256(bare) != samples_sha256(tmp_path / "a.wav")
    assert replay(bare, tmp_path / "again.wav", model=tiny_folder).identical


def test_from_python_a_file_brings_its_latents(tiny: LatentSynthesizer, made: Path) -> None:
    given = {"strength": 0.0, "guidance": 1.0, "level": "none"}
    again = Generator(tiny).vary(made, **given)  # type: ignore[arg-type]
    assert np.abs(again - soundfile.read(made)[0]).max() < 0.01


def test_a_loop_is_varied_from_its_latents(tiny: LatentSynthesizer, tmp_path: Path) -> None:
    run_file("generate", tiny, [], tmp_path / "loop.wav", quick(seconds=1.0, loop=True), watermark=False)
    report = run_file("vary", tiny, [tmp_path / "loop.wav"], tmp_path / "again.wav", NOTHING, watermark=False)
    assert report.seam is not None
    first, second = (soundfile.read(tmp_path / name)[0] for name in ("loop.wav", "again.wav"))
    assert np.abs(first - second).max() < 0.01


# -- the latents of edits ----------------------------------------------------------------------------------------------


def test_what_is_kept_keeps_its_latents(tiny: LatentSynthesizer, clip: Clip) -> None:
    before, per_latent = own(clip).values, samples_per_latent(tiny)
    longer = apply("extend", tiny, [sound(clip)], EDITS["extend"])
    kept = len(clip.waveform) // per_latent
    np.testing.assert_array_equal(own(longer).values[..., :kept], before[..., :kept])
    assert own(longer).values.shape[-1] * per_latent >= len(longer.waveform)
    filled = apply("inpaint", tiny, [sound(clip)], EDITS["inpaint"])
    changed = np.flatnonzero((own(filled).values != before).any(axis=(0, 1)))
    reach = tiny.model.mel_spec.n_fft // 2
    assert changed[0] == (RATE - reach) // per_latent
    assert changed[-1] == -(-(round(1.5 * RATE) + reach) // per_latent) - 1
    assert own(filled).gain == own(clip).gain


def test_latents_may_begin_before_the_clip(tiny: LatentSynthesizer, clip: Clip) -> None:
    per_latent, added = samples_per_latent(tiny), round(0.7 * RATE)
    led = apply("extend", tiny, [sound(clip)], replace(EDITS["extend"], before=True))
    new, rest = divmod(own(led).lead + added, per_latent)
    assert (rest, own(led).lead % per_latent) == (0, -added % per_latent)
    np.testing.assert_array_equal(own(led).values[..., new:], own(clip).values)
    again = apply("vary", tiny, [sound(led)], NOTHING)
    assert again.waveform.shape == led.waveform.shape
    assert own(again).lead == own(led).lead
    twice = apply("extend", tiny, [sound(led)], replace(EDITS["extend"], before=True))
    np.testing.assert_array_equal(twice.waveform[added:], led.waveform)
    assert own(twice).lead % per_latent == -2 * added % per_latent
    both = apply("interpolate", tiny, [sound(led), sound(clip)], EDITS["interpolate"])
    assert both.started_from == ("", own(clip).sha256)
    assert any("do not begin where it begins" in note for note in both.notes)


@pytest.mark.parametrize("name", ["inpaint", "extend"])
def test_every_channel_keeps_its_own(tiny: LatentSynthesizer, name: str) -> None:
    stereo = np.stack([tones(2.0, 44100), tones(2.0, 44100, seed=1)])
    first = apply(name, tiny, [(stereo, 44100)], EDITS[name])
    assert own(first).values.shape[0] == 2
    second = apply(name, tiny, [sound(first)], replace(EDITS[name], clip=quick(seed=1)))
    assert second.started_from == (own(first).sha256,)
    mixed = apply("vary", tiny, [sound(first)], NOTHING)
    assert mixed.started_from == ("",)
    assert any("are of 2 channels, so its samples were encoded" in note for note in mixed.notes)
    alike = apply(name, tiny, [(stereo[[0, 0]], 44100)], EDITS[name])
    assert apply("vary", tiny, [sound(alike)], NOTHING).started_from == (own(alike).sha256,)


# -- what they must not be trusted with --------------------------------------------------------------------------------


def put(path: Path, **changes: Any) -> None:
    """Change the document in a file."""
    document = json.loads(read_tags(path)[TAG.lower()])
    write_tags(path, {TAG: json.dumps({**document, **changes})})


def encoded(tiny: LatentSynthesizer, made: Path) -> str:
    """The samples that a variation has which starts from samples."""
    run_file("vary", tiny, [Source(made, latents="")], made.with_name("bare.wav"), EDITS["vary"])
    return samples_sha256(made.with_name("bare.wav"))


def test_an_edited_file_is_encoded_with_a_note(tiny: LatentSynthesizer, made: Path, tmp_path: Path) -> None:
    tags, (waveform, rate) = read_tags(made), soundfile.read(made)
    soundfile.write(made, waveform * 0.5, rate)
    write_tags(made, tags)
    report = edit(tiny, "vary", made, tmp_path / "a.wav")
    assert "made.wav was changed since its latents were kept; it was encoded again" in report.notes
    assert started_from(tmp_path / "a.wav") == [""]
    assert samples_sha256(tmp_path / "a.wav") == encoded(tiny, made)


def test_a_model_with_another_autoencoder_encodes_with_a_note(made: Path, tmp_path: Path) -> None:
    other = load_generator(write_latent_model(tmp_path / "other", seed=1), device="cpu")
    report = edit(other, "vary", made, tmp_path / "a.wav")
    assert any("of another autoencoder, so its samples were encoded" in note for note in report.notes)
    assert samples_sha256(tmp_path / "a.wav") == encoded(other, made)


def values(array: np.ndarray) -> str:
    return base64.b64encode(np.asarray(array, "<f2").tobytes()).decode()


DAMAGED: Mapping[str, dict[str, Any]] = {
    "shape 1": {"shape": [1, 4]},
    "shape 2": {"shape": [1, 4, 73]},
    "shape 3": {"shape": [1, 4, 1 << 62]},
    "shape 4": {"shape": [1, -4, -72]},
    "shape 5": {"shape": [[1], 4, 72]},
    "no numbers": {"values": values(np.full((1, 4, 72), np.nan))},
    "infinite": {"values": values(np.full((1, 4, 72), np.inf))},
    "no base64": {"values": "\u00e4" * 768},
    "nothing": {"values": None},
    "lead": {"lead": -1},
    "gain 1": {"gain": 0.0},
    "gain 2": {"gain": float("nan")},
    "format": {"format": 2},
    "hash": {"autoencoder_sha256": 1},
    "samples": {"samples_sha256": None},
}
MISFIT: Mapping[str, dict[str, Any]] = {
    "too short": {"shape": [1, 4, 2], "values": values(np.zeros((1, 4, 2)))},
    "too wide": {"shape": [1, 8, 36]},
    "channels": {"shape": [2, 2, 72]},
    "lead": {"lead": 1 << 60},
}


@pytest.mark.parametrize("name", [*DAMAGED, *(f"misfit: {name}" for name in MISFIT)])
def test_damaged_and_misfitting_latents_are_left_aside_with_a_note(
    tiny: LatentSynthesizer, made: Path, tmp_path: Path, name: str
) -> None:
    put(made, **(DAMAGED[name] if name in DAMAGED else MISFIT[name.removeprefix("misfit: ")]))
    report = edit(tiny, "vary", made, tmp_path / "a.wav")
    assert any("latents" in note and "its samples were encoded" in note for note in report.notes), report.notes
    assert samples_sha256(tmp_path / "a.wav") == encoded(tiny, made)


@pytest.mark.parametrize("text", ["{", "[]", "7", "[" * 5000, '{"format": 1' + " " * (1 << 22) + "}"])
def test_a_tag_that_is_no_document_is_left_aside(
    tiny: LatentSynthesizer, made: Path, tmp_path: Path, text: str
) -> None:
    write_tags(made, {TAG: text})
    refused("the latents in ", lambda: read_latents(made))
    report = edit(tiny, "vary", made, tmp_path / "a.wav")
    assert any("its samples were encoded" in note for note in report.notes)


def test_latents_that_no_encoder_gives_make_a_clip_all_the_same(
    tiny: LatentSynthesizer, made: Path, tmp_path: Path
) -> None:
    put(made, values=values(np.full((1, 4, 72), 65504.0)), gain=1e-6)
    edit(tiny, "vary", made, tmp_path / "a.wav")
    assert started_from(tmp_path / "a.wav") != [""]
    assert np.isfinite(soundfile.read(tmp_path / "a.wav")[0]).all()
