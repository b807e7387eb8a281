"""Appends the numbers of a run to `metrics.jsonl` as they come.

A line is on disk before the next step begins, and no file stays open, so a run that is killed loses no line.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ftcore.events import Evaluated, Event, RunStarted, StepDone
from ftcore.run.folder import open_own, write_text
from ftcore_plugins.metrics.history import FILE, lines, lines_until


class MetricsReporter:
    """One line a step: `{"step": 1, "loss": 2.31, …}`; one an evaluation: `{"step": 0, "when": "before", …}`.

    JSON has no word for a number that is not finite: it becomes null, and `non_finite` names its key.
    """

    def __init__(self) -> None:
        self._path: Path | None = None

    def handle(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._path = event.folder / FILE
                # What came after the checkpoint from which a resumed run goes on will come again.
                _write(self._path, lines_until(self._path, int(event.facts.get("start_step", 0))))
            case StepDone():
                self._append({"step": event.step, **_numbers(event.metrics)})
            case Evaluated():
                flat = {
                    f"{evaluator}.{metric}": value
                    for evaluator, result in event.results.items()
                    for metric, value in result.metrics.items()
                }
                self._forget(event.step, event.when)
                self._append({"step": event.step, "when": event.when, **_numbers(flat)})

    def _forget(self, step: int, when: str) -> None:
        """A resumed run may judge again what it has judged already; the later judgement stands."""
        assert self._path is not None, "a run starts before it is judged"
        every = list(lines(self._path))
        kept = [text for text, record in every if (record["step"], record.get("when")) != (step, when)]
        if len(kept) < len(every):
            _write(self._path, kept)

    def _append(self, line: Mapping[str, Any]) -> None:
        assert self._path is not None, "a run starts before its first step"
        with open_own(self._path, "a") as file:
            file.write(json.dumps(line, allow_nan=False) + "\n")


def _write(path: Path, kept: Iterable[str]) -> None:
    write_text(path, "".join(f"{line}\n" for line in kept))


def _numbers(values: Mapping[str, float]) -> dict[str, Any]:
    numbers: dict[str, Any] = {
        key: value if isinstance(value, int) else float(value) for key, value in values.items() if key != "step"
    }
    non_finite = [key for key, value in numbers.items() if not math.isfinite(value)]
    if non_finite:
        numbers |= dict.fromkeys(non_finite)
        numbers["non_finite"] = non_finite
    return numbers
