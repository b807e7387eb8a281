"""Finished stages → what is shown and written: pipeline.json for programs, the table, and pipeline.html."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ftcore
from ftcore.run.folder import read_json, writable, write_json, write_text
from ftcore_plugins.jobs.job import Job
from ftcore_plugins.metrics.comparison import Change, changes
from ftcore_plugins.metrics.words import counted, duration, shown
from ftcore_plugins.rlhf.plans import builds_on

JSON, PAGE = "pipeline.json", "pipeline.html"
HEADERS = ("stage", "begins from", "", "before", "after", "time")


@dataclass(frozen=True, slots=True)
class Result:
    """A finished stage."""

    job: Job
    report: Mapping[str, Any]

    @property
    def changes(self) -> list[Change]:
        return changes(self.report)

    @property
    def seconds(self) -> float:
        """From its start to its end; of a resumed stage, since it was resumed."""
        return float(self.report["seconds"])


def read(job: Job) -> Result:
    return Result(job, read_json(job.folder / "report.json"))


def record(results: Sequence[Result], folder: Path) -> dict[str, Any]:
    """The pipeline for programs. Stages that are not finished are not in it."""
    jobs = [result.job for result in results]
    return {
        "ftcore": ftcore.__version__,
        "folder": str(folder),
        "seconds": sum(result.seconds for result in results),
        "stages": [
            {
                "name": result.job.name,
                "folder": result.job.folder.name,
                "strategy": result.job.plan.strategy.spec.name,
                "method": result.job.plan.method.spec.name,
                "begins_from": builds_on(result.job, jobs),
                **{key: result.report[key] for key in ("seconds", "before", "after", "training")},
            }
            for result in results
        ],
    }


def write(results: Sequence[Result], folder: Path) -> dict[str, Any]:
    """pipeline.json and pipeline.html; gives what stands in the first."""
    written = record(results, folder)
    with writable(folder):
        write_json(folder / JSON, written)
        write_text(folder / PAGE, page(results))
    return written


def title(results: Sequence[Result]) -> str:
    """`3 stages in 14 min 20 s`."""
    return f"{counted(len(results), 'stage')} in {duration(sum(result.seconds for result in results))}"


def lines(results: Sequence[Result]) -> list[list[str]]:
    """The table: a line for each number that was judged, the first of a stage with what is to be said of the stage."""
    jobs = [result.job for result in results]
    found = []
    for result in results:
        base = builds_on(result.job, jobs) or result.job.plan.model.spec.name
        numbers = [[change.label, change.before, change.after] for change in result.changes] or [["", "", ""]]
        heads = [[_called(result.job), base, duration(result.seconds)], *[["", "", ""]] * len(numbers)]
        found += [[name, base, *number, time] for (name, base, time), number in zip(heads, numbers, strict=False)]
    return found


def _called(job: Job) -> str:
    """The stage, and its strategy where that has another name."""
    strategy = job.plan.strategy.spec.name
    return job.name if job.name == strategy else f"{job.name} ({strategy})"


def show(results: Sequence[Result]) -> None:
    """The table on stdout. Texts go through `Text`, never through rich's markup."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 120, highlight=False)
    heading = Text(title(results), style="bold")
    grid = Table(box=box.SIMPLE_HEAD, title=heading, title_justify="left", pad_edge=False)
    for header in HEADERS:
        grid.add_column(Text(header), justify="right" if header in ("before", "after", "time") else "left")
    for line in lines(results):
        grid.add_row(*(Text(shown(cell)) for cell in line))
    console.print(grid)


def page(results: Sequence[Result]) -> str:
    from ftcore_plugins.html.templates import template

    now = datetime.datetime.now(datetime.UTC)
    text: str = template("ftcore_plugins.rlhf", "pipeline.html.j2").render(
        title=title(results),
        written=f"{now.day} {now:%B %Y}",
        headers=HEADERS,
        lines=lines(results),
        folders=[(result.job.name, result.job.folder.name) for result in results],
        version=ftcore.__version__,
    )
    return text
