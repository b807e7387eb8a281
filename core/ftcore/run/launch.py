"""A run on a backend that launches workers: the process that the user started hands out the work, and follows it.

The two sides speak through a hidden folder of the run: events and errors come one way, the wish to stop goes the other.
"""

from __future__ import annotations

import os
import shutil
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ftcore.errors import FtcoreError, ResourceError, from_record
from ftcore.manager import PluginManager
from ftcore.protocols import LaunchingBackend
from ftcore.run import team
from ftcore.run.announce import Announcer
from ftcore.run.folder import read_json, write_json
from ftcore.run.plan import Plan
from ftcore.run.relay import Follower, Recorder
from ftcore.run.runfile import dump_run_file, parse_run_file
from ftcore.run.signals import WORKERS, by_asking
from ftcore.types import Finding

EVENTS = "events.jsonl"
ENVIRONMENT = ("FTCORE_", "HF_")
"""Beginnings of the variables that decide what a run finds; workers may be started by a service that has others."""


@dataclass(frozen=True, slots=True)
class Order:
    """All that a worker must be told, small enough to send: it reads model and rows itself."""

    directory: str
    folder: str
    run_file: str
    plugins: Mapping[str, Any]
    findings: tuple[Finding, ...]
    checkpoint: Path | None
    environment: Mapping[str, str]


def launch(
    plan: Plan, manager: PluginManager, folder: Path, checkpoint: Path | None, announcer: Announcer
) -> Mapping[str, Any]:
    """Have the backend's workers carry the run out; return its report. Raises what a worker raised first."""
    backend: LaunchingBackend = plan.backend.build()
    workers = folder / WORKERS
    shutil.rmtree(workers, ignore_errors=True)  # left by a run that was killed
    workers.mkdir()
    follow = Follower(workers / EVENTS, plan, announcer.announce)
    try:
        with by_asking(folder):
            backend.launch(partial(work, _order(plan, manager, folder, checkpoint)), follow)
    except Exception as error:
        raise _first_error(workers) or _with_fix(error, folder) from None
    finally:
        follow()
        shutil.rmtree(workers, ignore_errors=True)
    report: Mapping[str, Any] = read_json(folder / "report.json")
    return report


def work(order: Order) -> None:
    """A worker's part of the run; every worker is called with the same order. Raises what went wrong, and notes it."""
    os.environ.update(order.environment)
    try:
        os.chdir(order.directory)
        workers = Path(order.folder, WORKERS).resolve(strict=True)
    except OSError as error:
        raise ResourceError(
            f"a worker does not see the folder of the run: {error.strerror}",
            where=str(error.filename),
            fix="--out DIR on a file system that all machines share",
        ) from None
    try:
        _carry_out(order, workers)
    except BaseException as error:
        _note(error, workers)
        raise


def _order(plan: Plan, manager: PluginManager, folder: Path, checkpoint: Path | None) -> Order:
    return Order(
        directory=os.getcwd(),
        folder=str(folder),
        run_file=dump_run_file(plan.dump()),
        plugins=manager.recipe,
        findings=plan.findings,
        checkpoint=checkpoint,
        environment={name: value for name, value in os.environ.items() if name.startswith(ENVIRONMENT)},
    )


def _carry_out(order: Order, workers: Path) -> None:
    from dataclasses import replace

    from ftcore.run.execute import carry_out
    from ftcore.run.resolve import resolve

    manager = PluginManager.discover(**order.plugins)
    plan = resolve(manager, parse_run_file(order.run_file, Path(order.folder, "run.yaml")), {})
    # Observers are told where the user sits, so the announcer here knows no plugins.
    announcer = Announcer(PluginManager(), [Recorder(workers / EVENTS)] if team.rank() == 0 else [])
    carry_out(replace(plan, findings=order.findings), manager, Path(order.folder), order.checkpoint, announcer)


def _note(error: BaseException, workers: Path) -> None:
    if isinstance(error, FtcoreError):
        record = error.record()
    elif team.is_echo(error):
        return
    else:
        what = f"{type(error).__name__}: {error}"
        record = {"bug": what, "traceback": "".join(traceback.format_exception(error))}
    write_json(workers / f"error-{team.rank()}.json", record)


def _first_error(workers: Path) -> Exception | None:
    """What went wrong first; what others say afterwards follows from it."""
    noted = sorted(workers.glob("error-*.json"), key=lambda path: path.stat().st_mtime_ns)
    if not noted:
        return None
    record = read_json(noted[0])
    if "bug" not in record:
        return from_record(record)
    error = RuntimeError(f"in a worker: {record['bug']}")
    error.add_note(record["traceback"])
    return error


def _with_fix(error: Exception, folder: Path) -> Exception:
    """A lost worker costs no more than the steps since the last checkpoint, if there is one."""
    if isinstance(error, ResourceError) and (folder / "checkpoints").exists():
        error.where, error.fix = str(folder), f"ftcore resume {folder}"
    return error
