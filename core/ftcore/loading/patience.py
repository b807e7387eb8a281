"""How long a plugin may stand still before the command goes on without it."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SECONDS = 5.0
"""How long nothing may move. A front imports in a millisecond. One that imports torch from a slow disk takes half a
minute, but modules arrive all the while; to stop it half way would leave a torch that cannot be imported again."""


class Stalled(BaseException):
    """What patience raises into a plugin. It is no Exception, so that a plugin's `except Exception` lets it pass."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"nothing moved for {seconds:g} seconds")


@contextmanager
def patience(seconds: float | None = None) -> Iterator[None]:
    """Raise Stalled in what runs inside once it has neither ended nor imported a module for `SECONDS`.

    It needs a timer with a signal, so it watches in the main thread and not on Windows. Code that never comes back to
    Python is interrupted only when it does.
    """
    limit = SECONDS if seconds is None else seconds
    if not _can_watch():
        yield
        return
    loaded = [0, len(sys.modules)]

    def look(_signal: int, _frame: FrameType | None) -> None:
        loaded.append(len(sys.modules))
        if loaded[-1] == loaded[-2] == loaded[-3]:
            raise Stalled(limit)

    handler = signal.signal(signal.SIGALRM, look)
    # Three looks see two stretches without a change. It goes on ringing, for a plugin that catches everything.
    others, interval = signal.setitimer(signal.ITIMER_REAL, limit / 2, limit / 2)
    began = time.monotonic()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if others:
            signal.setitimer(signal.ITIMER_REAL, max(others - (time.monotonic() - began), 0.001), interval)


def _can_watch() -> bool:
    return (
        hasattr(signal, "setitimer")
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGALRM) is not None  # None: set outside Python, and not to be restored
    )
