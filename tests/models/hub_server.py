"""A server on this machine that speaks as much of the Hugging Face Hub as uploads and downloads of models need."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class HubState:
    """What lies on it."""

    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    private: dict[str, bool] = field(default_factory=dict)
    url: str = ""
    refuses: bool = False

    def commit(self, repository: str) -> str:
        """The hash of what a repository holds now."""
        listed = sorted((name, hashlib.sha256(data).hexdigest()) for name, data in self.files[repository].items())
        return hashlib.sha1(json.dumps(listed).encode()).hexdigest()


@contextmanager
def hub_server() -> Iterator[HubState]:
    """Serve on a free port until the block ends."""
    state = HubState()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            return

        def _answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            given = {"Content-Length": str(len(body)), **(headers or {})}
            for name, value in given.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def _json(self, value: Any, status: int = 200) -> None:
            self._answer(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") == "chunked":
                parts = []
                while size := int(self.rfile.readline(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))

        def do_POST(self) -> None:
            body, path = self._body(), self.path.partition("?")[0]
            if path == "/api/validate-yaml":
                return self._json({"errors": [], "warnings": []})
            if state.refuses:
                return self._json({"error": "you may not write here"}, 403)
            if path == "/api/repos/create":
                asked = json.loads(body)
                name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
                state.files.setdefault(name, {})
                state.private[name] = bool(asked.get("private") or asked.get("visibility") == "private")
                return self._json({"url": f"{state.url}/{name}"})
            if found := re.fullmatch(r"/api/models/(.+)/preupload/main", path):
                large = (".safetensors", ".wav", ".flac")
                files = [
                    {
                        "path": each["path"],
                        "uploadMode": "lfs" if each["path"].endswith(large) else "regular",
                        "shouldIgnore": False,
                        "oid": None,
                    }
                    for each in json.loads(body)["files"]
                ]
                return self._json({"files": files})
            if re.fullmatch(r"/(.+)\.git/info/lfs/objects/batch", path):
                objects = [
                    {**each, "actions": {"upload": {"href": f"{state.url}/blobs/{each['oid']}"}}}
                    for each in json.loads(body)["objects"]
                ]
                return self._json({"transfer": "basic", "objects": objects})
            if found := re.fullmatch(r"/api/models/(.+)/commit/main", path):
                repository = found[1]
                for line in body.splitlines():
                    item = json.loads(line)
                    value = item["value"]
                    if item["key"] == "header":
                        state.messages.append(value["summary"])
                    elif item["key"] == "file":
                        state.files[repository][value["path"]] = base64.b64decode(value["content"])
                    elif item["key"] == "lfsFile":
                        state.files[repository][value["path"]] = state.blobs[value["oid"]]
                commit = state.commit(repository)
                return self._json(
                    {"success": True, "commitUrl": f"{state.url}/{repository}/commit/{commit}", "commitOid": commit}
                )
            return self._missing()

        def do_PUT(self) -> None:
            data = self._body()
            name = self.path.rpartition("/")[2]
            if hashlib.sha256(data).hexdigest() != name:
                return self._answer(400)
            state.blobs[name] = data
            return self._answer(200)

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if found := re.fullmatch(r"/(?:api/models/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
                data = state.files.get(found[1], {}).get(found[3])
                if data is None:
                    return self._missing("EntryNotFound")
                etag = hashlib.sha256(data).hexdigest()
                return self._answer(200, data, {"ETag": f'"{etag}"', "X-Repo-Commit": state.commit(found[1])})
            if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(/revision/[^/]+)?", path):
                if found[1] not in state.files:
                    return self._missing("RepoNotFound")
                siblings = [{"rfilename": name} for name in state.files[found[1]]]
                sha = state.commit(found[1])
                return self._json({"id": found[1], "sha": sha, "siblings": siblings, "tags": [], "private": False})
            if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/[^/]+", path):
                return self._json(
                    [
                        {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                        for name, data in state.files[found[1]].items()
                    ]
                )
            return self._missing()

        def _missing(self, code: str = "") -> None:
            self._answer(404, b"{}", {"X-Error-Code": code} if code else {})

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
