"""A text spoken sentence by sentence, in memory that does not grow with its length."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.told import sampling_of, setting
from audiodiff.synthesis.verb import COUNT, Argument, Say, Values, Verb, as_given
from audiodiff.synthesis.voice_settings import SpeakSettings, check_text_length

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from audiodiff.synthesis.clip import OnProgress
    from audiodiff.synthesis.provenance import ProvenanceRecord
    from audiodiff.synthesis.source import Source
    from audiodiff.synthesis.speech import Speech
    from audiodiff.synthesis.streams import Stream
    from audiodiff.synthesis.voice import VoiceSynthesizer

LEXICON = Argument("lexicon", "own pronunciations, word,phonemes a line", "--lexicon", type=Path, metavar="CSV")
FILE = Argument("file", "text file with what is said, in UTF-8", "--file", type=Path, metavar="TEXT", local=True)


def resolve(synthesizer: "VoiceSynthesizer", settings: SpeakSettings) -> "Speech":
    """Fill in what the voice recommends, and read the whole text, so that mistakes in it are found before any work.

    Raises:
        AudiodiffError: there is nothing to say, or something that cannot be said.
    """
    from audiodiff.synthesis.speech import read_through

    return read_through(synthesizer, settings)


def make(
    synthesizer: "VoiceSynthesizer",
    sources: Sequence["Source"],
    speech: "Speech",
    on_progress: "OnProgress | None" = None,
) -> "Stream":
    """Speak a text; `on_progress` is called with the sentences done and the sentences in all."""
    from audiodiff.synthesis.speech import spoken_stream

    return spoken_stream(synthesizer, speech, on_progress)


def read(given: Mapping[str, Any]) -> tuple[list[Path], Values]:
    """Read the text and the lexicon.

    Raises:
        AudiodiffError: none or several texts are given, or a file cannot be read.
    """
    from audiodiff.text.lexicon_file import read_lexicon

    values: Values = {name: value for name, value in given.items() if value is not None}
    text, file, lexicon = values.pop("text", None), values.pop("file", None), values.pop("lexicon", None)
    if (text is None) == (file is None):
        raise AudiodiffError('give one text: in quotes, --file TEXT, or - for standard input ("Hello." -o hello.wav).')
    values["text"] = text if text not in {None, "-"} else read_text(file or sys.stdin.buffer)
    return [], values if lexicon is None else {**values, "lexicon": read_lexicon(lexicon)}


def read_text(source: Path | BinaryIO) -> str:
    """Read a text that can be spoken into one file.

    Raises:
        AudiodiffError: it cannot be read, or is too long.
    """
    from audiodiff.text.sentences import text_blocks

    parts, count = [], 0
    for block in text_blocks(source):
        parts.append(block)
        count += len(block)
        check_text_length(count)
    return "".join(parts)


def remake(record: "ProvenanceRecord") -> tuple[SpeakSettings, Callable[["VoiceSynthesizer"], "Speech"]]:
    """Read the settings in a file that was made.

    Raises:
        AudiodiffError: one is missing or out of range.
    """
    settings = SpeakSettings(
        record.prompt,
        **{name: setting(record, name, float) for name in ("speed", "pitch", "variation")},
        # Files from before there were these settings have what they are without them.
        intonation=setting(record, "intonation", float, absent=1.0),
        ending=setting(record, "ending", float, absent=0.0),
        **{name: setting(record, name, str) for name in ("speaker", "phonemes")},
        sampling=sampling_of(record),
        vocoder_steps=setting(record, "vocoder_steps", int),
    )
    return settings, lambda synthesizer: resolve(synthesizer, settings)


def finish(report: Any) -> None:
    """Write subtitles beside a file, if they are asked for."""
    if report.settings.srt:
        from audiodiff.synthesis.subtitles import write_srt

        write_srt(report.path.with_suffix(".srt"), report.captions)


def pipe(
    synthesizer: "VoiceSynthesizer",
    files: Sequence[Path],
    settings: SpeakSettings,
    stream: BinaryIO,
    say: Say,
    identifier: int | None,
) -> None:
    """Write a WAV to a stream, each sentence as soon as it is made, with a watermark if there is a number for it."""
    from audiodiff.signal.watermark import mark_blocks
    from audiodiff.signal.wav_stream import WavStream
    from audiodiff.synthesis.speech import MADE_BY, plan, readings

    speech = plan(synthesizer, settings)
    names = ", ".join(model.name for model in synthesizer.identity)
    wav = WavStream(
        stream, synthesizer.sample_rate, f"{MADE_BY}: audiodiff speak, {names}, seed {speech.sampling.seed}"
    )

    def blocks() -> "Iterator[NDArray[np.float32]]":
        for reading in readings(synthesizer, speech):
            for remark in reading.utterance.notes:
                say(f"{remark}.")
            yield reading.waveform.numpy()[None]

    sound = blocks()
    for block in sound if identifier is None else mark_blocks(sound, synthesizer.sample_rate, identifier):
        wav.write(block[0])
    wav.close()


def summary(report: Any) -> str:
    """Say how it was made."""
    beside = f", subtitles in {report.path.with_suffix('.srt').name}" if report.settings.srt else ""
    return f", seed {report.seed}, real-time factor {report.real_time_factor:.2f}{beside}"


VERB = Verb(
    "speak",
    SpeakSettings,
    make,
    help="speak a text",
    description="Speak a text of any length. In it [pause 0.5] is a silence (s), *word* is stressed, {HH AH0 L OW1} or "
    "/həˈloʊ/ is said as written. The same seed gives the same samples.",
    doing="speaking",
    inputs=(0,),
    arguments=(Argument("text", "what to say; - reads it from standard input", nargs="?"), FILE, LEXICON, COUNT),
    hidden=("guidance", "rescale", "guidance_hold", "phonemes", "ending"),
    streams=True,
    model="kathleen",
    model_option="--voice",
    loader="audiodiff.synthesis.voice:load_voice",
    read=read,
    complete=as_given,
    resolve=resolve,
    remake=remake,
    summary=summary,
    finish=finish,
    pipe=pipe,
)
