"""Small `.deb` files for tests, and music to put into them."""

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

RATE = 44_100


def beats(seconds: float, tempo: float = 120.0, seed: int = 0) -> npt.NDArray[np.float32]:
    """Stereo `[2, n_samples]`: the chords A D E A, two beats each, and a burst of noise on every beat, panned left."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    roots = np.array([220.0, 293.7, 329.6, 220.0])[(time // (120.0 / tempo)).astype(int) % 4]
    tone = 0.05 * sum(np.sin(2 * np.pi * np.cumsum(roots * 2.0 ** (step / 12.0)) / RATE) for step in (0, 4, 7))
    since = time % (60.0 / tempo)
    hits = np.exp(-since * 60.0) * random.standard_normal(len(time)) * 0.3
    return np.stack([tone + hits, tone + 0.2 * hits]).astype(np.float32)


def ogg(samples: npt.NDArray[np.float32], rate: int = RATE) -> bytes:
    """Encode `[channels, n_samples]` as OGG Vorbis."""
    file = io.BytesIO()
    soundfile.write(file, samples.T, rate, format="OGG", subtype="VORBIS")
    return file.getvalue()


def build(folder: Path, name: str, files: dict[str, bytes]) -> Path:
    """Make `folder/NAME_1_all.deb` of files by their paths; without dpkg-deb by hand, as it would."""
    path = folder / f"{name}_1_all.deb"
    control = f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: A <a@b.c>\nDescription: test\n".encode()
    if shutil.which("dpkg-deb"):
        root = folder / f"build-{name}"
        for where, content in {"DEBIAN/control": control, **files}.items():
            (root / where).parent.mkdir(parents=True, exist_ok=True)
            (root / where).write_bytes(content)
        subprocess.run(["dpkg-deb", "--build", str(root), str(path)], check=True, capture_output=True)
        shutil.rmtree(root)
        return path
    members = {"debian-binary": b"2.0\n", "control.tar": _tar({"control": control}), "data.tar": _tar(files)}
    path.write_bytes(
        b"!<arch>\n"
        + b"".join(
            f"{member:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
            for member, data in members.items()
        )
    )
    return path


def _tar(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file.getvalue()
