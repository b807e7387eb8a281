"""The format `preference`: two answers to one prompt, of which somebody chose one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ftcore.types import PreferenceExample, Turn
from ftcore_plugins.formats.cells import text_of
from ftcore_plugins.formats.turns import tools_of
from ftcore_plugins.judgements.parts import answer_of, opened, prompt_columns, prompt_of, transcript

_SCORES = (("score_chosen", "score_rejected"), ("chosen_score", "rejected_score"))


class Preference:
    """Rows such as `{"prompt": "Hi", "chosen": "Hello, how can I help?", "rejected": "What?"}`.

    The prompt may be a text, messages (`messages`, `conversations`) or an instruction with its input, the answers texts
    or messages. Without a prompt both sides are whole conversations, as messages or as a transcript of `Human:` and
    `Assistant:`; what they share is the prompt. `margin`, or the scores of both sides, say by how much one is better.
    """

    def recognises(self, row: Mapping[str, Any]) -> str | None:
        if not {"chosen", "rejected"} <= row.keys():
            return None
        columns = prompt_columns(row)
        return f"columns {', '.join(columns)}, chosen and rejected" if columns else "columns chosen and rejected"

    def example(self, row: Mapping[str, Any]) -> PreferenceExample:
        for side in ("chosen", "rejected"):
            if side not in row:
                raise ValueError(f"this row has no column {side!r}")
        if prompt_columns(row):
            prompt = prompt_of(row)
            sides = [_after(prompt, answer_of(row[side], side)) for side in ("chosen", "rejected")]
        else:
            prompt, sides = _shared([_conversation(row[side], side) for side in ("chosen", "rejected")])
        chosen, rejected = sides
        prompt = opened(prompt, row.get("system")) if prompt else prompt
        return PreferenceExample(prompt, chosen, rejected, tools_of(row.get("tools")), _margin(row))


def _conversation(value: Any, side: str) -> tuple[Turn, ...]:
    turns = transcript(value) if isinstance(value, str) else None
    turns = turns or answer_of(value, side)
    if turns[-1].role != "assistant":
        raise ValueError(f"{side} does not end with an answer")
    return turns


def _shared(sides: Sequence[tuple[Turn, ...]]) -> tuple[tuple[Turn, ...], list[tuple[Turn, ...]]]:
    """What both sides begin with, up to the turn of a user, and what is left of each."""
    chosen, rejected = sides
    # An answer is never part of the prompt's end, even when both sides give the same one.
    most = min(len(chosen), len(rejected)) - 1
    same = next((index for index in range(most) if chosen[index] != rejected[index]), most)
    return chosen[:same], [chosen[same:], rejected[same:]]


def _after(prompt: tuple[Turn, ...], answer: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """The answer without the prompt that some files repeat before it."""
    return answer[len(prompt) :] if answer[: len(prompt)] == prompt and len(answer) > len(prompt) else answer


def _margin(row: Mapping[str, Any]) -> float | None:
    if row.get("margin") is not None:
        return _number(row["margin"], "margin")
    for chosen, rejected in _SCORES:
        if row.get(chosen) is not None and row.get(rejected) is not None:
            return _number(row[chosen], chosen) - _number(row[rejected], rejected)
    return None


def _number(value: Any, name: str) -> float:
    try:
        return float(text_of(value, name))
    except ValueError:
        raise ValueError(f"{name} is no number: {value!r}") from None
