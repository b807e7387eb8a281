"""Stages → jobs: every stage's plan, made and checked before the first stage begins.

What follows from the record of a strategy is filled in here: a stage begins from the language model that the stages
before it have made, and one that learns from rewards asks their reward model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ftcore.cli.options import manager_for
from ftcore.errors import DataError, FtcoreError, UsageError, did_you_mean
from ftcore.manager import PluginManager
from ftcore.run.check import check
from ftcore.run.finished import promised
from ftcore.run.plan import Plan
from ftcore.run.resolve import resolve
from ftcore.run.runfile import RunFile
from ftcore_plugins.jobs.job import Job
from ftcore_plugins.rlhf.pipeline import Pipeline, Stage, reference

_OPTION = re.compile(r"--(?P<key>[\w.]+) (?P<value>\S+)")


def planned(pipeline: Pipeline, folder: Path) -> list[Job]:
    """Raises what speaks against a stage, with its name."""
    manager = manager_for(pipeline.run_file)
    names = [stage.name for stage in pipeline.stages]
    jobs: list[Job] = []
    for number, stage in enumerate(pipeline.stages, start=1):
        with promised({job.folder: job.plan for job in jobs}), _said_of(stage):
            plan = _plan(_with_model(stage, jobs, names), jobs, names, manager)
            jobs.append(Job(stage.name, folder / f"{number}-{stage.name}", check(plan, manager)))
    return jobs


def dump(jobs: Sequence[Job], plugins: Any) -> dict[str, Any]:
    """The file that repeats the pipeline: every stage complete, and an earlier one by its name."""
    names = {str(job.folder): job.name for job in jobs}
    stages = {}
    for job in jobs:
        values = {key: value for key, value in job.values.items() if key != "plugins"}
        values["model"] = names.get(values["model"].get("path"), values["model"])
        rewards = [{**entry, "run": names[entry["run"]]} if entry.get("run") in names else entry
                   for entry in values["rewards"]]  # fmt: skip
        stages[job.name] = {**values, "rewards": rewards}
    return {"stages": stages, **({"plugins": plugins} if plugins else {})}


def builds_on(job: Job, jobs: Sequence[Job]) -> str | None:
    """The stage whose model it begins from."""
    path = job.values["model"].get("path")
    return next((other.name for other in jobs if str(other.folder) == path), None)


def in_the_file(fix: str, stage: str | None) -> str | None:
    """A fix that is an option of `ftcore run`, as it stands under the stage in the file, or above the stages.

    None for any other.
    """
    option = _OPTION.match(fix)
    if not option:
        return None
    key, dot, setting = option["key"].partition(".")
    value = f"{{{setting}: {option['value']}}}" if dot else option["value"]
    return (f"{stage}: {{{key}: {value}}}" if stage else f"{key}: {value}") + fix[option.end() :]


def _with_model(stage: Stage, before: Sequence[Job], names: Sequence[str]) -> Stage:
    """Begin from the stage that is named, or else from the last one whose result writes."""
    values = stage.run_file.values
    name = reference(values.get("model"), "model", [job.name for job in before], stage, names)
    writing = [job.name for job in before if job.plan.strategy.spec.head == "lm"]
    if name is None and "model" not in stage.own and writing:
        name = writing[-1]
    if name and name not in writing:
        raise UsageError(
            f"the model of {name!r} scores answers and writes none",
            where=stage.run_file.places.get("model"),
            fix=f"model: {writing[-1]}" if writing else "take model out",
        )
    if name is None:
        return stage
    path = next(str(job.folder) for job in before if job.name == name)
    return _saying(stage, "model", {"name": "run", "path": path})


def _plan(stage: Stage, before: Sequence[Job], names: Sequence[str], manager: PluginManager) -> Plan:
    plan = resolve(manager, _with_folders(stage, before, names).run_file, {})
    judges = [job for job in before if job.plan.strategy.spec.head == "score"]
    if plan.strategy.spec.needs_rewards and not plan.rewards and judges:
        asked = _saying(stage, "rewards", [{"name": "model", "run": str(judges[-1].folder)}])
        plan = resolve(manager, asked.run_file, {})
    return plan


def _with_folders(stage: Stage, before: Sequence[Job], names: Sequence[str]) -> Stage:
    """Reward functions that ask the run of a stage are told its folder."""
    given = stage.run_file.values.get("rewards")
    entries = given if isinstance(given, list) else [given] if given else []
    folders = {job.name: str(job.folder) for job in before}

    def entry(number: int, one: Any) -> Any:
        named = one.get("run") if isinstance(one, Mapping) else None
        name = reference(named, f"rewards.{number}.run", list(folders), stage, names)
        if named and one.get("name") == "model":
            _must_judge(str(named), before, stage)
        return {**one, "run": folders[name]} if name else one

    return _saying(stage, "rewards", [entry(*each) for each in enumerate(entries)]) if entries else stage


def _must_judge(named: str, before: Sequence[Job], stage: Stage) -> None:
    """Raise UsageError for what is neither a stage that learns to score, nor a folder."""
    judges = [job.name for job in before if job.plan.strategy.spec.head == "score"]
    if named in judges or (Path(named).expanduser().exists() and named not in [job.name for job in before]):
        return
    is_stage = named in [job.name for job in before]
    what = f"the stage {named!r} gives no scores" if is_stage else f"there is no stage {named!r}, nor a run"
    raise UsageError(
        what + did_you_mean(named, judges),
        where=stage.run_file.places.get("rewards"),
        more=[f"stages before {stage.name}: {', '.join(job.name for job in before)}"],
        fix=f"run: {judges[-1]}" if judges else "put a stage before it: judge: {strategy: reward, data: FILE}",
    )


def _saying(stage: Stage, key: str, value: Any) -> Stage:
    old = stage.run_file
    return replace(stage, run_file=RunFile(old.path, {**old.values, key: value}, old.places))


@contextmanager
def _said_of(stage: Stage) -> Iterator[None]:
    """An error names the stage, and its fix is written as it stands in the file.

    What all stages share is at fault for all of them. A stage is called by its strategy, so where rows do not suit it
    others are wanted.
    """
    try:
        yield
    except FtcoreError as error:
        places = stage.run_file.places
        is_shared = error.where in {at for key, at in places.items() if key and key not in stage.own}
        if isinstance(error, DataError) and (error.fix or "").startswith("--strategy"):
            error.fix, error.more = "--data FILE", ()
            if "data" not in stage.run_file.values:
                error.what = f"it names no data, so takes the demo's: {error.what}"
        error.what = f"{'all stages' if is_shared else f'stage {stage.name}'}: {error.what}"
        error.where = error.where or places[""]
        error.fix = error.fix and (in_the_file(error.fix, None if is_shared else stage.name) or error.fix)
        raise
