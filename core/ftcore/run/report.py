"""Outcome → Report: what is written about a run, for people and for programs, at its start and at its end."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ftcore
from ftcore.events import RunFinished
from ftcore.run.folder import write_json
from ftcore.run.load import Loaded
from ftcore.run.lock import FILE, lock, versions
from ftcore.run.plan import Plan
from ftcore.run.provenance import plugins
from ftcore.run.session import Session
from ftcore.run.train import Outcome, Results
from ftcore.types import Evaluation

Report = Mapping[str, Any]


def write_inputs(loaded: Loaded) -> None:
    """plan.json, data.json and lock.json, beside run.yaml all that the run depends on, before it begins."""
    plan, folder = loaded.plan, loaded.folder
    write_json(folder / "plan.json", plan_record(plan))
    write_json(folder / "data.json", loaded.prepared.account())
    write_json(folder / FILE, lock(plan, loaded.loader, loaded.tokenizer))


def plan_record(plan: Plan) -> dict[str, Any]:
    """A plan as JSON: the run file, where what it leaves out came from, what the checks found, and the machine."""
    return {
        "plan": plan.dump(),
        "origins": {f"train.{key}": origin for key, origin in plan.origins.items()},
        "findings": [dataclasses.asdict(finding) for finding in plan.findings],
        "hardware": {
            "devices": list(plan.hardware.devices),
            "memory_bytes": plan.hardware.memory_bytes,
            "capabilities": sorted(plan.hardware.capabilities),
        },
        "precision": dataclasses.asdict(plan.precision),
    }


def report(outcome: Outcome, started: datetime.datetime) -> Report:
    """Write report.json and the samples, tell everybody, and return what was written."""
    session = outcome.session
    now = datetime.datetime.now(datetime.UTC)
    record = {
        "ftcore": ftcore.__version__,
        "started": started.isoformat(timespec="seconds"),
        "seconds": (now - started).total_seconds(),
        "phases": dict(session.clock.seconds),
        "plan": dict(session.plan.dump()),
        "findings": [dataclasses.asdict(finding) for finding in session.plan.findings],
        "facts": outcome.facts,
        "data": dict(session.data.account),
        "before": _metrics(outcome.before),
        "after": _metrics(outcome.after),
        **_directions(outcome),
        "judged": _judged(session),
        "aims": _aims(session),
        "samples": side_by_side(outcome.before, outcome.after),
        "tables": {name: list(map(dict, said.table)) for name, said in outcome.after.items() if said.table},
        "training": outcome.training,
        "versions": versions(),
        "plugins": plugins(session.plan),
        "artifact": {
            "kind": session.plan.method.spec.artifact,
            "mergeable": session.plan.method.spec.mergeable,
            "head": session.plan.strategy.spec.head,
            "files": outcome.files,
            "verified": True,
        },
    }
    _add_measured(session, outcome)
    write_json(session.folder / "report.json", record)
    session.emit(RunFinished(session.folder, record))
    return record


def _metrics(results: Results) -> dict[str, dict[str, float]]:
    return {name: dict(evaluation.metrics) for name, evaluation in results.items() if evaluation.metrics}


def _directions(outcome: Outcome) -> dict[str, Any]:
    """By evaluator: which way each number is better, and which are percentages. Said by the record or by the answer."""
    said = [(c.spec, outcome.after.get(c.spec.name, Evaluation({}))) for c in outcome.session.plan.evaluators]
    return {
        "better": {spec.name: {**spec.metrics, **evaluation.better} for spec, evaluation in said},
        "percent": {spec.name: [*spec.percent, *evaluation.percent] for spec, evaluation in said},
    }


def _aims(session: Session) -> list[str]:
    """The evaluators that measure what the strategy strives for: those that ask the rewards it learns from."""
    if not session.plan.strategy.spec.needs_rewards:
        return []
    return [choice.spec.name for choice in session.plan.evaluators if choice.spec.needs_rewards]


def _judged(session: Session) -> dict[str, int]:
    """How many held-out rows each number rests on: none where the evaluator brings its own questions."""
    rows = len(session.data.heldout_examples)
    answered = min(rows, session.plan.evaluate.generate)
    return {
        choice.spec.name: 0 if not choice.spec.examples else answered if choice.spec.generates else rows
        for choice in session.plan.evaluators
    }


def side_by_side(earlier: Mapping[str, Evaluation], later: Mapping[str, Evaluation]) -> list[dict[str, str]]:
    """What each evaluator showed, before and after side by side, whichever prompts it chose each time."""
    pairs: dict[tuple[str, str, str, str], None] = {}
    for name, evaluation in later.items():
        shown = earlier[name].samples if name in earlier else ()
        before: dict[tuple[str, str], list[str]] = {}
        for sample in shown:
            before.setdefault((sample.prompt, sample.reference), []).append(sample.output)
        for sample in evaluation.samples:
            answers = before.get((sample.prompt, sample.reference))
            pairs[sample.prompt, sample.reference, answers.pop(0) if answers else "", sample.output] = None
    return [dict(zip(("prompt", "reference", "before", "after"), pair, strict=True)) for pair in pairs]


def _add_measured(session: Session, outcome: Outcome) -> None:
    """Put what was measured beside what was planned."""
    record = plan_record(session.plan)
    record["measured"] = {**outcome.training, "phases": dict(session.clock.seconds)}
    write_json(session.folder / "plan.json", record)


def summary(folder: Path, record: Report) -> dict[str, Any]:
    """The end of a run for programs (`ftcore run --json`)."""
    keys = ("before", "after", "training", "artifact")
    return {"folder": str(folder), **{key: record[key] for key in keys}}
