"""The format `prompt`: what the model is to answer by itself, with or without the right answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ftcore.types import PromptExample, Turn
from ftcore_plugins.formats.cells import first_of, optional_text, text_of
from ftcore_plugins.formats.turns import tools_of
from ftcore_plugins.judgements.parts import CONVERSATIONS, conversation_of, opened, prompt_columns, prompt_of

_REFERENCES = ("reference", "answer", "solution", "ground_truth", "completion", "response", "output", "target")
_CHOICES = ("options", "choices", "context", "passage", "Body")
"""Beside one of these a question alone is not all that is asked: map it, such as `prompt={context} {question}`."""


class Prompt:
    """Rows such as `{"prompt": "2 + 2?", "reference": "4"}`; the right answer may be missing.

    The prompt may be a text, messages, an instruction with its input, or `turns` and `text` as question lists have
    them. A conversation that ends with an answer is asked up to there, and the answer is the reference.
    """

    def recognises(self, row: Mapping[str, Any]) -> str | None:
        columns = _columns(row)
        if not columns or first_of(row, _CHOICES) or {"chosen", "rejected"} & row.keys():
            return None
        reference = first_of(row, _REFERENCES)
        words = f"columns {', '.join(columns)}"
        return f"{words}, with the right answer in {reference}" if reference else f"{words}, to be answered"

    def example(self, row: Mapping[str, Any]) -> PromptExample:
        columns = _columns(row)
        if not columns:
            raise ValueError(f"this row has no prompt; it has {', '.join(map(repr, row)) or 'no columns'}")
        turns = _asked(row, columns[0])
        reference = first_of(row, _REFERENCES)
        known = optional_text(row[reference], reference) if reference else ""
        if turns[-1].role == "assistant":
            *asked, last = turns
            turns, known = tuple(asked), known or last.content
        if not turns:
            raise ValueError("the conversation holds no prompt")
        return PromptExample(opened(turns, row.get("system")), known, tools_of(row.get("tools")))


def _columns(row: Mapping[str, Any]) -> list[str]:
    found = first_of(row, ("turns", "text"))
    return prompt_columns(row) or ([found] if found else [])


def _asked(row: Mapping[str, Any], column: str) -> tuple[Turn, ...]:
    if column == "text":
        return (Turn("user", text_of(row["text"], "text")),)
    if column == "turns":  # of several questions the later ones refer to answers that are not there yet
        value = row["turns"]
        if not isinstance(value, (list, tuple)) or not value:
            raise ValueError("turns is no list of questions")
        return (Turn("user", text_of(value[0], "turn 1")),)
    if column in CONVERSATIONS:
        return conversation_of(row[column], column, "user")
    return prompt_of(row)
