"""The console's display for a terminal: one live bar at the bottom, finished things scroll up above it.

Every text goes through `Text`, never through rich's markup: a row that says `[bold]` is shown saying so.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, Progress, SpinnerColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from ftcore.types import Finding
from ftcore_plugins.console import tables
from ftcore_plugins.console.facts import Pairs
from ftcore_plugins.console.progress import Pace
from ftcore_plugins.metrics.comparison import Change, samples
from ftcore_plugins.metrics.words import duration, shown


class _Bars(Progress):
    """Progress bars with a line of numbers below."""

    detail = Text()

    def get_renderables(self) -> Any:
        yield self.make_tasks_table(self.tasks)
        if self.detail:
            yield Padding(self.detail, (0, 0, 0, 2))


class Terminal:
    """Shows a run with rich."""

    def __init__(self, console: Console, every: int | None) -> None:
        self._console, self._every = console, every
        self._bars = _Bars(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[count]}", markup=False),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            refresh_per_second=5,
            # Redirecting is for a print to the same terminal; output that is piped elsewhere must get there.
            redirect_stdout=sys.stdout.isatty(),
        )
        self._phase: TaskID | None = None
        self._training: TaskID | None = None

    def line(self, text: str) -> None:
        self._print(Text(shown(text)))

    def note(self, text: str) -> None:
        self._print(Text(shown(text), style="dim"))

    def phase(self, title: str, total: int | None) -> None:
        self._bars.start()
        self._phase = self._bars.add_task(shown(title), total=total, count=f"0/{total}" if total else "")

    def advance(self, done: int) -> None:
        if self._phase is not None:
            total = self._task(self._phase).total
            self._bars.update(self._phase, completed=done, count=f"{done}/{int(total)}" if total else f"{done}")

    def end_phase(self, failed: bool = False) -> None:
        """Take the phase's bar away; before training a line of it stays."""
        if self._phase is None:
            return
        task = self._remove(self._phase)
        self._phase = None
        if self._training is None:
            mark = ("✗ ", "red") if failed else ("✓ ", "green")
            self._print(Text.assemble(mark, task.description, (f"  {duration(task.elapsed)}", "dim")))

    def plan(self, pairs: Pairs, findings: Sequence[Finding]) -> None:
        self._print(tables.plan(pairs), *(tables.finding(finding) for finding in findings))

    def step(self, step: int, steps: int, pace: Pace) -> None:
        parts = pace.parts()
        is_first = self._training is None
        if self._training is None:
            self._bars.start()
            self._training = self._bars.add_task("training", total=steps, completed=step - 1, count="")
        self._bars.detail = Text.assemble((f"{pace.sparkline()} ", "cyan"), " · ".join(parts), overflow="ellipsis")
        self._bars.detail.no_wrap = True
        self._bars.update(self._training, completed=step, count=f"{step}/{steps}", refresh=is_first)
        if self._every and step % self._every == 0:
            self.note("  ".join([f"step {step}/{steps}", *parts]))
        if step == steps:
            self._end_training(pace)

    def _end_training(self, pace: Pace) -> None:
        """Take the training's bar away; a line with the whole curve stays."""
        assert self._training is not None
        self._bars.detail = Text()
        elapsed = self._remove(self._training).elapsed
        self._training = None
        done = Text.assemble(("✓ ", "green"), "training", (f"  {duration(elapsed)}  ", "dim"))
        self._print(done.append(pace.sparkline(), style="cyan").append(f"  {pace.losses()}"))

    def result(self, report: Mapping[str, Any], changes: Sequence[Change], following: Pairs) -> None:
        self._print(tables.result(report, changes))
        few = samples(report)[:3]
        if few:
            self._print(tables.samples(few, wide=self._console.width >= tables.WIDE))
        self._print(tables.following(following))

    def close(self) -> None:
        """Take the live bar away and give the cursor back."""
        self._bars.stop()

    def _remove(self, task_id: TaskID) -> Task:
        task = self._task(task_id)
        self._bars.remove_task(task_id)
        self._bars.refresh()
        return task

    def _task(self, task_id: TaskID) -> Task:
        return next(task for task in self._bars.tasks if task.id == task_id)

    def _print(self, *renderables: RenderableType) -> None:
        self._console.print(Group(*renderables), highlight=False)
