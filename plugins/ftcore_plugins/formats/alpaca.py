"""The format `alpaca`: an instruction, perhaps something to apply it to, and the output; also by Dolly's names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ftcore.types import ChatExample, Turn
from ftcore_plugins.formats.cells import first_of, judges, list_of, needed, optional_text, text_of
from ftcore_plugins.formats.turns import chat

_INPUTS = ("input", "context")
_OUTPUTS = ("output", "response", "answer", "completion")


class Alpaca:
    """Rows such as `{"instruction": "Translate.", "input": "Guten Tag", "output": "Good day"}`.

    The input stands below the instruction after a blank line. `system` and `history` (pairs of earlier turns) may be
    there too.
    """

    def recognises(self, row: Mapping[str, Any]) -> str | None:
        output = first_of(row, _OUTPUTS)
        if judges(row) or output is None or "instruction" not in row:
            return None
        extra = first_of(row, _INPUTS)
        return f"columns instruction, {extra} and {output}" if extra else f"columns instruction and {output}"

    def example(self, row: Mapping[str, Any]) -> ChatExample:
        instruction = text_of(row[needed(row, ("instruction",))], "instruction")
        extra = first_of(row, _INPUTS)
        given = optional_text(row[extra], extra) if extra else ""
        output = needed(row, _OUTPUTS)
        asked = Turn("user", f"{instruction}\n\n{given}" if given else instruction)
        answer = Turn("assistant", text_of(row[output], output))
        return chat([*_history(row.get("history")), asked, answer], row.get("system"))


def _history(value: Any) -> Iterator[Turn]:
    for number, pair in enumerate(list_of(value, "history"), start=1):
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise ValueError(f"entry {number} of history is not a pair of question and answer")
        yield Turn("user", text_of(pair[0], f"question {number} of history"))
        yield Turn("assistant", text_of(pair[1], f"answer {number} of history"))
