"""Finished runs that another one builds on, as the model that it begins from or as a judge. Nothing is loaded here.

Who plans several runs that build on each other promises the earlier ones, so that the later ones can be checked before
any of them has begun.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from ftcore.errors import ModelError, UsageError, closest, did_you_mean
from ftcore.manager import Command, PluginManager
from ftcore.run.folder import anew, is_unused, require_no_links, verify_manifest
from ftcore.run.plan import Plan
from ftcore.run.resolve import resolve_run

_promised: ContextVar[Mapping[Path, Plan]] = ContextVar("promised")


def plan_of(folder: Path, manager: PluginManager, head: str | None = None) -> Plan:
    """The plan of the finished, or promised, run in a folder.

    `head` is what the caller needs: `lm` for a model that writes, `score` for one that scores, None for either.
    Raises UsageError for a folder that is no finished run or whose model is of the other sort, ModelError where the
    model is gone.
    """
    plan = _promised.get({}).get(folder.resolve())
    if plan is None:
        if not (folder / "run.yaml").is_file():
            raise no_run(folder, manager)
        if not (folder / "model").is_dir():
            if (folder / "report.json").is_file():
                raise ModelError(f"the artifact {folder / 'model'} is missing", fix=f"train it anew: {anew(folder)}")
            raise UsageError("the run is not finished", where=str(folder), fix=f"ftcore resume {folder}")
        require_no_links(folder)
        plan = resolve_run(manager, folder)
    _must_have_head(plan, head, folder, manager)
    return plan


def require_intact(folder: Path) -> None:
    """Raise ModelError where the artifact of the run in a folder is not as the run wrote it."""
    artifact = folder / "model"
    if wrong := verify_manifest(artifact):
        message = "the artifact is not as the run wrote it"
        raise ModelError(message, where=str(artifact), more=wrong, fix=f"train it anew: {anew(folder)}")


def no_run(folder: Path, manager: PluginManager, line: str = "") -> UsageError:
    """The error for what is not the folder of a run. Its fix is `line` with the one that was probably meant."""
    where = str(folder)
    if not folder.exists():
        names = [path.parent.name for path in folder.parent.glob("*/run.yaml")]
        near = closest(folder.name, names)
        look = f"ls {folder.parent if folder.parent.is_dir() else 'runs'}"
        fix = f"{line} {folder.with_name(near)}".strip() if near else look
        return UsageError(f"there is no such folder{did_you_mean(folder.name, names)}", where=where, fix=fix)
    if (folder.parent / "run.yaml").is_file():
        return UsageError("this is a part of a run", where=where, fix=f"{line} {folder.parent}".strip())
    if command := owner(folder, manager):
        finished = sorted(folder.glob("*/report.json"), key=lambda report: report.stat().st_mtime)
        last = f"{line} {finished[-1].parent}".strip() if finished else f"ftcore resume {folder}"
        what = f"this is the folder of `ftcore {command.spec.name}`, which holds several runs"
        more = [f"the last that finished: {finished[-1].parent.name}"] if finished else []
        return UsageError(what, where=where, more=more, fix=last)
    if folder.is_dir() and any(folder.iterdir()) and is_unused(folder):
        message = "the run here was killed before it had begun"
        return UsageError(message, where=where, fix=f"the line that began it, with --out {folder}")
    return UsageError("this is not the folder of a run", where=where, fix="ls runs")


def owner(folder: Path, manager: PluginManager) -> Command | None:
    """The plugin's command that a folder which is no run's belongs to, by the file that its record names."""
    commands = (command for commands in manager.commands().values() for command in commands)
    return next((one for one in commands if one.spec.resumes and (folder / one.spec.resumes).is_file()), None)


@contextmanager
def promised(plans: Mapping[Path, Plan]) -> Iterator[None]:
    """Inside, the runs of these plans count as finished in these folders."""
    token = _promised.set({folder.resolve(): plan for folder, plan in plans.items()})
    try:
        yield
    finally:
        _promised.reset(token)


def _must_have_head(plan: Plan, wanted: str | None, folder: Path, manager: PluginManager) -> None:
    if wanted is None or plan.strategy.spec.head == wanted:
        return
    what = f"this is a run of the strategy {plan.strategy.spec.name!r}"
    if wanted == "score":
        specs = [offers[0].spec for offers in manager.catalogue("strategy").values()]
        able = next(
            (f"train one that does: --strategy {s.name}" for s in specs if getattr(s, "head", "") == wanted), None
        )
        raise UsageError(
            f"{what}, whose model gives no scores", where=str(folder), fix=able or "ftcore list strategies"
        )
    raise UsageError(
        f"{what}: its model scores answers and writes none", where=str(folder), fix=f"ftcore report {folder}"
    )
