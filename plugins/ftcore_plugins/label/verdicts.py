"""What a form says becomes a verdict about an item, in the item's own order of answers, whatever order was shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ftcore_plugins.label.items import Item

SKIP = "skip"

LETTERS = "ABCDEFGHI"
"""What the answers on a page are called."""

Verdict = tuple[str, dict[str, Any]]
"""The choice, one word, and what else belongs to it."""


def verdict(task: str, item: Item | None, shown: Sequence[int], form: Mapping[str, str]) -> Verdict:
    """`shown` gives, for each place on the page, the number of the answer there. Raises ValueError in plain words.

    - pairs: `first`, `second`, `tie`, `bad` (both) or `skip`
    - answers: `good`, `bad`, `edited` with the new text, or `skip`
    - rankings: `ranked` with the place of each answer from 1, equal places for equal ones, or `skip`
    - rows: `written` with instruction, input and output
    """
    choice = form.get("choice", "")
    if task == "rows":
        return _written(form)
    assert item is not None
    if choice == SKIP:
        return SKIP, {}
    if task == "pairs" and choice in ("A", "B"):
        return ("first", "second")[shown[LETTERS.index(choice)]], {}
    if task == "pairs" and choice in ("tie", "bad"):
        return choice, {}
    if task == "answers" and choice in ("good", "bad") and item.answers:
        return choice, {}
    if task == "answers" and choice == "edited":
        return _edited(item, plain(form.get("text", "")))
    if task == "rankings" and choice == "ranked":
        return "ranked", {"places": _places(shown, form)}
    raise ValueError("choose one of the buttons")


def plain(text: str) -> str:
    """Text as it was typed: forms send line ends as CR LF."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _edited(item: Item, text: str) -> Verdict:
    if not text.strip():
        raise ValueError("write an answer first")
    if item.answers and text == plain(item.answers[0].text):
        raise ValueError("the answer was not changed: call it good, or bad")
    return "edited", {"text": text}


def _places(shown: Sequence[int], form: Mapping[str, str]) -> list[int]:
    """Dense places, from 1, by the number of the answer."""
    given = [form.get(f"place-{place}", "") for place in range(len(shown))]
    if not all(value.isdecimal() and 1 <= int(value) <= len(shown) for value in given):
        raise ValueError("give every answer a place")
    distinct = sorted({int(value) for value in given})
    places = [0] * len(shown)
    for answer, value in zip(shown, given, strict=True):
        places[answer] = distinct.index(int(value)) + 1
    return places


def _written(form: Mapping[str, str]) -> Verdict:
    row = {name: plain(form.get(name, "")).strip() for name in ("instruction", "input", "output")}
    for name in ("instruction", "output"):
        if not row[name]:
            raise ValueError(f"the {name} is empty")
    return "written", row
