import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.evaluation.families import family
from audiodiff.evaluation.music import asked_prompts
from audiodiff.evaluation.music_clips import MusicClip, PointCache, corpus_clips, levelled
from audiodiff.evaluation.music_report import MusicReport
from audiodiff.evaluation.music_scores import (
    PASSAGES,
    Share,
    bernoulli_divergence,
    deciding,
    false_suspects,
    judged,
    real_floor,
    suspects,
)
from audiodiff.evaluation.music_systems import ModelParts, Workshop, label, parts_of
from audiodiff.metrics.distribution import CopyCheck
from audiodiff.synthesis.generator import Generator
from audiodiff.synthesis.load import load_generator
from audiodiff.synthesis.settings import Sampling
from benchmarks import music
from benchmarks.music import Config, main, parse, run
from benchmarks.music_report import readme, verdicts
from benchmarks.music_rungs import RUNGS, mean_mel_clip, shuffled
from tests.benchmarks.music_fakes import RATE, SECONDS, Copying, Obedient, Stubborn, drums, piano, write_corpus
from tests.refusals import refused
from tests.synthesis.latent_models import RATE as MODEL_RATE
from tests.synthesis.latent_models import write_latent_model


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(autouse=True)
def _the_control_embedding_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(music, "EMBEDDINGS", ("log-mel",))
    monkeypatch.setattr(music, "PLANTED_COPIES", 16)
    monkeypatch.setattr(music, "class_mean_row", lambda bench, shop: bench.score("class-mean mel", noises()))


def noises() -> list[MusicClip]:
    waves = [np.random.default_rng(i).standard_normal(4 * RATE).astype(np.float32) * 0.1 for i in range(6)]
    return [MusicClip(f"noise{i}", wave, RATE) for i, wave in enumerate(waves)]


def settings(corpus: Path, work: Path, **changes: object) -> Config:
    base = Config(corpus, work, seconds=SECONDS, guidance=(3.0,), rungs=False, threads=1, output=work / "out")
    return replace(base, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def obedient(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[MusicReport, Obedient, Path]:
    work, model = tmp_path_factory.mktemp("work"), Obedient()
    with pytest.MonkeyPatch.context() as patch:
        _the_control_embedding_alone.__wrapped__(patch)  # type: ignore[attr-defined]
        threads = torch.get_num_threads()
        config = settings(
            corpus, work, guidance=(3.0, 1.0), sweep_steps=(5, 10), sweep_samplers=("heun",), sweep_clips=4
        )
        report = run(config, model, "obedient")
        torch.set_num_threads(threads)
    return report, model, work


@pytest.mark.slow
def test_an_obedient_model_holds_every_target(obedient: tuple[MusicReport, Obedient, Path]) -> None:
    report, model, _ = obedient
    ours, real = report.ours, report.row("held-out recordings")
    assert ours is not None
    assert real is not None
    assert ours.name == "ours, 20 steps, guidance 3"
    assert ours.families is not None
    assert ours.families.accuracy == 1.0
    assert (ours.tempo.n, ours.tempo.share) == (6, 1.0)
    assert ours.tempo_chance < 0.9
    assert real.frechet == {}
    assert ours.silent.right == ours.clipped.right == 0
    assert all("**missed**" not in line for line in verdicts(report)), verdicts(report)
    assert len(verdicts(report)) == 9
    # Six prompts at two scales, then four at two numbers of steps.
    assert len(model.calls) == 12 + 8
    assert {(steps, guidance, sampler) for _, _, steps, guidance, sampler in model.calls} == {
        (20, 3.0, None),
        (20, 1.0, None),
        (5, 3.0, "heun"),
        (10, 3.0, "heun"),
    }
    assert all("bpm" in prompt for prompt, *_ in model.calls)
    assert [row.name for row in report.sweep] == ["heun, 5 steps", "heun, 10 steps"]


@pytest.mark.slow
def test_a_second_run_makes_nothing_anew(obedient: tuple[MusicReport, Obedient, Path], corpus: Path) -> None:
    report, model, work = obedient
    before = len(model.calls)
    again = run(settings(corpus, work, guidance=(3.0, 1.0)), model, "obedient")
    assert len(model.calls) == before
    assert again.rows[3].frechet == pytest.approx(report.rows[3].frechet)
    run(settings(corpus, work), model, "other weights")
    assert len(model.calls) == before + 6


@pytest.mark.slow
def test_a_stubborn_model_misses_what_it_should(corpus: Path, tmp_path: Path) -> None:
    report = run(settings(corpus, tmp_path), Stubborn(), "stubborn")
    assert report.ours is not None
    assert report.ours.families is not None
    assert report.ours.families.accuracy == 0.5
    assert report.ours.families.counts == ((3, 0), (3, 0))
    assert report.ours.tempo.share < 0.7
    missed = [line for line in verdicts(report) if "**missed**" in line]
    assert len(missed) >= 2
    assert report.suspects == []


@pytest.mark.slow
def test_a_copying_model_is_accused(corpus: Path, tmp_path: Path) -> None:
    report = run(settings(corpus, tmp_path), Copying(), "copying")
    assert {original for _, original in report.suspects} == {"piano2_0", "kit2_0"}
    assert len(report.suspects) == 6
    assert any("copies: 6 of 6" in line and "**missed**" in line for line in verdicts(report))


@pytest.mark.slow
def test_files_are_written_without_paths_of_this_machine(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(music, "open_model", lambda name: Obedient())
    monkeypatch.setattr(music, "model_identity", lambda name: name)
    config = settings(
        corpus, tmp_path, model=str(tmp_path / "tiny"), compare=(("UNet", "other"),), sweep_clips=3, clips=4
    )
    folder = main(config)
    names = ["music.json", "music.md", "music.png", "readme.md"]
    assert sorted(path.name for path in folder.iterdir()) == names
    record = json.loads((folder / "music.json").read_text(encoding="utf-8"))
    assert record["conditions"]["model"] == "tiny"
    assert record["conditions"]["held_out_recordings"] == 4
    assert [row["system"] for row in record["compared"]] == ["UNet"]
    text = (folder / "music.md").read_text(encoding="utf-8")
    for part in ("## Distance", "## Prompts", "## Copies", "## Other models", "## Targets", "asked \\ heard"):
        assert part in text
    assert text in capsys.readouterr().out
    assert str(tmp_path) not in text + json.dumps(record)
    assert (folder / "music.png").stat().st_size > 10_000


def test_recordings_alone_give_a_ladder(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {name: RUNGS[name] for name in ("noise at 10 dB", "white noise")}
    monkeypatch.setattr(music, "RUNGS", kept)
    report = run(settings(corpus, tmp_path, model=None, rungs=True))
    assert report.ours is None
    noise = report.row("white noise")
    some = report.row("noise at 10 dB")
    assert noise is not None
    assert some is not None
    assert float(np.mean(report.floor[0]["log-mel"])) < some.frechet["log-mel"] < noise.frechet["log-mel"]
    assert noise.families is not None
    assert "none without a model" not in readme(report)


def test_a_tempo_is_asked_where_it_can_be_heard(corpus: Path, tmp_path: Path) -> None:
    bench = music.read_corpus(settings(corpus, tmp_path))
    assert bench.judge.ears.tempo_families == ("drums", "piano")
    clip = bench.judge.held_out[0]
    assert asked_prompts([clip], bench.judge.ears)[0].prompt == f"{clip.prompt}, {clip.tempo:.0f} bpm"
    for changed in (
        replace(clip, exact=False),
        replace(clip, tempo=math.nan),
        replace(clip, prompt=clip.prompt + ", 90 bpm"),
        replace(clip, instrument="solo harp"),
    ):
        assert asked_prompts([changed], bench.judge.ears)[0] == changed


def test_the_cache_answers_from_its_files(tmp_path: Path) -> None:
    cache = PointCache(tmp_path, ("log-mel",))
    clip = piano(1, 90.0)
    first = cache.points("log-mel", clip, RATE)
    (path,) = tmp_path.rglob("*.npy")
    np.save(path, first + 1.0)
    np.testing.assert_array_equal(cache.points("log-mel", clip, RATE), first + 1.0)
    assert cache.points("log-mel", drums(1, 90.0), RATE).shape == first.shape
    assert len(list(tmp_path.rglob("*.npy"))) == 2


def test_level_does_not_count(tmp_path: Path) -> None:
    cache = PointCache(None, ("log-mel",))
    clip = piano(1, 90.0)
    np.testing.assert_allclose(
        cache.points("log-mel", 0.1 * clip, RATE), cache.points("log-mel", clip, RATE), atol=1e-3
    )
    assert not levelled(np.zeros(RATE, np.float32), RATE).any()


def test_a_corpus_is_read_with_its_pieces(corpus: Path) -> None:
    clips = corpus_clips(corpus, ("valid", "test"))
    assert {clip.split for clip in clips} == {"valid", "test"}
    assert clips[0].piece == clips[0].name.removesuffix("_0")
    assert clips[0].exact
    assert len(corpus_clips(corpus, ("train",), 5)) == 5
    refused("no clips of the splits", lambda: corpus_clips(corpus, ("elsewhere",)))


def test_rungs_keep_the_length_and_the_shuffle_keeps_the_samples() -> None:
    clip = MusicClip("a", piano(3, 100.0, 1.0), RATE)
    for name, degrade in RUNGS.items():
        made = degrade(clip, 1)
        assert made.shape == clip.waveform.shape, name
        assert np.isfinite(made).all()
        assert not np.array_equal(made, clip.waveform)
    np.testing.assert_array_equal(np.sort(shuffled(clip.waveform, RATE)), np.sort(clip.waveform))
    mean = mean_mel_clip([clip, replace(clip, waveform=piano(4, 100.0, 1.0))])
    assert np.isfinite(mean).all()
    assert mean.size == 44_100 // 512 * 512


def test_the_parts_of_a_real_model(tmp_path: Path) -> None:
    parts = parts_of(Generator(load_generator(write_latent_model(tmp_path / "tiny"))))
    assert isinstance(parts, ModelParts)
    clip = piano(5, 100.0, 3.0, MODEL_RATE)
    for made in (parts.vocode(clip, MODEL_RATE), parts.reconstruct(clip, MODEL_RATE)):
        assert abs(made.size - clip.size) <= 1024
        assert np.isfinite(made).all()
    first, again, other = (parts.random(3.0, seed) for seed in (1, 1, 2))
    assert first.size == 3 * MODEL_RATE
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.0


def test_kept_clips_depend_on_all_that_makes_them(tmp_path: Path) -> None:
    made = []

    def make(source: MusicClip, seed: int) -> tuple[np.ndarray, int]:
        made.append((source.name, seed))
        return np.full(100, 0.25 * (seed + 1), np.float32), RATE

    source = MusicClip("a", np.zeros(10, np.float32), RATE, "piano")
    shop = Workshop(tmp_path, "weights", 4.0)
    clips = shop.clips("20 steps", [source], 2, make)
    assert [clip.name for clip in clips] == ["a@0", "a@1"]
    assert shop.clips("20 steps", [source], 2, make)[1].waveform[0] == pytest.approx(0.5, abs=1e-6)
    assert len(made) == 2
    shop.clips("10 steps", [source], 1, make)
    shop.clips("20 steps", [replace(source, prompt="drums")], 1, make)
    Workshop(tmp_path, "other", 4.0).clips("20 steps", [source], 1, make)
    Workshop(tmp_path, "weights", 5.0).clips("20 steps", [source], 1, make)
    assert len(made) == 6


def copy_check_of(similarity: list[float], held_out: list[float], copies: list[float], found: float = 1.0) -> CopyCheck:
    first, second = np.array(similarity), np.array(held_out)
    nearest = np.zeros(len(first), np.int64), np.zeros(len(second), np.int64)
    return CopyCheck(first, nearest[0], second, nearest[1], np.array(copies), min(copies), found)


def test_a_blind_check_neither_accuses_nor_acquits() -> None:
    near = [0.2, 0.95]
    seeing = copy_check_of(near, [0.3, 0.4], [0.9, 0.99])
    other = copy_check_of([0.1, 0.2], [0.3, 0.4], [0.9, 0.99])
    blind = copy_check_of(near, [0.95, 0.4], [0.9, 0.99])
    lost = copy_check_of(near, [0.3, 0.4], [0.9, 0.99], found=0.5)
    assert suspects({PASSAGES: seeing, "aisfx": other}) == suspects({PASSAGES: seeing, "aisfx": blind}) == [1]
    assert suspects({PASSAGES: blind, "aisfx": seeing}) == [1]
    assert suspects({"msd": other, "aisfx": seeing}) == []
    for check in (blind, lost):
        assert suspects({PASSAGES: check}) == []
        assert deciding({PASSAGES: check}) == {}
    assert false_suspects({PASSAGES: copy_check_of(near, [0.1] * 19 + [0.95], [0.9, 0.99])}) == [19]


def test_small_things() -> None:
    assert str(Share(11, 13)) == "84.6 % (11/13)"
    assert str(Share(3, 3)) == "100 % (3/3)"
    assert str(Share(0, 0)) == "–"
    assert label(Sampling(steps=20, sampler="heun", guidance=3.0)) == "20 steps, guidance 3, heun"
    assert label(Sampling()) == "as recommended"
    p = np.array([0.2, 0.9])
    assert bernoulli_divergence(p, p) == 0.0
    expected = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    assert bernoulli_divergence(np.array([0.5]), np.array([0.25])) == pytest.approx(expected)
    assert judged(["aisfx", "log-mel"]) == ["aisfx"]
    assert judged(["log-mel"]) == ["log-mel"]
    assert family("Solo acoustic piano") == "piano"
    assert family("nose flute") is None
    with pytest.raises(AudiodiffError, match="use fewer clips"):
        real_floor({"log-mel": [np.zeros((2, 3))] * 4}, {"log-mel": [np.zeros((2, 3))]}, 5)


def test_the_command_line() -> None:
    config = parse(["--data", "d", "--work", "w", "--model", "none", "--guidance", "2,1", "--compare", "a=b", "c=d"])
    assert (config.model, config.guidance, config.compare) == (None, (2.0, 1.0), (("a", "b"), ("c", "d")))
    assert parse(["--data", "d", "--work", "w", "--sweep-steps", "5,10"]).sweep_steps == (5, 10)
    with pytest.raises(SystemExit):
        parse(["--data", "d", "--work", "w", "--compare", "nothing"])
    refused("1 or more", lambda: run(Config(Path("d"), Path("w"), seeds=0)))
