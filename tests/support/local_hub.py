"""A model hub on loopback: as much of its interface as making, filling and fetching a repository takes."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

Repository = dict[str, bytes]


class LocalHub(ThreadingHTTPServer):
    """Repositories by name, each with the files of its newest commit, and every request as ``METHOD path``."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.repositories: dict[str, Repository] = {}
        self.private: dict[str, bool] = {}
        self.requests: list[str] = []
        self.refuses = False
        """Whether it lets nobody write."""

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def local_hub() -> Iterator[LocalHub]:
    """A hub that answers until the block ends."""
    hub = LocalHub()
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        thread.join()
        hub.server_close()


class _Answers(BaseHTTPRequestHandler):
    server: LocalHub

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        path, body = urlsplit(self.path).path, self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(f"POST {path}")
        if self.server.refuses:
            return self._send({"error": "you may not write here"}, 403)
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            self.server.repositories.setdefault(name, {})
            self.server.private[name] = asked.get("visibility") == "private" or bool(asked.get("private"))
            return self._send({"url": f"{self.server.address}/{name}", "name": name})
        if path == "/api/validate-yaml":
            return self._send({"errors": [], "warnings": []})
        _, _, _, owner, name, verb, *_ = path.split("/")
        if verb == "preupload":
            files = [file["path"] for file in json.loads(body)["files"]]
            modes = [{"path": file, "uploadMode": "regular", "shouldIgnore": False} for file in files]
            return self._send({"files": modes})
        assert verb == "commit", path
        files_of = self.server.repositories[f"{owner}/{name}"]
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                files_of[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        return self._send({"commitUrl": f"{self.server.address}/{owner}/{name}/commit/1", "commitOid": _sha(files_of)})

    def do_GET(self) -> None:
        split = urlsplit(self.path)
        self.server.requests.append(f"{self.command} {split.path}")
        api = split.path.startswith("/api/models/")
        owner, name, verb, revision, *file = split.path.removeprefix("/api/models").strip("/").split("/")
        files = self.server.repositories.get(f"{owner}/{name}")
        if files is None:
            return self._send({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
        if revision not in ("main", _sha(files)):
            return self._send({"error": "Invalid rev id"}, 404, {"X-Error-Code": "RevisionNotFound"})
        if api and verb == "revision":
            return self._send({"id": f"{owner}/{name}", "sha": _sha(files), "siblings": []})
        if api and verb == "tree":
            assert parse_qs(split.query)["recursive"] == ["True"] or parse_qs(split.query)["recursive"] == ["true"]
            listed = [{"type": "file", "path": path, "size": len(c), "oid": _blob(c)} for path, c in files.items()]
            return self._send(listed)
        content = files["/".join(file)]
        return self._raw(content, 200, {"ETag": f'"{_blob(content)}"', "X-Repo-Commit": _sha(files)})

    do_HEAD = do_GET  # noqa: N815

    def _send(self, content: object, code: int = 200, headers: dict[str, str] | None = None) -> None:
        self._raw(json.dumps(content).encode(), code, {"Content-Type": "application/json", **(headers or {})})

    def _raw(self, content: bytes, code: int, headers: dict[str, str]) -> None:
        self.send_response(code)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _sha(files: Repository) -> str:
    return hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
