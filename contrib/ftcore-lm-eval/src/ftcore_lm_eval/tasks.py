"""Finds tasks by name, those of the user first, and says what is wrong with a name before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ftcore.errors import closest
from ftcore.types import Finding

if TYPE_CHECKING:
    from lm_eval.tasks import TaskManager

    from ftcore_lm_eval.config import LmEvalConfig


def findings(config: LmEvalConfig) -> Iterator[Finding]:
    """An error for a folder that is not there, or for the first task that nobody knows."""
    if config.include_path and not Path(config.include_path).is_dir():
        yield Finding("error", f"lm-eval: there is no folder {config.include_path}", "--evaluators.include_path FOLDER")
        return
    known = manager(config).all_tasks
    for name in config.tasks:
        if name not in known:
            near = closest(name, known)
            guess = f" (did you mean {near!r}?)" if near else ""
            fix = f"--evaluators.tasks {near}" if near else "lm-eval ls tasks"
            yield Finding("error", f"lm-eval: there is no task {name!r}{guess}", fix)
            return


def manager(config: LmEvalConfig) -> TaskManager:
    """Where the tasks are found. Those of the harness are looked through only when the user's own are not enough: there
    are 15,000 of them, which takes seconds."""
    folder = str(Path(config.include_path).resolve()) if config.include_path else None
    if folder and set(config.tasks) <= set(_manager(folder, with_harness=False).all_tasks):
        return _manager(folder, with_harness=False)
    return _manager(folder, with_harness=True)


@cache
def _manager(folder: str | None, with_harness: bool) -> TaskManager:
    from lm_eval.tasks import TaskManager

    return TaskManager(include_path=folder, include_defaults=with_harness)
