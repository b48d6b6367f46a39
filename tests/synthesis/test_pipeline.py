"""Pipelines of diffusers behind `generate`: what they make is what diffusers makes, and can be made again."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

import audiodiff
from audiodiff.cli.main import main
from audiodiff.synthesis.files import run_file
from audiodiff.synthesis.pipeline_generator import PipelineGenerator, load_pipeline
from audiodiff.synthesis.provenance import find_provenance, provenance_tags
from audiodiff.synthesis.replay import differences, replay
from audiodiff.synthesis.settings import GenerateSettings, Sampling
from tests.models.pipelines import tiny
from tests.refusals import refused
from tests.synthesis.pipelines import BUILDERS

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # they run whole networks of two libraries

LENGTH = {
    "StableAudioPipeline": "audio_end_in_s",
    "AudioLDM2Pipeline": "audio_length_in_s",
    "AceStepPipeline": "audio_duration",
}
NOT_CARRIED = {"seed": 7, "steps": 3}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny pipeline of a class, written once."""
    diffusers = pytest.importorskip("diffusers")
    pytest.importorskip("transformers")
    root = tmp_path_factory.mktemp("pipelines")

    def folder(name: str) -> Path:
        if not hasattr(diffusers, name):
            pytest.skip(f"this diffusers has no {name}")
        return root / name if (root / name).is_dir() else tiny.write_pipeline(root / name, BUILDERS[name])

    return folder


@pytest.fixture(scope="module")
def stable(folders: Callable[[str], Path]) -> PipelineGenerator:
    return load_pipeline(f"diffusers:{folders('StableAudioPipeline')}", device="cpu")


@pytest.mark.parametrize("name", BUILDERS)
def test_a_clip_is_that_of_diffusers(folders: Callable[[str], Path], name: str) -> None:
    """With the same generator; only the ends and the level are ours."""
    import diffusers

    folder = folders(name)
    model = audiodiff.load(f"diffusers:{folder}", device="cpu")
    assert isinstance(model, PipelineGenerator)
    options = {"negative": "loud"} if name != "AceStepPipeline" else {"tempo": 90.0, "key": "a minor"}
    ours = model.generate("solo piano", seconds=0.6, steps=3, guidance=2.0, seed=7, level="none", **options)  # type: ignore[arg-type]
    pipeline = diffusers.DiffusionPipeline.from_pretrained(folder, use_safetensors=True)
    theirs = {"negative_prompt": "loud"} if name != "AceStepPipeline" else {"bpm": 90, "keyscale": "A minor"}
    with torch.no_grad():
        made = pipeline(
            "solo piano",
            **{LENGTH[name]: 0.6},
            **theirs,
            num_inference_steps=3,
            guidance_scale=2.0,
            generator=torch.Generator().manual_seed(7),
            output_type="pt",
        ).audios[0]
    expected = made.squeeze(0).numpy()[..., : round(0.6 * tiny.RATE)]
    assert ours.shape == expected.shape
    inside = slice(200, -200)  # 10 ms are faded
    np.testing.assert_array_equal(ours[..., inside], expected[..., inside])
    assert ours.std() > 1e-4


@pytest.mark.parametrize("name", BUILDERS)
def test_a_file_tells_what_made_it_and_is_made_again(
    folders: Callable[[str], Path], name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = folders(name)
    model, first, again = f"diffusers:{folder}", tmp_path / "a.wav", tmp_path / "b.wav"
    common = ["--seconds", "0.6", "--steps", "2", "--count", "2", "--seed", "3"]
    assert main(["generate", "solo piano", "-o", str(first), "--model", model, "--device", "cpu", *common]) == 0
    made = [tmp_path / f"a-seed{seed}.wav" for seed in (3, 4)]
    assert not np.array_equal(*(soundfile.read(path)[0] for path in made))
    capsys.readouterr()
    assert main(["inspect", str(made[1])]) == 0
    told = capsys.readouterr().out
    assert f"diffusers:{folder.name}, {name}, weights" in told
    assert "diffusers " in told.split("made on")[1]
    assert str(tmp_path) not in json.dumps(provenance_tags(find_provenance(made[1])))  # type: ignore[arg-type]
    assert main(["replay", str(made[1]), "-o", str(again), "--model", model]) == 0, capsys.readouterr().err
    assert again.read_bytes() == made[1].read_bytes()


def test_a_replay_says_which_library_differs(stable: PipelineGenerator, tmp_path: Path) -> None:
    settings = GenerateSettings("solo", seconds=0.5, sampling=Sampling(steps=1))
    record = run_file("generate", stable.synthesizer, [], tmp_path / "a.wav", settings).record
    assert record is not None
    assert record.machine.libraries.startswith("diffusers ")
    older = replace(record, machine=replace(record.machine, libraries="diffusers 0.1.0, transformers 4.0.0"))
    (said,) = differences(older, record)
    assert said == f"libraries diffusers 0.1.0, transformers 4.0.0, now {record.machine.libraries}"


def test_other_weights_are_not_replayed(
    folders: Callable[[str], Path], stable: PipelineGenerator, tmp_path: Path
) -> None:
    settings = GenerateSettings("solo", seconds=0.5, sampling=Sampling(steps=1))
    run_file("generate", stable.synthesizer, [], tmp_path / "a.wav", settings)
    other = f"diffusers:{folders('AudioLDM2Pipeline')}"
    refused("the weights of .* are not those", lambda: replay(tmp_path / "a.wav", tmp_path / "b.wav", model=other))
    refused("give it with --model", lambda: replay(tmp_path / "a.wav", tmp_path / "b.wav"))
    refused("are not those that made", lambda: replay(tmp_path / "a.wav", tmp_path / "b.wav", model="music"))
    assert not (tmp_path / "b.wav").exists()


def test_neither_the_callers_random_numbers_nor_a_clip_before_count(stable: PipelineGenerator) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = stable.generate("solo", seconds=0.5, seed=7, steps=2)
    assert torch.equal(torch.get_rng_state(), before)
    stable.generate("drums", seconds=0.7, seed=8, steps=3)
    torch.manual_seed(2)
    np.testing.assert_array_equal(stable.generate("solo", seconds=0.5, seed=7, steps=2), first)


def test_progress_counts_the_steps(stable: PipelineGenerator) -> None:
    seen: list[tuple[float, float]] = []
    stable.generate("solo", seconds=0.5, steps=3, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1.0, 3.0), (2.0, 3.0), (3.0, 3.0)]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"seconds": 2.0}, r"2 s are longer than the 1.02 s"),
        ({"prompt": "solo (piano:1.3)"}, "weighs or blends words"),
        ({"prompt": "solo | piano"}, "weighs or blends words"),
        ({"key": "F major"}, "has no setting key; leave it out .it takes fade_out"),
        ({"sampler": "ddim"}, "has no setting sampler"),
        ({"loop": True}, "has no setting loop"),
        ({"tempo": 90.0}, "has no setting tempo"),
    ],
)
def test_what_a_pipeline_has_not_is_one_sentence(stable: PipelineGenerator, values: dict[str, Any], words: str) -> None:
    refused(words, lambda: stable.apply("generate", **{"prompt": "solo", "seconds": 0.5, **values}))


@pytest.mark.parametrize("verb", ["inpaint", "extend", "interpolate"])
def test_a_verb_that_is_not_possible_is_refused_before_the_weights_are_read(
    folders: Callable[[str], Path], verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = folders("StableAudioPipeline")
    clip = tmp_path / "clip.wav"
    soundfile.write(clip, np.full(8000, 0.1, np.float32), tiny.RATE)
    files = [str(clip)] * (2 if verb == "interpolate" else 1)
    options = ["--region", "0.1:0.2"] if verb == "inpaint" else []
    status = main([verb, *files, *options, "-o", str(tmp_path / "out.wav"), "--model", f"diffusers:{folder}"])
    assert status == 2
    said = f"cannot {verb}: the class StableAudioPipeline of diffusers can only generate and vary."
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out.wav").exists()


def test_pickled_weights_are_refused(folders: Callable[[str], Path], tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "pickled"
    shutil.copytree(folders("StableAudioPipeline"), folder)
    weights = folder / "vae" / "diffusion_pytorch_model.safetensors"
    from safetensors.torch import load_file

    torch.save(load_file(weights), weights.with_suffix(".bin"))
    weights.unlink()
    model = load_pipeline(f"diffusers:{folder}", device="cpu")
    refused("cannot be loaded as a StableAudioPipeline", lambda: model.generate("solo", seconds=0.5, steps=1))


def test_adapters_are_refused() -> None:
    refused("no adapters can be merged", lambda: load_pipeline("diffusers:ORG/NAME", adapters=("a:0.5",)))


def test_without_diffusers_one_sentence_says_what_to_install(
    folders: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"diffusers:{folders('StableAudioPipeline')}"
    monkeypatch.setitem(sys.modules, "diffusers", None)
    refused(r"pip install 'audiodiff-synth\[diffusers\]'", lambda: load_pipeline(name))
