"""Damaged inputs for `benchmarks.hostile`: valid files of every kind that is read, and what can be wrong with them."""

import csv
import io
import json
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import soundfile

from benchmarks.hostile_originals import RATE, Originals, trained

Action = Callable[[], object]
"""What is done with a damaged input: a command line that returns its status, or a reader."""

_RAW: Final = {  # what `json.dumps` cannot be made to write
    "deep list": "[" * 100_000 + "]" * 100_000,
    "deep table": '{"a":' * 50_000 + "1" + "}" * 50_000,
    "5,000 digits": "9" * 5_000,
    "huge exponent": "1e999",
    "infinity": "Infinity",
    "not a number": "NaN",
    "duplicate": '{"name": 1, "name": [2]}',
    "unclosed": '{"a": [1, 2',
}
_PLAIN: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1, 2, 3, 7, 10**9, 10**12, 2**63, -(2**63), 10**18, 10**30, 0.0, -0.5, 1e-320, 1e308,
    "", "x", "a\0b", "../../x", "/dev/zero", "\ud800", "é" * 5_000, "\x1b[31m", [], {}, [None], [[]], [1, [2, {}]],
    {"a": None}, ["a"] * 1_000, {"name": "x"},
)  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A kind of input.

    Attributes:
        name: as the table calls it.
        share: of all inputs.
        make: writes one damaged input below a folder and returns what is done with it.
    """

    name: str
    share: float
    make: Callable[[random.Random, Path], Action]


def damaged_json(document: Any, chance: random.Random) -> bytes:
    """A JSON document with one to three things wrong: a value, a key, or the bytes."""
    if chance.random() < 0.25:
        return damaged_bytes(json.dumps(document).encode(), chance)
    document = deepcopy(document)
    raw: dict[str, str] = {}
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        parents = list(_containers(document))
        if not parents:
            break
        parent = chance.choice(parents)
        key: Any = chance.choice(list(parent)) if isinstance(parent, dict) else chance.randrange(len(parent))
        match chance.randrange(8):
            case 0:
                del parent[key]
            case 1 if isinstance(parent, dict):
                parent[chance.choice(("", "unknown", f"{key} ", "__class__", "a\0b"))] = parent.pop(key)
            case 2:
                mark = f"<<{len(raw)}>>"
                raw[json.dumps(mark)] = chance.choice(list(_RAW.values()))
                parent[key] = mark
            case 3:
                parent[key] = [parent[key]]
            case 4 if isinstance(parent[key], int | float):
                parent[key] = parent[key] * chance.choice((-1, 10, 1_000, 10**6, 10**9, 10**15))
            case _:
                parent[key] = deepcopy(chance.choice(_PLAIN))
    text = json.dumps(document)
    for mark, replacement in raw.items():
        text = text.replace(mark, replacement)
    return text.encode()


def damaged_bytes(content: bytes, chance: random.Random) -> bytes:
    """Bytes that are cut, flipped, swapped, repeated or of another encoding."""
    at = chance.randrange(len(content) + 1)
    match chance.randrange(10):
        case 0:
            return content[:at]
        case 1:
            return content[at:]
        case 2:
            return b""
        case 3:
            return content + content
        case 4:
            return b"\0" * len(content)
        case 5:
            return chance.randbytes(min(len(content), 4_000))
        case 6 if len(content) < 100_000:
            return content.decode("latin-1").encode(chance.choice(("utf-16", "utf-32", "utf-8-sig")))
        case 7:
            return content[:at] + chance.randbytes(chance.choice((1, 4, 500))) + content[at:]
        case _:
            changed = bytearray(content)
            head = len(changed) if chance.random() < 0.4 else min(len(changed), 80)
            for _ in range(chance.choice((1, 2, 8, 40))):
                changed[chance.randrange(head)] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
            return bytes(changed)


def _containers(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list) and value:
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _containers(inner)


def _put_numbers(content: bytes, places: Sequence[tuple[int, int]], chance: random.Random) -> bytes:
    """Overwrite some numbers of a header, given as `(offset, size)`, with extreme ones, little-endian."""
    changed = bytearray(content)
    for offset, size in chance.sample(places, chance.choice((1, 1, 2))):
        value = chance.choice((0, 1, 2, 255, 65_535, 1_999_993, 2**31 - 1, 2**31, 2**32 - 1, chance.getrandbits(32)))
        changed[offset : offset + size] = (value % 256**size).to_bytes(size, "little")
    return bytes(changed)


def command(*words: object) -> Action:
    """The command line with these arguments, in this process."""

    def run() -> int:
        from audiodiff.cli.main import main

        return main([str(word) for word in words])

    return run


def kinds(originals: Originals) -> tuple[Kind, ...]:
    """Every kind of input, with what writes a damaged one."""

    def sound(chance: random.Random, place: Path) -> Action:
        name, content = chance.choice(list(originals.sounds.items()))
        if name.endswith("wav") and chance.random() < 0.5:
            content = _put_numbers(content, ((4, 4), (16, 4), (20, 2), (22, 2), (24, 4), (28, 4), (32, 2)), chance)
        elif name == "flac" and chance.random() < 0.4:
            content = _put_numbers(content, ((8, 2), (10, 2), (18, 3), (21, 4)), chance)
        else:
            content = damaged_bytes(content, chance)
        path = place / f"in.{name}"
        path.write_bytes(content)
        model = originals.folder / "vocoder"
        return chance.choice(
            (
                command("inspect", path),
                command("vocode", path, "-o", place / "out.wav", "--model", model, "--device", "cpu"),
                command("upsample", path, "-o", place / "o.wav", "--model", originals.folder / "upsampler"),
                command("check", place),
            )
        )

    def array(chance: random.Random, place: Path) -> Action:
        buffer = io.BytesIO()
        frames = np.random.default_rng(chance.getrandbits(32)).normal(-5, 2, (80, 40)).astype(np.float32)
        match chance.randrange(4):
            case 0:
                np.save(buffer, chance.choice(_arrays(frames)), allow_pickle=True)
                content = buffer.getvalue()
            case 1:
                np.save(buffer, frames)
                shape = chance.choice((b"(80, 10**22)", b"(80, 10000000000000000000000)", b"(80, -1)", b"()", b"(-80,)",
                    b"(80, 40, 1, 1)", b"(8000000, 4000000)", b"(True, 40)", b"('80', 40)", b"(80.0, 40)"))  # fmt: skip
                content = buffer.getvalue().replace(b"(80, 40)", shape)
            case 2:
                np.save(buffer, frames)
                types = (b"'|O'", b"'<f9'", b"'>f4'", b"'<U4'", b"[('a', '<f4')]", b"None", b"'<M8'", b"'" + b"f" * 60)
                content = buffer.getvalue().replace(b"'<f4'", chance.choice(types))
            case _:
                np.save(buffer, frames)
                content = damaged_bytes(buffer.getvalue(), chance)
        path = place / "in.npy"
        path.write_bytes(content)
        model = originals.folder / "vocoder"
        vocode = command("vocode", path, "-o", place / "out.wav", "--model", model, "--device", "cpu")
        return chance.choice((vocode, command("inspect-mel", path)))

    def config(chance: random.Random, place: Path) -> Action:
        name = chance.choice(("vocoder", "autoencoder", "upsampler", "mel_latent"))
        folder = originals.tree(name, place)
        document = json.loads((folder / "config.json").read_text("utf-8"))
        (folder / "config.json").write_bytes(damaged_json(document, chance))
        return _use(chance, folder, place, originals)

    def weights(chance: random.Random, place: Path) -> Action:
        folder = originals.tree(chance.choice(("vocoder", "autoencoder", "upsampler", "mel_latent")), place)
        path = folder / "model.safetensors"
        content = path.read_bytes()
        size = int.from_bytes(content[:8], "little")
        if chance.random() < 0.6:
            header = damaged_json(json.loads(content[8 : 8 + size]), chance)
            length = chance.choice((len(header), len(header), len(header), 2**62, 0, len(header) + 1))
            content = length.to_bytes(8, "little") + header + content[8 + size :]
        else:
            content = damaged_bytes(content, chance)
        path.write_bytes(content)
        return _use(chance, folder, place, originals)

    def settings(chance: random.Random, place: Path) -> Action:
        preset, module = chance.choice(_TINY)
        from importlib import import_module

        recipe = import_module(f"audiodiff_recipes.{module}").RECIPE
        document = recipe.to_dict(recipe.preset(preset)) | {"preset": preset}
        content = damaged_json(document, chance)
        path = place / chance.choice(("run.yaml", "run.json"))
        if path.suffix == ".yaml" and chance.random() < 0.5:
            content = chance.choice(_YAML).encode()
        path.write_bytes(content)
        data = originals.folder / ("shards" if preset == "tiny-latent" else "corpus")
        run = command("train", path, "--data", data, "-o", place / "run", "--steps", "1", "--device", "cpu")
        return chance.choice((run, command("train", path, "--settings")))

    def shards(chance: random.Random, place: Path) -> Action:
        folder = originals.tree("shards", place)
        path = folder / chance.choice(("index.json", "shard-000000.json", "shard-000000.tar"))
        if path.suffix == ".json":
            path.write_bytes(damaged_json(json.loads(path.read_text("utf-8")), chance))
        else:
            path.write_bytes(damaged_bytes(path.read_bytes(), chance))
            if chance.random() < 0.5:
                (folder / "shard-000000.json").unlink()
        memory = chance.choice((0.0, 4.0))

        def read() -> None:
            from audiodiff.data.shards import LatentDataset

            data = LatentDataset(folder, memory_gb=memory)
            data.batch(0, 0, 4, 16)

        train = command("train", "tiny-latent", "--data", folder, "-o", place / "run", "--steps", "1")
        return chance.choice((read, read, train))

    def manifest(chance: random.Random, place: Path) -> Action:
        lines = [
            {"path": str(originals.folder / "corpus" / f"{n}.wav"), "text": f"clip {n}", "split": "train",
            "speaker": "a",
             "licence": "CC0", "sample_rate": RATE, "n_samples": RATE // 4, "extra": {"genre": "x"}}
            for n in range(3)
        ]  # fmt: skip
        written = [json.dumps(line).encode() for line in lines]
        written[chance.randrange(3)] = damaged_json(lines[0], chance)
        path = place / "manifest.jsonl"
        path.write_bytes(b"\n".join(written))

        def read() -> None:
            from audiodiff.data.manifest import load_items

            load_items(path)

        run = command("train", "tiny", "--data", place, "-o", place / "run", "--steps", "1", "--device", "cpu")
        return chance.choice((read, command("check", place), run))

    def table(chance: random.Random, place: Path) -> Action:
        folder = originals.tree("corpus", place)
        rows = deepcopy(originals.table)
        cells = ("", '"', "a\0b", "../x.wav", "/dev/zero", "\ud800", "x" * 200_000, "a\nb", "=1+1", "0.wav")
        for _ in range(chance.choice((1, 2, 4))):
            row = chance.choice(rows)
            match chance.randrange(4):
                case 0:
                    row.append(chance.choice(cells))
                case 1 if row:
                    row.pop(chance.randrange(len(row)))
                case _ if row:
                    row[chance.randrange(len(row))] = chance.choice(cells)
        buffer = io.StringIO()
        csv.writer(buffer, escapechar="\\").writerows(rows)
        content = buffer.getvalue().encode("utf-8", "surrogatepass")
        if chance.random() < 0.4:
            content = damaged_bytes(content, chance)
        (folder / "metadata.csv").write_bytes(content)
        target = place / "out"
        return chance.choice((command("check", folder), command("prepare", "folder", folder, target)))

    def library(chance: random.Random, place: Path) -> Action:
        path = place / "prompts.json"
        path.write_bytes(damaged_json(json.loads(originals.prompts.read_text("utf-8")), chance))
        action = chance.choice(("list", "show", "import", "search"))
        more = {"show": ("one",), "import": (path,), "search": ("piano",)}.get(action, ())

        def run() -> object:
            import os

            os.environ["AUDIODIFF_PROMPTS"] = str(place / "mine.json" if action == "import" else path)
            return command("prompts", action, *more)()

        return run

    def record(chance: random.Random, place: Path) -> Action:
        content = damaged_json(originals.record(), chance)
        sound_file, sidecar = place / "a.wav", place / "a.wav.json"
        soundfile.write(sound_file, originals.waveform, RATE)
        if chance.random() < 0.5:
            sidecar.write_bytes(content)
            target = chance.choice((sidecar, sound_file))
        else:
            from audiodiff.signal.tags import write_tags

            text = content.decode("utf-8", "replace").replace("\0", " ")
            write_tags(sound_file, {"title": "x", "AUDIODIFF": text})
            if chance.random() < 0.2:
                sound_file.write_bytes(damaged_bytes(sound_file.read_bytes(), chance))
            target = sound_file
        replay = command("replay", target, "-o", place / "again.wav")
        return chance.choice((command("inspect", target), command("inspect", "--json", target), replay))

    def resumed(chance: random.Random, place: Path) -> Action:
        run = place / "run"
        shutil.copytree(trained(originals), run)
        names = [path for path in run.rglob("*") if path.is_file()]
        path = chance.choice(names)
        if path.suffix == ".json":
            path.write_bytes(damaged_json(json.loads(path.read_text("utf-8")), chance))
        else:
            path.write_bytes(damaged_bytes(path.read_bytes(), chance))
        data = originals.folder / "corpus"
        return command("train", "tiny", "--data", data, "-o", run, "--resume", "--steps", "2", "--device", "cpu",
                       "--validation.clips", "0", "--train.validate_every", "0")  # fmt: skip

    def arguments(chance: random.Random, place: Path) -> Action:
        values = ("", "x", "-1", "0", "nan", "inf", "1e999", "9" * 5_000, "1e18", "[", "../x", "-", "é", "0x10", "1_0")
        option = chance.choice(("--steps", "--seed", "--sampler", "--grid", "--precision", "--device", "--model"))
        value = chance.choice(values)
        sound_file = originals.folder / "corpus" / "0.wav"
        target = place / "out.wav"
        vocode = ("vocode", sound_file, "-o", target, "--model", originals.folder / "vocoder", f"{option}={value}")
        key = chance.choice(("train.batch_size", "train.learning_rate", "model.wavenet.channels",
        "model.wavenet.layers",
                             "model.mel.sample_rate", "data.crop_frames", "train.steps",
                             "model.mel.n_fft"))  # fmt: skip
        train = ("train", "tiny", "--data", originals.folder / "corpus", "-o", place / "run", f"--{key}={value}")
        big = (
            "1000000000"
            if key == "train.batch_size"
            else chance.choice(("1000000000", "1e12", "20000", "1000000000000000000", "-5", "65537"))
        )
        grown = ("train", "tiny", "--data", originals.folder / "corpus", "-o", place / "run", f"--{key}={big}")
        steps = () if key == "train.steps" else ("--train.steps=1",)
        grown = (*grown, *steps) if steps else (*grown, "--settings")
        return command(*chance.choice((vocode, (*train, *steps), grown)))

    return (
        Kind("sound file (WAV, FLAC, OGG, MP3)", 0.18, sound),
        Kind("log-mel (.npy)", 0.1, array),
        Kind("config.json of a checkpoint", 0.14, config),
        Kind("model.safetensors of a checkpoint", 0.09, weights),
        Kind("run settings (YAML, JSON)", 0.09, settings),
        Kind("training state", 0.05, resumed),
        Kind("latent shards (index, table, tar)", 0.09, shards),
        Kind("manifest.jsonl", 0.06, manifest),
        Kind("metadata.csv", 0.06, table),
        Kind("prompt library", 0.05, library),
        Kind("provenance (tags, sidecar)", 0.06, record),
        Kind("command line", 0.03, arguments),
    )


_TINY: Final = (
    ("tiny", "vocoder"), ("tiny-autoencoder", "autoencoder"), ("tiny-latent", "latent"), ("tiny-upsampler",
    "upsampler"),
)  # fmt: skip

_YAML: Final = (
    "preset: [tiny]", "preset: tiny\ntrain: null", "preset: tiny\ntrain: 3", "a: &a [*a]", "- 1\n- 2",
    "preset: tiny\n1: 2",
    "preset: tiny\ntrain: {steps: .inf}", "preset: tiny\ntrain: {steps: 1e18}", "preset: tiny\ntrain: {seed: .nan}",
    "preset: tiny\ntrain: {steps: 2001-01-01}", "!!python/object/apply:os.system ['true']",
    "preset: tiny\nmodel: !!set {a}",
    "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
    "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n"
    "g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\nh: &h [*g,*g,*g,*g,*g,*g,*g,*g,*g]\ntrain: {steps: *h}\npreset: tiny\n",
    "[" * 20_000, "preset: tiny\ntrain: &x {<<: *x}", "preset: tiny\n" + "a: " * 1, "? [1, 2]\n: 3", "\t- x",
    "%YAML 9.9\n---",
    "preset: tiny\ntrain: {adam_betas: [0.1]}", "preset: tiny\ndata: {gain_db: {a: 1}}", "preset: tiny\noutput: 3\n",
    "preset: tiny\nmodel: {mel: nothing}", "preset: tiny\nmodel: {mel: [1]}",
    "preset: tiny\nmodel: {wavenet: {layers: 1000000000}}",
    "preset: tiny\nmodel: {wavenet: {channels: 20000}}", "preset: tiny\ntrain: {batch_size: 1000000000}",
    "preset: tiny\nmodel: {mel: {sample_rate: 1000000000000}}", "preset: tiny\ntrain: {steps: 9" + "9" * 5_000 + "}",
    "preset: tiny\ndata: {crop_frames: 1000000000}", "preset: !!binary aGk=",
    "preset: tiny\ntrain: {steps: 0b1" + "0" * 70 + "}",
)  # fmt: skip


def _arrays(frames: npt.NDArray[np.float32]) -> list[npt.NDArray[Any]]:
    objects = np.empty(2, dtype=object)
    odd: list[npt.NDArray[Any]] = [
        objects, frames[0], frames[None, None], frames[:, :0], frames[:0], np.float32(3) * np.ones(()),
        frames.astype(int),
        frames.astype(complex), frames > 0, frames * np.nan, frames * np.inf, frames * 1e30, frames.astype(np.float64),
        frames.astype(np.float16), np.asfortranarray(frames), frames[:, ::-1], frames[:3], frames.T, frames[:, :1],
        frames + 1e4, frames - 1e4, np.zeros((80, 3), dtype=[("a", "<f4")]),
    ]  # fmt: skip
    return odd


def _use(chance: random.Random, folder: Path, place: Path, originals: Originals) -> Action:
    """Do one of the things that a checkpoint is for."""
    clip = originals.folder / "corpus" / "0.wav"
    target = place / "out.wav"

    def load() -> object:
        from audiodiff.synthesis.load import load

        return load(folder)

    use = command("vocode", clip, "-o", target, "--model", folder, "--device", "cpu")
    if folder.name == "mel_latent":
        use = command("generate", "piano", "-o", target, "--model", folder, "--seconds", "1", "--steps", "1")
    elif folder.name == "upsampler":
        use = command("upsample", clip, "-o", target, "--model", folder)
    elif folder.name == "autoencoder":
        use = command("export", folder, "-o", place / "exported", "--half")
    return chance.choice((use, load, command("inspect", folder), command("export", folder, "-o", place / "exported")))
