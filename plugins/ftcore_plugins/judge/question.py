"""What the judge is asked about an answer, and the score that its reply holds."""

from __future__ import annotations

import json
import re
from typing import Any

from ftcore.errors import short
from ftcore.types import Sample
from ftcore_plugins.judge.config import JudgeConfig

BLANK = re.compile(r"\{(rubric|conversation|prompt|answer|reference|lowest|highest)\}")
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")


def question(config: JudgeConfig, sample: Sample) -> str:
    """The template filled in, once: blanks that stand in an answer stay as they are."""
    turns = [f"{turn.role}: {turn.content}" for turn in sample.turns] or [f"user: {sample.prompt}"]
    words = {
        "rubric": config.rubric,
        "conversation": "\n".join(turns),
        "prompt": sample.prompt,
        "answer": sample.output,
        "reference": sample.reference,
        "lowest": f"{config.lowest:g}",
        "highest": f"{config.highest:g}",
    }
    return BLANK.sub(lambda blank: words[blank[1]], config.template)


def score(reply: str, config: JudgeConfig) -> float:
    """The `score` of the first JSON object that has one, or else the first number, behind what the judge thought aloud.

    Raises ValueError, with the end of a sentence about the judge, where there is no number or one beyond the scale.
    """
    said = reply.rpartition("</think>")[2].strip()
    number = _number(said)
    if number is None:
        raise ValueError(f"gave no score: {short(said)!r}")
    if not config.lowest <= number <= config.highest:
        raise ValueError(f"gave {number:g}, which is not from {config.lowest:g} to {config.highest:g}: {short(said)!r}")
    return number


def _number(said: str) -> float | None:
    for found in re.finditer(r"\{", said):
        try:
            value, _ = json.JSONDecoder().raw_decode(said, found.start())
        except (ValueError, RecursionError):
            continue
        if "score" in value:
            return _as_number(value["score"])
    first = NUMBER.search(said)
    return float(first[0]) if first else None


def _as_number(value: Any) -> float | None:
    """JSON numbers, and texts that are one. True is none."""
    try:
        return None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
