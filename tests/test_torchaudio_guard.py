import subprocess
import sys

import pytest
import torch

from audiodiff._torchaudio import import_torchaudio
from tests.refusals import refused


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A torchaudio of our own making, in place of the installed one."""

    def install(code):
        (tmp_path / "torchaudio").mkdir()
        (tmp_path / "torchaudio" / "__init__.py").write_text(code)
        for name in [name for name in sys.modules if name.split(".")[0] == "torchaudio"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(torch.version, "cuda", "99.9")

    yield install
    sys.modules.pop("torchaudio", None)


def test_the_installed_torchaudio_is_returned_and_torch_left_as_it_was():
    before = torch.version.cuda
    module = import_torchaudio()
    assert module.__name__ == "torchaudio"
    assert hasattr(module.functional, "resample")
    assert torch.version.cuda == before


def test_a_build_for_another_cuda_version_loads(fake):
    fake("import torch\nif torch.version.cuda is not None:\n    raise RuntimeError('different CUDA versions')\n")
    assert import_torchaudio().__name__ == "torchaudio"
    assert torch.version.cuda == "99.9"


@pytest.mark.parametrize("error", ["ImportError", "OSError", "RuntimeError"])
def test_what_cannot_be_loaded_is_one_sentence(fake, error):
    fake(f"raise {error}('undefined symbol')\n")
    refused("undefined symbol", import_torchaudio)
    assert torch.version.cuda == "99.9"


@pytest.mark.slow
def test_signal_and_data_load_without_torchaudio():
    code = (
        "import sys, audiodiff.signal.mel, audiodiff.signal.resample, audiodiff.signal.spectral,"
        "audiodiff.signal.frames, audiodiff.signal.levels, audiodiff.signal.audio_io, audiodiff.data.prepare,"
        "audiodiff.data.checks;"
        "sys.exit(', '.join(name for name in ('torchaudio', 'librosa', 'scipy') if name in sys.modules) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
