"""A session: the loaded and prepared things of one run, handed to strategies, evaluators and exporters.

It holds and answers; it decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftcore.errors import DivergedError
from ftcore.events import Event
from ftcore.run.plan import Plan
from ftcore.types import ChatExample, Evaluation, Example, Sample

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase, Trainer

    from ftcore.protocols import AlignmentStrategy, HardwareBackend, ModelLoader, TuningMethod
    from ftcore.run.announce import Announcer
    from ftcore.run.load import Clock


@dataclass(frozen=True, slots=True)
class Data:
    """The rows of a run as tensors-to-be, on disk, and as examples."""

    train: Dataset
    """The rows to train on. `chat` and `text` examples have the columns `input_ids` and `labels`; `preference` has
    `prompt_ids`, `chosen_ids`, `rejected_ids` and `margin`, `feedback` has `prompt_ids`, `completion_ids` and `good`,
    `prompt` has `prompt_ids`. All are lists of token ids, but for `margin` (NaN where nobody said) and `good`."""
    heldout: Dataset
    """The rows to judge by, with the same columns."""
    heldout_examples: Sequence[Example]
    """The same as examples, before they were cut to tokens."""
    train_examples: Sequence[Example]
    """Those to train on. They are read from disk when they are asked for."""
    account: Mapping[str, Any]
    """What became of every row read: `trained`, `heldout`, `dropped` and more, as data.json has it."""


@dataclass(slots=True)
class Session:
    """What a strategy builds its trainer from, and what evaluators and exporters look at."""

    plan: Plan
    """All choices and settings of the run: `plan.strategy.settings.beta`, `plan.train.max_length`."""
    folder: Path
    """The run's folder. What a plugin writes there stays with the run."""
    backend: HardwareBackend
    """On what the run computes: `backend.device()`."""
    loader: ModelLoader
    """Where the base model came from; `loader.model(dtype=…)` loads it once more."""
    method: TuningMethod
    """What was attached: `method.state(session.model)` is what trains, `method.save(session.model, folder)` writes."""
    strategy: AlignmentStrategy
    """Toward what the run trains."""
    tokenizer: PreTrainedTokenizerBase
    """The model's, with the chat template that the run uses."""
    model: Any
    """What the method's `attach` returned: an `nn.Module` that is called and generates as the base model does."""
    data: Data
    """The rows, below."""
    announcer: Announcer
    """Behind `emit`."""
    clock: Clock
    """Seconds by phase, in `clock.seconds`."""
    trainer: Trainer | None = None
    """What the strategy built; None until it has."""
    stop_signal: int | None = None
    """Set by a signal handler; every long loop looks at it between two pieces of work."""
    results: dict[str, Mapping[str, Evaluation]] = field(default_factory=dict)
    """What the evaluators said, by `before` and `after`, as far as they were asked."""
    _samples: tuple[int, list[Sample]] | None = field(default=None, repr=False)

    def guarded(self, trainer: type[Trainer]) -> type[Trainer]:
        """`trainer` with what all runs share: checkpoints, resume, the check for non-finite numbers, events.

        Build the trainer from what this returns; nothing else is needed of a strategy.
        """
        from ftcore.run.guard import guarded

        return guarded(trainer, self)

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments for transformers' `TrainingArguments` (or TRL's subclasses) that follow from the plan."""
        from ftcore.run.arguments import training_arguments

        return training_arguments(self)

    def emit(self, event: Event) -> None:
        """Tell reporters and observers."""
        self.announcer.announce(event)

    @property
    def step(self) -> int:
        """Optimizer steps done so far."""
        return self.trainer.state.global_step if self.trainer else 0

    @property
    def rows_seen(self) -> int:
        """Training rows that the steps done so far have reached; all of them after the first epoch."""
        rows = int(self.data.account["trained"])
        dataset: Any = self.trainer and self.trainer.train_dataset
        if not dataset:
            return 0
        return round(rows * min(1.0, self.step * self.plan.train.batch_size / len(dataset)))

    def heldout_loss(self) -> float:
        """Mean of the strategy's own loss over the held-out rows, in nats a token for `sft`.

        Raises DivergedError where it is no finite number.
        """
        assert self.trainer is not None
        loss = float(self.trainer.evaluate()["eval_loss"])
        if not math.isfinite(loss):
            what = f"the loss on held-out rows is {loss} after step {self.step}"
            raise DivergedError(what, where=str(self.folder), fix="--backend.precision fp32")
        return loss

    def prompts(self) -> list[tuple[ChatExample, str]]:
        """Held-out conversations up to their last trained turn, each with the text of that turn."""
        from ftcore.run.generate import prompts

        return prompts(self.data.heldout_examples)[: self.plan.evaluate.generate]

    def samples(self) -> list[Sample]:
        """What the model now writes for the held-out prompts. Written once a step, however many evaluators ask."""
        from ftcore.run.generate import generate

        if self._samples is None or self._samples[0] != self.step:
            self._samples = (self.step, generate(self))
        return self._samples[1]
