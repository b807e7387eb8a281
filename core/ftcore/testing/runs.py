"""Small real runs for contracts: a tiny model, a few rows, two or four steps on the processor, in well under a second.

A run here goes through the same six functions as any other; only what it is given is small.
"""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from ftcore.events import Event
from ftcore.manager import PluginManager
from ftcore.run.announce import Announcer
from ftcore.run.check import check
from ftcore.run.checkpoint import STATE, load_tensors
from ftcore.run.execute import execute, resume
from ftcore.run.folder import create
from ftcore.run.plan import Plan
from ftcore.run.resolve import resolve
from ftcore.run.runfile import RunFile
from ftcore.run.session import Session
from ftcore.testing.contract import Contract
from ftcore.testing.tiny import save_tiny

ROWS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "chat": [{"prompt": f"say {'abcdefgh'[n % 8]}{n}", "completion": f"{'abcdefgh'[n % 8]}{n}"} for n in range(16)],
    "text": [{"text": f"{n} apples and {n + 1} pears make {2 * n + 1}"} for n in range(16)],
    "preference": [{"prompt": f"say {n}", "chosen": f"{n}", "rejected": f"not {n}"} for n in range(16)],
    "feedback": [{"prompt": f"say {n}", "completion": f"{n}", "label": n % 2 == 0} for n in range(16)],
    "prompt": [{"prompt": f"say {n}"} for n in range(16)],
}
"""Rows to tune a tiny model on, by the kind of example that they hold, in columns that ftcore's own formats know."""

SMALL: Mapping[str, Any] = {
    "backend": {"name": "cpu", "precision": "fp32"},
    "train": {"steps": 4, "batch_size": 4, "max_length": 96, "learning_rate": 1e-3},
    "evaluate": {"holdout": 4, "generate": 2, "max_new_tokens": 4},
    "checkpoints": {"every": 2, "keep": 2},
    "evaluators": [],
    "reporters": [],
}
"""The run file of a small run, but for model and data."""


class RunContract(Contract):
    """A contract whose component is tried in small runs."""

    method: ClassVar[str] = "lora"
    """The tuning method of these runs, where it is not what is tested."""
    run_file: ClassVar[Mapping[str, Any]] = {}
    """What else the runs' file should say: `{"train": {"batch_size": 2}}`. Sections are laid over the usual ones."""

    @pytest.fixture(autouse=True, scope="class")
    def _one_thread(self) -> Iterator[None]:
        """Models this small are slower on several threads, and much slower when others want the cores too."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(threads)

    @pytest.fixture(scope="class")
    def base_folder(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A tiny model as a user would have it on disk."""
        return save_tiny(tmp_path_factory.mktemp("base"))

    @classmethod
    def itself(cls) -> dict[str, Any]:
        """The component with its settings, as an entry of a run file."""
        return {"name": cls.name, **cls.settings}

    @classmethod
    def plan(cls, model: Path, folder: Path, example: str = "chat", **more: Any) -> Plan:
        """A checked plan to tune `model` on rows of one kind, in the folder `folder / "run"`."""
        return plan(cls.manager(), model, folder, example, {"method": cls.method, **cls.run_file, **more})


def plan(
    manager: PluginManager, model: Path, folder: Path, example: str = "chat", more: Mapping[str, Any] | None = None
) -> Plan:
    """The plan of a small run. `more` is laid over its run file, section by section."""
    rows = folder / f"{example}.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in ROWS[example]), encoding="utf-8")
    values: dict[str, Any] = {**SMALL, "model": str(model), "data": str(rows), "out": str(folder / "run")}
    for key, value in (more or {}).items():
        both = isinstance(value, Mapping) and isinstance(values.get(key), Mapping) and "name" not in value
        values[key] = {**values[key], **value} if both else value
    return check(resolve(manager, RunFile(values=values), {}), manager)


def session(plan: Plan, manager: PluginManager, listener: Callable[[Event], object] | None = None) -> Session:
    """A session as it is before the first step; `listener` gets every event."""
    from ftcore.run.build import build
    from ftcore.run.load import load

    announcer = Announcer(manager, [])
    if listener:
        announcer.listen(listener)
    return build(load(plan, manager, create(plan), announcer))


def events(plan: Plan, manager: PluginManager) -> list[Event]:
    """Everything that a whole run announces, from loading to the report."""
    import datetime

    from ftcore.run.report import report
    from ftcore.run.train import train

    heard: list[Event] = []
    ready = session(plan, manager, heard.append)
    report(train(ready), datetime.datetime.now(datetime.UTC))
    return heard


def must_resume_exactly(plan: Plan, manager: PluginManager) -> None:
    """Run to the end; then throw everything behind the middle away, go on from there, and compare every byte."""
    folder, _ = execute(plan, manager)
    last = _last_checkpoint(folder)
    expected, artifact = load_tensors(last / STATE), _weights(folder)
    shutil.rmtree(last)
    shutil.rmtree(folder / "model")
    (folder / "report.json").unlink()
    resume(folder, manager)
    found = load_tensors(last / STATE)
    assert found.keys() == expected.keys()
    other = [name for name, tensor in expected.items() if not torch.equal(tensor, found[name])]
    assert not other, f"stopped and resumed, training ends with other weights: {', '.join(other[:3])}"
    assert _weights(folder) == artifact, "stopped and resumed, the artifact is another"


def fresh(folder: Path) -> Path:
    """An empty folder below `folder`."""
    path = next(path for n in itertools.count() if not (path := folder / str(n)).exists())
    path.mkdir()
    return path


def _last_checkpoint(folder: Path) -> Path:
    written = sorted((folder / "checkpoints").glob("step-*"))
    assert len(written) == 2, f"a run of four steps with a checkpoint every two leaves two, not {len(written)}"
    return written[-1]


def _weights(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "model").glob("*.safetensors"))}
