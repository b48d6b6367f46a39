import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import edits
from benchmarks.edit_measures import Abruptness, AbruptnessSample, Likeness
from benchmarks.edit_report import (
    OTHER_BEATS,
    Curves,
    Findings,
    abruptness_table,
    curve_table,
    draw,
    likeness_table,
    markdown,
    seam_table,
    summary,
)
from benchmarks.edits import Bench, Config, parse, spread
from tests.refusals import refused


def curves(*clips: list[float]) -> Curves:
    found = Curves("strength", (0.0, 0.5, 1.0))
    for index, clip in enumerate(clips):
        found.add(f"clip{index}", [{"log-mel": value, "other": -value} for value in clip])
    return found


def findings() -> Findings:
    places = (AbruptnessSample("inpaint", (Abruptness(0.5, 0.75), Abruptness(1.5, 0.25))),)
    up, down = curves([1.0, 2.0, 3.0], [2.0, 3.0, 5.0]), curves([3.0, 2.0, 1.0], [4.0, 3.0, 2.0])
    return Findings((2, 1), up, up, down, places, 0, places, 30.0, {"--loop": [0.5, 1.5], OTHER_BEATS: [0.75]})


def test_curves_are_judged_clip_by_clip_and_in_the_mean() -> None:
    found = curves([1.0, 2.0, 3.0], [1.0, 3.0, 2.0], [1.0, 3.0, 2.98])
    assert [each.mean for each in found.means("log-mel")] == pytest.approx([1.0, 8 / 3, 7.98 / 3])
    assert not found.mean_rises("log-mel")
    assert found.share("log-mel") == pytest.approx(1 / 3)
    assert found.share("log-mel", 0.02) == pytest.approx(2 / 3)
    assert found.share("other", falling=True) == pytest.approx(1 / 3)
    assert found.rank("log-mel") == pytest.approx(2 / 3)
    assert found.rank("other", falling=True) == pytest.approx(2 / 3)


def test_the_table_of_a_knob_says_which_way_the_means_go() -> None:
    lines = curve_table([("", curves([1.0, 2.0, 3.0], [1.0, 2.0, 2.0]), False)]).splitlines()
    assert lines[0] == "| strength | log-mel | other |"
    assert lines[3] == "| 0.5 | 2.000 ± 0.000 | -2.000 ± 0.000 |"
    assert lines[5] == "| the mean | rises | **not always rising** |"
    assert lines[6] == "| clips that do so | 100 % | 0 % |"
    down = curve_table([("to it, ", curves([3.0, 2.0, 1.0]), True)])
    assert "| strength | to it, log-mel |" in down
    assert "| the mean | falls | **not always falling** |" in down
    assert "inf" not in down
    assert all(line.count("|") == lines[0].count("|") for line in lines)


def test_places_and_seams_have_their_shares() -> None:
    places = AbruptnessSample("x", (Abruptness(0.5, 2.0), Abruptness(1.2, 3.0), Abruptness(2.0, 1.0)))
    assert abruptness_table([places]).splitlines()[2] == "| x | 3 | 1.20 | 33 % | 67 % | 2.00 | 33 % | 33 % |"
    assert seam_table({"a": [0.5, 1.1, 3.0]}).splitlines()[2] == "| a | 3 | 1.10 | 3.00 | 33 % | 67 % |"


def test_the_report_has_every_part_and_says_what_was_changed(tmp_path: Path) -> None:
    text = markdown(findings(), "model m", ["a package is missing"])
    for said in ("2 held-out recordings and 1 clips", "were changed: 0.", "Clips of 30 s", "- a package is missing"):
        assert said in text
    draw(findings(), tmp_path / "edits.png")
    assert (tmp_path / "edits.png").stat().st_size > 5000


def test_the_summary_has_a_line_for_each_verb_and_none_for_what_was_not_measured() -> None:
    found = findings()
    named = AbruptnessSample("inpaint, recordings", found.joins[0].found)
    lines = summary(replace(found, joins=(named,))).splitlines()
    assert "2 held-out recordings and 1 clips" in lines[0]
    assert "changed: 0." in lines[0]
    assert "| `inpaint`, joins in recordings | jump 1.00 (50 %), shift 0.50 (100 %) |" in "\n".join(lines)
    assert any(line.startswith("| `extend`, joins to recordings | – |") for line in lines)
    assert any("1.00 (50 %) | other beats: 0.75 (100 %); without --loop: – |" in line for line in lines)
    assert any(
        "`vary`" in line and "log-mel: rises in 100 %" in line and "other: rises in 0 %" in line for line in lines
    )


def test_references_are_told_where_the_model_takes_any() -> None:
    like = Likeness("--reference", ((0.1, 0.3, 0.5), (0.3, 0.2, 0.4), (0.2, 0.6, 0.3)))
    unlike = Likeness("the same without --reference", ((0.3, 0.1, 0.2),) * 3)
    assert (like.nearest, unlike.nearest) == (2, 1)
    assert like.own == pytest.approx(0.2)
    assert like.others == pytest.approx((0.4 + 0.35 + 0.4) / 3)
    assert likeness_table([like]).splitlines()[2] == "| --reference | 3 | 0.200 | 0.383 | 2 of 3 |"
    found = replace(findings(), references=(like, unlike), embedding="ears")
    assert "| 2 of 3 (0.200, others 0.383) | without it: 1 of 3 (" in summary(found)
    assert "second halves of all, by ears:" in markdown(found, "model m")
    assert "reference" not in summary(findings()) + markdown(findings(), "model m")


def test_prompts_are_spread() -> None:
    assert spread(list("abcdef"), 3) == ["a", "c", "e"]
    assert spread(["a"], 3) == ["a"]


def test_a_benchmark_of_nothing_is_refused(tmp_path: Path) -> None:
    refused("--limit", lambda: edits.main(Config(tmp_path, limit=1)))
    assert parse(["--data", "x", "--loops", "2"]) == Config(Path("x"), loops=2)


@pytest.mark.slow
def test_a_tiny_model_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np
    import soundfile

    from tests.synthesis.latent_models import RATE, write_latent_model

    monkeypatch.setattr(edits, "tune_allocator", lambda: False)
    monkeypatch.setattr(edits, "EMBEDDING", "log-mel")
    model = write_latent_model(tmp_path / "tiny")
    rows = ["file_name,text,split"]
    for k in range(2):
        time = np.arange(7 * RATE) / RATE
        noise = np.random.default_rng(k).standard_normal(len(time))
        soundfile.write(tmp_path / f"c{k}.wav", 0.2 * np.sin(2 * np.pi * (200 + 50 * k) * time) + 0.02 * noise, RATE)
        rows.append(f"c{k}.wav,flute,test")
    (tmp_path / "metadata.csv").write_text("\n".join(rows))
    config = Config(tmp_path, str(model), 2, 2, 12.0, 1, 1, 1, tmp_path / "out")
    found = edits.main(config)
    assert found.changed == 0
    assert {len(curve) for clips in found.varied.found.values() for curve in clips.values()} == {11}
    assert all(math.isfinite(value) for row in found.joins for value in row.values("jump"))
    record = json.loads((tmp_path / "out" / "edits.json").read_text())
    assert record["clips"] == [2, 1]
    assert [len(row) for each in found.references for row in each.distances] == [2] * 4
    assert str(tmp_path) not in json.dumps(record)
    assert (tmp_path / "out" / "edits.png").is_file()


def test_a_missing_package_leaves_a_distance_that_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    from audiodiff.metrics.inputs import MissingPackageError

    opened = edits.open_embedding

    def missing(name: str) -> object:
        if name == "aisfx":
            raise MissingPackageError("aisfx is missing.")
        return opened(name)

    class Fake:
        sample_rate = 44_100

        class model:
            mel_spec = None

    monkeypatch.setattr(edits, "open_embedding", missing)
    bench = Bench(Config(Path("x")), Fake())  # type: ignore[arg-type]
    assert bench.notes == ["aisfx is missing."]
