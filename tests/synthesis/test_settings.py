"""Settings take the numbers of NumPy as Python's own, and hold nothing that JSON cannot."""

import json
import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from audiodiff.synthesis.settings import (
    GUIDED,
    FewSteps,
    GenerateSettings,
    Resolved,
    Sampling,
    VocodeSettings,
    changed,
    values_of,
    with_searched,
)
from audiodiff.synthesis.upsample_settings import UpsampleSettings
from audiodiff.synthesis.verbs.extend import ExtendSettings
from audiodiff.synthesis.verbs.inpaint import InpaintSettings
from audiodiff.synthesis.verbs.interpolate import InterpolateSettings
from audiodiff.synthesis.verbs.vary import VarySettings
from tests.refusals import refused

PACKAGE = Path(__file__).resolve().parents[2] / "audiodiff"

SETTINGS = [
    VocodeSettings(Sampling(steps=np.int32(4), seed=np.uint64(2**63 - 1)), window_seconds=np.float32(2.0)),
    GenerateSettings(
        sampling=Sampling(steps=np.int64(4), guidance=np.float16(3.0), seed=np.int16(7)),
        seconds=np.float32(2.5),
        guidance_interval=(np.float64(0.1), np.float32(0.5)),
        tempo=np.int8(96),
    ),
    VarySettings(strength=np.float32(0.5)),
    InpaintSettings(regions=((np.float32(0.5), np.int64(2)),), crossfade=np.float64(0.01)),
    ExtendSettings(seconds=np.int64(3), trim=np.float32(0.5)),
    InterpolateSettings(position=np.float32(0.5)),
    UpsampleSettings(Sampling(steps=np.int64(2), seed=np.int64(1)), augmentation=np.float32(0.5)),
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: type(settings).__name__)
def test_numbers_of_numpy_become_plain(settings) -> None:
    def flat(value):
        if isinstance(value, dict):
            value = list(value.values())
        return [each for item in value for each in flat(item)] if isinstance(value, list | tuple) else [value]

    assert all(type(value) in (int, float, str, bool, type(None)) for value in flat(asdict(settings)))
    json.dumps(asdict(settings), allow_nan=False)


@pytest.mark.parametrize(
    "values",
    [
        {"seed": np.float64(1.0)},
        {"seed": np.int64(-1)},
        {"steps": np.float32(4.0)},
        {"seconds": np.float64("nan")},
        {"seconds": np.array([1.0, 2.0])},
        {"guidance": np.bool_(True)},
        {"guidance_interval": (None, 0.5)},
        {"guidance_interval": 0.5},
        {"guidance_interval": (0.1, 0.2, 0.3)},
    ],
)
def test_what_is_no_such_number_is_one_sentence(values) -> None:
    refused(next(iter(values)), lambda: changed(GenerateSettings(), values))


@pytest.mark.parametrize("seconds", ["2", None, -1.0, float("nan")])
def test_window_seconds_is_a_number(seconds) -> None:
    if seconds is None:
        assert VocodeSettings(window_seconds=None).window_seconds is None
        return
    refused("window_seconds", lambda: VocodeSettings(window_seconds=seconds))


def test_values_are_found_by_name_through_settings_inside() -> None:
    settings = ExtendSettings(seconds=3.0, clip=GenerateSettings(seconds=9.0, sampling=Sampling(steps=4)))
    values = values_of(settings)
    assert (values["seconds"], values["steps"], values["trim"], values["prompt"]) == (3.0, 4, 0.0, "")
    other = changed(settings, {"steps": 5, "seconds": 2.0, "prompt": "flute"})
    assert (other.seconds, other.clip.seconds, other.clip.sampling.steps, other.clip.prompt) == (2.0, 9.0, 5, "flute")
    assert changed(settings, values) == settings
    refused("no setting 'stepz'", lambda: changed(settings, {"stepz": 5}))
    refused("steps is 0", lambda: changed(settings, {"steps": 0}))


def test_what_is_asked_for_goes_before_what_is_recommended() -> None:
    usual = Resolved(steps=8, sampler="euler", grid="uniform", guidance=3.0, rescale=0.5)
    assert Sampling().resolve(usual) == usual
    asked = Sampling(steps=2, seed=5, guidance=0.0, rescale=0.0, precision="bf16")
    assert asked.resolve(usual) == Resolved(2, "euler", "uniform", "bf16", 5, 0.0, 0.0)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"sampling": []}, 'unknown sampling key "sampling"'),
        ({"sampling": {"magic": 1}}, 'unknown sampling key "magic"; known: steps, sampler, grid, precision, level'),
        ({"sampling": {"guidance": 2.0}}, 'unknown sampling key "guidance"'),
        ({"sampling": {"steps": 0}}, "recommends what does not exist: steps is 0"),
    ],
)
def test_bad_recommendations_are_refused(metadata, message: str, tmp_path: Path) -> None:
    refused(message, lambda: Sampling.from_metadata(metadata, tmp_path, others=("level",)))


def test_aliases_of_samplers_are_taken_for_their_names() -> None:
    assert Sampling(sampler="arc").sampler == "adams_pc"
    assert Resolved(steps=2, sampler="arc", grid="late").sampler == "adams_pc"


def test_recommendations_are_read(tmp_path: Path) -> None:
    assert Sampling.from_metadata({}, tmp_path) == Sampling()
    table = {"steps": 3, "grid": "karras", "level": 7}
    assert Sampling.from_metadata({"sampling": table}, tmp_path, others=("level",)) == Sampling(steps=3, grid="karras")
    guided = Sampling.from_metadata({"sampling": {"guidance": 0.0}}, tmp_path, known=GUIDED)
    assert guided.guidance == 0.0


@pytest.mark.parametrize("settings", [VocodeSettings, UpsampleSettings])
def test_a_model_without_prompt_takes_no_guidance(settings) -> None:
    refused("take a prompt", lambda: settings(Sampling(guidance=2.0)))
    refused("must be a Sampling", lambda: settings(8))


def test_settings_are_resolved_at_the_door_alone() -> None:
    room = PACKAGE / "synthesis"
    doors = {
        "files.py",
        "gan_vocoder.py",
        "generator.py",
        "latent.py",
        "load.py",
        "pipeline.py",
        "pipeline_verbs.py",
        "replay.py",
        "resolved.py",
        "upsample.py",
        "vocode.py",
        "voice.py",
    }
    doors |= {"speech.py"}  # what the verbs of a voice fill in
    below = [path for path in room.rglob("*.py") if str(path.relative_to(room)) not in doors]
    assert {"verbs/vary.py", "loop.py", "recording.py"} <= {path.relative_to(room).as_posix() for path in below}
    hook = re.compile(r"\ndef resolve.*?(?=\n\n\n|\Z)", re.DOTALL)
    assert [path.name for path in below if ".resolve(" in hook.sub("", path.read_text("utf-8"))] == []


SEARCHED = (FewSteps("euler", (1.0, 0.4)), FewSteps("ddim", (1.0, 0.3)), FewSteps("euler", (1.0, 0.6, 0.2)))


def test_times_that_were_searched_are_used_where_so_many_steps_are_asked_for() -> None:
    usual = Resolved(steps=8, sampler="heun", grid="late", searched=SEARCHED)
    assert Sampling().resolve(usual) == Resolved(8, "heun", "late")
    assert Sampling(steps=2).resolve(usual) == Resolved(2, "euler", "1,0.4")
    assert Sampling(steps=2, sampler="ddim").resolve(usual) == Resolved(2, "ddim", "1,0.3")
    assert Sampling(steps=2, sampler="heun").resolve(usual) == Resolved(2, "heun", "late")
    assert Sampling(steps=3, grid="uniform").resolve(usual) == Resolved(3, "heun", "uniform")
    few = Resolved(steps=3, sampler="euler", grid="late", searched=SEARCHED)
    assert Sampling().resolve(few).grid == "1,0.6,0.2"
    # what is resolved is what is done: asked for again it stays
    done = Sampling(steps=2).resolve(usual)
    assert Sampling(done.steps, done.sampler, done.grid).resolve(few) == done


def test_times_may_be_given_in_the_place_of_a_grid() -> None:
    usual = Resolved(steps=8, sampler="heun", grid="late", searched=SEARCHED)
    assert Sampling(grid="1, 0.5,0.25").resolve(usual) == Resolved(3, "heun", "1,0.5,0.25")
    assert Sampling(steps=3, grid="1,0.5,0.25") == Sampling(steps=3, grid="1,0.5,0.25,0")
    refused("is of 3 steps, and 4 are asked for", lambda: Sampling(steps=4, grid="1,0.5,0.25"))
    refused("grid 'magic' is unknown", lambda: Sampling(grid="magic"))
    refused("grid is 7; it must be text", lambda: Sampling(grid=7))  # type: ignore[arg-type]


def test_searched_times_are_read_from_a_checkpoint(tmp_path: Path) -> None:
    usual = Resolved(steps=8, sampler="heun", grid="late")
    table = {
        "sampling": {"searched": [{"sampler": "euler", "times": [1, 0.4]}, {"sampler": "arc", "times": [80.0, 2.5]}]}
    }
    read = with_searched(usual, table, tmp_path)
    assert read.searched == (FewSteps("euler", (1.0, 0.4)), FewSteps("adams_pc", (80.0, 2.5)))
    assert with_searched(usual, {}, tmp_path) == usual
    assert Sampling.from_metadata(table, tmp_path) == Sampling()


@pytest.mark.parametrize(
    "searched",
    [
        {},
        [7],
        [{"sampler": "euler"}],
        [{"sampler": 7, "times": [1.0]}],
        [{"sampler": "magic", "times": [1.0, 0.5]}],
        [{"sampler": "euler", "times": [0.5, 1.0]}],
        [{"sampler": "euler", "times": []}],
        [{"sampler": "euler", "times": [True, 0.5]}],
        [{"sampler": "euler", "times": [10**400, 1]}],
        [{"sampler": "euler", "times": [1.0, "0.5"]}],
        [{"sampler": "euler", "times": [1.0], "steps": 1}],
    ],
)
def test_damaged_searched_times_are_refused(searched: object, tmp_path: Path) -> None:
    usual = Resolved(steps=8, sampler="heun", grid="late")
    metadata = {"sampling": {"searched": searched}}
    refused("recommends what does not exist", lambda: with_searched(usual, metadata, tmp_path))


def test_a_recommended_grid_is_for_any_number_of_steps(tmp_path: Path) -> None:
    metadata = {"sampling": {"grid": "1,0.5"}}
    refused('list it under "searched"', lambda: Sampling.from_metadata(metadata, tmp_path))
