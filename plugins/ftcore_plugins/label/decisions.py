"""From what one or several people said about an item to rows that train: preferences, feedback, or answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from ftcore_plugins.label.items import Item, messages
from ftcore_plugins.label.project import Judgement
from ftcore_plugins.label.verdicts import SKIP

USUAL = {"pairs": "preferences", "rankings": "preferences", "answers": "feedback", "rows": "answers"}
"""What a task is about."""

_PAIRS: dict[str, dict[str, Any]] = {
    "first": {"better": [(0, 1)], "good": [0], "bad": [1]},
    "second": {"better": [(1, 0)], "good": [1], "bad": [0]},
    "bad": {"bad": [0, 1]},
    "tie": {},
}


@dataclass(frozen=True, slots=True)
class Decision:
    """What is known of an item's answers, by their numbers. `written` are answers that a judge gave instead."""

    better: list[tuple[int, int]] = field(default_factory=list)
    good: list[int] = field(default_factory=list)
    bad: list[int] = field(default_factory=list)
    written: list[str] = field(default_factory=list)


def decide(task: str, judgements: Sequence[Judgement]) -> Decision:
    """What most of the judgements of one item say; where they are split evenly, nothing. Skips do not count.

    Of a pair the answer preferred counts as good and the other as bad; of a ranking the best and the worst.
    """
    heard = [judgement for judgement in judgements if judgement.choice != SKIP]
    if not heard:
        return Decision()
    if task == "rankings":
        return _ranked([judgement.detail["places"] for judgement in heard])
    if task == "answers":
        return _answered(heard)
    outcome = most(Counter(judgement.choice for judgement in heard))
    return Decision(**_PAIRS[outcome]) if outcome else Decision()


def _answered(heard: Sequence[Judgement]) -> Decision:
    edits = [judgement.detail["text"] for judgement in heard if judgement.choice == "edited"]
    outcome = most(Counter("good" if judgement.choice == "good" else "bad" for judgement in heard))
    if outcome == "good":
        return Decision(good=[0])
    return Decision(bad=[0], written=list(dict.fromkeys(edits))) if outcome else Decision()


def _ranked(rankings: Sequence[Sequence[int]]) -> Decision:
    count = len(rankings[0])
    better = []
    for one, other in combinations(range(count), 2):
        lead = sum((places[one] < places[other]) - (places[one] > places[other]) for places in rankings)
        better += [(one, other)] if lead > 0 else [(other, one)] if lead < 0 else []
    sums = [sum(places[answer] for places in rankings) for answer in range(count)]
    best, worst = ([answer for answer in range(count) if sums[answer] == end] for end in (min(sums), max(sums)))
    return Decision(better, best if len(best) == 1 else [], worst if len(worst) == 1 else [])


def most(votes: Counter[str]) -> str | None:
    """What more of them say than anything else; None where they are split."""
    (first, most), *others = votes.most_common(2)
    return None if others and others[0][1] == most else first


def rows(item: Item, decision: Decision, gives: str) -> Iterator[dict[str, Any]]:
    """The rows of a decision, in the columns that other libraries read too: prompt, chosen, rejected, completion,
    label, each text as messages."""
    shared = {"prompt": messages(item.prompt), **({"tools": list(item.tools)} if item.tools else {})}
    answers = [messages(answer.turns) for answer in item.answers]
    written = [[{"role": "assistant", "content": text}] for text in decision.written]
    bad = [answers[number] for number in decision.bad if number < len(answers)]
    if gives == "preferences":
        sides = [(answers[better], answers[worse]) for better, worse in decision.better]
        sides += [(edit, answer) for edit in written for answer in bad]
        yield from ({**shared, "chosen": chosen, "rejected": rejected} for chosen, rejected in sides)
        return
    for answer in [*(answers[number] for number in decision.good), *written]:
        yield {**shared, "completion": answer, **({"label": True} if gives == "feedback" else {})}
    if gives == "feedback":
        yield from ({**shared, "completion": answer, "label": False} for answer in bad)
