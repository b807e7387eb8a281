"""Takes the stages one after the other, each a process of its own, and says on stderr how it goes."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ftcore.errors import Interrupted, UsageError
from ftcore_plugins.jobs.job import Job, finished, state
from ftcore_plugins.jobs.processes import Runner
from ftcore_plugins.jobs.screen import screen as shown
from ftcore_plugins.metrics.words import duration
from ftcore_plugins.rlhf.plans import in_the_file
from ftcore_plugins.rlhf.results import Result, read

if TYPE_CHECKING:
    from ftcore_plugins.jobs.screen import Screen


def kept(jobs: Sequence[Job], folder: Path) -> list[Job]:
    """The stages that an earlier line finished. Raises UsageError where it was another pipeline's line."""
    ours = {job.folder.name for job in jobs}
    there = (file.with_name(file.stem) for file in folder.glob("*.yaml"))  # 1-sft.yaml stands beside 1-sft
    others = sorted(run for run in there if (run / "run.yaml").is_file() and run.name not in ours)
    if others:
        raise UsageError(
            f"the folder holds {', '.join(other.name for other in others)}, "
            f"which belong{'s' if len(others) == 1 else ''} to no stage of the file",
            where=str(folder),
            more=[f"the stages now: {', '.join(sorted(ours))}"],
            fix=f"--out ANOTHER/FOLDER, or: rm -r {shlex.join(map(str, others))}",
        )
    done = finished(jobs)
    _must_be_the_first(done, jobs)
    return done


def train(jobs: Sequence[Job], done: Sequence[Job], folder: Path, again: str) -> None:
    """Train what is not done. `again` is the line that goes on.

    Raises the error of a stage that failed, or Interrupted; what is finished is kept.
    """
    try:
        with Runner().listening() as runner, shown() as screen:
            _say(jobs, done, screen)
            for number, job in enumerate(jobs, start=1):
                if job not in done:
                    _one(runner, screen, job, f"{job.name} (stage {number} of {len(jobs)})", again)
    except Interrupted as stop:
        more = ["what is done is kept; the same line goes on"]
        raise Interrupted(stop.exit_code - 128, where=str(folder), fix=again, more=more) from None


def _one(runner: Runner, screen: Screen, job: Job, title: str, again: str) -> None:
    screen.phase(title, job.plan.steps)
    failure = runner.run(job, screen.advance)
    screen.end_phase(failed=failure is not None)
    if failure is None:
        screen.note(f"  {_in_short(read(job))}")
        return
    failure.what = f"stage {job.name}: {failure.what}"
    failure.where = failure.where or str(job.folder)
    if fix := failure.fix and in_the_file(failure.fix, job.name):
        failure.more = (*failure.more, f"what is finished is kept: afterwards {again}")
    failure.fix = fix or again
    raise failure


def _must_be_the_first(done: Sequence[Job], jobs: Sequence[Job]) -> None:
    """Raise UsageError for a stage that is there although one before it is not: it was built on something else."""
    missing = next((job for job in jobs if job not in done), None)
    later = [job for job in jobs[jobs.index(missing) + 1 :] if state(job) != "new"] if missing else []
    if missing and later:
        raise UsageError(
            f"the stage {later[0].name!r} was begun on another result of {missing.name!r}, which is not there any more",
            where=str(later[0].folder),
            fix=f"rm -r {later[0].folder}",
        )


def _say(jobs: Sequence[Job], done: Sequence[Job], screen: Screen) -> None:
    for job in jobs:
        for finding in job.plan.findings:
            if finding.level == "warning":
                screen.line(f"warning: {job.name}: {finding.message}")
    if names := [job.name for job in jobs if job in done]:
        screen.line(f"kept: {', '.join(names)}")


def _in_short(result: Result) -> str:
    """`accuracy 48.4 % → 90.6 %, margin 0.01 → 2.3, in 2 min 40 s`."""
    parts = [f"{change.label} {change.before} → {change.after}" for change in result.changes[:3]]
    return ", ".join([*parts, f"in {duration(result.seconds)}"])
