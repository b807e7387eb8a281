"""Finished runs that another one builds on, as the model that it begins from or as a judge. Nothing is loaded here.

Who plans several runs that build on each other promises the earlier ones, so that the later ones can be checked before
any of them has begun.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from ftcore.errors import ModelError, UsageError
from ftcore.manager import PluginManager
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
            raise UsageError("this is not the folder of a run", where=str(folder), fix="ls runs")
        if not (folder / "model").is_dir():
            if (folder / "report.json").is_file():
                raise ModelError(f"the artifact {folder / 'model'} is missing", fix=anew(folder))
            raise UsageError("the run is not finished", where=str(folder), fix=f"ftcore resume {folder}")
        plan = resolve_run(manager, folder)
    _must_have_head(plan, head, folder, manager)
    return plan


def anew(folder: Path) -> str:
    """What to do where the artifact of a finished run is spoilt."""
    return f"train it anew: ftcore run {folder / 'run.yaml'} --out {folder}-2"


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
