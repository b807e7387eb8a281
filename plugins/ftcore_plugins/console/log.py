"""The console's display for logs and pipes: plain lines, few of them, without control codes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, TextIO

from ftcore.types import Finding
from ftcore_plugins.console.facts import Pairs
from ftcore_plugins.console.progress import Pace
from ftcore_plugins.metrics.comparison import Change, headline, samples
from ftcore_plugins.metrics.words import shown

SECONDS_BETWEEN_LINES = 5.0
SAMPLE_CHARACTERS = 300


class Log:
    """Writes whole lines to `file`. Steps are thinned out: the first, the last, and one every five seconds between."""

    def __init__(self, file: TextIO, every: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._file, self._every, self._clock = file, every, clock
        self._last: float | None = None
        self._phase: tuple[str, int | None] | None = None

    def line(self, text: str) -> None:
        self._file.write(shown(text, one_line=True) + "\n")
        self._file.flush()

    note = line

    def phase(self, title: str, total: int | None) -> None:
        self._phase, self._last = (title, total), self._clock()
        self.line(title)

    def advance(self, done: int) -> None:
        if self._phase and self._is_due():
            title, total = self._phase
            self.line(f"{title}: {done} of {total}" if total else f"{title}: {done}")

    def end_phase(self, failed: bool = False) -> None:  # noqa: ARG002  whoever failed says so in a line
        if self._phase:
            self._phase = self._last = None

    def plan(self, pairs: Pairs, findings: Sequence[Finding]) -> None:
        self.line("plan")
        self._pairs(pairs)
        for finding in findings:
            self.line(f"{finding.level}: {finding.message}")
            if finding.fix:
                self.line(f"  try: {finding.fix}")

    def step(self, step: int, steps: int, pace: Pace) -> None:
        due = self._last is None or (step % self._every == 0 if self._every else self._is_due())
        if due or step == steps:
            self._last = self._clock()
            self.line("  ".join([f"step {step}/{steps}", *pace.parts()]))

    def result(self, report: Mapping[str, Any], changes: Sequence[Change], following: Pairs) -> None:
        self.line("result")
        lines = [headline(report), *(f"{change.label}: {change.before} → {change.after}" for change in changes[1:])]
        for line, change in zip_longest(lines, changes):
            verdict = ", ".join(word for word in (change.verdict, change.difference) if word) if change else ""
            self.line(f"  {line}" + (f" ({verdict})" if verdict else ""))
        for sample in samples(report)[:3]:
            self.line("sample")
            for title, key in (("prompt", "prompt"), ("wanted", "reference"), ("before", "before"), ("after", "after")):
                if sample.get(key) is not None:
                    self.line(f"  {title:<6}  {shown(sample[key], SAMPLE_CHARACTERS) or '(nothing)'}")
        self.line("next")
        self._pairs(following)

    def close(self) -> None:
        """Nothing is left open."""

    def _pairs(self, pairs: Pairs) -> None:
        width = max((len(title) for title, _ in pairs), default=0)
        for title, text in pairs:
            self.line(f"  {title:<{width}}  {text}")

    def _is_due(self) -> bool:
        if self._last is not None and self._clock() - self._last < SECONDS_BETWEEN_LINES:
            return False
        self._last = self._clock()
        return True
