"""What is shown to a judge: a prompt with its answers, and how one row's answers become the items of a task.

Who wrote an answer is remembered here; no page ever shows it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ftcore.types import Turn

TASKS = ("pairs", "answers", "rankings", "rows")
"""Which of two answers is better; is an answer good; an order of several; rows written by hand."""

MOST = 9
"""Answers to a ranking: each has a key of its own."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, usually one turn. `by` says who wrote it: a run's name, or the column that it stood in."""

    turns: tuple[Turn, ...]
    by: str = ""

    @property
    def text(self) -> str:
        return "\n\n".join(turn.content for turn in self.turns)


@dataclass(frozen=True, slots=True)
class Item:
    """What somebody judges at once. `where` finds the row that it came from."""

    prompt: tuple[Turn, ...]
    answers: tuple[Answer, ...]
    where: str
    tools: tuple[Mapping[str, Any], ...] = ()

    def key(self) -> str:
        """The same for the same content, whoever wrote it and wherever it stood."""
        answers = [messages(answer.turns) for answer in self.answers]
        content = json.dumps([messages(self.prompt), answers, list(self.tools)], sort_keys=True, default=str)
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


def messages(turns: tuple[Turn, ...]) -> list[dict[str, str]]:
    """Turns as every library has them: `[{"role": "user", "content": "Hi"}]`."""
    return [{"role": turn.role, "content": turn.content} for turn in turns]


def turns_from(given: list[dict[str, str]]) -> tuple[Turn, ...]:
    return tuple(Turn(message["role"], message["content"]) for message in given)


def suited(item: Item) -> str:
    """The task that a row's answers suggest."""
    if len({answer.by for answer in item.answers if answer.by}) == 2 or len(item.answers) == 2:
        return "pairs"
    return "rankings" if len(item.answers) > 2 else "answers"


def for_task(item: Item, task: str) -> Iterator[Item]:
    """The items that one row gives. Raises ValueError in plain words when it gives none.

    - `pairs`: two answers as they are. Of several from two writers the first of one against the first of the other,
      and so on; of several from one, the first against the second, the third against the fourth.
    - `answers`: each answer by itself, or the bare prompt for somebody to answer.
    - `rankings`: all of them at once.
    """
    count = len(item.answers)
    if task == "answers":
        alone = [replace(item, answers=(answer,)) for answer in item.answers]
        yield from alone or [item]
    elif task == "rankings":
        if not 2 <= count <= MOST:
            raise ValueError(f"a ranking takes 2 to {MOST} answers, and this row has {count}")
        yield item
    elif task == "pairs":
        if count < 2:
            raise ValueError(f"a pair takes two answers, and this row has {count}")
        yield from (replace(item, answers=pair) for pair in _pairs(item.answers))
    else:
        raise ValueError("rows written by hand need no data")


def _pairs(answers: tuple[Answer, ...]) -> list[tuple[Answer, Answer]]:
    writers = list(dict.fromkeys(answer.by for answer in answers))
    if len(writers) == 2:
        first, second = ([answer for answer in answers if answer.by == by] for by in writers)
        return list(zip(first, second, strict=False))
    return list(zip(answers[::2], answers[1::2], strict=False))


def order(seed: str, judge: int, item: int, count: int) -> list[int]:
    """In which order a judge sees an item's answers: drawn for each judge, and the same whenever the page is shown."""

    def drawn(answer: int) -> bytes:
        return hashlib.sha256(f"{seed}:{judge}:{item}:{answer}".encode()).digest()

    return sorted(range(count), key=drawn)
