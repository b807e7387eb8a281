"""The format `text`: plain text, every token of which is learned, as for continued pre-training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ftcore.types import TextExample
from ftcore_plugins.formats.cells import first_of, judges, needed, text_of

_COLUMNS = ("text", "content")
_ANSWERS = {
    *("label", "labels", "label_text", "category", "intent", "class", "target", "sentiment", "summary"),
    *("answer", "answers", "output", "response", "completion", "question", "instruction", "prompt"),
}
"""Beside one of these, a text is one half of a task; learning the text alone would drop the other half unasked."""


class Text:
    """Rows such as `{"text": "Once upon a time …"}`. A list of texts is joined with blank lines between."""

    def recognises(self, row: Mapping[str, Any]) -> str | None:
        column = first_of(row, _COLUMNS)
        if column is None or judges(row) or any(name.lower() in _ANSWERS for name in row):
            return None
        return f"column {column}" if _is_usable(row[column]) else None

    def example(self, row: Mapping[str, Any]) -> TextExample:
        column = needed(row, _COLUMNS)
        value = row[column]
        if isinstance(value, (list, tuple)):
            value = "\n\n".join(text_of(part, f"part {number} of {column}") for number, part in enumerate(value, 1))
        return TextExample(text_of(value, column))


def _is_usable(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(isinstance(part, str) for part in value)
    return value is None or isinstance(value, str)
