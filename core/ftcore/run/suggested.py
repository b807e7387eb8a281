"""Fills in what the user left out of `train` with what suits the components, and remembers who said what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ftcore.config import TrainSettings
from ftcore.errors import PluginError, UsageError
from ftcore.run.plan import Choice
from ftcore.settings import validate
from ftcore.specs import KINDS, StrategySpec

OURS = "ftcore"
"""The origin of a value that nobody named."""


def filled(
    train: TrainSettings, components: Sequence[Choice[Any]], strategy: Choice[StrategySpec]
) -> tuple[TrainSettings, Mapping[str, str]]:
    """The settings, complete, and by key where each one that the user left out came from.

    `components` are those with a say, the strongest first; `ftcore.specs.Spec` has the rule.
    """
    values, origins = train.model_dump(exclude_unset=True), {}
    for choice, key, value in _by_strength(components):
        if key in values:
            continue
        values[key], origins[key] = value, f"{choice.kind} {choice.spec.name}"
        if key == "learning_rate" and (scale := strategy.spec.learning_rate_scale) != 1:
            values[key] *= scale
            origins[key] += f", times {scale:g} for strategy {strategy.spec.name}"
    rest = {key: OURS for key in type(train).model_fields if key not in values}
    return type(train).model_validate(values), origins | rest


def suggestions(component: Choice[Any]) -> Mapping[str, Any]:
    """What a record would have under `train`. Raises PluginError for what does not belong there."""
    try:
        suited = validate(TrainSettings, dict(component.spec.defaults), "", strict=True)
    except UsageError as error:
        said = f"{error.where}: {error.what}" if error.where else error.what
        raise PluginError(
            f"the {KINDS[component.kind].title} {component.spec.name!r} has wrong defaults: {said}",
            where=component.plugin.place,
            value=error.value,
            fix='defaults={"learning_rate": 2e-4}',
            more=error.more,
        ) from None
    return suited.model_dump(exclude_unset=True)


def _by_strength(components: Sequence[Choice[Any]]) -> list[tuple[Choice[Any], str, Any]]:
    """Every suggestion, the strongest first; at the end those that give way to all others."""
    every = [(choice, key, value) for choice in components for key, value in suggestions(choice).items()]
    return sorted(every, key=lambda one: one[1] in getattr(one[0].spec, "gives_way", ()))
