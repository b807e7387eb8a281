"""A session: the loaded and prepared things of one run, handed to strategies, evaluators and exporters.

It holds and answers; it decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    """The rows of a run as tensors-to-be, on disk, and as examples; those to train on are read when they are asked for.

    `train` and `heldout` have the columns that `ftcore.run.compared.encode` gives their kind of example. `account` says
    what became of every row read.
    """

    train: Dataset
    heldout: Dataset
    heldout_examples: Sequence[Example]
    train_examples: Sequence[Example]
    account: Mapping[str, Any]


@dataclass(slots=True)
class Session:
    """What a strategy builds its trainer from, and what evaluators and exporters look at."""

    plan: Plan
    folder: Path
    backend: HardwareBackend
    loader: ModelLoader
    method: TuningMethod
    strategy: AlignmentStrategy
    tokenizer: PreTrainedTokenizerBase
    model: Any
    """What the method's `attach` returned: an `nn.Module` that is called and generates as the base model does."""
    data: Data
    announcer: Announcer
    clock: Clock
    trainer: Trainer | None = None
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
        """Mean of the strategy's own loss over the held-out rows, in nats a token for `sft`."""
        assert self.trainer is not None
        return float(self.trainer.evaluate()["eval_loss"])

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
