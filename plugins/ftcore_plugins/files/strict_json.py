"""JSON as the standard has it: no NaN, no number beyond all bounds, no key twice, no half of a surrogate pair.

The standard library accepts all of these silently. Here each is found while the value is decoded at C speed, and said.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from ftcore_plugins.files.opening import fault

_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")


class StrictDecoder:
    """Decodes one value and says what is wrong with it, if anything.

    >>> StrictDecoder().decode('{"a": 1, "a": 2}')
    ({'a': 2}, 16, "the key 'a' is there twice")
    """

    def __init__(self) -> None:
        self._problem: str | None = None
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._object, parse_constant=self._constant, parse_float=self._float
        )

    def decode(self, text: str, at: int = 0) -> tuple[Any, int, str | None]:
        """The value that starts at `at`, where it ends, and what is wrong with it.

        Raises json.JSONDecodeError for broken JSON, and ValueError for what Python cannot hold.
        """
        self._problem = None
        try:
            value, end = self._decoder.raw_decode(text, at)
        except RecursionError:
            raise ValueError("it is nested too deep") from None
        return value, end, self._problem or _text_problem(text[at:end], value)

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            self._problem = f"the key {twice!r} is there twice"
        return made

    def _constant(self, name: str) -> None:
        self._problem = f"{name} is not JSON; write null or a number"

    def _float(self, text: str) -> float:
        number = float(text)
        if math.isinf(number):
            self._problem = f"the number {text[:40]} is too large"
        return number


def _text_problem(raw: str, value: Any) -> str | None:
    if found := fault(raw):
        return found[0]
    if not _HALF_PAIR.search(raw):
        return None
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        return f"half of a surrogate pair (\\u{ord(error.object[error.start]):04x}), which is no character"
    return None


def in_words(error: ValueError) -> str:
    """A decoding error without Python's own coordinates."""
    text = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
    if text.startswith("Exceeds the limit"):
        text = "a whole number with thousands of digits"
    return f"broken JSON: {text[:1].lower()}{text[1:].removesuffix(' at')}"
