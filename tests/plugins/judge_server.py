"""A judge on this machine: a chat endpoint whose replies the test decides, and that remembers what it was asked."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """What the server sends. A `text` is wrapped as a chat completion, a `body` is sent as it is."""

    text: str = '{"score": 5}'
    status: int = 200
    body: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0

    @property
    def data(self) -> bytes:
        completion = {"choices": [{"index": 0, "message": {"role": "assistant", "content": self.text}}]}
        return (json.dumps(completion) if self.body is None else self.body).encode()


@dataclass
class Asked:
    """A server's address, and every question that came, with its headers and what else was sent."""

    url: str
    questions: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)
    at_once: int = 0
    """The most questions that were under way together."""


Replies = Callable[[str, int], Reply]
"""From a question, and how often it was asked before, to the reply."""


@contextmanager
def judging(replies: Replies = lambda *_: Reply()) -> Iterator[Asked]:
    """A server for as long as the block."""
    server, asked = serve(replies)
    try:
        yield asked
    finally:
        server.shutdown()
        server.server_close()


def serve(replies: Replies) -> tuple[ThreadingHTTPServer, Asked]:
    """A server until the process ends."""
    handler = type("Handler", (_Handler,), {"replies": staticmethod(replies), "lock": threading.Lock(), "now": [0]})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    handler.asked = Asked(f"http://127.0.0.1:{server.server_port}/v1")
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server, handler.asked


class _Handler(BaseHTTPRequestHandler):
    replies: Replies
    asked: Asked
    lock: threading.Lock
    now: list[int]

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        question = sent["messages"][-1]["content"] if self.path == "/v1/chat/completions" else self.path
        with self.lock:
            before = self.asked.questions.count(question)
            self.asked.questions.append(question)
            self.asked.headers.append(dict(self.headers))
            self.asked.sent.append(sent)
            self.now[0] += 1
            self.asked.at_once = max(self.asked.at_once, self.now[0])
        reply = self.replies(question, before)
        if reply.delay:
            time.sleep(reply.delay)
        with self.lock:
            self.now[0] -= 1
        try:
            self.send_response(reply.status)
            for name, value in {"Content-Length": str(len(reply.data)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.data)
        except OSError:
            """Whoever asked has gone."""

    do_GET = do_POST  # noqa: N815

    def log_message(self, *arguments: Any) -> None:
        """Nothing to say."""
