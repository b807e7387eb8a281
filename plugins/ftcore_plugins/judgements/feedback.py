"""The format `feedback`: one answer, and whether it is good. No other answer to compare it with is needed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ftcore.errors import DataError
from ftcore.types import FeedbackExample
from ftcore_plugins.formats.cells import first_of, needed
from ftcore_plugins.formats.turns import tools_of
from ftcore_plugins.judgements.parts import CONVERSATIONS, answer_of, conversation_of, opened, prompt_columns, prompt_of

_LABELS = ("label", "kto_tag", "feedback", "rating", "thumbs")
_ANSWERS = ("completion", "answer", "response", "output")
_WORDS = {
    **dict.fromkeys(("true", "1", "1.0", "yes", "good", "up", "thumbs_up", "positive", "desirable", "accepted"), True),
    **dict.fromkeys(("false", "0", "0.0", "-1", "no", "bad", "down", "thumbs_down", "negative", "undesirable",
                     "rejected"), False),
}  # fmt: skip
"""What a label may be, in small letters: a truth value, a number, or a word."""


class Feedback:
    """Rows such as `{"prompt": "Hi", "completion": "Hello!", "label": true}`, or messages with a label.

    Of messages the last answer is judged. A label is true or false, 1 or 0 (or -1), yes or no, good or bad, up or down,
    positive or negative, desirable or undesirable, accepted or rejected. Ratings such as 1 to 5 are no labels: decide
    which of them are good.
    """

    def recognises(self, row: Mapping[str, Any]) -> str | None:
        label = first_of(row, _LABELS)
        if label is None or _is_good(row[label]) is None or {"chosen", "rejected"} & row.keys():
            return None
        whole, answer = first_of(row, CONVERSATIONS), first_of(row, _ANSWERS)
        if whole:
            return f"columns {whole} and {label}"
        columns = prompt_columns(row)
        return f"columns {', '.join(columns)}, {answer} and {label}" if columns and answer else None

    def example(self, row: Mapping[str, Any]) -> FeedbackExample:
        label = needed(row, _LABELS)
        good = _is_good(row[label])
        if good is None:
            _refuse_rating(label, row[label])
            raise ValueError(
                f"{label} is neither good nor bad: {row[label]!r} (say true or false, 1 or 0, good or bad)"
            )
        whole = first_of(row, CONVERSATIONS)
        if whole:
            turns = conversation_of(row[whole], whole, "user")
            if turns[-1].role != "assistant" or len(turns) < 2:
                raise ValueError(f"{whole} does not end with an answer to a prompt")
            prompt, answer = turns[:-1], turns[-1:]
        else:
            name = needed(row, _ANSWERS)
            prompt, answer = prompt_of(row), answer_of(row[name], name)
        return FeedbackExample(opened(prompt, row.get("system")), answer, good, tools_of(row.get("tools")))


def _refuse_rating(label: str, value: Any) -> None:
    """A number such as 2 makes the whole source ratings: the 1 of other rows then means bad, not good."""
    try:
        is_number = math.isfinite(float(str(value)))
    except ValueError:
        return
    if is_number:
        raise DataError(
            f"{label} is {value}, which looks like a rating, and nobody has said which ratings are good",
            fix=f"make {label} a column that is true where the answer is good, and false where it is not",
        )


def _is_good(value: Any) -> bool | None:
    return _WORDS.get(str(value).strip().lower().replace(" ", "_"))
