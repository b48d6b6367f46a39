"""The site builds without a warning and without a network, and everything public is in its reference."""

import ast
import os
import re
import subprocess
import sys
import zlib
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit

import pytest

import audiodiff
import audiodiff.diffusion
from tests.docs.pages import DOCS, ROOT

pytest.importorskip("mkdocs")
SITE = {"docs/results.md": "results.md", "docs/guides/music.md": "guides/music.md", "recipes/README.md": "recipes.md"}


@cache
def hooks() -> ModuleType:
    spec = spec_from_file_location("docs_hooks", DOCS / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def public_modules() -> set[str]:
    """The public modules, without the command line, which nobody imports."""
    found = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for room in ("audiodiff", "recipes")
        for path in (ROOT / room).rglob("*.py")
    }
    return {
        name
        for name in found
        if not any(part.startswith("_") for part in name.split(".")) and not name.startswith("audiodiff.cli")
    }


def public_names(module: str) -> set[str]:
    """The public functions, classes and methods of a module, by their dotted names."""
    path = ROOT / module.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    found = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            found.add(f"{module}.{node.name}")
            for part in node.body if isinstance(node, ast.ClassDef) else []:
                if isinstance(part, ast.FunctionDef) and not part.name.startswith("_"):
                    found.add(f"{module}.{node.name}.{part.name}")
    return found


def test_every_public_module_has_its_place() -> None:
    listed = [module for modules in hooks().packages().values() for module in modules]
    assert len(listed) == len(set(listed)) > 100
    assert set(listed) == public_modules()


def test_every_room_is_described() -> None:
    assert {"::: audiodiff.diffusion.process", "::: audiodiff.diffusion.samplers"} <= set(
        hooks().api_page("audiodiff.diffusion", hooks().packages()["audiodiff.diffusion"]).splitlines()
    )


@pytest.mark.parametrize(
    ("page", "markdown", "expected"),
    [
        ("docs/results.md", "[a](guides/music.md#x)", "[a](guides/music.md#x)"),
        ("docs/results.md", "[a](../recipes/README.md#x)", "[a](recipes.md#x)"),
        ("docs/guides/music.md", "[a](../../recipes/README.md)", "[a](../recipes.md)"),
        ("recipes/README.md", "see [a `b`](../docs/results.md).", "see [a `b`](results.md)."),
        ("recipes/README.md", "[a](../audiodiff/nn/unet.py), [b](https://a.b/c)", "a, [b](https://a.b/c)"),
        ("docs/results.md", "```\n[a](../audiodiff/x.py)\n```", "```\n[a](../audiodiff/x.py)\n```"),
        ("docs/results.md", "[a](missing.md)", "[a](missing.md)"),  # the strict build is to name it
    ],
)
def test_links_are_led(page: str, markdown: str, expected: str) -> None:
    assert hooks().led(markdown, page, SITE[page], SITE) == expected


def test_a_sound_gets_a_player() -> None:
    html = hooks().on_page_content('<p><a href="../sounds/a.flac">A</a> <a href="a.png">b</a></p>', None, None, None)
    assert html.count("<audio ") == 1
    assert 'src="../sounds/a.flac"' in html


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder / "site")],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return folder / "site"


def inventory(site: Path) -> set[str]:
    """What the reference describes, by dotted names."""
    content = (site / "objects.inv").read_bytes()
    lines = zlib.decompress(content.split(b"\n", 4)[4]).decode().splitlines()
    return {line.split(" ", 1)[0] for line in lines}


@pytest.mark.long
def test_everything_public_is_in_the_reference(site) -> None:
    described = inventory(site)
    wanted = {name for module in public_modules() for name in public_names(module)}
    assert len(wanted) > 500
    assert wanted - described == set()
    for package in (audiodiff, audiodiff.diffusion):
        for name in package.__all__:
            value = getattr(package, name)
            if isinstance(value, type) or hasattr(value, "__code__"):
                assert f"{value.__module__}.{value.__qualname__}" in described, name
    assert "audiodiff.__version__" in (site / "api" / "audiodiff" / "index.html").read_text("utf-8")


@pytest.mark.long
def test_nothing_is_missing_and_nothing_comes_from_elsewhere(site) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        html = page.read_text("utf-8")
        loaded = re.findall(r'<(?:script|img|audio|iframe|source)[^>]* src="([^"]+)"', html)
        loaded += re.findall(r'<link[^>]* rel="(?:stylesheet|icon|preconnect)"[^>]* href="([^"]+)"', html)
        loaded += re.findall(r'<link[^>]* href="([^"]+)"[^>]* rel="(?:stylesheet|icon|preconnect)"', html)
        for target in loaded:
            parts = urlsplit(target)
            assert not parts.netloc, f"{page.relative_to(site)} loads {target}"
            if parts.scheme != "data" and page.name != "404.html":
                assert (page.parent / unquote(parts.path)).is_file(), f"{page.relative_to(site)}: {target}"
    listen = (site / "listen" / "index.html").read_text("utf-8")
    assert listen.count("<audio ") >= 10
