"""What happens in a run, as frozen events. Reporters handle them; observer hooks receive the same objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ftcore.types import Evaluation

if TYPE_CHECKING:
    from ftcore.run.plan import Plan


@dataclass(frozen=True, slots=True)
class PhaseStarted:
    """A stage began that may take a while: `loading the model`. `total` counts its parts where they are known."""

    title: str
    total: int | None = None


@dataclass(frozen=True, slots=True)
class PhaseAdvanced:
    """`done` parts of the current stage are finished."""

    done: int


@dataclass(frozen=True, slots=True)
class RunStarted:
    """Everything is loaded; training is next."""

    plan: Plan
    folder: Path
    facts: Mapping[str, Any]
    """Numbers known by now: trainable and total parameters, rows and tokens, steps, device, precision."""


@dataclass(frozen=True, slots=True)
class StepDone:
    """One optimizer step. `metrics` holds loss, learning_rate, grad_norm, tokens and seconds, in full precision."""

    step: int
    steps: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The evaluators have spoken, `before` training, `during` or `after`."""

    when: Literal["before", "during", "after"]
    step: int
    results: Mapping[str, Evaluation]
    """By the evaluator's name."""


@dataclass(frozen=True, slots=True)
class CheckpointWritten:
    """A checkpoint is complete on disk."""

    step: int
    folder: Path


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The artifact was written, read back and verified; the report stands in the folder."""

    folder: Path
    report: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunFailed:
    """The run ended early. What earlier runs left is as it was."""

    folder: Path | None
    error: BaseException


Event: TypeAlias = (
    PhaseStarted | PhaseAdvanced | RunStarted | StepDone | Evaluated | CheckpointWritten | RunFinished | RunFailed
)
