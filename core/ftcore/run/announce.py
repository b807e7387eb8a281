"""Telling reporters and observer hooks what happens. None of them can stop a run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

from ftcore import events
from ftcore.events import Event
from ftcore.loading.words import in_words
from ftcore.manager import PluginManager
from ftcore.protocols import Reporter

HOOKS: Mapping[type, str] = {
    events.RunStarted: "ftcore_before_run",
    events.StepDone: "ftcore_after_step",
    events.Evaluated: "ftcore_after_evaluation",
    events.CheckpointWritten: "ftcore_after_checkpoint",
    events.RunFinished: "ftcore_after_run",
    events.RunFailed: "ftcore_on_run_error",
}


class Announcer:
    """Hands each event to every reporter, then to the observers."""

    def __init__(self, manager: PluginManager, reporters: Sequence[Reporter]) -> None:
        self._manager = manager
        self._reporters = list(reporters)
        self._listeners: list[Callable[[Event], object]] = []
        self.has_trained = False

    def listen(self, listener: Callable[[Event], object]) -> None:
        """Call a function of the core's own with every event from now on."""
        self._listeners.append(listener)

    def announce(self, event: Event) -> None:
        self.has_trained |= isinstance(event, events.StepDone)
        for listener in self._listeners:
            listener(event)
        for reporter in list(self._reporters):
            try:
                reporter.handle(event)
            except (Exception, SystemExit, GeneratorExit) as error:
                self._reporters.remove(reporter)
                name = type(reporter).__name__
                sys.stderr.write(f"warning: the reporter {name} fails and is left out: {in_words(error)}\n")
        hook = HOOKS.get(type(event))
        if hook:
            for _ in self._manager.each(hook, event=event):
                pass
