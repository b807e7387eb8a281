"""A plan: everything a run will do, decided before anything loads. It prints, is saved, and runs again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from ftcore.config import CheckpointSettings, DataSettings, EvaluateSettings, RewardSettings, TrainSettings
from ftcore.errors import PluginError
from ftcore.loading.calls import misfits
from ftcore.loading.words import definition
from ftcore.manager import Offer, Plugin
from ftcore.protocols import LaunchingBackend, members, promised
from ftcore.settings import Settings
from ftcore.specs import (
    KINDS,
    BackendSpec,
    EvaluatorSpec,
    ExporterSpec,
    LoaderSpec,
    MethodSpec,
    ReporterSpec,
    RewardSpec,
    SourceSpec,
    Spec,
    StrategySpec,
)
from ftcore.types import Finding, Hardware, Precision, Secret

S = TypeVar("S", bound=Spec)


@dataclass(frozen=True, slots=True)
class Choice(Generic[S]):
    """A component that was chosen, with its settings validated."""

    kind: str
    spec: S
    settings: Settings | None
    plugin: Plugin
    typed: str | None = None
    """The name that finds it again, where that is not the record's alone: `acme/lora`."""

    @classmethod
    def of(cls, kind: str, offer: Offer, /, **settings: Any) -> Choice[Any]:
        """An offered component with these settings, and its own where they say nothing."""
        model = offer.settings()
        return Choice(kind, offer.spec, model(**settings) if model else None, offer.plugin)

    def build(self) -> Any:
        """What the plugin's factory makes of the settings. Each call builds anew.

        Raises PluginError when the factory is not where the record says, or builds what lacks a method of its protocol,
        or has one that takes other arguments.
        """
        try:
            factory = self.spec.factory.load()
        except PluginError as error:
            raise PluginError(
                f"the {KINDS[self.kind].title} {self.spec.name!r} is not where its record says: {error.what}",
                where=self.plugin.place,
                value=self.spec.factory.target,
                fix=error.fix,
            ) from error
        built = self._made(factory)
        lacking = [name for name in members(self.kind) if not callable(getattr(built, name, None))]
        promises = promised(self.spec)
        lacking += [name for name in promises if not callable(getattr(built, name, None))]
        if lacking:
            why = [f"its record says {promises[name]}=True" for name in lacking if name in promises]
            raise PluginError(
                f"the {KINDS[self.kind].title} {self.spec.name!r} lacks {', '.join(lacking)}",
                more=why,
                where=definition(factory) or self.plugin.place,
                fix=f"ftcore hooks {KINDS[self.kind].hook}",
            )
        for method, written, called in misfits(self.kind, built):
            raise self.fault(f"has {written}, which is called as {called}", method, f"def {called}:")
        return built

    def _made(self, factory: Any) -> Any:
        try:
            return factory() if self.settings is None else factory(self.settings)
        except TypeError as error:
            if error.__traceback__ and error.__traceback__.tb_next:  # then it arose in the factory, which takes them
                raise
            given = "no argument" if self.settings is None else "its settings as the one argument"
            raise self.fault(f"cannot be made with {given}: {error}", factory) from None

    def fault(self, what: str, function: Any, fix: str | None = None, more: Iterable[str] = ()) -> PluginError:
        """The error for a promise that the component breaks in `function`, with the line where that stands."""
        return PluginError(
            f"the {KINDS[self.kind].title} {self.spec.name!r} of {self.plugin.key} {what}",
            where=definition(function) or self.plugin.place,
            fix=fix or f"ftcore hooks {KINDS[self.kind].hook}",
            more=more,
        )

    def dump(self) -> dict[str, Any]:
        """As it stands in a run file: `{name: lora, rank: 16, …}`, complete."""
        settings = self.settings.model_dump(mode="json") if self.settings else {}
        return {"name": self.typed or self.spec.name, **settings}


@dataclass(frozen=True, slots=True)
class DataChoice:
    """A chosen source and what the core does with its rows."""

    source: Choice[SourceSpec]
    settings: DataSettings

    def dump(self) -> dict[str, Any]:
        return {**self.source.dump(), **self.settings.model_dump(mode="json")}


@dataclass(frozen=True, slots=True)
class RewardChoice:
    """A chosen reward function and how much it counts."""

    function: Choice[RewardSpec]
    settings: RewardSettings

    def dump(self) -> dict[str, Any]:
        return {**self.function.dump(), **self.settings.model_dump(mode="json")}


@dataclass(frozen=True, slots=True)
class Rows:
    """How many usable rows there are to train on and to judge by, before any is found to teach nothing."""

    train: int
    heldout: int
    good: int = 0
    bad: int = 0
    """Answers of all rows that somebody called good or bad; a pair has one of each."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The four choices, the sections of the core, and what was found out about the machine."""

    model: Choice[LoaderSpec]
    data: tuple[DataChoice, ...]
    method: Choice[MethodSpec]
    strategy: Choice[StrategySpec]
    backend: Choice[BackendSpec]
    evaluators: tuple[Choice[EvaluatorSpec], ...]
    exporter: Choice[ExporterSpec]
    reporters: tuple[Choice[ReporterSpec], ...]
    train: TrainSettings
    evaluate: EvaluateSettings
    checkpoints: CheckpointSettings
    out: Path | None
    hardware: Hardware
    precision: Precision
    rewards: tuple[RewardChoice, ...] = ()
    plugins: Mapping[str, Any] = field(default_factory=dict)
    """The run file's own lists of plugins to allow and to deny."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Whose word each value of `train` is that the user left out: `method lora`, or `ftcore`."""
    findings: tuple[Finding, ...] = ()
    named_by_file: Mapping[str, str] = field(default_factory=dict)
    """The environment variables that a file names or sends somewhere, and the line does not, each with that file."""
    rows: Rows | None = None
    """Known once they were checked, where all sources are local."""

    def choices(self) -> Iterator[Choice[Any]]:
        """Every component of the plan."""
        yield from (self.model, self.method, self.strategy, self.backend, self.exporter)
        yield from (entry.source for entry in self.data)
        yield from (entry.function for entry in self.rewards)
        yield from self.evaluators
        yield from self.reporters

    def secrets(self) -> Iterator[Secret]:
        """What every component sends somewhere of the environment."""
        for choice in self.choices():
            yield from choice.settings.secrets() if choice.settings else ()

    def judges(self, kinds: Iterable[str]) -> list[Choice[EvaluatorSpec]]:
        """The evaluators that have something to say about held-out rows of these kinds."""
        found = set(kinds)
        return [
            choice
            for choice in self.evaluators
            if (not choice.spec.examples or found & set(choice.spec.examples))
            and (self.rewards or not choice.spec.needs_rewards)
            and (self.strategy.spec.head == "lm" or not choice.spec.generates)
        ]

    @property
    def workers(self) -> int:
        """Processes that share every batch; one, unless the backend launches more."""
        backend = self.backend.build()
        return backend.workers if isinstance(backend, LaunchingBackend) else 1

    @property
    def steps(self) -> int | None:
        """Optimizer steps, about as many; None where that is known only when the rows have been prepared."""
        if self.train.steps:
            return self.train.steps
        if not self.rows or getattr(self.strategy.settings, "packing", False):
            return None
        return math.ceil(self.train.epochs * math.ceil(self.rows.train / self.train.batch_size))

    @property
    def micro_batch(self) -> int:
        """Examples that a worker holds in memory at once."""
        return self.train.micro_batch_size or self.train.batch_size // self.workers

    def dump(self) -> Mapping[str, Any]:
        """The run file that repeats this run: every setting, resolved."""
        return {
            "model": self.model.dump(),
            "data": [entry.dump() for entry in self.data],
            "method": self.method.dump(),
            "strategy": self.strategy.dump(),
            "backend": self.backend.dump(),
            "train": self.train.model_dump(mode="json"),
            "evaluate": self.evaluate.model_dump(mode="json"),
            "checkpoints": self.checkpoints.model_dump(mode="json"),
            "rewards": [entry.dump() for entry in self.rewards],
            "evaluators": [choice.dump() for choice in self.evaluators],
            "exporter": self.exporter.dump(),
            "reporters": [choice.dump() for choice in self.reporters],
            **({"plugins": dict(self.plugins)} if self.plugins else {}),
        }
