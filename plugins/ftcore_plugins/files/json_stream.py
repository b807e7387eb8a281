"""Walking through a JSON document that is larger than memory, one value at a time, knowing line and column.

It holds one value and one chunk, decodes values with the standard library, and builds no tree.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from ftcore_plugins.files.opening import LONGEST
from ftcore_plugins.files.strict_json import StrictDecoder, in_words

CHUNK = 256 * 1024
_SPACE = re.compile(r"[ \t\r\n]*")
_MARGIN = 12
"""A value or an error this close to the end of the buffer may change with more text: the longest token that can be
cut in two unnoticed is `-Infinity`."""


class BrokenJsonError(Exception):
    """The document cannot be read beyond this place."""

    def __init__(self, what: str, line: int, column: int) -> None:
        super().__init__(what)
        self.what, self.line, self.column = what, line, column


class JsonStream:
    """A cursor in a JSON text.

    >>> import io
    >>> stream = JsonStream(io.StringIO('[1, {"a": 2}]').read)
    >>> [(line, stream.value()[0]) for line, _ in stream.walk_list()]
    [(1, 1), (1, {'a': 2})]
    """

    def __init__(self, read: Callable[[int], str], chunk: int = CHUNK) -> None:
        self._read, self._chunk = read, chunk
        self._decoder = StrictDecoder()
        self._buffer, self._at, self._ended = "", 0, False
        self.line, self.column = 1, 1

    def peek(self) -> str:
        """The next character that is not space, or nothing at the end."""
        while True:
            match = _SPACE.match(self._buffer, self._at)
            assert match is not None
            self._move(match.end())
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if self._ended:
                return ""
            self._fill()

    def value(self) -> tuple[Any, str | None]:
        """The next value, whole, and what is wrong with it though it could be decoded."""
        self.peek()
        while True:
            try:
                value, end, problem = self._decoder.decode(self._buffer, self._at)
            except ValueError as error:
                if not self._may_be_cut(error):
                    raise self._broken_at(error) from None
            else:
                if self._ended or end <= len(self._buffer) - _MARGIN:
                    self._move(end)
                    return value, problem
            self._fill()

    def walk_list(self) -> Iterator[tuple[int, int]]:
        """Walk the list that comes next: yields line and column of each item, which the caller then takes."""
        self._take("[")
        if self.peek() == "]":
            return self._take("]")
        while True:
            self.peek()
            yield self.line, self.column
            if self.peek() == "]":
                return self._take("]")
            self._take(",", "a comma or the end of the list")

    def walk_object(self) -> Iterator[str]:
        """Walk the object that comes next: yields each key; the caller then takes its value."""
        self._take("{")
        if self.peek() == "}":
            return self._take("}")
        while True:
            if self.peek() != '"':
                raise self._broken("a key in double quotes should come here")
            yield self.value()[0]
            if self.peek() == "}":
                return self._take("}")
            self._take(",", "a comma or the end of the object")

    def enter(self) -> str:
        """After a key: step over the colon and return the first character of the value."""
        self._take(":", "a colon after the key")
        return self.peek()

    def skip(self) -> int:
        """Step over the next value without holding more than one item of it; returns its number of items."""
        first = self.peek()
        count = 0
        if first == "[":
            for _ in self.walk_list():
                self.value()
                count += 1
        elif first == "{":
            for _ in self.walk_object():
                self.enter()
                self.skip()
                count += 1
        else:
            self.value()
        return count

    def _take(self, wanted: str, what: str = "") -> None:
        if self.peek() != wanted:
            raise self._broken(f"{what or wanted} should come here")
        self._move(self._at + 1)

    def _move(self, to: int) -> None:
        lines = self._buffer.count("\n", self._at, to)
        if lines:
            self.line += lines
            self.column = to - self._buffer.rindex("\n", self._at, to)
        else:
            self.column += to - self._at
        self._at = to

    def _fill(self) -> None:
        """Read at least as much again as is held, so that decoding a long value anew costs little in all."""
        rest = self._buffer[self._at :]
        if len(rest) > LONGEST:
            raise self._broken(f"a value of more than {LONGEST:,} characters starts here; is a quote missing?")
        more = self._read(max(self._chunk, len(rest)))
        self._ended = not more
        self._buffer, self._at = rest + more, 0

    def _may_be_cut(self, error: ValueError) -> bool:
        if self._ended or not isinstance(error, json.JSONDecodeError):
            return False
        return error.msg.startswith("Unterminated string") or error.pos > len(self._buffer) - _MARGIN

    def _broken_at(self, error: ValueError) -> BrokenJsonError:
        """The error at its own place rather than at the start of the value."""
        if isinstance(error, json.JSONDecodeError):
            self._move(max(error.pos, self._at))
        return self._broken(in_words(error))

    def _broken(self, what: str) -> BrokenJsonError:
        if self._ended and self._at >= len(self._buffer):
            what = "the file ends in the middle of the data; it is cut off"
        return BrokenJsonError(what, self.line, self.column)
