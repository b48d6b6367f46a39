import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.files import apply
from audiodiff.synthesis.provenance import read_provenance
from audiodiff.synthesis.settings import GenerateSettings, Sampling, built
from demo import edits, handlers, provenance
from demo.app_state import AppState, Models, load_models
from demo.handlers import ClipRequest, Created, ProgressReporter, Update
from demo.jobs import Stopped
from demo.pictures import PreviewBudget
from demo.upsampling import upsample
from demo.vocoding import vocode
from tests.marked import as_marked
from tests.refusals import refused
from tests.synthesis.latent_models import RATE


def ignore(update: Update) -> None:
    pass


def generate(state: AppState, report: Any = ignore, **request: Any) -> Created:
    own = {
        name: request.pop(name)
        for name in ("user", "seconds", "loop", "reference", "variety", "prior", "idea")
        if name in request
    }
    return handlers.generate(
        state,
        report,
        **{"user": "me", "seconds": 1.0, **own},
        request=ClipRequest(**{"prompt": "solo piano", **request}),
    )


def test_takes_share_an_idea_which_takes_a_prior(state: AppState, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[GenerateSettings] = []

    def build(*given: Any) -> GenerateSettings:
        asked.append(built(*given))
        return asked[-1]

    monkeypatch.setattr(handlers, "built", build)
    for given in ({"prior": True}, {"idea": 9}):
        with pytest.raises(AudiodiffError, match="has no prior"):
            generate(state, count=2, seed=7, steps=2, **given)
    assert [(take.sampling.seed, take.prior, take.idea) for take in asked] == [
        (7, True, 7),
        (8, True, 7),
        (7, True, 9),
        (8, True, 9),
    ]
    with pytest.raises(AudiodiffError, match="idea"):
        generate(state, idea=-1)


def test_takes_with_variety_are_guided_less(state: AppState) -> None:
    made = generate(state, count=2, seed=7, steps=2, variety=0.5, watermark=False)
    records = [read_provenance(clip.path) for clip in made.clips]
    assert [(record.settings["variety"], record.settings["guidance"]) for record in records] == [(0.5, 1.6)] * 2
    filled = provenance.settings_of_file(state, made.clips[0].path)
    assert filled["variety"] == 0.0  # nothing is loosened twice
    taken = {name: filled[name] for name in ("guidance", "variety")}
    again = generate(state, seed=7, steps=2, watermark=False, **taken)
    assert read_provenance(again.clips[0].path).audio == records[0].audio
    with pytest.raises(AudiodiffError, match="variety"):
        generate(state, variety=2.0)


def test_clips_are_those_of_the_command_line_and_tell_their_record(state: AppState) -> None:
    made = generate(state, count=2, seed=7, steps=2, negative="drums", format="wav")
    assert [clip.seed for clip in made.clips] == [7, 8]
    assert not made.stopped
    synthesizer = state.models.require_generator()
    for clip in made.clips:
        samples, rate = soundfile.read(clip.path, dtype="float32")
        wanted = apply(
            "generate",
            synthesizer,
            [],
            GenerateSettings("solo piano", "drums", 1.0, sampling=Sampling(steps=2, seed=clip.seed)),
        )
        assert rate == RATE
        np.testing.assert_allclose(samples, as_marked(wanted, clip.path), atol=1e-4)
        record = read_provenance(clip.path)
        assert (record.prompt, record.negative, record.seed, record.settings["steps"]) == (
            "solo piano",
            "drums",
            clip.seed,
            2,
        )
    assert made.clips[0].path.name == "solo-piano-seed7.wav"
    assert made.clips[0].path.is_relative_to(state.workspace.folder)


def test_clips_are_reported_as_they_are_finished_with_previews_before(state: AppState) -> None:
    seen: list[Update] = []
    made = generate(state, seen.append, count=2, steps=20)
    finished = [update for update in seen if update.made is not None]
    assert [(update.index, update.made) for update in finished] == [(0, made.clips[0]), (1, made.clips[1])]
    previews = [update for update in seen if update.preview is not None]
    assert {update.index for update in previews} == {0, 1}
    assert seen.index(previews[0]) < seen.index(finished[0])
    fractions = [update.fraction for update in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_previews_change_nothing(state: AppState, monkeypatch: pytest.MonkeyPatch) -> None:
    samples, drawn = [], []
    for share in (0.0, 1.0):
        monkeypatch.setattr(handlers, "PreviewBudget", partial(PreviewBudget, share))
        seen: list[Update] = []
        samples.append(soundfile.read(generate(state, seen.append, steps=10).clips[0].path)[0])
        drawn.append(sum(update.preview is not None for update in seen))
    np.testing.assert_array_equal(*samples)
    assert drawn[1] > 5 > drawn[0]


def test_stop_ends_the_clip_at_its_next_step_and_keeps_those_before(
    state: AppState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "REPORT_SECONDS", 0.0)
    said: list[str] = []

    def report(update: Update) -> None:
        said.append(str(update.text))
        if str(update.text).startswith("clip 2 of 3: step 4"):
            assert state.jobs.stop("me") == 1

    made = generate(state, report, count=3, steps=30)
    assert made.stopped
    assert [clip.seed for clip in made.clips] == [0]
    assert any("step 4 of 30" in text for text in said)
    assert not any("clip 2 of 3: step 5" in text for text in said)
    assert not generate(state).stopped


def test_a_report_that_raises_stops_the_work(state: AppState, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "REPORT_SECONDS", 0.0)
    said: list[str] = []

    def report(update: Update) -> None:
        said.append(str(update.text))
        if "step 3 " in str(update.text):
            raise Stopped

    made = generate(state, report, steps=40)
    assert made == Created((), stopped=True)
    assert "step 3 of 40" in said[-1]
    assert list(state.workspace.folder.rglob("*.flac")) == []


def test_two_users_at_a_time_get_what_each_asked_for(state: AppState) -> None:
    started = threading.Barrier(2)

    def ask(user: str, prompt: str, seed: int) -> list[np.ndarray]:
        started.wait()
        made = generate(state, user=user, prompt=prompt, seed=seed, count=2, steps=4)
        return [soundfile.read(clip.path)[0] for clip in made.clips]

    with ThreadPoolExecutor(2) as pool:
        together = [
            future.result() for future in (pool.submit(ask, "a", "flute", 1), pool.submit(ask, "b", "drums", 9))
        ]
    alone = [
        [soundfile.read(clip.path)[0] for clip in generate(state, prompt=prompt, seed=seed, count=2, steps=4).clips]
        for prompt, seed in (("flute", 1), ("drums", 9))
    ]
    np.testing.assert_array_equal(together, alone)
    assert np.abs(together[0][0] - together[1][0]).max() > 1e-3


def uploaded(state: AppState, path: Path) -> Path:
    """A copy where the server keeps uploads."""
    target = state.workspace.new_file(path.name)
    shutil.copyfile(path, target)
    return target


@pytest.mark.parametrize("what", ["generate", "reference", "vary", "vocode", "upsample", "replay"])
def test_a_job_that_waits_longer_than_files_are_kept_is_done_all_the_same(
    state: AppState, voice: Path, call: Path, what: str
) -> None:
    clip = vocode(state, ignore, user="me", input=uploaded(state, voice)).path if what == "replay" else None
    jobs = {
        "generate": lambda report: generate(state, report, count=2).clips[1].path,
        "reference": lambda report: generate(state, report, reference=uploaded(state, voice)).clips[0].path,
        "vary": lambda report: (
            edits.edit(state, report, "vary", user="me", clip=uploaded(state, voice), request=ClipRequest("", steps=2))
            .clips[0]
            .path
        ),
        "vocode": lambda report: vocode(state, report, user="me", input=uploaded(state, voice)).path,
        "upsample": lambda report: upsample(state, report, user="me", input=uploaded(state, call)).path,
        "replay": lambda report: provenance.replay(state, report, user="me", input=clip, recording=voice).path,
    }
    waits, free = threading.Event(), threading.Event()
    before = state.jobs.submit(lambda: free.wait(60.0))

    def report(update: Update) -> None:
        if str(update.text) == "waiting for 1 other":
            waits.set()

    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(jobs[what], report)
        assert waits.wait(30.0)
        state.workspace.sweep(now=time.time() + 1e6)
        free.set()
        assert soundfile.info(made.result()).frames > 0
    assert before.result()


def test_a_loop_is_made_and_its_seam_is_told(state: AppState) -> None:
    clip = generate(state, loop=True, seed=2).clips[0]
    assert clip.path.name == "solo-piano-loop-seed2.flac"
    assert clip.seam is not None
    assert read_provenance(clip.path).settings["loop"] is True
    assert generate(state).clips[0].seam is None


def test_a_reference_is_heard_and_told(state: AppState, voice: Path) -> None:
    plain = generate(state).clips[0].path
    like = generate(state, reference=uploaded(state, voice)).clips[0].path
    assert read_provenance(like).inputs[0].name == voice.name
    assert np.abs(soundfile.read(like)[0] - soundfile.read(plain)[0]).max() > 1e-3
    assert read_provenance(plain).inputs == ()
    for reference, message in ((str(voice) + "x", "is not on the server"), (Path(__file__), "not audio")):
        with pytest.raises(AudiodiffError, match=message):
            generate(state, reference=reference)


def test_empty_fields_are_the_models_own(state: AppState) -> None:
    numbers = dict.fromkeys(("steps", "guidance", "tempo", "vocoder_steps"))
    names = dict.fromkeys(("sampler", "grid", "source", "precision"), "")
    record = read_provenance(generate(state, **numbers, **names).clips[0].path)
    assert (record.settings["steps"], record.settings["sampler"], record.settings["guidance"]) == (3, "dpmpp_2m", 2.0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"prompt": "(warm"}, "never closed"),
        ({"prompt": "x" * 201}, "this demo takes 200"),
        ({"negative": "x" * 201}, "negative prompt has 201"),
        ({"seconds": 8.5}, "from 0.5 to 8"),
        ({"seconds": "3"}, "seconds is '3'"),
        ({"steps": 51}, "from 1 to 50"),
        ({"vocoder_steps": 51}, "from 1 to 50"),
        ({"count": 5}, "from 1 to 4"),
        ({"count": 0}, "from 1 to 4"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**63}, "seed is"),
        ({"guidance": float("nan")}, "guidance is"),
        ({"sampler": "magic"}, "sampler 'magic' is unknown"),
        ({"source": "vinyl"}, "knows rendered, recorded"),
        ({"level": "loud"}, "level 'loud'"),
        ({"format": "exe"}, "format is 'exe'"),
    ],
)
def test_what_is_beyond_the_limits_gets_a_sentence(state: AppState, fields: dict[str, Any], message: str) -> None:
    refused(message, lambda: generate(state, **fields))
    assert list(state.workspace.folder.rglob("*.*")) == []


def test_a_demo_without_the_model_says_so(state: AppState, checkpoint: Path) -> None:
    bare = replace(state, models=Models())
    refused("--model", lambda: generate(bare))
    refused("--vocoder", lambda: vocode(bare, ignore, user="me", input=None))


def test_the_time_left_follows_the_work_and_not_the_queue() -> None:
    now = 0.0
    said: list[str] = []

    class Going:
        def check(self) -> None:
            pass

    progress = ProgressReporter(Going(), lambda update: said.append(str(update.text)), clock=lambda: now)  # type: ignore[arg-type]
    now = 500.0  # in the queue
    progress.begin()
    now += 10.0
    progress.say("half", 0.5)
    now += 0.1
    progress.say("too soon", 0.51)
    progress.end()
    now += 1000.0  # another user's turn
    progress.begin()
    now += 4.9
    progress.say("three quarters", 0.75)
    now += 500.0
    progress.say("slow", 0.5)
    assert said == ["half, about 10 s left", "three quarters, about 5 s left", "slow, about 9 min left"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Solo Piano, (slow:1.3)!", "solo-piano-slow-1-3"),
        ("雨", "clip"),
        ("", "clip"),
        ("../../etc", "etc"),
        ("a" * 99, "a" * 40),
    ],
)
def test_names_of_files_are_short_and_harmless(text: str, name: str) -> None:
    assert handlers.slug(text) == name


def test_models_are_found_by_name_and_tell_their_words(checkpoint: Path, models: Models) -> None:
    assert models.words == {"genres": ["jazz", "ambient"], "instruments": ["piano"]}
    assert models.about == "tiny"
    refused("no model 'nonsense'", lambda: load_models("nonsense"))
    with pytest.raises(AudiodiffError, match='kind "mel_latent"; expected "upsampler"'):
        load_models(str(checkpoint), str(checkpoint), str(checkpoint))
    refused("only turns mels into sound", lambda: load_models(str(checkpoint / "vocoder")))
