"""What the factories of plugins build: small structural protocols, no base class to inherit.

Nothing is imported at run time that a plugin does not need itself; torch and transformers appear in annotations only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ftcore.types import BadRow, Evaluation, Example, Finding, Hardware, Precision, Row, Sample

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer

    from ftcore.events import Event
    from ftcore.run.session import Session


@runtime_checkable
class DatasetSource(Protocol):
    """Where rows come from. Reading is streaming: a file larger than memory is never held whole."""

    def rows(self) -> Iterator[Row | BadRow]:
        """Every row, in a fixed order, each time from the start. What cannot be read comes as a `BadRow`."""
        ...

    def fingerprint(self) -> str:
        """A hash that changes when the content does; it goes into lock.json."""
        ...


@runtime_checkable
class DatasetFormat(Protocol):
    """What a row means."""

    def recognises(self, row: Mapping[str, Any]) -> str | None:
        """Why this format fits a row with these columns and values (shown to the user), or None if it does not."""
        ...

    def example(self, row: Mapping[str, Any]) -> Example:
        """The row as an example. Raises ValueError with a reason in plain words when the row holds none,
        and DataError when the whole source is misunderstood, so that leaving the row out would not help."""
        ...


@runtime_checkable
class ModelLoader(Protocol):
    """Where weights and tokenizer come from."""

    def findings(self) -> Iterable[Finding]:
        """What can be said against the model before anything heavy is imported: a missing file, an unsafe setting."""
        ...

    def tokenizer(self) -> PreTrainedTokenizerBase: ...

    def model(self, **options: Any) -> PreTrainedModel:
        """The model, with `options` handed on to `from_pretrained` (`dtype`, `quantization_config`, `device_map`)."""
        ...

    def fingerprint(self) -> str:
        """A hash of the weights, or the hub's commit."""
        ...

    def name(self) -> str:
        """What others would load it by: a hub id or a path. Written into adapters as their base model."""
        ...


@runtime_checkable
class TuningMethod(Protocol):
    """Which parameters train, and how they are saved.

    A method whose record says `switchable` is a `SwitchableMethod` too, and one that says `mergeable` a
    `MergeableMethod`. Optional besides: `parameter_groups(model, learning_rate)` returns the optimizer's groups (a list
    of dictionaries as torch takes them, or None) where one learning rate for all parameters is not what is wanted.
    """

    def load_options(self) -> dict[str, Any]:
        """Options for `from_pretrained` that the method insists on, such as a quantisation config."""
        ...

    def attach(self, model: PreTrainedModel) -> nn.Module:
        """Make the model trainable: afterwards exactly the method's parameters require gradients."""
        ...

    def state(self, model: nn.Module) -> dict[str, Tensor]:
        """What training changes, by name: the content of a checkpoint."""
        ...

    def load_state(self, model: nn.Module, state: Mapping[str, Tensor]) -> None:
        """Put back what `state` gave. Raises ValueError naming what is missing or of another shape."""
        ...

    def save(self, model: nn.Module, folder: Path) -> None:
        """Write the artifact as the rest of the ecosystem loads it, as safetensors and JSON only.

        An `adapter` writes `state(model)` into `adapter_model.safetensors`; a `model` writes what
        `from_pretrained(folder)` reads.
        """
        ...


@runtime_checkable
class SwitchableMethod(TuningMethod, Protocol):
    """A method that gives the base model back for a while, so that no second copy is needed as the reference."""

    def disabled(self, model: nn.Module) -> AbstractContextManager[Any]:
        """Inside, the model answers as the base model did."""
        ...


@runtime_checkable
class MergeableMethod(TuningMethod, Protocol):
    """A method whose change can be folded into the base weights."""

    def merge(self, model: nn.Module) -> PreTrainedModel:
        """A plain transformers model with the change folded in, giving the same logits. May consume `model`."""
        ...


@runtime_checkable
class InitialisedMethod(TuningMethod, Protocol):
    """A method that begins from words, such as a prompt that starts as the embedding of a text.

    Recognised by its member; no fact in the record is needed.
    """

    def initialise(self, model: nn.Module, tokenizer: PreTrainedTokenizerBase) -> None:
        """Called between `attach` and training. Not called where `load_state` follows instead of training."""
        ...


@runtime_checkable
class SteppedMethod(TuningMethod, Protocol):
    """A method that acts between optimizer steps, such as one that moves rank from layer to layer while it trains.

    Recognised by its members; no fact in the record is needed. Optional besides: `before_step(model, step)`, called
    when the gradients of the step are complete, unscaled and clipped in `.grad`, and the optimizer is next.

    It may freeze and thaw parameters, among those that `attach` made trainable; the optimizer then forgets what it
    remembers of the frozen ones.
    """

    def begin(self, model: nn.Module, steps: int) -> None:
        """Training of `steps` optimizer steps is about to begin, or to go on after `load_progress`."""
        ...

    def after_step(self, model: nn.Module, step: int) -> None:
        """Optimizer step `step`, counted from 1, is done; its gradients are still in `.grad`."""
        ...

    def progress(self, model: nn.Module) -> dict[str, Tensor]:
        """What the method remembers from step to step beyond `state`, for an exact resume. Not in the artifact."""
        ...

    def load_progress(self, model: nn.Module, progress: Mapping[str, Tensor]) -> None:
        """Put back what `progress` gave."""
        ...


@runtime_checkable
class AlignmentStrategy(Protocol):
    """Toward what objective."""

    def trainer(self, session: Session) -> Trainer:
        """The trainer for this session: `session.guarded(SomeTrainer)(args=…, model=session.model, …)`.

        The guard adds checkpoints, resume, the check for non-finite numbers, and events to any transformers Trainer.
        """
        ...


@runtime_checkable
class LearningTrainer(Protocol):
    """A trainer that learns or remembers something of its own beside the model, such as a value head.

    What a strategy's `trainer` returns is recognised as one by its members. Optional besides:
    `own_parameter_groups(learning_rate)`, the optimizer's groups for what it trains beside the model.
    """

    def progress(self) -> dict[str, Tensor]:
        """What an exact resume needs beyond the states of model and optimizer. Not in the artifact."""
        ...

    def load_progress(self, progress: Mapping[str, Tensor]) -> None:
        """Put back what `progress` gave."""
        ...


@runtime_checkable
class HardwareBackend(Protocol):
    """On what the run computes."""

    def probe(self) -> Hardware:
        """What is there. Fast and without torch wherever the answer can be had so."""
        ...

    def precision(self, trains_base: bool) -> Precision:
        """The dtypes that suit the machine, for a method that does or does not update the base weights."""
        ...

    def place(self) -> Mapping[str, Any]:
        """Arguments for transformers' `TrainingArguments` that put the run on this hardware."""
        ...

    def device(self) -> str:
        """Where the model is loaded, as torch names it: `cpu`, `cuda:0`."""
        ...

    def memory(self) -> int:
        """Bytes of this process's memory in use on the device, at the peak."""
        ...


@runtime_checkable
class LaunchingBackend(HardwareBackend, Protocol):
    """A backend on which several processes compute one run, each with an equal share of every batch.

    Recognised by its members; no fact in the record is needed. The run then happens in the workers, and the process
    that the user started follows it. All of them see the same file system.
    """

    workers: int
    """How many processes compute."""

    def launch(self, work: Callable[[], None], follow: Callable[[], None]) -> None:
        """Call `work` in every worker, and return when it has returned in all.

        `work` can be pickled. Around it torch.distributed is initialised, and RANK, LOCAL_RANK and WORLD_SIZE are set
        as torchrun does. Meanwhile call `follow` a few times a second, in the thread that called `launch`: it shows the
        user how the run goes. No worker may outlive the call, however it ends. Raises any exception when `work` failed
        in a worker, and ResourceError when a worker was lost or cannot be had.
        """
        ...


@runtime_checkable
class Evaluator(Protocol):
    """Is the tuned model better? Asked once before training and once after, about the same held-out rows."""

    def evaluate(self, session: Session) -> Evaluation: ...


@runtime_checkable
class Reward(Protocol):
    """How good is an answer? A function of the answer alone or of its prompt and reference too."""

    def scores(self, samples: Sequence[Sample]) -> Sequence[float]:
        """One finite number for each sample, in their order; higher is better."""
        ...


@runtime_checkable
class RememberingReward(Reward, Protocol):
    """A reward function whose scores are dear, such as those of a service: it keeps them beside the run.

    Recognised by its member; no fact in the record is needed.
    """

    def remember(self, folder: Path) -> None:
        """Keep scores in the folder of the run from now on, and look there before asking. Called before `scores`.

        A run that goes on has the same folder, and several instances may share it.
        """
        ...


@runtime_checkable
class Exporter(Protocol):
    """The form in which the result is written."""

    def export(self, session: Session, folder: Path) -> Sequence[str]:
        """Write into the empty `folder`; return the names of the files. What was written is read back afterwards."""
        ...


@runtime_checkable
class Reporter(Protocol):
    """Somebody who is told how the run goes. What it raises is shown once and never stops the run."""

    def handle(self, event: Event) -> None: ...


_BY_KIND: Mapping[str, type] = {
    "model": ModelLoader,
    "data": DatasetSource,
    "format": DatasetFormat,
    "method": TuningMethod,
    "strategy": AlignmentStrategy,
    "backend": HardwareBackend,
    "rewards": Reward,
    "evaluators": Evaluator,
    "exporter": Exporter,
    "reporters": Reporter,
}


def promised(spec: Any) -> dict[str, str]:
    """What a record's facts add to the protocol: by the method of the class, the fact that promises it."""
    facts = {"merge": "mergeable", "disabled": "switchable"}
    return {member: fact for member, fact in facts.items() if getattr(spec, fact, False)}


def of_kind(kind: str) -> list[type]:
    """The protocol of what is built for a kind of component, then those that add to it."""
    base = _BY_KIND[kind]
    return [base, *(each for each in globals().values() if isinstance(each, type) and base in each.__mro__[1:])]


def members(kind: str) -> list[str]:
    """The methods that what is built for a kind of component must have."""
    return [name for name in vars(_BY_KIND[kind]) if not name.startswith("_")]
