"""Plants the mistakes of `mutations.toml` one at a time in a copy of the repository and runs the tests that must fail.

`python -m tests.mutate` exits with 1 if a mistake survives, if its line is no longer there, or if a test fails without
any mistake. Tests run in forked processes, so that torch is imported only once.
"""

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TABLE = Path(__file__).with_name("mutations.toml")
PATIENCE_SECONDS = 120.0
LOG = "mutate.log"
"""What pytest said last, in the copy."""


@dataclass(frozen=True)
class Mutation:
    """A mistake in one line.

    Attributes:
        file: which it is in, relative to the repository.
        old: text that occurs once in it.
        new: what stands there instead.
        tests: arguments of pytest, one of which has to fail.
    """

    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def read_mutations(path: Path = TABLE) -> list[Mutation]:
    """Read the table."""
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["mutation"]
    return [Mutation(row["file"], row["old"], row["new"], tuple(row["tests"])) for row in rows]


def misplaced(mutations: Sequence[Mutation], root: Path = ROOT) -> list[str]:
    """Mutations whose text does not occur exactly once, as sentences."""
    found = []
    for mutation in mutations:
        path = root / mutation.file
        count = path.read_text(encoding="utf-8").count(mutation.old) if path.is_file() else 0
        if count != 1:
            found.append(f"{mutation.file} has {count} times: {mutation.old}")
    return found


def copy_repository(target: Path) -> None:
    """Copy what git knows and what is new, without what it ignores."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout.decode().split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target / name)


def passes(folder: Path, tests: Sequence[str], patience: float = PATIENCE_SECONDS) -> bool:
    """Run tests of a copy in a forked process; one that takes longer than `patience` (s) counts as failed."""
    child = os.fork()
    if child == 0:
        _run(folder, tests)
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.05)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return False


def _run(folder: Path, tests: Sequence[str]) -> None:
    """The child: never returns."""
    status = 70
    with contextlib.suppress(BaseException):
        os.chdir(folder)
        sys.dont_write_bytecode = True  # a mutated file may have the size and time of the one before
        sys.path[:] = [str(folder), *(path for path in sys.path if Path(path or ".").resolve() != ROOT)]
        os.environ["PYTHONPATH"] = str(folder)
        ours = ("audiodiff", "audiodiff_demo", "audiodiff_recipes", "demo", "tests")
        for name in [name for name in sys.modules if name.split(".")[0] in ours]:
            del sys.modules[name]
        quiet = os.open(folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        import pytest

        # Slow tests may be named; the marker expression of the configuration would leave them out.
        status = int(pytest.main(["-x", "-p", "no:cacheprovider", "-m", "", *tests]))
    os._exit(status)


def survivors(mutations: Sequence[Mutation], copy: Path) -> list[str]:
    """Plant each mutation in `copy`, and return those that no test notices."""
    found = []
    for number, mutation in enumerate(mutations, 1):
        path = copy / mutation.file
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
        try:
            survived = passes(copy, mutation.tests)
        finally:
            path.write_text(text, encoding="utf-8")
        print(f"{'SURVIVED' if survived else 'red     '} {number:3d} {mutation.file}: {mutation.new}", flush=True)
        if survived:
            found.append(f"{mutation.file}: {mutation.old} -> {mutation.new}")
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Run the whole table, or the mutations of some files."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutate", description=__doc__)
    parser.add_argument("files", nargs="*", help="only mutations of files whose path contains one of these")
    wanted = parser.parse_args(argv).files
    chosen = [each for each in read_mutations() if not wanted or any(part in each.file for part in wanted)]
    if lost := misplaced(chosen):
        print("\n".join(lost))
        return 1
    import soundfile  # noqa: F401  imported once, for all children
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="audiodiff-mutate-") as name:
        copy = Path(name)
        copy_repository(copy)
        every = sorted({test for each in chosen for test in each.tests})
        if not passes(copy, every, PATIENCE_SECONDS * 15):
            print((copy / LOG).read_text(errors="replace")[-3000:])
            print("these tests fail without any mistake")
            return 1
        lost = survivors(chosen, copy)
    print(f"{len(chosen)} mistakes, {len(lost)} survived")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
