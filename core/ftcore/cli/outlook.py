"""What `ftcore plan` shows: a run at a glance, before anything loads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ftcore.run.plan import Choice, Plan, RewardChoice
from ftcore.run.rows import label


def outlook(plan: Plan) -> Iterator[tuple[str, str]]:
    """Pairs of label and text: what is chosen, on how many rows, in how many steps, and where it goes."""
    train, hardware = plan.train, plan.hardware
    yield "model", _named(plan.model)
    yield "data", ", ".join(label(entry) for entry in plan.data)
    if plan.rows:
        yield "rows", f"{plan.rows.train:,} to train on, {plan.rows.heldout:,} held out"
    yield "method", f"{plan.method.spec.name}{_set(plan.method)}"
    yield "strategy", f"{plan.strategy.spec.name}{_set(plan.strategy)}"
    if plan.rewards:
        yield "rewards", "; ".join(_reward(entry) for entry in plan.rewards)
    computed = plan.precision.autocast or plan.precision.weights
    yield "backend", f"{plan.backend.spec.name}: {', '.join(hardware.devices)}; {computed}"
    yield (
        "learning rate",
        f"{train.learning_rate:g}{_from(plan, 'learning_rate')}, {train.scheduler}{_from(plan, 'scheduler')}",
    )
    yield "steps", _steps(plan)
    yield from _left_out(plan)
    judges = plan.judges(plan.strategy.spec.examples)
    yield "judged by", ", ".join(choice.spec.name for choice in judges) or "nobody"
    yield "folder", str(plan.out) if plan.out else "runs/DATE-METHOD-STRATEGY (name it: --out DIR)"


def _left_out(plan: Plan) -> Iterator[tuple[str, str]]:
    """What else of the training nobody typed, by whose word it is."""
    said: dict[str, list[str]] = {}
    for key, origin in plan.origins.items():
        value = getattr(plan.train, key)
        if key not in ("learning_rate", "scheduler") and value is not None:
            said.setdefault(origin, []).append(f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}")
    if said:
        yield "by default", "; ".join(f"{', '.join(values)} (from {origin})" for origin, values in said.items())


def _from(plan: Plan, key: str) -> str:
    return f" (from {plan.origins[key]})" if key in plan.origins else ""


def _steps(plan: Plan) -> str:
    train = plan.train
    batches = f"{train.batch_size} rows"
    if train.micro_batch_size:
        batches += f", {train.micro_batch_size} at once"
    if train.steps:
        seen = f", {_epochs(train.steps * train.batch_size / plan.rows.train, '.2g')}" if plan.rows else ""
        return f"{train.steps:,} of {batches}{seen}"
    if plan.steps is None:
        return f"as many as there are in {_epochs(train.epochs, 'g')}, of {batches}"
    return f"about {plan.steps:,} of {batches}"


def _reward(entry: RewardChoice) -> str:
    weight = entry.settings.weight
    return f"{entry.function.spec.name}{_set(entry.function)}" + (f", weight {weight:g}" if weight != 1 else "")


def _epochs(number: float, digits: str) -> str:
    text = f"{number:{digits}}"
    return f"{text} epoch" if text == "1" else f"{text} epochs"


def _named(choice: Choice[Any]) -> str:
    argument = getattr(choice.spec, "argument", None)
    value = getattr(choice.settings, argument, None) if argument else None
    return f"{choice.spec.name}:{value}" if value else choice.spec.name


def _set(choice: Choice[Any]) -> str:
    """The settings that are not as usual."""
    if choice.settings is None:
        return ""
    usual = choice.settings.model_dump(mode="json", exclude_defaults=True)
    return "".join(f", {name} {value}" for name, value in usual.items())
