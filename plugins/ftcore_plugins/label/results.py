"""What came of a project, no longer blind: verdicts, agreement, and whose answers won how often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import combinations, groupby
from typing import Any

from ftcore_plugins.label.agreement import agreement, clopper_pearson, wilson
from ftcore_plugins.label.config import LabelsConfig, file_of
from ftcore_plugins.label.decisions import decide
from ftcore_plugins.label.items import Item
from ftcore_plugins.label.project import Judgement, Project
from ftcore_plugins.label.source import heard
from ftcore_plugins.metrics.words import counted, number, share


@dataclass(frozen=True, slots=True)
class WinRate:
    """How often the answers of one writer were preferred to another's. Ties, both bad and split votes are `undecided`.

    `share` is wins / (wins + losses), None without either; the intervals hold it with 95 % confidence.
    """

    first: str
    second: str
    wins: int
    losses: int
    undecided: int
    share: float | None
    wilson: tuple[float, float] | None
    exact: tuple[float, float] | None


def win_rate(first: str, second: str, wins: int, losses: int, undecided: int) -> WinRate:
    """A pure function of the counts, for any blind comparison of two."""
    decided = wins + losses
    if not decided:
        return WinRate(first, second, wins, losses, undecided, None, None, None)
    intervals = wilson(wins, decided), clopper_pearson(wins, decided)
    return WinRate(first, second, wins, losses, undecided, wins / decided, *intervals)


def win_rates(task: str, items: Mapping[int, Item], judgements: list[Judgement], each: bool = False) -> list[WinRate]:
    """Between every two writers whose answers met; an item counts once, or with `each` once for every judgement."""
    won: Counter[tuple[str, str]] = Counter()
    met: Counter[tuple[str, str]] = Counter()
    for number_, group in groupby(judgements, key=lambda judgement: judgement.item):
        if number_ is None or len(items[number_].answers) < 2:
            continue
        votes = [vote for vote in group if vote.choice != "skip"]
        by = [answer.by for answer in items[number_].answers]
        for some in [[vote] for vote in votes] if each else [votes] if votes else []:
            better = set(decide(task, some).better)
            won.update((by[one], by[other]) for one, other in better)
            met.update(tuple(sorted((by[one], by[other]))) for one, other in combinations(range(len(by)), 2))
    return [
        win_rate(first, second, won[first, second], won[second, first],
                 count - won[first, second] - won[second, first])
        for (first, second), count in sorted(met.items()) if first != second
    ]  # fmt: skip


def record(settings: LabelsConfig) -> dict[str, Any]:
    """Everything for programs."""
    with Project.open(file_of(settings.project, settings.db)) as project:
        judgements = heard(project, settings)
        items = dict(project.items())
        names = {judge.id: judge.name for judge in project.judges()}
        rates = win_rates(project.task, items, judgements, settings.decide == "each")
        return {
            "project": settings.project,
            "task": project.task,
            "items": len(items),
            "judged": len({each.item for each in judgements if each.item is not None}),
            "judgements": dict(Counter(names[each.judge] for each in judgements)),
            "verdicts": dict(Counter(each.choice for each in judgements)),
            "agreement": asdict(agreement(project.task, judgements)),
            "writers": [asdict(rate) for rate in rates],
        }


def show(found: Mapping[str, Any]) -> Iterator[str]:
    """The same in lines for people."""
    people = ", ".join(f"{name} {count:,}" for name, count in found["judgements"].items())
    yield f"{found['project']}: {found['task']}, {found['judged']:,} of {counted(found['items'], 'item')} judged"
    yield f"judgements   {people or 'none'}"
    yield f"verdicts     {', '.join(f'{name} {count:,}' for name, count in found['verdicts'].items()) or 'none'}"
    said = found["agreement"]
    if said["value"] is not None:
        yield f"agreement    {said['measure']} {number(said['value'])}, over {counted(said['items'], 'shared item')}"
    for rate in found["writers"]:
        yield f"win rate     {_rate(rate)}"


def _rate(rate: Mapping[str, Any]) -> str:
    counts = f"{rate['wins']} won, {rate['losses']} lost, {rate['undecided']} undecided"
    if rate["share"] is None:
        return f"{rate['first']} against {rate['second']}: {counts}"
    low, high = rate["wilson"]
    return (
        f"{rate['first']} against {rate['second']}: {share(rate['share'])}, "
        f"95 % of the time between {share(low)} and {share(high)} ({counts})"
    )
