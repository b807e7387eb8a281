"""Results → Comparison: sorted by score, with what beats what, and what must be said about them."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import ftcore
from ftcore.errors import UsageError
from ftcore_plugins.compare.pareto import dominators
from ftcore_plugins.compare.results import OWN_LOSS, Key, Result, main_metric
from ftcore_plugins.compare.same import ANSWERING, BUDGET, JUDGING
from ftcore_plugins.jobs.same import contents_differ, differences, differing
from ftcore_plugins.metrics.comparison import Change
from ftcore_plugins.metrics.words import count, counted

NOISE = (0.0, 0.01, 0.01)
"""Shares of score, memory and time by which the same run differs when it is repeated: the machine's mood."""


@dataclass(frozen=True, slots=True)
class Absent:
    """A method without a result, and why: `left out` before anything ran, or `failed`."""

    name: str
    state: str
    reason: str
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """Finished runs, the best score first, and what they are compared by.

    `beaten_by` holds, for each result, the names of those that dominate it in (score, peak memory, training time), or
    None where one of the three is not known.
    """

    results: tuple[Result, ...]
    metric: Key
    beaten_by: tuple[tuple[str, ...] | None, ...]
    absent: tuple[Absent, ...] = ()
    warnings: tuple[str, ...] = ()
    command: str = ""

    @property
    def metrics(self) -> list[Key]:
        """The metrics worth a column: the main one, the usual one, and shares such as exact match."""
        usual = main_metric([result.scores for result in self.results], None, one_objective(self.results))
        shares = [key for result in self.results for key, change in result.scores.items() if change.percent]
        return list(dict.fromkeys([self.metric, usual, *shares]))

    def score(self, result: Result, key: Key | None = None) -> Change | None:
        return result.scores.get(key or self.metric)

    @property
    def scores(self) -> list[Change]:
        """The main metric of every run that has it, best first."""
        return [result.scores[self.metric] for result in self.results if self.metric in result.scores]

    @property
    def front(self) -> list[Result]:
        """Those that nothing dominates."""
        return [result for result, by in zip(self.results, self.beaten_by, strict=True) if by == ()]


def compare(
    results: Sequence[Result],
    metric: str | None,
    absent: Sequence[Absent] = (),
    command: str = "",
    places: Mapping[str, str | None] = MappingProxyType({}),
) -> Comparison:
    """Raises UsageError when the results were judged by different rows, or nothing measured them.

    `places` says which setting of a data source names where its rows are: the same rows may have moved.
    """
    key = main_metric([result.scores for result in results], metric, one_objective(results))
    _must_be_judged_alike(results, key, places)
    ordered = tuple(sorted(results, key=lambda result: _cost(result, key)))
    costs = [costs_of(result, key) for result in ordered]
    known = [index for index, cost in enumerate(costs) if cost is not None]
    beaten: list[tuple[str, ...] | None] = [None] * len(ordered)
    for index, by in zip(known, dominators([c for c in costs if c is not None], NOISE), strict=True):
        beaten[index] = tuple(ordered[known[other]].name for other in by)
    return Comparison(ordered, key, tuple(beaten), tuple(absent), tuple(_warnings(ordered)), command)


def one_objective(results: Sequence[Result]) -> bool:
    """Whether all learned toward the same objective, so that their losses mean the same."""
    return all(result.objective == results[0].objective for result in results)


def costs_of(result: Result, key: Key) -> tuple[float, float, float] | None:
    """Score (turned so that less is better), peak memory and training time, or None where one is not known."""
    cost = _cost(result, key)
    if cost == float("inf") or result.memory is None or result.seconds is None:
        return None
    return cost, float(result.memory), result.seconds


def _cost(result: Result, key: Key) -> float:
    change = result.scores.get(key)
    if change is None or change.new is None or change.new != change.new:
        return float("inf")
    return -change.new if change.better == "up" else change.new


def _must_be_judged_alike(results: Sequence[Result], metric: Key, places: Mapping[str, str | None]) -> None:
    plans = {result.name: judging(result.report.get("plan") or {}, places) for result in results}
    judged = {result.name: (result.report.get("judged") or {}).get(metric[0]) for result in results}
    found = [
        *contents_differ("the data", {_with_files(result, places): result.lock.get("data") for result in results}),
        *differences(plans, JUDGING),
        *differing("the number of rows judged", judged),
    ]
    if found:
        raise UsageError(
            f"the runs were not judged by the same held-out rows: {found[0]}",
            more=found[1:],
            fix="ftcore compare --methods lora,full trains each on the same rows",
        )


def _with_files(result: Result, places: Mapping[str, str | None]) -> str:
    """The run's name, and where its rows are."""
    data = (result.report.get("plan") or {}).get("data") or ()
    files = [str(entry[place]) for entry in data if (place := places.get(str(entry.get("name")))) in entry]
    return f"{result.name} ({', '.join(files)})" if files else result.name


def judging(plan: Mapping[str, Any], places: Mapping[str, str | None]) -> dict[str, Any]:
    """The plan without the names of files: whether their content is the same is for the fingerprints to say."""
    data = plan.get("data") or ()
    return {
        **plan,
        "data": [{k: v for k, v in entry.items() if k != places.get(str(entry.get("name")))} for entry in data],
    }


def _warnings(results: Sequence[Result]) -> Iterator[str]:
    """What makes memory, time or budget unequal, and whose numbers mean something else."""
    plans: Mapping[str, Any] = {result.name: result.report.get("plan") or {} for result in results}
    if not one_objective(results):
        yield f"the objectives differ, {OWN_LOSS}"
    yield from contents_differ("the model", {result.name: result.lock.get("model") for result in results})
    without_paths = {name: {key: plan[key] for key in plan if key != "model"} for name, plan in plans.items()}
    yield from differences(without_paths, (*BUDGET, *ANSWERING))
    yield from differing("the number of tokens seen", {result.name: result.tokens for result in results})
    yield from differing("the machine", {result.name: result.lock.get("hardware") for result in results})
    versions = {result.name: {"version": result.lock.get("packages")} for result in results}
    yield from differences(versions, ["version"])
    resumed = [result.name for result in results if result.is_resumed]
    if resumed:
        yield f"{', '.join(resumed)}: resumed, so its peak memory is that of its last process alone"


def budget(results: Sequence[Result]) -> str:
    """What all had to work with: `40 steps of 8 rows, 41,200 tokens; judged by 32 held-out rows`."""
    first = results[0].report
    train, heldout = (first.get("plan") or {}).get("train") or {}, (first.get("data") or {}).get("heldout")
    parts = [f"{counted(results[0].steps or 0, 'step')} of {counted(train.get('batch_size') or 0, 'row')}"]
    if results[0].tokens:
        parts.append(f"{count(results[0].tokens)} tokens")
    judged = f"; judged by {counted(heldout, 'held-out row')}" if heldout else ""
    return f"{', '.join(parts)}{judged}"


def record(comparison: Comparison, folder: Path) -> dict[str, Any]:
    """The comparison as JSON. Folders of runs are as seen from `folder`."""
    evaluator, metric = comparison.metric
    return {
        "ftcore": ftcore.__version__,
        "written": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": comparison.command,
        "metric": {"evaluator": evaluator, "name": metric},
        "runs": [
            _run(result, comparison, by, folder)
            for result, by in zip(comparison.results, comparison.beaten_by, strict=True)
        ],
        "absent": [{"name": each.name, "state": each.state, "reason": each.reason} for each in comparison.absent],
        "warnings": list(comparison.warnings),
    }


def _run(result: Result, comparison: Comparison, beaten_by: tuple[str, ...] | None, folder: Path) -> dict[str, Any]:
    score = comparison.score(result)
    return {
        "name": result.name,
        "folder": link(result.folder, folder),
        "method": (result.report.get("plan") or {}).get("method"),
        "learning_rate": result.learning_rate,
        "score": {"before": score.old, "after": score.new, "better": score.better} if score else None,
        "before": result.report.get("before"),
        "after": result.report.get("after"),
        "trained_parameters": result.trainable,
        "total_parameters": result.total,
        "peak_memory_bytes": result.memory,
        "training_seconds": result.seconds,
        "tokens_per_second": result.speed,
        "tokens": result.tokens,
        "steps": result.steps,
        "artifact": {"bytes": result.bytes, "kind": result.kind},
        "on_front": beaten_by == (),
        "beaten_by": None if beaten_by is None else list(beaten_by),
    }


def link(run: Path, folder: Path) -> str:
    """The run's folder as seen from `folder`, so that both may move together."""
    return Path(os.path.relpath(run.resolve(), folder.resolve())).as_posix()
