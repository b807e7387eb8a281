"""Listens to a run and hands what is worth saying to a display: a terminal's, or a log's."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TextIO

from ftcore.events import (
    CheckpointWritten,
    Evaluated,
    Event,
    PhaseAdvanced,
    PhaseStarted,
    RunFailed,
    RunFinished,
    RunStarted,
    StepDone,
)
from ftcore.run.plan import Plan
from ftcore_plugins.console.config import ConsoleConfig
from ftcore_plugins.console.facts import evaluation_line, next_pairs, path_text, plan_pairs
from ftcore_plugins.console.log import Log
from ftcore_plugins.console.progress import Pace
from ftcore_plugins.metrics.comparison import changes

if TYPE_CHECKING:
    from ftcore_plugins.console.terminal import Terminal


class ConsoleReporter:
    """Says on stderr how a run goes.

    >>> ConsoleReporter(ConsoleConfig(plain=True)).handle(PhaseStarted("loading the model"))
    """

    def __init__(self, settings: ConsoleConfig | None = None, file: TextIO | None = None) -> None:
        self._display = display(file or sys.stderr, settings or ConsoleConfig())
        self._pace = Pace()
        self._plan: Plan | None = None

    def handle(self, event: Event) -> None:
        if not isinstance(event, PhaseAdvanced | RunFailed):
            self._display.end_phase()
        match event:
            case PhaseStarted():
                self._display.phase(event.title, event.total)
            case PhaseAdvanced():
                self._display.advance(event.done)
            case RunStarted():
                self._plan = event.plan
                self._display.plan(plan_pairs(event), event.plan.findings)
            case StepDone():
                self._pace.add(event)
                self._display.step(event.step, event.steps, self._pace)
            case Evaluated() if self._plan:
                self._display.line(evaluation_line(event, self._plan))
            case CheckpointWritten():
                self._display.note(f"checkpoint at step {event.step}: {path_text(event.folder)}")
            case RunFinished():
                self._display.close()
                reporters = [entry["name"] for entry in event.report["plan"]["reporters"]]
                following = next_pairs(event.report, event.folder, reporters)
                self._display.result(event.report, changes(event.report), following)
            case RunFailed():
                self._display.close()


def display(file: TextIO, settings: ConsoleConfig) -> Log | Terminal:
    """What suits the file: a terminal's display, or a log's."""
    is_plain = settings.plain if settings.plain is not None else not _is_terminal(file)
    return Log(file, settings.every) if is_plain else _terminal(file, settings)


def _is_terminal(file: TextIO) -> bool:
    return file.isatty() and os.environ.get("TERM") != "dumb"


def _terminal(file: TextIO, settings: ConsoleConfig) -> Terminal:
    """rich's display. It honours NO_COLOR itself. Imported here: a run that logs does without rich."""
    from rich.console import Console

    from ftcore_plugins.console.terminal import Terminal

    return Terminal(Console(file=file, force_terminal=True), settings.every)
