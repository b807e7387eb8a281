"""The format `sharegpt`: conversations with `from` and `value`, tool calls among them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ftcore.types import ChatExample
from ftcore_plugins.formats.cells import judges, needed
from ftcore_plugins.formats.turns import chat, is_conversation, turns_of

_COLUMNS = ("conversations", "conversation", "messages")


class ShareGpt:
    """Rows such as `{"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}`."""

    def recognises(self, row: Mapping[str, Any]) -> str | None:
        if judges(row):
            return None
        for column in _COLUMNS:
            if is_conversation(row.get(column), "from", "value"):
                return f"column {column} with from and value"
        return None

    def example(self, row: Mapping[str, Any]) -> ChatExample:
        column = needed(row, _COLUMNS)
        turns = turns_of(row[column], column, role_key="from", text_key="value")
        return chat(turns, row.get("system"), row.get("tools"))
