"""Events through a file: one process writes them, another announces them, so reporters run where the user sits."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ftcore import events
from ftcore.events import Evaluated, Event, RunStarted
from ftcore.run.folder import open_own
from ftcore.run.plan import Plan
from ftcore.types import Evaluation, Finding, Sample, Turn


class Recorder:
    """A reporter that appends each event to a file, as a line of JSON."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def handle(self, event: Event) -> None:
        with open_own(self._path, "a") as file:
            file.write(json.dumps(_dump(event), default=str) + "\n")


class Follower:
    """Called, it announces what a `Recorder` has written since the last call. `plan` stands for the one in events."""

    def __init__(self, path: Path, plan: Plan, announce: Callable[[Event], object]) -> None:
        self._path, self._plan, self._announce = path, plan, announce
        self._read = 0

    def __call__(self) -> None:
        if not self._path.is_file():
            return
        with self._path.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]  # the last line may be half written
        self._read += len(whole)
        for line in whole.splitlines():
            self._announce(_load(json.loads(line), self._plan))


def _dump(event: Event) -> dict[str, Any]:
    values = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
    match event:
        case RunStarted():
            values["plan"] = [dataclasses.asdict(finding) for finding in event.plan.findings]
        case Evaluated():
            values["results"] = {name: dataclasses.asdict(said) for name, said in event.results.items()}
    return {"event": type(event).__name__, **values}


def _load(record: dict[str, Any], plan: Plan) -> Event:
    kind: Any = getattr(events, record.pop("event"))
    if kind is RunStarted:
        findings = tuple(Finding(**finding) for finding in record["plan"])
        record["plan"] = dataclasses.replace(plan, findings=findings)
    if kind is Evaluated:
        record["results"] = {name: _evaluation(said) for name, said in record["results"].items()}
    if "folder" in record:
        record["folder"] = Path(record["folder"])
    event: Event = kind(**record)
    return event


def _evaluation(said: dict[str, Any]) -> Evaluation:
    for sample in said["samples"]:
        sample["turns"] = tuple(Turn(**turn) for turn in sample["turns"])
    return Evaluation(**{**said, "samples": tuple(Sample(**sample) for sample in said["samples"])})
