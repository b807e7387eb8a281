"""Compares a run's numbers before and after training, and says the result in one line.

It deliberately judges only by the direction that an evaluator declares as better, and claims nothing about chance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ftcore_plugins.metrics.words import counted, duration, number, share

Report = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """One metric before and after. `better` is `up`, `down`, or None when the evaluator does not say."""

    evaluator: str
    metric: str
    label: str
    old: float | None
    new: float | None
    better: str | None = None
    percent: bool = False

    @property
    def before(self) -> str:
        return self.text(self.old)

    @property
    def after(self) -> str:
        return self.text(self.new)

    @property
    def verdict(self) -> str:
        """`better`, `worse`, `same`, or nothing where it cannot be told."""
        difference = self._difference()
        if difference is None or (difference and self.better is None):
            return ""
        if difference == 0:
            return "same"
        return "better" if (difference > 0) == (self.better == "up") else "worse"

    @property
    def difference(self) -> str:
        """`+90.6 points` for percentages, else `-2.19`."""
        difference = self._difference()
        if not difference:
            return ""
        sign = "+" if difference > 0 else "−"
        if self.percent:
            return f"{sign}{share(abs(difference)).removesuffix(' %')} points"
        return f"{sign}{number(abs(difference))}"

    def text(self, value: float | None) -> str:
        return share(value) if self.percent else number(value)

    def _difference(self) -> float | None:
        if self.old is None or self.new is None or not (math.isfinite(self.old) and math.isfinite(self.new)):
            return None
        return self.new - self.old


def changes(report: Report) -> list[Change]:
    """Every metric of the report. What the strategy strives for is first, then percentages, which people ask about."""
    before, after = report.get("before") or {}, report.get("after") or {}
    pairs = list(_pairs(after, before))
    metrics = [metric for _, metric in pairs]
    found = [
        Change(
            evaluator=evaluator,
            metric=metric,
            label=label(evaluator, metric, alone=metrics.count(metric) == 1),
            old=(before.get(evaluator) or {}).get(metric),
            new=(after.get(evaluator) or {}).get(metric),
            better=((report.get("better") or {}).get(evaluator) or {}).get(metric),
            percent=metric in ((report.get("percent") or {}).get(evaluator) or ()),
        )
        for evaluator, metric in pairs
    ]
    aims = report.get("aims") or ()
    return sorted(found, key=lambda change: (change.evaluator not in aims, not change.percent))


def samples(report: Report) -> list[dict[str, Any]]:
    """The report's samples. `before` is None where the untuned model was not asked; an empty answer is an answer."""
    was_asked = bool(report.get("before"))
    return [{**sample, "before": sample.get("before") if was_asked else None} for sample in report.get("samples") or ()]


def label(evaluator: str, metric: str, alone: bool = True) -> str:
    """`exact match`; with the evaluator's name before it when two evaluators give the same metric."""
    words = metric.replace("_", " ")
    return words if alone else f"{evaluator}: {words}"


def headline(report: Report) -> str:
    """The run in one line: `exact match on 32 held-out rows: 0 % → 90.6 %`."""
    found = changes(report)
    if not found:
        return _training_line(report)
    change = found[0]
    values = change.after if change.old is None else f"{change.before} → {change.after}"
    if (report.get("judged") or {}).get(change.evaluator) == 0:
        return f"{change.label}: {values}"  # it judged by questions of its own
    return f"{change.label} on {_rows(report, change.evaluator)}: {values}"


def _rows(report: Report, evaluator: str) -> str:
    """The held-out rows with their number, unless a limit may have kept the evaluator from seeing them all."""
    judged = (report.get("judged") or {}).get(evaluator)
    if judged:
        return counted(judged, "held-out row")
    rows = (report.get("facts") or {}).get("heldout_rows")
    limits = (report.get("plan") or {}).get("evaluate") or {}
    if not rows or any(rows > limits.get(key, rows) for key in ("generate", "limit")):
        return "held-out rows"
    return counted(rows, "held-out row")


def _training_line(report: Report) -> str:
    training = report.get("training") or {}
    parts = [counted(training.get("steps", 0), "step"), f"in {duration(training.get('seconds'))}"]
    line = " ".join(parts)
    if training.get("first_loss") is None or training.get("final_loss") is None:
        return line
    return f"{line}: training loss {number(training['first_loss'])} → {number(training['final_loss'])}"


def _pairs(*results: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    seen = {(evaluator, metric): None for result in results for evaluator, found in result.items() for metric in found}
    yield from seen
