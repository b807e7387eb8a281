"""The server's life: a port on the loopback address, a browser where there is a screen, and an end at Ctrl-C."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable

import uvicorn

from ftcore.errors import UsageError
from ftcore_plugins.label.app import application
from ftcore_plugins.label.project import Project
from ftcore_plugins.label.security import Access

HOST = "127.0.0.1"


def serve(project: Project, name: str, port: int, opens: bool | None, say: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM. `port` 0 takes a free one; `opens` None opens a browser where a screen is.

    Raises UsageError for a port that is taken.
    """
    listening = bound(port)
    port = listening.getsockname()[1]
    access = Access(port)
    address = f"http://{HOST}:{port}/?token="
    say(f"judge here: {address}{access.token}")
    config = uvicorn.Config(
        application(project, name, access), log_level="warning", access_log=False, lifespan="off",
        server_header=False, timeout_graceful_shutdown=2,
    )  # fmt: skip
    if _has_display() if opens is None else opens:
        # The command line of a browser is there for other users to read, so its token is used up at once.
        threading.Thread(target=_open, args=(address + access.once(),), daemon=True).start()
    try:
        uvicorn.Server(config).run(sockets=[listening])
    except KeyboardInterrupt:
        pass  # uvicorn has answered what was under way and raises the signal again
    finally:
        listening.close()


def bound(port: int) -> socket.socket:
    # asyncio sends at once (TCP_NODELAY) only where the protocol is said; otherwise every page waits 40 ms for an ACK.
    listening = socket.socket(proto=socket.IPPROTO_TCP)
    if os.name == "posix":
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except OSError as error:
        listening.close()
        raise UsageError(f"the port cannot be used: {error.strerror}", value=port, fix="--port 0") from None
    listening.listen()
    return listening


def _has_display() -> bool:
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _open(address: str) -> None:
    import webbrowser

    webbrowser.open(address)
