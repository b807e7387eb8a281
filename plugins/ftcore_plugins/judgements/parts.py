"""Prompts and answers in the shapes that files of judgements give them. No single format is known here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ftcore.types import Turn
from ftcore_plugins.formats.cells import first_of, optional_text, text_of
from ftcore_plugins.formats.turns import is_conversation, turns_of

PROMPTS = ("prompt", "question", "query", "problem")
CONVERSATIONS = ("messages", "conversations", "conversation")
_SPEAKER = re.compile(r"(?:^|\n\n)(Human|Assistant):[ \n]?")
_ROLES = {"Human": "user", "Assistant": "assistant"}


def prompt_columns(row: Mapping[str, Any]) -> list[str]:
    """The columns that a row's prompt stands in."""
    if "instruction" in row:
        return [name for name in ("instruction", "input") if name in row]
    found = first_of(row, (*PROMPTS, *CONVERSATIONS))
    return [found] if found else []


def prompt_of(row: Mapping[str, Any]) -> tuple[Turn, ...]:
    """The turns before the answer. Raises ValueError in plain words."""
    columns = prompt_columns(row)
    if columns[:1] == ["instruction"]:
        asked, given = text_of(row["instruction"], "instruction"), optional_text(row.get("input"), "input")
        return (Turn("user", f"{asked}\n\n{given}" if given else asked),)
    return conversation_of(row[columns[0]], columns[0], "user")


def answer_of(value: Any, name: str) -> tuple[Turn, ...]:
    """An answer as a text, as one message, or as messages."""
    return conversation_of([value] if isinstance(value, Mapping) else value, name, "assistant")


def conversation_of(value: Any, name: str, role: str) -> tuple[Turn, ...]:
    """Messages in either dialect, or a text said by `role`."""
    if is_conversation(value, "from", "value"):
        return tuple(turns_of(value, name, role_key="from", text_key="value"))
    if is_conversation(value, "role"):
        return tuple(turns_of(value, name))
    return (Turn(role, text_of(value, name)),)


def transcript(text: str) -> tuple[Turn, ...] | None:
    r"""`\n\nHuman: …\n\nAssistant: …` as turns, or None for a text that is no such transcript."""
    marks = list(_SPEAKER.finditer(text))
    if not marks or text[: marks[0].start()].strip():
        return None
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    return tuple(Turn(_ROLES[mark[1]], text[mark.end() : end].strip()) for mark, end in zip(marks, ends, strict=True))


def opened(turns: tuple[Turn, ...], system: Any) -> tuple[Turn, ...]:
    """The turns with a system message before them, unless they have their own."""
    text = optional_text(system, "system")
    return (Turn("system", text), *turns) if text and turns[0].role != "system" else turns
