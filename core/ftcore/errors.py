"""Everything that ftcore refuses, as one tree, each branch with its exit code.

    FtcoreError            1  our own bug
    ├── UsageError         2  the command line or the run file
    ├── DataError          3  rows, files, formats
    ├── ModelError         4  a model, tokenizer, artifact or checkpoint
    ├── ResourceError      5  memory, disk, a missing package or device
    ├── DivergedError      6  the loss is no longer a number
    ├── PluginError        7  a plugin that is broken, missing or ambiguous
    └── PolicyError        8  refused for safety

An error says what went wrong, where, the value at fault and one fix to copy, in at most six lines.
It deliberately carries no traceback: whoever reads it is not debugging ftcore.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

WIDTH = 200
"""Characters to a line of a message."""


class FtcoreError(Exception):
    """A refusal in plain words.

    >>> raise DataError("the file is empty", where="rows.jsonl", fix="choose a file with rows: --data FILE")
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        value: object | None = None,
        fix: str | None = None,
        more: Iterable[str] = (),
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.value = value
        self.fix = fix
        self.more = tuple(more)
        if where:
            self.add_note(where)  # for tracebacks, in crash files and in tests of plugins

    def lines(self) -> list[str]:
        """The message for a terminal: at most six lines, the fix always among them."""
        head = f"error: {f'{self.where}: ' if self.where else ''}{_ends(self.what)}"
        body = [f"  value: {_short(self.value)}"] if self.value is not None else []
        room = 6 - 1 - len(body) - (1 if self.fix else 0)
        most = max(1, room // max(1, len(self.more)))
        more = [f"  {line}" for each in self.more for line in _spread(each, most)]
        if len(more) > room:
            more = [*more[: room - 1], f"  and {len(more) - room + 1} more"]
        return [head, *body, *more, *([f"  try: {self.fix}"] if self.fix else [])]

    def record(self) -> dict[str, Any]:
        """The same for programs (`--json-errors`)."""
        return {
            "error": type(self).__name__,
            "exit_code": self.exit_code,
            "what": self.what,
            "where": self.where,
            "value": None if self.value is None else str(self.value),
            "fix": self.fix,
            "more": list(self.more),
        }


class UsageError(FtcoreError):
    exit_code = 2


class DataError(FtcoreError):
    exit_code = 3


class ModelError(FtcoreError):
    exit_code = 4


class ResourceError(FtcoreError):
    exit_code = 5


class DivergedError(FtcoreError):
    exit_code = 6


class PluginError(FtcoreError):
    exit_code = 7


class PolicyError(FtcoreError):
    exit_code = 8


class Interrupted(FtcoreError):
    """A signal ended the run between two steps; what was written is complete."""

    def __init__(self, signal_number: int, **kwargs: Any) -> None:
        super().__init__("interrupted", **kwargs)
        self.exit_code = 128 + signal_number


def from_record(record: Mapping[str, Any]) -> FtcoreError:
    """The error that another process told by its `record()`. A plugin's own class comes as the plain FtcoreError."""
    kinds = {kind.__name__: kind for kind in FtcoreError.__subclasses__()}
    kind = kinds.get(record["error"], FtcoreError)
    error = kind.__new__(kind)
    FtcoreError.__init__(error, record["what"], **{key: record[key] for key in ("where", "value", "fix", "more")})
    error.exit_code = record["exit_code"]
    return error


def closest(word: str, choices: Iterable[str]) -> str | None:
    """The choice that was probably meant, or None when nothing is near."""
    near = difflib.get_close_matches(word.lower(), list(choices), n=3, cutoff=0.6)

    def likeness(choice: str) -> tuple[float, bool]:  # who types `lroa` means `lora` rather than `road`
        return difflib.SequenceMatcher(None, choice, word.lower()).ratio(), choice[0] == word[0].lower()

    return max(near, key=likeness, default=None)


def by_its_letter(word: str, helps: Mapping[str, str]) -> str | None:
    """The setting that a paper calls by a Greek letter: of `simpo` gamma is the margin, as its help says.

    >>> by_its_letter("gamma", {"beta": "How dear it is.", "margin": "γ of the paper."})
    'margin'
    """
    import unicodedata  # 3 ms, and few lines are wrong

    try:
        letter = unicodedata.lookup(f"greek small letter {word.replace('lambda', 'lamda')}")  # so Unicode spells it
    except KeyError:
        return None
    names = [name for name, text in helps.items() if re.search(rf"\b{letter}\b", text)]
    return names[0] if len(names) == 1 else None


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """`` (did you mean 'rank'?)`` or nothing, ready to be put behind a message."""
    near = closest(word, choices)
    return f" (did you mean {near!r}?)" if near else ""


def _ends(what: str, width: int = 3 * WIDTH) -> str:
    """A sentence in one line. One that quotes at length, a row or another library, keeps its beginning and its end."""
    text = " ".join(map(str.strip, what.splitlines()))
    return text if len(text) <= width else f"{text[: width // 2]} … {text[-width // 2 :]}"


def _spread(value: object, most: int) -> list[str]:
    """Text over at most so many lines, so that a list is not cut before the word that is looked for."""
    text = " ".join(str(value).split())
    if len(text) <= WIDTH or most == 1:
        return [_short(text)]
    import textwrap

    return textwrap.wrap(text, WIDTH, max_lines=most, placeholder=" …", break_long_words=False, break_on_hyphens=False)


def short(text: str, width: int = 80) -> str:
    """The beginning of a long text, with `…` behind it."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _short(value: object) -> str:
    return short(" ".join(str(value).split()), WIDTH)
