"""What a verb declares: its settings, its arguments, its texts and its functions. Imports no torch.

A verb is one file of `audiodiff.synthesis.verbs` with a `Verb` called `VERB`. The command line, the functions of the
demo, the methods of a loaded model, the files runner and replay are made from it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from audiodiff.synthesis.described import described
from audiodiff.synthesis.edit_settings import resolve_edit

if TYPE_CHECKING:
    from audiodiff.synthesis.source import Source

Values = dict[str, Any]
"""Arguments, or settings, by name."""

STANDARD = Path("-")
"""What stands for standard input and output on the command line."""

Say = Callable[[str], object]
"""Called with a sentence for the user."""


@dataclass(frozen=True)
class Argument:
    """An argument that is not simply a setting with the name, type, default and text of that setting.

    Attributes:
        name: of the argument; one with the name of a setting takes its place.
        help: one line.
        flag: such as "--region"; a positional argument has none.
        type: of the value; `Path` for a file that goes in, `bool` for a flag without value.
        nargs: how many values, as argparse takes it.
        metavar: what the help calls the value.
        default: value if it is not given.
        required: whether an option must be given; positional arguments are, unless `nargs` says otherwise.
        repeated: whether it may be given several times.
        local: whether only the command line has it.
    """

    name: str
    help: str
    flag: str = ""
    type: type = str
    nargs: str | int | None = None
    metavar: str | tuple[str, ...] | None = None
    default: Any = None
    required: bool = False
    repeated: bool = False
    local: bool = False

    @property
    def needed(self) -> bool:
        """Whether nothing can be done without it."""
        return self.required or not (self.flag or self.nargs in {"?", "*"})


CLIP = Argument("clip", "any sound file of up to 10 minutes", type=Path)
PROMPT = Argument("prompt", 'prompt (default: the one in the record of the clip; "" for none)', "--prompt")
COUNT = Argument("count", "clips with seeds SEED, SEED+1, ... (default: 1)", "--count", type=int, default=1)


def files_and_values(given: Mapping[str, Any]) -> tuple[list[Path], Values]:
    """Part the files that go in from the values of settings."""
    files: list[Path] = []
    values: Values = {}
    for name, value in given.items():
        paths = value if isinstance(value, list) else [value]
        if any(isinstance(path, Path) for path in paths):
            files += paths
        elif value is not None and value != []:
            values[name] = value
    return files, values


def as_given(values: Values, sources: Sequence["Source"], say: Say) -> Values:
    """Take nothing from the files."""
    return values


def with_prompts(values: Values, sources: Sequence["Source"], say: Say) -> Values:
    """Take the prompts that the file was made from, if it tells and no prompt is given."""
    if "prompt" in values or not sources or sources[0].prompts is None:
        return values
    prompt, negative = sources[0].prompts
    say(f"the prompt is that of {sources[0].path.name}: {prompt}")
    return {**values, "prompt": prompt, "negative": values.get("negative") or negative}


def next_seed(values: Values, index: int, count: int) -> tuple[str, Values]:
    """Return the name and the values of clip `index` of `count`, each of which has a seed of its own."""
    seed = values.get("seed", 0) + index
    return f"seed{seed}", {**values, "seed": seed}


LARGEST_SEAM = 1.25
"""Up to this a seam is one of the loop's livelier places: one in twenty of these is above 1."""


def seam_in_words(seam: float) -> str:
    """Say whether one hears where a loop begins again, by `audiodiff.synthesis.loop.SeamScore.ratio`."""
    return "repeats without a break" if seam <= LARGEST_SEAM else "one may hear where it repeats"


def summary_of_clip(report: Any, kept: str = "") -> str:
    """What the command line says of a clip behind its rate; `kept` is what of the recording was kept."""
    channels = "" if report.channels == 1 else f", {report.channels} channels"
    seam = "" if report.seam is None else f"; {seam_in_words(report.seam)} (seam {report.seam:.2f}, usual are 0 to 1)"
    return (
        f"{channels}, seed {report.seed}, {report.elapsed:.1f} s of work{kept and f'; {kept}'}{seam}{clipped(report)}"
    )


def clipped(report: Any) -> str:
    """What the command line says of samples beyond full scale."""
    count = f"{report.clipped} sample{'s' if report.clipped > 1 else ''}"
    return f"; {count} beyond full scale clipped" if report.clipped else ""


def summary_of_stream(report: Any, silence: str, *, first: str = "", last: str = "") -> str:
    """What the command line says of a recording that was worked on a part at a time, behind its rate.

    Args:
        report: of the file.
        silence: what became of silence.
        first: what comes before the steps.
        last: what comes behind them.
    """
    channels = "" if report.channels == 1 else f", {report.channels} channels"
    if report.silent_channels:
        what = "the input is silence" if report.silent_channels == report.channels else "silence in some channels"
        channels += f"; {what} (nothing above -80 dBFS), {silence}"
    used = report.sampling
    return (
        f"{first}, {used.steps} step{'' if used.steps == 1 else 's'} of {used.sampler} ({used.grid} grid){last}, seed "
        f"{used.seed}, real-time factor {report.real_time_factor:.3f}{channels}{clipped(report)}"
    )


@dataclass(frozen=True)
class Instead:
    """What is done in the place of a verb for certain files.

    Attributes:
        verb: name of another verb, which takes no files.
        model: name of its model.
        values: of its settings.
    """

    verb: str
    model: str
    values: Values


@dataclass(frozen=True)
class Verb:
    """One thing that a user does with a model, or with a recording alone.

    Attributes:
        name: the command, and the name in the files that it makes.
        settings: class of its settings.
        make: does it. `make(synthesizer, sounds, settings, resolved, on_progress, on_estimate) -> Clip`; for one that
            streams, `make(synthesizer, sources, resolved, on_progress) -> Stream`.
        help: what it does, in a line.
        description: the same in a sentence or two.
        doing: what the progress bar says, such as "varying".
        inputs: how many files it may take.
        arguments: those besides its settings, or in the place of some.
        hidden: settings that are no arguments.
        from_input: settings of a clip that its input decides.
        output: what is written without `-o`, in words; empty if `-o` must be given.
        least_count: the fewest clips to make, where `COUNT` or another argument of that name is among the arguments.
        keeps_samples: whether samples of its input are in what it makes, which then has an encoding that holds them.
        streams: whether it works on files of any length, a part at a time, instead of making a clip.
        model: name of the usual model; empty if it needs none.
        model_option: option of the command line that names the model.
        loader: import path of the function that loads a model, `loader(name, device=...)`; `load:no_model` of one that
            needs none.
        n_models: how many models a file tells of.
        read: takes the arguments by name, and returns the files that go in and the values of the settings.
        complete: adds what the files tell to the values.
        instead: `instead(values, sources, model, say)` returns what another verb does in its place for these files, if
            that is so; `model` is the name of one that was asked for, or empty.
        variant: `variant(values, index, count)` returns the name and the values of one of several clips.
        settle: `settle(synthesizer, settings, sources)` returns settings with what the files decide.
        resolve: fills in what the model recommends.
        remake: of one that streams, reads the settings in a file that it made: `remake(record)` returns them, and a
            function that resolves them for the loaded model.
        again: resolves the settings in a file that it made, where `resolve` would do once more what was done.
        new_seconds: `new_seconds(settings, info)` is how much sound a model makes for a file, all channels together.
        summary: what the command line says of a file that was made, behind its rate.
        finish: called with the report of each file, to write what goes beside it.
        pipe: `pipe(synthesizer, files, settings, stream, say, identifier)` writes a WAV to standard output while it is
            being made, with a watermark that carries a number if one is given; `None` if that is not possible.
    """

    name: str
    settings: type
    make: Callable[..., Any]
    help: str
    description: str
    doing: str
    inputs: tuple[int, ...] = (1,)
    arguments: tuple[Argument, ...] = (CLIP, PROMPT, COUNT)
    hidden: tuple[str, ...] = ()
    from_input: tuple[str, ...] = ()
    output: str = ""
    least_count: int = 1
    keeps_samples: bool = False
    streams: bool = False
    model: str = "music"
    model_option: str = "--model"
    loader: str = "audiodiff.synthesis.load:load_clip_maker"
    n_models: int = 2
    read: Callable[[Mapping[str, Any]], tuple[list[Path], Values]] = files_and_values
    complete: Callable[[Values, Sequence["Source"], Say], Values] = with_prompts
    instead: Callable[[Values, Sequence["Source"], str, Say], Instead | None] = lambda values, sources, model, say: None
    variant: Callable[[Values, int, int], tuple[str, Values]] = next_seed
    settle: Callable[[Any, Any, Sequence["Source"]], Any] = lambda synthesizer, settings, sources: settings
    resolve: Callable[[Any, Any], Any] = resolve_edit
    remake: Callable[[Any], tuple[Any, Callable[[Any], Any]]] | None = None
    again: Callable[[Any, Any], Any] | None = None
    new_seconds: Callable[[Any, Any], float] = lambda settings, info: float(info.seconds)
    summary: Callable[[Any], str] = summary_of_clip
    finish: Callable[[Any], None] = lambda report: None
    pipe: Callable[[Any, Sequence[Path], Any, BinaryIO, Say, int | None], None] | None = None

    def options(self) -> dict[str, tuple[Any, Any, str]]:
        """Return type, default and description of every setting that is an argument as it stands, by name."""
        own = {item.name for item in fields(self.settings)}
        taken = {*self.hidden, *(argument.name for argument in self.arguments), *({*self.from_input} - own)}
        return {name: said for name, said in described(self.settings).items() if name not in taken}

    def variants(self, values: Values, count: int) -> list[tuple[str, Values]]:
        """Return the name and the values of every clip, nameless of a verb that makes one."""
        if "count" not in self.values:
            return [("", values)]
        return [self.variant(values, index, count) for index in range(count)]

    @property
    def makes_latents(self) -> bool:
        """Whether a clip is decoded from latents, which are kept in its file."""
        return self.loader == Verb.loader

    @property
    def values(self) -> set[str]:
        """Names of all that can be given."""
        return {*self.options(), *(argument.name for argument in self.arguments)}
