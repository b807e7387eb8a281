"""Entries → jobs: every method's plan, made and checked before anything trains, on one budget for all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from ftcore.cli.options import Setting, flags_of
from ftcore.cli.run import must_be_read, run
from ftcore.errors import FtcoreError, UsageError
from ftcore.manager import PluginManager
from ftcore.run.check import check
from ftcore.run.resolve import resolve
from ftcore_plugins.compare.comparison import Absent
from ftcore_plugins.compare.entries import Entry
from ftcore_plugins.compare.results import Key
from ftcore_plugins.compare.same import ANSWERING, BUDGET, JUDGING
from ftcore_plugins.jobs.job import Job
from ftcore_plugins.jobs.same import differences


@dataclass(frozen=True, slots=True)
class Planned:
    """What can run, and what was left out with its reason. `places` is for `comparison.compare`."""

    jobs: tuple[Job, ...]
    absent: tuple[Absent, ...]
    places: Mapping[str, str | None]
    warnings: tuple[str, ...]


def planned(entries: Sequence[Entry], arguments: Sequence[str], folder: Path, skip_impossible: bool) -> Planned:
    """Raises what speaks against a method, unless `skip_impossible`; and UsageError for an unequal budget."""
    _must_be_for_all(arguments, entries)
    resolved = [_resolved(entry, arguments, folder, before) for before, entry in pairwise([None, *entries]) if entry]
    _must_be_equal([job for job, _ in resolved])
    jobs, refused = [], []
    for job, manager in resolved:
        try:
            jobs.append(Job(job.name, job.folder, check(job.plan, manager)))
        except FtcoreError as error:
            refused.append((job.name, error))
    if refused and (not jobs or not skip_impossible):
        raise _refusal(refused, is_all=not jobs)
    _must_hold_rows_out(jobs)
    absent = tuple(Absent(name, "left out", error.what) for name, error in refused)
    return Planned(tuple(jobs), absent, places(resolved[0][1]), tuple(_warnings(jobs)))


def metrics(job: Job) -> list[Key]:
    """What the evaluators will measure."""
    judges = job.plan.judges(job.plan.strategy.spec.examples)
    return [(choice.spec.name, metric) for choice in judges for metric in choice.spec.metrics]


def places(manager: PluginManager) -> dict[str, str | None]:
    """The setting of each data source that names where its rows are."""
    specs = [offer.spec for offers in manager.catalogue("data").values() for offer in offers]
    return {spec.name: getattr(spec, "argument", None) for spec in specs}


def _resolved(entry: Entry, arguments: Sequence[str], folder: Path, before: Entry | None) -> tuple[Job, PluginManager]:
    """The plan that `ftcore run ARGUMENTS --method …` would make, before it is checked."""
    try:
        with run.make_context("ftcore compare", [*arguments, "--method", entry.method]) as ctx:
            must_be_read(ctx, ctx.params.get("run_file"))
            options = {option.dotted: option for option in run.get_params(ctx) if isinstance(option, Setting)}
            flags = {**flags_of(ctx, ctx.params), **_settings(entry, options), "out": None}
            plan = resolve(run.manager, run.run_file, flags)
            return Job(entry.name, folder / entry.slug, plan), run.manager
    except UsageError as error:
        if error.fix and error.fix.startswith("--method "):
            error.fix = f"--methods {error.fix.removeprefix('--method ')},…"
        elif before and before.settings and entry.method not in run.manager.catalogue("method"):
            key, value = before.settings[-1]  # which may have been meant as a list
            written = f"{before.method}:{key.removeprefix('method.')}=[{value},{entry.method}]"
            error.fix, error.more = f"--methods '{written},…'", []
        if any(error.where == f"--{key}" or key in error.what for key, _ in entry.settings):
            option, _, value = (error.fix or "").partition(" ")
            own = f"--methods {entry.method}:{option.removeprefix('--method.')}={value},…"
            fix = own if option.startswith("--method.") else f"ftcore explain {entry.method}"
            raise UsageError(error.what, where=f"--methods {entry.name}", value=error.value, fix=fix) from None
        raise


def _settings(entry: Entry, options: Mapping[str, Setting]) -> dict[str, Any]:
    """An entry's own settings as flags: a key that stands twice, or one for a list, gives a list."""
    found: dict[str, Any] = {}
    for key in dict(entry.settings):
        texts = [text for other, text in entry.settings if other == key]
        is_list = key in options and options[key].kind == "list"
        found[key] = texts if is_list or len(texts) > 1 else None if texts[0] in ("none", "null") else texts[0]
    return found


def _must_be_for_all(arguments: Sequence[str], entries: Sequence[Entry]) -> None:
    for argument in arguments:
        name = argument.partition("=")[0].removeprefix("--").removeprefix("no-")
        if argument.startswith("--") and (name == "method" or name.startswith("method.")):
            setting = name.partition(".")[2]
            raise UsageError(
                "a comparison takes methods, each with its own settings, from --methods",
                where=argument,
                fix=f"--methods {entries[0].method}:{setting}=VALUE" if setting else "--methods lora,full",
            )


def _must_be_equal(jobs: Sequence[Job]) -> None:
    found = list(differences({job.name: job.values for job in jobs}, (*JUDGING, *ANSWERING, *BUDGET)))
    if found:
        key = found[0].partition(" ")[0]
        raise UsageError(f"the budget is not equal: {found[0]}", more=found[1:], fix=f"--{key} VALUE, the same for all")


def _must_hold_rows_out(jobs: Sequence[Job]) -> None:
    for job in jobs:
        if job.plan.rows and not job.plan.rows.heldout:
            raise UsageError("no row is held out, so there is nothing to compare by", fix="--evaluate.holdout 0.1")


def _refusal(refused: Sequence[tuple[str, FtcoreError]], is_all: bool) -> FtcoreError:
    """One error for all methods that cannot run; what is wrong with the data or the model is said as it is."""
    name, first = refused[0]
    if is_all and len({error.what for _, error in refused}) == 1:
        return first
    others = [f"{other}: {error.what}" for other, error in refused[1:]]
    return type(first)(
        f"{name} cannot run: {first.what}",
        where=first.where,
        value=first.value,
        more=others,
        fix=first.fix if is_all else "the same line with --skip-impossible",
    )


def _warnings(jobs: Sequence[Job]) -> Iterator[str]:
    """What the checks warn of, each once, with the names of the methods that it concerns."""
    concerned: dict[str, list[str]] = {}
    for job in jobs:
        for finding in job.plan.findings:
            if finding.level == "warning":
                concerned.setdefault(finding.message, []).append(job.name)
    for message, names in concerned.items():
        yield message if len(names) == len(jobs) else f"{', '.join(names)}: {message}"
