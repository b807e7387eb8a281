"""Conversations: messages in the common dialects become turns with one of four roles. Columns are not known here."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ftcore.errors import did_you_mean
from ftcore.types import ChatExample, Turn
from ftcore_plugins.formats.cells import list_of, optional_text

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "ai": "assistant",
    "model": "assistant",
    "function_call": "assistant",
    "tool": "tool",
    "tool_response": "tool",
    "observation": "tool",
    "function": "tool",
    "ipython": "tool",
}
"""What a role is called in files, and the role that it is."""


def chat(turns: Iterable[Turn], system: Any = None, tools: Any = None) -> ChatExample:
    """A conversation up to its last assistant turn; what comes after it teaches nothing.

    `system` is the text of a system column, put first unless the conversation has its own. `tools` is a list of
    descriptions, or one as JSON text. Raises ValueError when nothing is left to learn.
    """
    turns = list(turns)
    while turns and turns[-1].role != "assistant":
        turns.pop()
    if not turns:
        raise ValueError("the conversation has no assistant turn")
    if not any(turn.is_trained for turn in turns):
        raise ValueError("no turn is to be learned: all weights are 0")
    opening = optional_text(system, "system")
    if opening and turns[0].role != "system":
        turns.insert(0, Turn("system", opening))
    return ChatExample(tuple(turns), tools_of(tools))


def tools_of(value: Any) -> tuple[Mapping[str, Any], ...]:
    """Tool descriptions. Raises ValueError for anything but objects."""
    tools = list_of(value, "tools")
    for number, tool in enumerate(tools, start=1):
        if not isinstance(tool, Mapping):
            raise ValueError(f"tool {number} is not an object but {type(tool).__name__}")
    return tuple(tools)


def turns_of(messages: Any, column: str, role_key: str = "role", text_key: str = "content") -> list[Turn]:
    """The turns of a list of messages. Raises ValueError that numbers the message at fault."""
    messages = list_of(messages, column)
    if not messages:
        raise ValueError(f"{column} is empty")
    turns = [_turn(message, number, role_key, text_key) for number, message in enumerate(messages, start=1)]
    return [turn for turn in turns if turn.content or turn.role != "system"]


def _turn(message: Any, number: int, role_key: str, text_key: str) -> Turn:
    if not isinstance(message, Mapping):
        raise ValueError(f"message {number} is not an object with {role_key} and {text_key}")
    name = f"message {number}"
    role = _role(message.get(role_key), name, role_key)
    calls = message.get("tool_calls")
    text = _content(message.get(text_key), f"{name} ({role})")
    if calls:
        written = json.dumps(calls, ensure_ascii=False, default=str)
        text = f"{text}\n{written}" if text else written
    if not text.strip():
        if role in {"assistant", "user"}:
            raise ValueError(f"{name} ({role}) is {'null' if message.get(text_key) is None else 'empty'}")
        text = ""
    return Turn(role, text, _trained(message, name, role))


def _role(value: Any, name: str, key: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} has no {key}" if value is None else f"the {key} of {name} is not text: {value!r}")
    known = ROLES.get(value.strip().lower())
    if known is None:
        raise ValueError(f"{name} has the unknown role {value!r}{did_you_mean(value, ROLES)}")
    return known


def _content(value: Any, name: str) -> str:
    """Text, or the text of a list of typed parts."""
    if isinstance(value, (list, tuple)):
        return "".join(_part(part, name) for part in value)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name} is {type(value).__name__}, not text")
    return value or ""


def _part(part: Any, name: str) -> str:
    if isinstance(part, str):
        return part
    kind = part.get("type", "text") if isinstance(part, Mapping) else type(part).__name__
    if kind != "text":
        raise ValueError(f"{name} has a part of type {kind!r}; only text can be learned")
    text = part.get("text")
    text = part.get("value") if text is None else text
    if not isinstance(text, str):
        raise ValueError(f"{name} has a text part without text")
    return text


def _trained(message: Mapping[str, Any], name: str, role: str) -> bool | None:
    """What a weight says: 0 leaves the turn out of the loss; it cannot make a user's turn be learned."""
    key = next((key for key in ("loss_weight", "weight") if message.get(key) is not None), None)
    if key is None:
        return None
    weight = message[key]
    if not isinstance(weight, (int, float)) or not math.isfinite(weight) or weight < 0:
        raise ValueError(f"the {key} of {name} is {weight!r}, not a number from 0 up")
    if weight == 0:
        return False
    return True if role == "assistant" else None


def is_conversation(value: Any, *keys: str) -> bool:
    """Whether a cell is a list of objects with these keys, judged by the first."""
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        return False
    return isinstance(value[0], Mapping) and all(key in value[0] for key in keys)
