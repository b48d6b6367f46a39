"""Shards behind a web server, and names with braces."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from audiodiff.data.shards import LatentDataset
from audiodiff.data.shards import files as module
from audiodiff.data.shards.files import expand_braces, find_shards
from tests.data.latents import write
from tests.refusals import refused

pytest.importorskip("aiohttp", reason="needs the extra remote")


class Handler(SimpleHTTPRequestHandler):
    """Python's own server, which answers a request for a part of a file with all of it."""

    def log_message(self, format, *args):
        pass


class RangeHandler(Handler):
    """One that serves parts of files."""

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        given = self.headers.get("Range")
        if given is None or not path.is_file():
            super().do_GET()
            return
        first, last = (int(number) for number in given.removeprefix("bytes=").split("-"))
        content = path.read_bytes()
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        part = content[first : last + 1]
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_PAUSE", 0.0)
    return write(tmp_path / "shards" / "train")


@pytest.fixture(params=[Handler, RangeHandler], ids=["whole", "ranges"])
def served(request, folder):
    """Whether the server has range requests, and its address."""
    handler = partial(request.param, directory=str(folder.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield request.param is RangeHandler, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_web_server_gives_the_same_batches(folder, served):
    ranges, url = served
    here = LatentDataset(folder).batch(0, 0, 8, 20)
    for source in (f"{url}/train", f"{url}/train/", f"{url}/train/shard-{{000000..000002}}.tar"):
        there = LatentDataset(source).batch(0, 0, 8, 20)
        assert there.latents.equal(here.latents)
    if ranges:
        assert LatentDataset(f"{url}/train", memory_gb=0.0).batch(0, 0, 8, 20).latents.equal(here.latents)
    else:
        refused(r"no range requests.*copy the shards", lambda: LatentDataset(f"{url}/train", memory_gb=0.0))


def test_what_a_web_server_does_not_have(served):
    _, url = served
    refused(r"holds no index\.json", lambda: find_shards(f"{url}/valid"))


def test_braces(folder, tmp_path):
    assert expand_braces("a-{08..10}.tar") == ["a-08.tar", "a-09.tar", "a-10.tar"]
    assert expand_braces("s{1..2}/x-{0..1}") == ["s1/x-0", "s1/x-1", "s2/x-0", "s2/x-1"]
    for plain in ("a.tar", "a{b,c}", "{1..x}"):
        assert expand_braces(plain) == [plain]
    names = [shard.entry.name for shard in find_shards(folder / "shard-{000001..000002}.tar")[1]]
    assert names == ["shard-000001.tar", "shard-000002.tar"]
    (tmp_path / "x{1..2}").mkdir()
    assert expand_braces(f"{tmp_path}/x{{1..2}}") == [f"{tmp_path}/x{{1..2}}"]
    refused(r"shard-000003\.tar is not in", lambda: find_shards(folder / "shard-{000000..000003}.tar"))


@pytest.mark.parametrize("source", ["a{0..999999999999}", "a{2..1}", "a{1..1000}-{1..1000}", "a{0..9}" * 40])
def test_endless_ranges_are_refused(source):
    refused(r"range|stands for more", lambda: expand_braces(source))


@pytest.mark.parametrize("name", ["../x.tar", "/dev/zero", "a/b.tar", ".."])
def test_names_of_shards_stay_in_their_folder(folder, name):
    index = (folder / "index.json").read_text()
    (folder / "index.json").write_text(index.replace("shard-000001.tar", name))
    refused("the name of a shard", lambda: find_shards(folder))
