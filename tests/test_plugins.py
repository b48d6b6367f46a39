"""Entry points of installed packages."""

from collections.abc import Callable
from pathlib import Path

import pytest

from audiodiff.errors import AudiodiffError
from audiodiff.plugins import OWN_DISTRIBUTION, load_plugin, owner, plugins

Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a package that registers something in the group `audiodiff.tests`, as pip leaves it."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(package: str, entry: str) -> None:
        metadata = tmp_path / f"{package.replace('-', '_')}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[audiodiff.tests]\n{entry}\n")

    return install


def test_of_several_with_one_name_our_own_comes_first_then_the_alphabet(install: Install) -> None:
    assert plugins("audiodiff.tests") == {}
    install("zzz", "one = math:pi\ntwo = math:pi")
    install("aaa", "one = math:e")
    assert {name: owner(entry) for name, entry in plugins("audiodiff.tests").items()} == {"one": "aaa", "two": "zzz"}
    install(OWN_DISTRIBUTION, "two = math:tau")
    assert owner(plugins("audiodiff.tests")["two"]) == OWN_DISTRIBUTION


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("one = audiodiff_gone:thing", "ModuleNotFoundError"),
        ("one = math:gone", "AttributeError"),
        ("one = math:pi", "math:pi is no str"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(entry: str, words: str, install: Install) -> None:
    install("other", entry)
    with pytest.raises(AudiodiffError, match=f"the thing 'one' of the package other cannot be loaded.*{words}"):
        load_plugin(plugins("audiodiff.tests")["one"], "thing", str)
