"""stdout and stderr that stop no command: a training outlives the terminal, the pipe or the disk that it speaks to.

A reader that has gone (`ftcore list | head`) is no failure. An output that a full disk cut short is one, and is told by
the exit code when the work is done. It deliberately looks at nothing but writing; what is written is others' business.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO


class SturdyStream:
    """A text stream whose `write` and `flush` never raise. After the first failure nothing more is written.

    >>> SturdyStream(sys.stderr).write("warning: …\\n")
    """

    def __init__(self, stream: TextIO | None) -> None:
        """None stands for a stream that was closed when the process began, as by `2>&-`."""
        self._stream = stream or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  the process's own
        self.failure: OSError | None = None
        """What the first failed write met, unless it was a reader that had gone."""

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except (OSError, ValueError) as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError) as error:
            self._give_up(error)

    def _give_up(self, error: OSError | ValueError) -> None:
        if isinstance(error, UnicodeError):  # the text's fault, not the stream's
            raise error
        if isinstance(error, OSError) and error.errno != errno.EPIPE:
            self.failure = self.failure or error
        # Python writes what is still buffered when it ends, and would fail anew.
        with contextlib.suppress(OSError, ValueError):
            _lead_nowhere(self._stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def sturdy_streams() -> Iterator[SturdyStream]:
    """Inside, `sys.stdout` (which is given) and `sys.stderr` are sturdy."""
    before = sys.stdout, sys.stderr
    out, err = SturdyStream(sys.stdout), SturdyStream(sys.stderr)
    sys.stdout, sys.stderr = out, err
    try:
        yield out
    finally:
        out.flush()
        err.flush()
        sys.stdout, sys.stderr = before


def open_closed_descriptors() -> None:
    """Put the null device in the place of 0, 1 or 2 where it is closed: the next file opened would get that number, and
    libraries that print to 1 or 2 would write into it."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            _lead_nowhere(descriptor)


def _lead_nowhere(descriptor: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    if null != descriptor:  # the lowest number that is free
        os.dup2(null, descriptor)
        os.close(null)
