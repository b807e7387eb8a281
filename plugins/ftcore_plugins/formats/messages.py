"""The format `messages`: conversations as OpenAI's API has them, with tools, typed parts and weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ftcore.types import ChatExample
from ftcore_plugins.formats.cells import judges, needed
from ftcore_plugins.formats.turns import chat, is_conversation, turns_of

_COLUMNS = ("messages", "conversations", "conversation")


class Messages:
    """Rows such as `{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}`."""

    def recognises(self, row: Mapping[str, Any]) -> str | None:
        if judges(row):
            return None
        for column in _COLUMNS:
            if is_conversation(row.get(column), "role"):
                return f"column {column} with role and content"
        return None

    def example(self, row: Mapping[str, Any]) -> ChatExample:
        column = needed(row, _COLUMNS)
        return chat(turns_of(row[column], column), row.get("system"), row.get("tools"))
