"""Who may use the page, and what a browser may do with it. Other programs, web sites and users of the machine may not.

- The server listens on the loopback address alone. A site that lets its own name point there (DNS rebinding) is refused
  by the Host header, and one that sends forms here by the Origin header and by the cookie's SameSite.
- Other users of the machine do not know the token, which stands in the address that is printed once.
- Rows are hostile: templates escape everything, and the Content-Security-Policy runs no script but the page's own file.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = ("127.0.0.1", "localhost", "::1")
"""Names under which a browser reaches this machine itself; the port is free, for one that is forwarded by ssh."""

LARGEST = 1024 * 1024
"""Bytes of a form; an edited answer fits many times over."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # With `no-referrer` browsers send `Origin: null` along with forms, which then could not be told from foreign ones.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}


class Access:
    """The token of one start of the server, and the cookie that a browser gets for it.

    The cookie says which judge somebody is and is signed with a key that ends with the process.
    """

    def __init__(self, port: int = 0) -> None:
        self.token = secrets.token_urlsafe(24)
        self.cookie = f"ftcore-label-{port}"  # cookies of one host are shared by all of its ports
        self._key = secrets.token_bytes(32)
        self._once: set[str] = set()

    def once(self) -> str:
        """A token for one use, for the command line of a browser, which other users of the machine can read."""
        token = secrets.token_urlsafe(24)
        self._once.add(token)
        return token

    def admits(self, given: str) -> bool:
        if given in self._once:
            self._once.discard(given)
            return True
        return hmac.compare_digest(given.encode(), self.token.encode())

    def seal(self, judge: int | None) -> str:
        said = base64.urlsafe_b64encode(json.dumps({"judge": judge}).encode()).decode()
        return f"{said}.{self._signature(said)}"

    def unseal(self, cookie: str) -> dict[str, Any] | None:
        """What a cookie says, or None for one that is not ours."""
        said, _, signature = cookie.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(said).encode()):
            return None
        session: dict[str, Any] = json.loads(base64.urlsafe_b64decode(said))
        return session

    def _signature(self, said: str) -> str:
        return hmac.new(self._key, said.encode(), hashlib.sha256).hexdigest()


class Guard:
    """Around the whole application: refuses foreign hosts and origins, and puts HEADERS on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = [pair for pair in message["headers"] if pair[0] != b"server"]
                message["headers"] = [
                    *given,
                    *((name.lower().encode(), text.encode()) for name, text in HEADERS.items()),
                ]
            await send(message)

        from starlette.responses import PlainTextResponse

        wrong = refusal(scope["method"], {name.decode("latin-1"): value for name, value in scope["headers"]})
        app = PlainTextResponse(f"{wrong}\n", 403) if wrong else self.app
        await app(scope, receive, send_with_headers)


def refusal(method: str, headers: dict[str, bytes]) -> str | None:
    """Why a request is refused whoever sends it, or None."""
    host = headers.get("host", b"").decode("latin-1")
    if _host_name(f"//{host}") not in HOSTS:
        return "This page answers to 127.0.0.1 and localhost only."
    if method in ("GET", "HEAD"):
        return None
    if method != "POST":
        return "There is no such request here."
    if headers.get("origin", b"").decode("latin-1") != f"http://{host}":
        return "The form comes from another site."
    if headers.get("sec-fetch-site", b"same-origin") != b"same-origin":
        return "The form comes from another site."
    return None


def _host_name(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


async def form_of(request: Request) -> dict[str, str] | None:
    """The fields of a form; None for one that is too large or no form at all."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            return None
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=50))
    except ValueError:
        return None
