"""Takes the jobs of a comparison one after the other, and says how it goes on stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftcore.errors import FtcoreError
from ftcore_plugins.compare.comparison import Absent
from ftcore_plugins.compare.plans import Planned
from ftcore_plugins.compare.results import Key, Result, read
from ftcore_plugins.jobs.job import Job, finished
from ftcore_plugins.jobs.processes import Runner
from ftcore_plugins.jobs.screen import screen as shown
from ftcore_plugins.metrics.words import duration, size

if TYPE_CHECKING:
    from ftcore_plugins.jobs.screen import Screen


def train(plan: Planned, metric: Key) -> list[Absent]:
    """Train what is not finished; what failed is returned with its reason. Raises Interrupted."""
    done = finished(plan.jobs)
    failed = []
    with Runner().listening() as runner, shown() as screen:
        _say(plan, done, screen)
        for number, job in enumerate(plan.jobs, start=1):
            if job in done:
                continue
            title = f"{job.name} ({number} of {len(plan.jobs)})"
            outcome = _one(runner, screen, job, title)
            if isinstance(outcome, Absent):
                failed.append(outcome)
                screen.line(f"  failed: {outcome.reason}")
            else:
                screen.note(f"  {_in_short(outcome, metric)}")
    return failed


def _one(runner: Runner, screen: Screen, job: Job, title: str) -> Result | Absent:
    screen.phase(title, job.plan.steps)
    failure = runner.run(job, screen.advance)
    screen.end_phase(failed=failure is not None)
    if failure:
        return Absent(job.name, "failed", _reason(failure), failure.exit_code)
    return read(job.folder, job.name)


def _reason(failure: FtcoreError) -> str:
    return f"{failure.what} (try: {failure.fix})" if failure.fix else failure.what


def _say(plan: Planned, done: list[Job], screen: Screen) -> None:
    for warning in plan.warnings:
        screen.line(f"warning: {warning}")
    for each in plan.absent:
        screen.line(f"left out: {each.name}: {each.reason}")
    if done:
        screen.line(f"kept: {', '.join(job.name for job in done)}")


def _in_short(result: Result, metric: Key) -> str:
    """`loss 1.95 → 0.03, training 2 min 40 s, peak memory 2.9 GB`."""
    change = result.scores.get(metric)
    score = f"{change.label} {change.before} → {change.after}, " if change else ""
    return f"{score}training {duration(result.seconds)}, peak memory {size(result.memory)}"
