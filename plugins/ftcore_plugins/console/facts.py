"""What the console says about a plan and a result, as plain pairs of label and text.

It deliberately knows nothing of colours and bars: the two displays lay the same words out, each in its way.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ftcore.events import Evaluated, RunStarted
from ftcore.line import options
from ftcore.run.plan import Choice, Plan
from ftcore_plugins.metrics.comparison import label
from ftcore_plugins.metrics.words import count, counted, number, share, short_count

Pairs = list[tuple[str, str]]


def plan_pairs(event: RunStarted) -> Pairs:
    """The plan in a dozen lines."""
    plan, facts = event.plan, event.facts
    return [
        ("model", str(facts.get("model") or _named(plan.model))),
        ("data", ", ".join(_named(entry.source) for entry in plan.data)),
        ("rows", _rows(facts)),
        ("method", f"{plan.method.spec.name} – {plan.method.spec.summary}"),
        ("strategy", f"{plan.strategy.spec.name} – {plan.strategy.spec.summary}"),
        ("backend", _backend(plan, facts)),
        ("learning rate", f"{number(facts.get('learning_rate', plan.train.learning_rate))}, {plan.train.scheduler}"),
        ("steps", _steps(plan, facts)),
        ("parameters", _parameters(facts)),
        ("folder", path_text(event.folder)),
    ]


def evaluation_line(event: Evaluated, plan: Plan) -> str:
    """`before training: exact match 0 %, loss 2.31`."""
    percents = {choice.spec.name: choice.spec.percent for choice in plan.evaluators}
    metrics = [metric for result in event.results.values() for metric in result.metrics]
    parts = []
    for evaluator, result in event.results.items():
        for metric, value in result.metrics.items():
            is_share = metric in percents.get(evaluator, ()) or metric in result.percent
            text = share(value) if is_share else number(value)
            parts.append(f"{label(evaluator, metric, alone=metrics.count(metric) == 1)} {text}")
    when = f"at step {event.step}" if event.when == "during" else f"{event.when} training"
    return f"{when}: {', '.join(parts) or 'nothing was measured'}"


def next_pairs(report: Mapping[str, Any], folder: Path, reporters: Sequence[str]) -> Pairs:
    """Where things are, and what can be typed next."""
    run = shlex.quote(path_text(folder))
    artifact = report.get("artifact") or {}
    pairs = [(artifact.get("kind") or "result", path_text(folder / "model"))]
    if "html" in reporters:
        pairs.append(("report", path_text(folder / "report.html")))
    if artifact.get("head", "lm") == "lm":
        pairs.append(("talk to it", f"ftcore chat {run}{options.files}"))
    else:
        pairs.append(("ask it", f"ftcore run … --rewards model --rewards.run {run}{options.files}"))
    if artifact.get("kind") == "adapter" and artifact.get("mergeable", True):
        pairs.append(("merge it", f"ftcore merge {run}{options.files}"))
    return pairs


def path_text(path: Path) -> str:
    """The path as one would type it here: relative when it is below the working directory."""
    return os.path.relpath(path) if path.is_absolute() and path.is_relative_to(Path.cwd()) else str(path)


def _named(choice: Choice[Any]) -> str:
    argument = getattr(choice.spec, "argument", None)
    value = getattr(choice.settings, argument, None) if argument else None
    return f"{choice.spec.name}: {value}" if value else choice.spec.name


def _rows(facts: Mapping[str, Any]) -> str:
    parts = [f"{count(facts.get('train_rows'))} to train on", f"{count(facts.get('heldout_rows'))} held out"]
    if facts.get("train_tokens"):
        parts.append(f"{count(facts['train_tokens'])} tokens, {count(facts.get('trained_tokens'))} of them learned")
    return ", ".join(parts)


def _backend(plan: Plan, facts: Mapping[str, Any]) -> str:
    precision = facts.get("precision") or plan.precision.weights
    device = facts.get("device") or plan.backend.spec.name
    where = plan.backend.spec.name if device == plan.backend.spec.name else f"{plan.backend.spec.name} ({device})"
    return f"{where}, {precision}"


def _steps(plan: Plan, facts: Mapping[str, Any]) -> str:
    text = f"{counted(facts.get('steps', 0), 'step')} of {counted(plan.train.batch_size, 'example')}"
    return f"{text}, going on after step {count(facts['start_step'])}" if facts.get("start_step") else text


def _parameters(facts: Mapping[str, Any]) -> str:
    trainable, total = facts.get("trainable_parameters", 0), facts.get("total_parameters", 0)
    part = f" ({100 * trainable / total:.3g} %)" if total else ""
    return f"{short_count(trainable)} of {short_count(total)} train{part}"
