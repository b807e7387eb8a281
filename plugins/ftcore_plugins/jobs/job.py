"""A run that a command carries out: its plan, its folder, and how far it has come."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ftcore.errors import UsageError
from ftcore.run.folder import read_json, require_no_links
from ftcore.run.plan import Plan
from ftcore.run.runfile import read_run_file
from ftcore_plugins.jobs.same import differences

State = Literal["new", "begun", "finished"]


@dataclass(frozen=True, slots=True)
class Job:
    """A checked plan and the folder in which it runs."""

    name: str
    folder: Path
    plan: Plan

    @property
    def values(self) -> dict[str, Any]:
        """The complete run file."""
        return json.loads(json.dumps(dict(self.plan.dump())))  # lists, as YAML has them


def state(job: Job) -> State:
    """What the job's folder holds. Raises UsageError when it is another run than is asked for now."""
    path = job.folder / "run.yaml"
    if not path.is_file():
        return "new"
    both = {"the run there": read_run_file(path).values, "this line": job.values}
    other = next(differences(both, [key for key in job.values if key != "reporters"]), None)
    if other is None and (job.folder / "lock.json").is_file():
        then = read_json(job.folder / "lock.json").get("data")
        now = [entry.source.build().fingerprint() for entry in job.plan.data]
        other = None if then == now else "its data have changed since"
    if other:
        raise UsageError(
            f"the run there is another than is asked for now: {other}",
            where=str(job.folder),
            fix=f"--out ANOTHER/FOLDER, or take {job.folder} away",
        )
    return "finished" if (job.folder / "report.json").is_file() else "begun"


def finished(jobs: Sequence[Job]) -> list[Job]:
    return [job for job in jobs if state(job) == "finished"]


def folder_for(out: str | None, marker: str, usual: str) -> Path:
    """Where a command's runs go: `out`, new or marked by an earlier line, or `runs/USUAL`, numbered where taken.

    `usual` may say `DATE`. Raises UsageError for a folder that holds something else.
    """
    if out is None:
        base = Path("runs") / usual.replace("DATE", datetime.date.today().isoformat())
        names = (base if number == 1 else base.with_name(f"{base.name}-{number}") for number in range(1, 10_000))
        return next(path for path in names if not path.exists())
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not (folder / marker).is_file():
        raise UsageError(
            f"the folder is not empty, and holds no {marker}",
            where=out,
            fix=f"--out {folder.with_name(f'{folder.name}-2')}",
        )
    require_no_links(folder)
    return folder
