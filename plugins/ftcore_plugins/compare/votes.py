"""What people said of two runs' answers: how often one was better, how sure that is, and how far they agree. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from ftcore_plugins.label.agreement import agreement
from ftcore_plugins.label.decisions import most
from ftcore_plugins.label.items import Item
from ftcore_plugins.label.project import Judgement
from ftcore_plugins.label.results import WinRate, win_rate
from ftcore_plugins.label.verdicts import SKIP
from ftcore_plugins.metrics.words import counted, number, share, shown

UNDECIDED = {"tie": "equal", "bad": "both bad", "split": "split"}
"""Votes for neither, and prompts on which as many judges say one thing as another."""


def contest(
    one: str, other: str, items: Mapping[int, Item], judgements: Sequence[Judgement], judges: Mapping[int, str]
) -> dict[str, Any]:
    """The result for programs. A prompt counts once, with what most of its judges say; the interval is Wilson's.

    So several judges make a verdict surer and do not multiply it: their votes on one prompt are not independent. Each
    judge's own rate counts that judge's votes.
    """
    verdicts = _verdicts(items, judgements)
    own = {
        name: _verdicts(items, [each for each in judgements if each.judge == number]) for number, name in judges.items()
    }
    return {
        "win_rate": _rate(one, other, verdicts),
        "undecided": {name: verdicts[name] for name in UNDECIDED},
        "judges": {name: _rate(one, other, found) for name, found in own.items() if found.total()},
        "skipped": sum(each.choice == SKIP for each in judgements),
        "agreement": asdict(agreement("pairs", judgements)),
    }


def _verdicts(items: Mapping[int, Item], judgements: Sequence[Judgement]) -> Counter[str]:
    """How many prompts each run won, by its name, and how many nobody did, by the keys of UNDECIDED."""
    found: Counter[str] = Counter()
    for number_, group in groupby(judgements, key=lambda each: each.item):
        votes = Counter(each.choice for each in group if each.choice != SKIP)
        if number_ is not None and votes:
            said = most(votes) or "split"
            found[said if said in UNDECIDED else items[number_].answers[said == "second"].by] += 1
    return found


def _rate(one: str, other: str, verdicts: Counter[str]) -> dict[str, Any]:
    rate: WinRate = win_rate(one, other, verdicts[one], verdicts[other], sum(verdicts[name] for name in UNDECIDED))
    return asdict(rate)


def show(found: Mapping[str, Any]) -> Iterator[str]:
    """The same in lines for people."""
    rate = found["win_rate"]
    one, other = shown(rate["first"], one_line=True), shown(rate["second"], one_line=True)
    judged = rate["wins"] + rate["losses"] + rate["undecided"]
    yield f"{one} against {other}, {judged:,} of {counted(found['prompts'], 'prompt')} judged"
    if rate["share"] is None:
        yield "win rate   nothing is decided yet"
    else:
        low, high = rate["wilson"]
        decided = counted(rate["wins"] + rate["losses"], "decided prompt")
        sure = f"95 % of the time between {share(low)} and {share(high)}"
        yield f"win rate   {one} won {share(rate['share'])} of {decided}, {sure}"
        better = one if low > 0.5 else other if high < 0.5 else None
        yield f"better     {better or 'not settled: the interval holds 50 %, so judge more prompts'}"
    undecided = ", ".join(f"{words} {found['undecided'][name]}" for name, words in UNDECIDED.items())
    yield f"prompts    won {rate['wins']}, lost {rate['losses']}, {undecided}"
    if found["same_answer"]:
        yield f"not asked  {counted(found['same_answer'], 'prompt')} with the same answer from both"
    for name, own in found["judges"].items():
        said = "" if own["share"] is None else f", {share(own['share'])}"
        votes = f"won {own['wins']}, lost {own['losses']}, undecided {own['undecided']}"
        yield f"judge      {shown(name, one_line=True)}: {votes}{said}"
    said = found["agreement"]
    if said["value"] is not None:
        yield f"agreement  {said['measure']} {number(said['value'])}, over {counted(said['items'], 'shared prompt')}"
