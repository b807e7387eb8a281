"""The format `prompt-completion`: what is asked and what is answered, each as text or as messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ftcore.columns import TEXT_LIKE
from ftcore.types import ChatExample, Turn
from ftcore_plugins.formats.cells import first_of, judges, needed, text_of
from ftcore_plugins.formats.turns import chat, is_conversation, turns_of

_PROMPTS = ("prompt", "question", "query")
_COMPLETIONS = ("completion", "answer", "response", "output")
_CONTEXTS = ("context", "passage", "input", "document")


class PromptCompletion:
    """Rows such as `{"prompt": "2 + 2?", "completion": "4"}`. Only the completion is learned.

    A row that also brings a context is not recognised, since leaving it out unasked would be wrong: map it with
    `{context} {question}`.
    """

    def recognises(self, row: Mapping[str, Any]) -> str | None:
        prompt, completion = first_of(row, _PROMPTS), first_of(row, _COMPLETIONS)
        if prompt is None or completion is None or judges(row) or first_of(row, _CONTEXTS):
            return None
        if not all(_is_usable(row[name]) for name in (prompt, completion)):
            return None
        return f"columns {prompt} and {completion}"

    def example(self, row: Mapping[str, Any]) -> ChatExample:
        prompt, completion = needed(row, _PROMPTS), needed(row, _COMPLETIONS)
        asked = [_unlearned(turn) for turn in _turns(row[prompt], prompt, "user")]
        return chat([*asked, *_turns(row[completion], completion, "assistant")], row.get("system"), row.get("tools"))


def _is_usable(value: Any) -> bool:
    return value is None or isinstance(value, TEXT_LIKE) or is_conversation(value, "role")


def _unlearned(turn: Turn) -> Turn:
    """An earlier answer within the prompt is shown, not learned."""
    return replace(turn, trained=False) if turn.role == "assistant" else turn


def _turns(value: Any, name: str, role: str) -> list[Turn]:
    if is_conversation(value, "role"):
        return turns_of(value, name)
    return [Turn(role, text_of(value, name))]
