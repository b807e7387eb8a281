"""The six functions one after the other, for a new run and for one that goes on."""

from __future__ import annotations

import dataclasses
import datetime
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftcore.errors import Interrupted, PluginError, ResourceError, UsageError
from ftcore.events import RunFailed, RunFinished
from ftcore.manager import PluginManager
from ftcore.protocols import LaunchingBackend, RememberingReward
from ftcore.run import checkpoint as checkpoints
from ftcore.run import lock, team
from ftcore.run.announce import Announcer
from ftcore.run.check import check
from ftcore.run.exclusive import exclusive
from ftcore.run.finished import no_run, require_intact
from ftcore.run.folder import create, is_unused, read_json, require_no_links, sweep, writable, write_text
from ftcore.run.plan import Plan
from ftcore.run.provenance import changes
from ftcore.run.resolve import resolve_run
from ftcore.run.runfile import dump_run_file
from ftcore.run.signals import at_once
from ftcore.types import Finding

if TYPE_CHECKING:
    from ftcore.run.load import Loaded
    from ftcore.run.train import Results


def execute(plan: Plan, manager: PluginManager) -> tuple[Path, object]:
    """Run a checked plan in a folder of its own. A run from which nothing can go on leaves no folder behind."""
    folder = create(plan)
    with exclusive(folder):
        if not is_unused(folder):
            raise UsageError("another run has just begun in this folder", where=str(folder), fix=f"--out {folder}-2")
        announcer = _announcer(plan, manager)
        try:
            sweep(folder)
            # The first file of a run: from now on it can be resumed, however early it is killed.
            with writable(folder):
                write_text(folder / "run.yaml", dump_run_file(plan.dump()))
            return folder, _run(plan, manager, folder, announcer)
        except BaseException as error:
            if not _can_go_on(plan, folder, announcer, error):
                shutil.rmtree(folder, ignore_errors=True)
            raise


def resume(folder: Path, manager: PluginManager) -> tuple[Path, object]:
    """Go on from the newest checkpoint that is intact, with the same settings, data and model, or refuse.

    Of a run that is finished the result is told again, and its pages are written where they are missing.
    """
    if not (folder / "run.yaml").is_file():
        raise no_run(folder, manager, "ftcore resume")
    require_no_links(folder)
    with exclusive(folder):
        if (folder / "report.json").is_file():
            require_intact(folder)
            sweep(folder)
            return folder, tell_again(folder, manager)
        plan = check(dataclasses.replace(resolve_run(manager, folder), out=None), manager)
        lock.require_same_settings(folder, plan)
        findings = [*plan.findings, *lock.changes(folder, plan), *changes(folder, plan)]
        sweep(folder)
        checkpoint = checkpoints.newest(folder, lambda text: findings.append(Finding("warning", text)))
        plan = dataclasses.replace(plan, findings=tuple(findings))
        return folder, _run(plan, manager, folder, _announcer(plan, manager), checkpoint, was_there=True)


def tell_again(folder: Path, manager: PluginManager) -> Mapping[str, Any]:
    """Tell the run's reporters of the finished run in a folder as if it had just finished; its report."""
    report: Mapping[str, Any] = read_json(folder / "report.json")
    _announcer(resolve_run(manager, folder), manager).announce(RunFinished(folder, report))
    return report


def _announcer(plan: Plan, manager: PluginManager) -> Announcer:
    return Announcer(manager, [choice.build() for choice in plan.reporters if not choice.spec.integration])


def _run(
    plan: Plan,
    manager: PluginManager,
    folder: Path,
    announcer: Announcer,
    checkpoint: Path | None = None,
    was_there: bool = False,
) -> object:
    try:
        with at_once(folder):
            if isinstance(plan.backend.build(), LaunchingBackend):
                from ftcore.run.launch import launch

                return launch(plan, manager, folder, checkpoint, announcer)
            return carry_out(plan, manager, folder, checkpoint, announcer)
    except BaseException as error:
        stays = was_there or _can_go_on(plan, folder, announcer, error)
        if isinstance(error, (PluginError, ResourceError)) and stays:
            error.fix = _and_resume(error.fix, folder, plan, manager)
        announcer.announce(RunFailed(folder, error))
        raise
    finally:
        if folder.is_dir():
            sweep(folder)


def _can_go_on(plan: Plan, folder: Path, announcer: Announcer, error: BaseException) -> bool:
    """Whether a resumed run gains by the folder: a checkpoint, answers and what was said of them, or the wish to stop.

    Without a checkpoint it begins anew: the same seed writes the same answers, so what is kept is not asked again.
    """
    if isinstance(error, Interrupted):
        return (folder / "lock.json").is_file()
    if (folder / "checkpoints").exists() or announcer.has_trained:
        return True
    remembers = any(isinstance(choice.function.build(), RememberingReward) for choice in plan.rewards)
    return remembers and (folder / "before.json").is_file()


def _and_resume(fix: str | None, folder: Path, plan: Plan, manager: PluginManager) -> str:
    """A fix after which the same run can go on; settings are for a new one."""
    files = [f"--plugin {shlex.quote(file)}" for file in manager.recipe.get("files", ())]
    agreed = [f"--allow-env {variable}" for variable in plan.named_by_file]
    line = " ".join(["ftcore resume", *files, *agreed, shlex.quote(str(folder))])
    if not fix or "ftcore resume" in fix:
        return fix or line
    return f"{fix} for a new run, or go on: {line}" if fix.startswith("--") else f"{fix}, then: {line}"


def carry_out(
    plan: Plan, manager: PluginManager, folder: Path, checkpoint: Path | None, announcer: Announcer
) -> Mapping[str, Any]:
    """Load, build, train and report in this process, which may be one of several that do so together."""
    from ftcore.run.load import load

    started = datetime.datetime.now(datetime.UTC)
    with writable(folder):
        loaded = load(plan, manager, folder, announcer)
        from ftcore.run.build import build
        from ftcore.run.report import report
        from ftcore.run.train import train

        before = team.by_first(lambda: _inputs(loaded))
        outcome = train(build(loaded), checkpoint, before)
        return team.by_first(lambda: report(outcome, started))


def _inputs(loaded: Loaded) -> Results | None:
    """Write down what the run depends on. For one that goes on, give what was judged before training."""
    from ftcore.run.report import write_inputs
    from ftcore.run.train import load_results

    folder = loaded.folder
    if not (folder / "lock.json").is_file():
        write_inputs(loaded)
        return None
    return load_results(read_json(folder / "before.json")) if (folder / "before.json").is_file() else None
