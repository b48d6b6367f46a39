"""Where the files of a package are: installed, or taken out of a downloaded `.deb`."""

import shutil
import subprocess
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from audiodiff.data.game_music.packages import GamePackage
from audiodiff.errors import AudiodiffError

_DEB_TOOL = "dpkg-deb"


def copyright_path(package: GamePackage) -> str:
    """Path of a package's copyright file below the root of the file system."""
    return f"usr/share/doc/{package.name}/copyright"


def is_installed(package: GamePackage, root: Path = Path("/")) -> bool:
    """Whether a package's files lie below the root of a file system."""
    return (root / copyright_path(package)).is_file() and (root / (package.archive or package.folder)).exists()


def deb_files(folder: Path) -> dict[str, Path]:
    """Return the `.deb` files of a folder by the name of their package; of several versions the last by name.

    Raises:
        AudiodiffError: no such folder, or none there.
    """
    if not folder.is_dir():
        raise AudiodiffError(f"{folder} is not a folder; give --packages the folder of the downloaded .deb files.")
    found = {path.name.split("_")[0]: path for path in sorted(folder.glob("*.deb"))}
    if not found:
        raise AudiodiffError(f"{folder} has no .deb files; fetch some there with apt download.")
    return found


def deb_tool() -> str:
    """Return the program that opens packages.

    Raises:
        AudiodiffError: it is not installed.
    """
    tool = shutil.which(_DEB_TOOL)
    if tool is None:
        raise AudiodiffError(
            f"{_DEB_TOOL} is needed to open .deb files and is not installed; "
            "apt install dpkg, or brew install dpkg on a Mac."
        )
    return tool


def unpack(deb: Path, package: GamePackage, root: Path) -> None:
    """Take the copyright file and the music (or the archive that holds it) out of a `.deb`, and nothing else.

    Args:
        deb: the file.
        package: which package it is.
        root: folder to put the files below, at their paths.

    Raises:
        AudiodiffError: no tool to open it, or it is damaged.
    """
    patterns = [package.archive] if package.archive else [package.folder + name for name in package.tracks]
    wanted = (copyright_path(package), *patterns)
    failure: Exception | None = None
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen([deb_tool(), "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE, stderr=said) as tool,
    ):
        try:
            if tool.stdout is not None:
                with tarfile.open(fileobj=tool.stdout, mode="r|") as members:
                    for member in members:
                        name = PurePosixPath(member.name).as_posix().removeprefix("/")
                        if not member.isfile() or ".." in PurePosixPath(name).parts:
                            continue
                        if any(fnmatchcase(name, pattern) for pattern in wanted):
                            _copy(members, member, root / name)
                while tool.stdout.read(1 << 20):
                    pass  # so that the tool ends by itself, and its status tells whether the file was whole
                tool.wait()
        except (tarfile.TarError, EOFError) as error:
            failure = error
        finally:
            tool.kill()
        if failure is not None or tool.wait() != 0:
            said.seek(0)
            reason = said.read().decode("utf-8", "replace").strip().split("\n")[-1] or failure
            raise AudiodiffError(f"{deb} cannot be opened ({reason}); download it again.") from failure


def _copy(members: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    source = members.extractfile(member)
    if source is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)


@contextmanager
def opened_track(root: Path, package: GamePackage, name: str, scratch: Path) -> Iterator[Path]:
    """Give a file of a package as a path; a member of its archive lies in `scratch` meanwhile.

    Raises:
        AudiodiffError: its archive is damaged.
    """
    if not package.archive:
        yield root / name
        return
    path = scratch / PurePosixPath(name).name
    try:
        with (
            _archive(root, package) as archive,
            archive.open(name) as source,
            path.open("wb") as target,
        ):
            shutil.copyfileobj(source, target, 1 << 20)
        yield path
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def _archive(root: Path, package: GamePackage) -> Iterator[zipfile.ZipFile]:
    """Open a package's archive.

    Raises:
        AudiodiffError: it is damaged, or what is read of it is.
    """
    try:
        with zipfile.ZipFile(root / package.archive) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise AudiodiffError(
            f"{root / package.archive} cannot be opened ({error}); install {package.name} again."
        ) from error


def file_names(root: Path, package: GamePackage) -> list[str]:
    """List a package's music: paths below `root`, or in its archive.

    Raises:
        AudiodiffError: its archive is damaged.
    """
    if package.archive:
        with _archive(root, package) as archive:
            names = archive.namelist()
    else:
        folder = root / package.folder
        names = [
            path.relative_to(root).as_posix() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()
        ]
    patterns = [package.folder + name for name in package.tracks]
    return sorted(name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns))
