import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import audiodiff
from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.files import apply
from audiodiff.synthesis.generator import Generator
from audiodiff.synthesis.guided import labels_of
from audiodiff.synthesis.latent import LatentSynthesizer, faded
from audiodiff.synthesis.load import load_generator, load_vocoder
from audiodiff.synthesis.settings import GenerateSettings, Sampling, changed
from audiodiff.synthesis.verbs.extend import ExtendSettings
from audiodiff.synthesis.verbs.vary import VarySettings
from audiodiff.synthesis.windowed import PositionConditions, with_conditions
from audiodiff.text.prompt import parse_prompt
from tests.refusals import refused
from tests.synthesis.latent_models import LATENTS_PER_SECOND, RATE, write_latent_model, write_stereo_model
from tests.synthesis.recordings import quick, tones


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_latent_model(tmp_path_factory.mktemp("latent") / "tiny")


@pytest.fixture(scope="module")
def model(folder: Path) -> LatentSynthesizer:
    return load_generator(folder)


@pytest.mark.parametrize("seconds", [0.5, 1.2345, 3.0, 9.99])
def test_exactly_the_seconds_asked_for(model: LatentSynthesizer, seconds: float) -> None:
    clip = Generator(model).generate("solo piano", seconds=seconds)
    assert clip.dtype == np.float32
    assert clip.shape == (round(seconds * RATE),)
    assert np.isfinite(clip).all()
    assert 0.1 < np.abs(clip).max() < 0.9


def test_the_seed_the_prompt_and_the_guidance_are_heard(model: LatentSynthesizer) -> None:
    def make(prompt: str = "solo piano", **changes: object) -> np.ndarray:
        settings = changed(GenerateSettings(prompt=prompt, seconds=1.0), changes)
        return apply("generate", model, [], settings).waveform

    base = make()
    np.testing.assert_array_equal(base, make())
    for other in (
        make(seed=1),
        make("death metal"),
        make(guidance=1.0),
        make(guidance=6.0),
        make(rescale=0.0),
        make(guidance_hold=0.9),
        make(negative="drums"),
        make(steps=5),
        make(sampler="heun"),
        make(tempo=60.0),
        make(source="recorded"),
        make(key="F# minor"),
        make(guidance_interval=(0.0, 0.2)),
        make(vocoder_steps=2),
    ):
        assert np.abs(base - other).max() > 1e-4


def test_guidance_of_one_is_the_condition_alone(model: LatentSynthesizer) -> None:
    n_latents = model.n_latents(3.0)
    x = torch.randn(1, 4, n_latents, generator=torch.Generator().manual_seed(0))
    t = torch.full((1,), 0.5)
    settings = model.resolve(GenerateSettings(prompt="flute", sampling=Sampling(guidance=1.0)))
    beats = model.beats(100.0, 0, n_latents)
    denoise = with_conditions(model.guided(settings)[0], PositionConditions(beats))
    numbers, classes = labels_of(model.model.config, settings, settings.targets[0], model.window_seconds)
    (share, cond), *rest = model.encode_prompt("flute", parse_prompt("flute"), (numbers, classes)).conditions
    assert (share, rest) == (1.0, [])
    torch.testing.assert_close(
        denoise(x, t), model.model.denoiser()(x, t, cond._replace(beats=beats[None])), rtol=0, atol=1e-6
    )
    silent = with_conditions(model.guided(settings)[0], PositionConditions(model.beats(None, 0, n_latents)))
    torch.testing.assert_close(silent(x, t), model.model.denoiser()(x, t, cond), rtol=0, atol=1e-6)
    assert not torch.allclose(silent(x, t), denoise(x, t), atol=1e-4)


def test_what_guidance_changes_is_used_again_in_every_window(
    model: LatentSynthesizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    estimate = type(model.model.network).forward

    def counted(self: torch.nn.Module, x: torch.Tensor, *rest: object, **more: object) -> torch.Tensor:
        batches.append(len(x))
        return estimate(self, x, *rest, **more)

    monkeypatch.setattr(type(model.model.network), "forward", counted)
    asked = GenerateSettings(prompt="flute", seconds=3.0)

    def calls(**changes: object) -> list[int]:
        batches.clear()
        apply(
            "generate", model, [], changed(asked, {"steps": 4, "sampler": "euler", "grid": "1,0.9,0.5,0.45", **changes})
        )
        return [*batches]

    assert calls() == [2, 2, 2, 2]
    assert calls(guidance_hold=0.1) == [2, 2, 2, 1]
    assert calls(guidance_hold=0.5) == [2, 2, 1, 1]
    assert calls(guidance_hold=0.5, seconds=6.0) == [2, 2, 2, 2, 1, 1, 1, 1], "two windows"
    assert calls(guidance_hold=0.5, guidance=1.0) == [1, 1, 1, 1]
    assert calls(guidance_hold=0.5, loop=True) == [2, 2, 2, 2], "a loop is turned between steps"


def test_guidance_of_zero_is_the_null_condition_alone(model: LatentSynthesizer) -> None:
    settings = model.resolve(GenerateSettings(sampling=Sampling(guidance=0.0), prompt="flute", negative="drums"))
    assert settings.sampling.guidance == 0.0  # not the recommendation
    n_latents = model.n_latents(3.0)
    x = torch.randn(1, 4, n_latents, generator=torch.Generator().manual_seed(0))
    t = torch.full((1,), 0.5)
    denoise = with_conditions(model.guided(settings)[0], PositionConditions(model.beats(100.0, 0, n_latents)))
    ((_, null),) = model.encode_prompt("drums", parse_prompt("drums")).conditions
    torch.testing.assert_close(denoise(x, t), model.model.denoiser()(x, t, null), rtol=0, atol=1e-6)


def test_the_vocoder_draws_its_noise_from_the_seed_of_the_clip(model: LatentSynthesizer) -> None:
    latents = torch.randn(1, 4, 20, generator=torch.Generator().manual_seed(0))
    one, same, other = (
        model.waveform(latents, model.resolve(GenerateSettings(sampling=Sampling(seed=seed))).vocoder)
        for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert float((one - other).abs().max()) > 1e-4


def test_every_draw_of_noise_is_another_and_belongs_to_its_place(model: LatentSynthesizer) -> None:
    first, second = model.noise(3, 0, 0, 20), model.noise(3, 1, 0, 20)
    assert float((first - second).abs().max()) > 0.1
    assert torch.equal(model.noise(3, 1, 5, 12), second[..., 5:12])


def test_blended_prompts_lie_between_their_parts(model: LatentSynthesizer) -> None:
    x = torch.randn(1, 4, 40, generator=torch.Generator().manual_seed(0))
    t = torch.full((1,), 0.5)

    def estimate(prompt: str) -> torch.Tensor:
        guided, _ = model.guided(model.resolve(GenerateSettings(prompt=prompt, sampling=Sampling(guidance=1.0))))
        return guided(x, t, PositionConditions(model.beats(None, 0, 40)))

    wanted = 0.75 * estimate("flute") + 0.25 * estimate("drums")
    torch.testing.assert_close(estimate("flute:0.75 | drums:0.25"), wanted, rtol=0, atol=1e-5)


def test_all_conditions_go_through_the_network_at_once_and_come_out_as_one_after_the_other(
    model: LatentSynthesizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = torch.randn(1, 4, 40, generator=torch.Generator().manual_seed(0))
    known = torch.where(torch.arange(40) < 30, torch.randn(4, 40), torch.nan)
    conditions = PositionConditions(model.beats(90.0, 0, 40), known)
    clip = model.resolve(GenerateSettings(prompt="flute:0.75 | slow drums", negative="a very loud violin"))
    batches: list[int] = []
    hook = model.model.network.register_forward_pre_hook(lambda _, given: batches.append(len(given[0])))
    estimates = []
    for batched in (True, False):
        monkeypatch.setattr(model, "batched", batched)
        estimates.append(model.guided(clip)[0](x, torch.full((1,), 0.5), conditions))
    hook.remove()
    assert batches == [3, 1, 1, 1]
    torch.testing.assert_close(*estimates, rtol=0, atol=1e-5)


class WeightCasts(TorchDispatchMode):
    """Counts how often a weight is cast."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func is torch.ops.aten._to_copy.default and isinstance(args[0], torch.nn.Parameter)
        return func(*args, **(kwargs or {}))


def test_weights_are_cast_once_for_all_steps(model: LatentSynthesizer) -> None:
    counts = []
    for steps in (1, 3):
        clip = model.resolve(GenerateSettings(sampling=Sampling(steps=steps, sampler="ddim", precision="bf16")))
        with WeightCasts() as casts:
            model.latents(clip, 20)
        counts.append(casts.count)
    assert counts[0] == counts[1] > 5


def test_a_tempo_in_the_prompt_is_asked_for(model: LatentSynthesizer) -> None:
    assert model.resolve(GenerateSettings(prompt="waltz, 96.5 bpm")).tempo == 96.5
    assert model.resolve(GenerateSettings(prompt="waltz, 96 bpm", tempo=120.0)).tempo == 120.0
    assert model.resolve(GenerateSettings(prompt="waltz 1996")).tempo is None


def test_a_key_in_the_prompt_is_asked_for(model: LatentSynthesizer) -> None:
    resolved = model.resolve(GenerateSettings(prompt="waltz in Gb major, sad"))
    assert resolved.key == "F# major"
    assert model.resolve(GenerateSettings(prompt="waltz in D major", key="db minor")).key == "C# minor"
    assert model.resolve(GenerateSettings(prompt="a minor waltz")).key == ""
    asked, none, other = (
        model.encode_prompt("", parse_prompt(""), ({}, {"key": key} if key else {})).conditions[0][1].vector
        for key in (resolved.targets[0].key, "", "F# minor")
    )
    assert not torch.equal(asked, none)
    assert not torch.equal(asked, other)
    refused('key is "H minor"', lambda: model.resolve(GenerateSettings(key="H minor")))


def test_a_model_without_keys_says_so(model: LatentSynthesizer, monkeypatch: pytest.MonkeyPatch) -> None:
    config = dataclasses.replace(model.model.config, classes=model.model.config.classes[:1])
    monkeypatch.setattr(model.model, "config", config)
    assert model.resolve(GenerateSettings(prompt="waltz in Gb major")).key == ""
    refused("a key only in the prompt", lambda: model.resolve(GenerateSettings(key="Gb major")))


def test_long_clips_are_made_of_windows_with_the_noise_of_the_short_one(model: LatentSynthesizer) -> None:
    long = Generator(model).generate("solo piano", seconds=15.0)
    assert long.shape == (15 * RATE,)
    calls: list[int] = []
    denoiser = model.model.network.forward

    def spy(x, *args, **kwargs):  # type: ignore[no-untyped-def]
        calls.append(x.shape[-1])
        return denoiser(x, *args, **kwargs)

    model.model.network.forward = spy  # type: ignore[method-assign]
    try:
        Generator(model).generate("solo piano", seconds=15.0)
    finally:
        del model.model.network.forward
    assert max(calls) == round(4.0 * LATENTS_PER_SECOND)  # never more than the window, however long the clip


def test_mels_are_decoded_in_blocks_as_in_one_go(model: LatentSynthesizer, monkeypatch: pytest.MonkeyPatch) -> None:
    latents = torch.randn(1, 4, 150, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = model.mel(latents)
        monkeypatch.setattr("audiodiff.synthesis.latent.DECODE_LATENTS", 40)
        torch.testing.assert_close(model.mel(latents), whole, rtol=0, atol=1e-4)


def test_an_empty_prompt_is_said_and_a_long_one_is_cut_with_a_note(model: LatentSynthesizer) -> None:
    empty = apply("generate", model, [], GenerateSettings(seconds=0.5))
    assert "empty" in empty.notes[0]
    long = apply("generate", model, [], GenerateSettings(prompt="piano " * 300, seconds=0.5))
    assert "left out: " in long.notes[0]
    assert apply("generate", model, [], GenerateSettings(prompt="🎹 ピアノ", seconds=0.5)).notes == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seconds": 0.0}, "seconds is 0.0"),
        ({"seconds": -1.0}, "seconds is -1.0"),
        ({"seconds": 1e6}, "0.5 to 600"),
        ({"seconds": float("nan")}, "seconds is nan"),
        ({"steps": 0}, "steps is 0"),
        ({"guidance": float("nan")}, "guidance is nan"),
        ({"rescale": 2.0}, "rescale is 2.0"),
        ({"tempo": 1.0}, "tempo is 1.0"),
        ({"sampler": "magic"}, "sampler 'magic' is unknown"),
        ({"level": "loud"}, "level 'loud' is unknown"),
        ({"seed": -1}, "seed is -1"),
        ({"prompt": "(warm"}, r"\("),
        ({"source": "vinyl"}, "knows rendered, recorded"),
        ({"guidance_interval": (0.5, 0.1)}, "the lower one first"),
    ],
)
def test_what_cannot_be_is_refused(model: LatentSynthesizer, change: dict[str, object], message: str) -> None:
    values = {"prompt": "piano", "seconds": 0.5, **change}

    def make() -> None:
        apply("generate", model, [], changed(GenerateSettings(), values))

    refused(message, make)


def test_stopping_takes_at_most_a_step(model: LatentSynthesizer) -> None:
    class Stop(Exception):
        pass

    seen: list[float] = []

    def on_progress(done: float, total: float) -> None:
        seen.append(done)
        if done == 2:
            raise Stop

    with pytest.raises(Stop):
        Generator(model).generate("piano", seconds=1.0, steps=50, on_progress=on_progress)
    assert seen == [1.0, 2.0]


def test_progress_goes_through_the_vocoder_to_the_end_and_can_be_stopped_there(model: LatentSynthesizer) -> None:
    class Stop(Exception):
        pass

    seen: list[tuple[float, float]] = []
    settings = GenerateSettings(sampling=Sampling(steps=3), prompt="piano", seconds=1.0, vocoder_steps=4)
    apply("generate", model, [], settings, lambda done, total: seen.append((done, total)))
    assert {total for _, total in seen} == {7.0}
    done = [done for done, _ in seen]
    assert done == sorted(done)
    assert done[-1] == 7.0
    assert {1.0, 2.0, 3.0, 4.0, 5.0, 6.0} <= set(done)

    def stop(done: float, total: float) -> None:
        if done > 4.0:
            raise Stop

    with pytest.raises(Stop):
        apply("generate", model, [], settings, stop)


def test_estimates_come_after_every_step_and_end_in_what_is_rendered(model: LatentSynthesizer) -> None:
    estimates: list[torch.Tensor] = []
    settings = GenerateSettings(
        sampling=Sampling(steps=4, sampler="euler", grid="uniform"), prompt="piano", seconds=3.0
    )
    n_latents = model.n_latents(3.0)
    with torch.no_grad():
        latents, _ = model.latents(
            model.resolve(settings), n_latents, on_estimate=lambda x0_hat: estimates.append(x0_hat.clone())
        )
    assert [tuple(x0_hat.shape) for x0_hat in estimates] == [(1, 4, n_latents)] * 4
    torch.testing.assert_close(estimates[-1], latents, rtol=0, atol=1e-5)
    assert (estimates[0] - latents).abs().max() > 1e-3


def test_loading_tells_models_apart(folder: Path) -> None:
    assert isinstance(audiodiff.load(folder), Generator)
    assert load_vocoder(folder).sample_rate == RATE  # the one inside
    refused("only turns mels into sound", lambda: load_generator(folder / "vocoder"))


def test_a_model_without_vocoder_or_with_another_mel_is_refused(tmp_path: Path) -> None:
    import json
    import shutil

    folder = write_latent_model(tmp_path / "model")
    config = json.loads((folder / "vocoder" / "config.json").read_text())
    config["model"]["mel"]["f_max"] = 7600.0
    (folder / "vocoder" / "config.json").write_text(json.dumps(config))
    refused("takes another mel", lambda: load_generator(folder))
    shutil.rmtree(folder / "vocoder")
    refused("no folder vocoder", lambda: load_generator(folder))


def test_recommendations_are_checked(tmp_path: Path) -> None:
    import json

    folder = write_latent_model(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    for sampling, message in (({"step": 3}, 'unknown sampling key "step"'), ({"guidance": -1.0}, "guidance is -1.0")):
        config["metadata"]["sampling"] = sampling
        (folder / "config.json").write_text(json.dumps(config))
        with pytest.raises(AudiodiffError, match=message):
            load_generator(folder)


def test_fades_touch_the_ends_alone() -> None:
    faded_ones = faded(torch.ones(2000), 22050)
    assert float(faded_ones[0]) < 0.01
    assert float(faded_ones[-1]) < 0.01
    assert bool((faded_ones[221:-221] == 1.0).all())
    assert faded(torch.ones(1), 22050).tolist() == [1.0]


def test_a_model_with_a_short_window_is_not_asked_for_more(folder: Path) -> None:
    words = load_generator(folder)
    words.window_seconds = 1.0
    seen: list[int] = []
    forward = words.model.network.forward

    def spy(x, *args, **kwargs):  # type: ignore[no-untyped-def]
        seen.append(x.shape[-1])
        return forward(x, *args, **kwargs)

    words.model.network.forward = spy  # type: ignore[method-assign]
    assert Generator(words).generate("flute", seconds=0.7).shape == (round(0.7 * RATE),)
    assert set(seen) == {words.n_latents(1.0)}


@pytest.fixture(scope="module")
def stereo(tmp_path_factory: pytest.TempPathFactory) -> LatentSynthesizer:
    return load_generator(write_stereo_model(tmp_path_factory.mktemp("stereo") / "tiny"))


@pytest.mark.parametrize("settings", [{}, {"loop": True}, {"level": "streaming", "fade_out": 0.5}], ids=str)
def test_the_mean_of_two_channels_is_the_mono_clip(stereo: LatentSynthesizer, settings: dict[str, object]) -> None:
    both, one = (
        apply("generate", stereo, [], quick(seconds=1.0, steps=3, mono=mono, **settings)) for mono in (False, True)
    )
    assert both.waveform.shape == (2, *one.waveform.shape)
    assert np.abs(both.waveform[0] - both.waveform[1]).max() > 0.01
    np.testing.assert_allclose(both.waveform.mean(axis=0), one.waveform, atol=1e-6)
    assert (both.gain_db, both.seam, both.notes) == (one.gain_db, one.seam, one.notes)


def test_an_edit_keeps_the_stereo_of_a_recording(stereo: LatentSynthesizer) -> None:
    sound = np.stack([tones(1.5, RATE), 0.2 * tones(1.5, RATE, seed=1)])
    clip = apply("vary", stereo, [(sound, RATE)], VarySettings(quick(steps=2), 0.0))
    assert clip.waveform.shape == sound.shape
    assert not any("mixed to one" in note for note in clip.notes)
    left, right = np.square(clip.waveform).sum(axis=1)
    assert left > 2.0 * right
    for channels, given in ((1, sound[0]), (2, sound)):
        longer = apply("extend", stereo, [(given, RATE)], ExtendSettings(0.5, quick(steps=2)))
        assert longer.waveform.size == channels * 2 * RATE


@pytest.mark.parametrize("n_samples", [RATE, 21 * 1024])
def test_a_varied_loop_keeps_its_length_and_its_stereo(stereo: LatentSynthesizer, n_samples: int) -> None:
    sound = np.stack([tones(1.0, RATE)[:n_samples], 0.2 * tones(1.0, RATE, seed=1)[:n_samples]])
    clip = apply("vary", stereo, [(sound, RATE)], VarySettings(quick(steps=2, loop=True), 0.0))
    assert clip.waveform.shape == sound.shape
    left, right = np.square(clip.waveform).sum(axis=1)
    assert left > 2.0 * right


@pytest.mark.parametrize("mono", [False, True])
def test_a_stereo_clip_is_varied_from_its_own_latents(stereo: LatentSynthesizer, mono: bool) -> None:
    clip = apply("generate", stereo, [], quick(seconds=3.3, steps=3, level="peak", mono=mono))
    again = apply("vary", stereo, [(clip.waveform, RATE, clip.latents)], VarySettings(quick(), 0.0))
    assert not any("encoded" in note for note in again.notes)
    expected = np.broadcast_to(clip.waveform, again.waveform.shape)
    assert again.waveform.shape[0] == 2
    np.testing.assert_allclose(again.waveform, expected, atol=0.02)
