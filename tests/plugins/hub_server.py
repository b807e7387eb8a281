"""A hub for one data set, `owner/tiny`, on this machine: enough of the protocol for `datasets` to stream from it."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NAME, COMMIT = "owner/tiny", "a" * 40


@contextmanager
def serving(files: Mapping[str, str]) -> Iterator[str]:
    """The address of a hub whose only repository holds these files."""
    content = {name: text.encode() for name, text in files.items()}
    handler = type("Handler", (_Handler,), {"files": content})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    files: Mapping[str, bytes]

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        api, resolve = f"/api/datasets/{NAME}", f"/datasets/{NAME}/resolve/"
        if path.startswith(resolve):
            self._file(path.removeprefix(resolve).partition("/")[2])
        elif path.startswith(f"{api}/tree"):
            self._json([self._entry(name) for name in self.files])
        elif path in {api, f"{api}/revision/main", f"{api}/revision/{COMMIT}"}:
            self._json({"id": NAME, "sha": COMMIT, "siblings": [{"rfilename": name} for name in self.files]})
        elif path.startswith(f"{api}/revision/"):
            self._answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
        else:
            self._answer(404, b"", {"X-Error-Code": "RepoNotFound"})

    do_HEAD = do_GET  # noqa: N815

    def _file(self, name: str) -> None:
        if name in self.files:
            tag = self._entry(name)["oid"]
            self._answer(200, self.files[name], {"X-Repo-Commit": COMMIT, "ETag": f'"{tag}"'})
        else:
            self._answer(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})

    def _entry(self, name: str) -> dict[str, Any]:
        content = self.files[name]
        return {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}

    def _json(self, value: Any) -> None:
        self._answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _answer(self, code: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Nothing to say."""
