"""Other words in a recording: they are spoken by a voice in the place of those that were said; all else is kept."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.told import sampling_of, setting
from audiodiff.synthesis.verb import COUNT, Argument, Say, Values, Verb, files_and_values
from audiodiff.synthesis.verbs.speak import FILE, read_text
from audiodiff.synthesis.voice_settings import RespeakSettings

if TYPE_CHECKING:
    from audiodiff.synthesis.clip import OnProgress
    from audiodiff.synthesis.provenance import ProvenanceRecord
    from audiodiff.synthesis.respeech import Respeech
    from audiodiff.synthesis.source import Source
    from audiodiff.synthesis.streams import Stream
    from audiodiff.synthesis.voice import VoiceSynthesizer


def resolve(synthesizer: "VoiceSynthesizer", settings: RespeakSettings) -> "Respeech":
    """Fill in what the voice recommends."""
    from audiodiff.synthesis.respeech import plan

    return plan(synthesizer, settings)


def make(
    synthesizer: "VoiceSynthesizer",
    sources: Sequence["Source"],
    respeech: "Respeech",
    on_progress: "OnProgress | None" = None,
) -> "Stream":
    """Say other words in a recording; `on_progress` is called with the changed places done and those in all."""
    from audiodiff.synthesis.respeech import respoken

    return respoken(synthesizer, sources, respeech, on_progress)


def read(given: Mapping[str, Any]) -> tuple[list[Path], Values]:
    """Read the text and the words.

    Raises:
        AudiodiffError: there are no words, or two texts.
    """
    values = {name: value for name, value in given.items() if value is not None}
    pairs, file = values.pop("replace", None), values.pop("file", None)
    if not pairs:
        raise AudiodiffError('say what to replace: --replace "Tuesday" "Thursday".')
    if "text" in values and file is not None:
        raise AudiodiffError("give one text: --text or --file.")
    if file is not None:
        values["text"] = read_text(file)
    files, values = files_and_values(values)
    return files, {**values, "replace": tuple((old, new) for old, new in pairs)}


def complete(values: Values, sources: Sequence["Source"], say: Say) -> Values:
    """Take the text from a file that tells what is said in it, if none is given.

    Raises:
        AudiodiffError: it does not tell.
    """
    return values if "text" in values else {**values, "text": sources[0].said}


def remake(record: "ProvenanceRecord") -> tuple[RespeakSettings, Callable[["VoiceSynthesizer"], "Respeech"]]:
    """Read the settings in a file that was made.

    Raises:
        AudiodiffError: one is missing or out of range.
    """
    pairs = setting(record, "replace", list)
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise AudiodiffError("the provenance record is damaged: its words are no pairs.")
    settings = RespeakSettings(
        setting(record, "text", str),
        tuple((pair[0], pair[1]) for pair in pairs),
        variation=setting(record, "variation", float),
        intonation=setting(record, "intonation", float, absent=1.0),
        speaker=setting(record, "speaker", str),
        sampling=sampling_of(record),
        vocoder_steps=setting(record, "vocoder_steps", int),
    )
    return settings, lambda synthesizer: resolve(synthesizer, settings)


VERB = Verb(
    "respeak",
    RespeakSettings,
    make,
    help="let a recording say other words",
    description="Replace words of a recording by others, which the voice of the model says in their place; all else is "
    "kept. It fits best where the recording is of that voice.",
    doing="replacing words in",
    arguments=(
        Argument("clip", "any sound file of up to 2 minutes in which English is spoken", type=Path),
        Argument(
            "replace",
            'words, and what is said in their place, "" to leave them out; may be given several times',
            "--replace",
            nargs=2,
            metavar=("OLD", "NEW"),
            repeated=True,
        ),
        Argument("text", "what is said in it (default: what the file says that it was made from)", "--text"),
        FILE,
        COUNT,
    ),
    hidden=("guidance", "rescale", "guidance_hold"),
    output="CLIP-respeak.wav, here",
    keeps_samples=True,
    streams=True,
    model="kathleen",
    model_option="--voice",
    loader="audiodiff.synthesis.voice:load_voice",
    read=read,
    complete=complete,
    resolve=resolve,
    remake=remake,
)
