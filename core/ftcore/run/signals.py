"""Signals: while a run loads or writes they end it at once; while it trains, after the step that is under way.

Where workers carry the run out, the process that the user started asks them by a file.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ftcore.errors import Interrupted
from ftcore.run.folder import write_text
from ftcore.run.session import Session

SIGNALS = (signal.SIGINT, signal.SIGTERM)
WORKERS = ".workers"
"""In the folder of a run that workers carry out: what they and the process that follows them tell each other."""
STOP = f"{WORKERS}/stop"


class _Signal(KeyboardInterrupt):
    """No Exception, and passed on where plugins are imported and asked, so that nobody takes it for a failure."""

    def __init__(self, number: int) -> None:
        self.number = number


@contextmanager
def at_once(folder: Path) -> Iterator[None]:
    """A signal unwinds the run, so that what is half written is cleaned up. Raises Interrupted."""
    try:
        with _handled_by(_raise):
            yield
    except _Signal as stop:
        can_go_on = (folder / "lock.json").is_file()
        fix = f"ftcore resume {folder}" if can_go_on else None
        raise Interrupted(stop.number, where=str(folder), fix=fix) from None


@contextmanager
def after_the_step(session: Session) -> Iterator[None]:
    """Inside `at_once`: the first signal asks the run to stop at the next safe place; the second is immediate."""

    def ask(number: int, _: object) -> None:
        if session.stop_signal is not None:
            raise _Signal(number)
        session.stop_signal = number

    def look(_: object) -> None:
        if session.stop_signal is None and stop.is_file():
            session.stop_signal = int(stop.read_text())

    stop = session.folder / STOP
    if stop.parent.is_dir():
        session.announcer.listen(look)
    with _handled_by(ask):
        yield


@contextmanager
def by_asking(folder: Path) -> Iterator[None]:
    """The same for the process that only follows, once there is something to resume."""
    stop = folder / STOP

    def ask(number: int, _: object) -> None:
        if stop.exists() or not (folder / "lock.json").is_file():
            raise _Signal(number)
        write_text(stop, str(number))

    with _handled_by(ask):
        yield


def _raise(number: int, _: object) -> None:
    raise _Signal(number)


@contextmanager
def _handled_by(handler: Callable[[int, object], None]) -> Iterator[None]:
    try:
        old = {number: signal.signal(number, handler) for number in SIGNALS}
    except ValueError:  # not in the main thread, where signals belong to somebody else
        yield
        return
    try:
        yield
    finally:
        for number, before in old.items():
            signal.signal(number, before)
