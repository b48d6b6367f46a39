"""Importing the package, and the answers that need no model, stay cheap."""

import json
import subprocess
import sys

HEAVY = ("torch", "torchaudio", "librosa", "gradio", "soundfile", "scipy", "accelerate", "matplotlib", "mutagen")


def run_fresh(code: str) -> tuple[list[str], str]:
    """Run `code` in a fresh interpreter; return the heavy modules that it loaded and what it printed."""
    probe = f"""
import json, sys
try:
{chr(10).join("    " + line for line in code.splitlines())}
finally:
    print("LOADED" + json.dumps(sorted(set({HEAVY!r}) & set(sys.modules))))
"""
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=120, check=False)
    assert "LOADED" in done.stdout, done.stderr
    printed, _, loaded = done.stdout.rpartition("LOADED")
    names = json.loads(loaded)
    assert isinstance(names, list)
    return names, printed + done.stderr


def test_the_probe_sees_a_heavy_import() -> None:
    assert run_fresh("import soundfile")[0] == ["soundfile"]


def test_import_audiodiff_is_cheap() -> None:
    assert run_fresh("import audiodiff; audiodiff.__version__; audiodiff.AudiodiffError")[0] == []


CASES = [
    (["--help"], 0, "vocode"),
    (["--version"], 0, "audiodiff 0."),
    (["--no-such-flag"], 2, "--no-such-flag"),
    (["vocode", "--help"], 0, "--sampler"),
    (["vocode", "in.wav", "-o", "out.wav", "--bogus"], 2, "--bogus"),
    (["vocode", "in.wav", "-o", "out.wav", "--sampler", "magic"], 2, "dpmpp_2m"),
    (["inspect", "--help"], 0, "--json"),
    (["vary", "--help"], 0, "--strength"),
    (["inpaint", "in.wav", "--region", "2"], 2, "cannot be read"),
    (["extend", "in.wav", "--seconds", "0"], 2, "seconds is 0"),
    (["interpolate", "in.wav"], 2, "two sound files"),
    (["replay", "--help"], 0, "--input"),
    (["prompts", "save", "--help"], 0, "--negative"),
    (["demo", "--help"], 0, "--share"),
    (["train", "--help"], 0, "--resume RUN"),
    (["encode", "--help"], 0, "--autoencoder"),
    (["caption", "--help"], 0, "metadata.csv"),
    (["nonsense"], 2, "nonsense"),
    ([], 2, "usage"),
]


def test_parser_answers_without_torch() -> None:
    code = f"""
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from audiodiff.cli.main import main
for arguments, status, expected in {CASES!r}:
    with redirect_stdout(StringIO()) as told, redirect_stderr(told):
        returned = main(arguments)
    assert returned == status, (arguments, returned)
    assert expected in told.getvalue(), (arguments, told.getvalue())
print("DONE")
"""
    loaded, printed = run_fresh(code.strip())
    assert loaded == []
    assert "DONE" in printed, printed


def test_a_record_is_told_without_torch() -> None:
    code = """
from audiodiff.cli.main import main
from audiodiff.synthesis.verbs.vocode import EXAMPLE
assert main(["inspect", str(EXAMPLE)]) == 0
"""
    loaded, printed = run_fresh(code.strip())
    assert loaded == ["mutagen", "soundfile"]
    assert "no audiodiff provenance record" in printed
