import math
from pathlib import Path

import pytest
import torch
from torch import nn

from audiodiff.errors import AudiodiffError
from audiodiff.training.loop import LossOutput, ModelAndLoss, TrainConfig, lr_schedule, step_seed, train_steps
from audiodiff.training.progress import follow, read_log
from audiodiff.training.state import load_state
from tests.refusals import refused
from tests.training.toy_run import toy_config, toy_models


def ignore(module: nn.Module, step: int) -> None:
    pass


def line_model(loss: str = "square", name: str = "line") -> ModelAndLoss:
    torch.manual_seed(0)
    module = nn.Linear(4, 1)

    def loss_fn(step: int, generator: torch.Generator) -> LossOutput:
        x = torch.randn(8, 4, generator=generator)
        error = (module(x) - x.sum(1, keepdim=True)).square().mean()
        if loss == "nan at 7" and step == 7:
            error = error * float("nan")
        if loss == "infinite gradient at 7" and step == 7:
            error = error + (module.weight - module.weight.detach()).abs().sqrt().sum()
        return LossOutput(error, {"half": error / 2})

    return ModelAndLoss(name, module, loss_fn)


def line_config(steps: int = 30, **changes: object) -> TrainConfig:
    defaults: dict[str, object] = {"steps": steps, "batch_size": 8, "learning_rate": 0.05, "warmup_steps": 3}
    return TrainConfig(**{**defaults, **changes})  # type: ignore[arg-type]


def test_steps_learn_and_report(tmp_path: Path) -> None:
    model = line_model()
    steps = list(train_steps([model], line_config(200), tmp_path, resume=False, export=ignore))
    assert [step.step for step in steps] == list(range(1, 201))
    assert steps[-1].loss < 1e-2 * steps[0].loss
    assert steps[0].terms["half"] == pytest.approx(steps[0].loss / 2)
    assert steps[0].learning_rate == pytest.approx(0.05 / 3)
    assert steps[-1].seconds_left == 0.0
    assert steps[-1].items_per_second > 0
    assert steps[0].grad_norm > 1.0  # measured before clipping


def test_lr_schedule_warms_up_and_ends_at_the_ratio() -> None:
    config = line_config(1000, warmup_steps=100, final_learning_rate_ratio=0.1)
    factors = [lr_schedule(step, config) for step in range(1001)]
    assert factors[0] == pytest.approx(0.01)
    assert factors[99] == factors[100] == 1.0
    assert factors[550] == pytest.approx(0.55)
    assert factors[1000] == pytest.approx(0.1)
    assert factors[:101] == sorted(factors[:101])
    assert factors[100:] == sorted(factors[100:], reverse=True)
    assert lr_schedule(0, line_config(10, warmup_steps=0)) == 1.0


def test_weight_decay_shrinks_matrices_alone_by_the_learning_rate_times_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = nn.Linear(4, 3)
    matrix, bias = module.weight.detach().clone(), module.bias.detach().clone()

    def no_gradient(step: int, generator: torch.Generator) -> LossOutput:
        return LossOutput(0.0 * (module.weight.sum() + module.bias.sum()), {})

    config = line_config(1, warmup_steps=0, learning_rate=0.1, weight_decay=0.5)
    list(train_steps([ModelAndLoss("still", module, no_gradient)], config, tmp_path, resume=False, export=ignore))
    torch.testing.assert_close(module.weight.detach(), matrix * (1.0 - 0.1 * 0.5))
    torch.testing.assert_close(module.bias.detach(), bias)


def test_clipping_bounds_the_gradient(tmp_path: Path) -> None:
    model = line_model()
    norms = []
    for step in train_steps([model], line_config(3, clip_norm=1e-3), tmp_path, resume=False, export=ignore):
        norms.append(math.hypot(*(p.grad.norm().item() for p in model.module.parameters() if p.grad is not None)))
        assert step.grad_norm > 0.1
    assert norms == pytest.approx([1e-3] * 3, rel=1e-4)


def test_each_step_has_its_own_seed_and_models_share_it(tmp_path: Path) -> None:
    seeds = {step_seed(seed, step) for seed in range(10) for step in range(100)}
    assert len(seeds) == 1000
    drawn: dict[str, list[float]] = {"a": [], "b": []}

    def model(name: str) -> ModelAndLoss:
        module = nn.Linear(1, 1)

        def loss_fn(step: int, generator: torch.Generator) -> LossOutput:
            drawn[name].append(torch.rand((), generator=generator).item())
            return LossOutput(module(torch.ones(1, 1)).square().sum(), {})

        return ModelAndLoss(name, module, loss_fn)

    list(train_steps([model("a"), model("b")], line_config(5), tmp_path, resume=False, export=ignore))
    assert drawn["a"] == drawn["b"]
    assert len(set(drawn["a"])) == 5


def test_only_the_active_model_gets_gradients(tmp_path: Path) -> None:
    models = toy_models()
    seen: list[tuple[bool, bool]] = []

    def watched(model: ModelAndLoss) -> ModelAndLoss:
        def loss_fn(step: int, generator: torch.Generator) -> LossOutput:
            flags = tuple(all(p.requires_grad for p in other.module.parameters()) for other in models)
            seen.append((flags[0], flags[1]))
            return model.loss_fn(step, generator)

        return ModelAndLoss(model.name, model.module, loss_fn, model.learning_rate)

    before = [p.module.state_dict()["0.weight" if i == 0 else "weight"].clone() for i, p in enumerate(models)]
    steps = list(train_steps([watched(p) for p in models], toy_config(2), tmp_path, resume=False, export=ignore))
    assert seen == [(True, False), (False, True)] * 2
    assert {"error", "critic/loss", "critic/grad_norm"} == steps[0].terms.keys()
    after = [p.module.state_dict()["0.weight" if i == 0 else "weight"] for i, p in enumerate(models)]
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(p.requires_grad for model in models for p in model.module.parameters())


@pytest.mark.parametrize("loss", ["nan at 7", "infinite gradient at 7"])
def test_nan_guard_names_step_and_batch_and_keeps_the_state(tmp_path: Path, loss: str) -> None:
    model = line_model(loss)
    config = line_config(30, save_every_seconds=0.0)
    steps = train_steps(
        [model], config, tmp_path, resume=False, export=ignore, name_batch=lambda step: f"clip-{step}.wav"
    )
    refused(r"step 8.*clip-7\.wav", lambda: list(steps))
    saved = load_state(tmp_path)
    assert saved.scalars["step"] == 7
    assert all(bool(t.isfinite().all()) for group in saved.tensors.values() for t in group.values())
    # and the run can go on from there
    rest = list(train_steps([line_model()], config, tmp_path, resume=True, export=ignore))
    assert rest[0].step == 8


def test_a_run_is_not_overwritten_by_accident(tmp_path: Path) -> None:
    list(train_steps([line_model()], line_config(2), tmp_path, resume=False, export=ignore))
    with pytest.raises(AudiodiffError, match="already holds"):
        next(train_steps([line_model()], line_config(2), tmp_path, resume=False, export=ignore))
    with pytest.raises(AudiodiffError, match="models"):
        next(train_steps([line_model(name="other")], line_config(4), tmp_path, resume=True, export=ignore))


@pytest.mark.parametrize("change", ["renamed", "part", "shape", "none"])
def test_an_optimizer_state_of_another_model_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """Moments would start from zero without a word: states without checksums are looked at, too."""
    list(train_steps([line_model()], line_config(2), tmp_path, resume=False, export=ignore))
    saved = load_state(tmp_path)
    moments = saved.tensors["optimizer"]
    if change == "renamed":
        moments["other/weight/exp_avg"] = moments.pop("line/weight/exp_avg")
    elif change == "part":
        del moments["line/weight/exp_avg_sq"]
    elif change == "shape":
        moments["line/weight/exp_avg"] = torch.zeros(3, 3)
    else:
        moments.clear()
    monkeypatch.setattr("audiodiff.training.loop.load_state", lambda run_dir: saved)
    with pytest.raises(AudiodiffError, match="optimizer state"):
        next(train_steps([line_model()], line_config(4), tmp_path, resume=True, export=ignore))


def test_a_finished_run_goes_on_with_more_steps(tmp_path: Path) -> None:
    list(train_steps([line_model()], line_config(10), tmp_path, resume=False, export=ignore))
    exported: list[int] = []
    again = train_steps(
        [line_model()], line_config(10), tmp_path, resume=True, export=lambda module, step: exported.append(step)
    )
    assert list(again) == []
    assert exported == [10]
    more = list(train_steps([line_model()], line_config(15), tmp_path, resume=True, export=ignore))
    assert [step.step for step in more] == [11, 12, 13, 14, 15]


def test_stopping_early_keeps_everything_and_resumes_exactly(tmp_path: Path) -> None:
    config = line_config(20)
    whole = line_model()
    list(train_steps([whole], config, tmp_path / "whole", resume=False, export=ignore))

    exported: list[int] = []
    for step in train_steps(
        [line_model()], config, tmp_path / "run", resume=False, export=lambda module, step: exported.append(step)
    ):
        if step.step == 7:
            break
    assert exported == [7]
    list(
        train_steps(
            [line_model()], line_config(20, stop_after_seconds=0.0), tmp_path / "run", resume=True, export=ignore
        )
    )
    assert load_state(tmp_path / "run").scalars["step"] == 8
    last = line_model()
    list(train_steps([last], config, tmp_path / "run", resume=True, export=ignore))
    for a, b in zip(whole.module.parameters(), last.module.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("signal", [KeyboardInterrupt, SystemExit])
def test_a_signal_in_the_middle_of_a_step_keeps_the_steps_before_it(
    tmp_path: Path, signal: type[BaseException]
) -> None:
    model = line_model()

    def loss_fn(step: int, generator: torch.Generator) -> LossOutput:
        if step == 5:
            raise signal
        return model.loss_fn(step, generator)

    stopped = ModelAndLoss("line", model.module, loss_fn)
    with pytest.raises(signal):
        list(train_steps([stopped], line_config(20), tmp_path, resume=False, export=ignore))
    assert load_state(tmp_path).scalars["step"] == 5


def test_export_and_validation_see_the_average_in_eval_mode(tmp_path: Path) -> None:
    model = line_model()
    weights = model.module.get_parameter("weight")
    shown: list[tuple[str, int]] = []

    def see(what: str) -> "object":
        def callback(module: nn.Module, step: int) -> None:
            assert not module.training
            assert not torch.is_grad_enabled()
            average.append(module.get_parameter("weight").clone())
            shown.append((what, step))

        return callback

    average: list[torch.Tensor] = []
    config = line_config(25, validate_every=10, ema_half_life=1000.0)
    for _ in train_steps(
        [model],
        config,
        tmp_path,
        resume=False,
        export=see("export"),  # type: ignore[arg-type]
        on_validate=see("validate"),  # type: ignore[arg-type]
    ):
        assert model.module.training or shown[-1][1] in (10, 20)
    assert shown == [("validate", 10), ("validate", 20), ("export", 25), ("validate", 25)]
    assert torch.equal(average[2], load_state(tmp_path).tensors["ema"]["weight"])
    assert not torch.equal(average[2], weights)


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": -1},
        {"batch_size": 0},
        {"learning_rate": 0.0},
        {"learning_rate": math.nan},
        {"clip_norm": 0.0},
        {"precision": "fp16"},
        {"adam_betas": (0.9, 1.0)},
        {"final_learning_rate_ratio": 1.5},
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(AudiodiffError, match=next(iter(changes))):
        line_config(**{"steps": 3, **changes})  # type: ignore[arg-type]


def test_models_that_cannot_train_are_refused(tmp_path: Path) -> None:
    frozen = line_model()
    frozen.module.requires_grad_(False)
    one = line_model()
    for models, message in (
        ([], "no model"),
        ([frozen], "no trainable"),
        ([one, ModelAndLoss("twin", one.module, one.loss_fn)], "share"),
        ([line_model(), line_model()], "same name"),
    ):
        with pytest.raises(AudiodiffError, match=message):
            next(train_steps(models, line_config(2), tmp_path, resume=False, export=ignore))


def test_the_log_is_readable_and_means_its_interval(tmp_path: Path) -> None:
    steps = train_steps([line_model()], line_config(25), tmp_path, resume=False, export=ignore)
    losses = [step.loss for step in follow(steps, tmp_path, total=25, log_every=10)]
    log = read_log(tmp_path)
    assert [line["step"] for line in log] == [10, 20, 25]
    assert log[1]["loss"] == pytest.approx(sum(losses[10:20]) / 10)
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 40, "lo')  # a kill in the middle of a line
    assert len(read_log(tmp_path)) == 3
    more = train_steps([line_model()], line_config(30), tmp_path, resume=True, export=ignore)
    list(follow(more, tmp_path, total=30, log_every=10))
    assert [line["step"] for line in read_log(tmp_path)] == [10, 20, 25, 30]
