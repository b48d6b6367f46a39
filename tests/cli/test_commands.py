"""Packages add commands by entry points; a broken one harms nobody."""

import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from audiodiff.cli.commands import OWN, registered
from audiodiff.cli.main import main
from audiodiff.plugins import OWN_DISTRIBUTION, owner

SHOUT = """
import argparse
import sys

def add_parser(subparsers):
    parser = subparsers.add_parser("shout", help="never seen in a list", description="Say it loudly.")
    parser.add_argument("word")

def run(args):
    if args.word == "bug":
        raise ZeroDivisionError("oops")
    print(args.word.upper())
    return 3
"""
Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a package from a folder, as pip leaves it: its module and its metadata."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(module: str | None, entry: str = "shout = shouting_command", package: str = "shouting") -> Path:
        if module is not None:
            (tmp_path / "shouting_command.py").write_text(module)
        sys.modules.pop("shouting_command", None)
        metadata = tmp_path / f"{package}-1.0.dist-info"
        metadata.mkdir(exist_ok=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[audiodiff.commands]\n{entry}\n")
        return tmp_path

    return write


def test_a_package_adds_a_command(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install(SHOUT)
    assert main(["shout", "now"]) == 3
    assert capsys.readouterr().out == "NOW\n"
    assert main(["shout", "--help"]) == 0
    assert "Say it loudly." in capsys.readouterr().out
    assert main(["shout"]) == 2
    assert "audiodiff shout: the following arguments are required: word" in capsys.readouterr().err
    assert main(["shout", "bug"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "ZeroDivisionError: oops; this is a fault of the package shouting" in line
    with pytest.raises(ZeroDivisionError):
        main(["shout", "bug", "--debug"])


def test_commands_of_others_are_listed_without_being_imported(install: Install) -> None:
    """However long they take, and whatever they import."""
    folder = install("import time, torch\ntime.sleep(60)\n")
    code = f"""
import sys
sys.path.insert(0, {str(folder)!r})
from audiodiff.cli.main import main
assert main(["--help"]) == 0
assert main(["vocode", "--help"]) == 0
assert not {{"torch", "shouting_command"}} & sys.modules.keys()
"""
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - start < 60
    assert re.search(r"^ +shout +by the package shouting$", done.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("module", "entry", "words"),
    [
        (None, "shout = not_there_at_all", "ModuleNotFoundError: No module named 'not_there_at_all'"),
        ("import not_there_at_all", "shout = shouting_command", "No module named 'not_there_at_all'"),
        ("raise SystemExit(0)", "shout = shouting_command", "SystemExit"),
        ("def add_parser(subparsers: pass", "shout = shouting_command", "SyntaxError"),
        ("run = 1", "shout = shouting_command", "has no functions `add_parser` and `run`"),
        (SHOUT, "shout = shouting_command:no_such_name", "AttributeError"),
        (SHOUT.replace('"shout"', '"whisper"'), "shout = shouting_command", "adds no command 'shout'"),
        (
            SHOUT.replace("parser.add_argument", "1 / 0; parser.add_argument"),
            "shout = shouting_command",
            "ZeroDivision",
        ),
    ],
)
def test_a_broken_command_is_one_sentence(
    module: str | None, entry: str, words: str, install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install(module, entry)
    assert main(["shout", "now"]) == 2
    told = capsys.readouterr()
    (line,) = told.err.splitlines()
    assert line.startswith("audiodiff: the command 'shout' of the package shouting cannot be loaded (")
    assert words in line
    assert not told.out
    assert main(["--help"]) == 0  # and no other command is the worse for it
    assert "shout" in capsys.readouterr().out


def test_an_own_command_that_is_gone_harms_no_other(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    """As where a clone was brought up to date and not installed again."""
    install(None, "shout = audiodiff_gone.shout", package=OWN_DISTRIBUTION.replace("-", "_"))
    sys.path_importer_cache.clear()
    assert main(["--help"]) == 0
    assert main(["vocode", "--help"]) == 0


def test_nobody_takes_the_place_of_another(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install(
        SHOUT,
        "vocode = shouting_command\ncheck = shouting_command\n--help = shouting_command\ntrain = shouting_command",
    )
    install(SHOUT, "shout = shouting_command", package="zzz")
    install(SHOUT, "shout = shouting_command", package="aaa")
    found = registered()
    assert not found.keys() & OWN
    assert "--help" not in found
    assert owner(found["train"]) == OWN_DISTRIBUTION
    assert owner(found["shout"]) == "aaa"


@pytest.mark.slow
def test_a_package_that_pip_installs_from_a_folder_adds_a_command(tmp_path: Path) -> None:
    pytest.importorskip("setuptools", reason="builds without the network")
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    (source / "shouting_command.py").write_text(SHOUT)
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "shouting"\nversion = "1.0"\n[tool.setuptools]\npy-modules = ["shouting_command"]\n'
        '[project.entry-points."audiodiff.commands"]\nshout = "shouting_command"\n'
    )
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--no-build-isolation"]
    built = subprocess.run([*pip, "--target", target, source], capture_output=True, text=True, check=False)
    if "No module named" in built.stderr:
        pytest.skip("no pip or wheel here to install with")
    assert built.returncode == 0, built.stderr
    code = f"import sys; sys.path.insert(0, {str(target)!r}); from audiodiff.cli.main import main; main(sys.argv[1:])"
    for words, expected in ((["--help"], "by the package shouting"), (["shout", "now"], "NOW")):
        done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
        assert expected in done.stdout, done.stderr
