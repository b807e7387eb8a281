"""TRL's trainers with a reference model, without a second model: the reference is the method switched off.

A method that cannot be switched off trains the model itself. Trainers are built before anything is trained or taken
from a checkpoint, so then the reference's log-probabilities are computed while the trainer is built. They are computed
ahead also where that is cheaper: for rows that are seen more than once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn
from torch.utils.data import Dataset

from ftcore.errors import Interrupted, UsageError
from ftcore.events import PhaseAdvanced, PhaseStarted
from ftcore.protocols import SwitchableMethod
from ftcore.run import team
from ftcore_plugins.reference import cache
from ftcore_plugins.reference.dropout import mode, without_dropout

if TYPE_CHECKING:
    from ftcore.run.session import Session


def arguments(session: Session) -> dict[str, Any]:
    """What TRL's configurations get for every strategy with a reference."""
    return {
        **session.arguments(),
        "max_length": session.plan.train.max_length,
        "precompute_ref_log_probs": True,  # it then reads them from the batch, where `Referenced` puts them
        # What the method's settings say about dropout holds. The reference is always computed without.
        "disable_dropout": False,
    }


def inputs(session: Session) -> dict[str, Any]:
    """What TRL's trainers get for every strategy with a reference. Raises UsageError as `must_spare_the_head`."""
    must_spare_the_head(session)
    return {
        "model": session.model,
        "ref_model": _NoModel(session.model.config),
        "train_dataset": session.data.train,
        "eval_dataset": session.data.heldout if len(session.data.heldout) else None,
        "processing_class": session.tokenizer,
    }


def must_spare_the_head(session: Session) -> None:
    """Raise UsageError for an adapter on the output layer, which TRL reads past."""
    if isinstance(session.model.get_output_embeddings(), BaseTunerLayer):
        raise UsageError(
            f"{session.plan.strategy.spec.name} cannot train an adapter on the model's output layer",
            where="method.targets",
            fix="--method.targets all-linear, which leaves the output layer out",
        )


class _NoModel(nn.Module):
    """Stands where TRL wants a reference model. Without one it loads a model by its name, or copies the adapter."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config


class Referenced:
    """Goes before one of TRL's trainers: `class DpoTrainer(Referenced, DPOTrainer)`.

    TRL's `compute_ref_log_probs` gives the tensors that `columns` names, (rows,) each.
    """

    session: Session
    columns: ClassVar[tuple[str, ...]]

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        """The rows are tokenised, and none is too long."""
        return dataset

    def _precompute_ref_logps(self, dataset: Any, name: str, batch_size: int) -> Any:
        plan = self.session.plan
        passes = plan.train.steps * plan.train.batch_size / len(dataset) if plan.train.steps else plan.train.epochs
        if name == "train" and passes <= 1 and plan.method.spec.switchable:
            return dataset
        return _Beside(dataset, cache.kept(self.session, name, dataset, lambda: self._ahead(dataset, name, batch_size)))

    def _prepare_inputs(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        ready: dict[str, Any] = super()._prepare_inputs(inputs)  # type: ignore[misc]
        if self.columns[0] in ready:
            return ready
        assert self.session.plan.method.spec.switchable, "the reference is gone once the model itself has trained"
        return {**ready, **self._reference(ready)}

    def _reference(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        with as_before_training(self.session):
            values = self.compute_ref_log_probs(self.session.model, inputs)  # type: ignore[attr-defined]
        return {name: value for name, value in zip(self.columns, values, strict=True) if value is not None}

    def _ahead(self, dataset: Any, name: str, batch_size: int) -> dict[str, Tensor]:
        """The reference's log-probabilities of all rows, (rows,) each. Raises Interrupted."""
        session = self.session
        session.emit(PhaseStarted("computing reference log-probabilities", len(dataset)))
        starts = range(0, len(dataset), batch_size)
        mine: list[dict[str, Tensor]] = []
        with session.clock.phase("computing reference log-probabilities"), mode(session.model, name == "train"):
            for start in starts[team.rank() :: team.size()]:
                _stop_if_asked(session)
                rows = [dataset[index] for index in range(start, min(start + batch_size, len(dataset)))]
                batch = super()._prepare_inputs(self.data_collator(rows))  # type: ignore[misc, attr-defined]
                mine.append({column: value.cpu() for column, value in self._reference(batch).items()})
                session.emit(PhaseAdvanced(start + len(rows)))
        shares = team.every(mine)
        batches = [shares[number % len(shares)][number // len(shares)] for number in range(len(starts))]
        return {column: torch.cat([batch[column] for batch in batches]) for column in batches[0]}


@contextmanager
def as_before_training(session: Session) -> Iterator[None]:
    """Inside, the model answers as it did before training, and drops nothing.

    A method that cannot be switched off has the model as it is, so this holds for it only while the trainer is built.
    """
    switchable = session.plan.method.spec.switchable
    assert not switchable or isinstance(session.method, SwitchableMethod)
    off = session.method.disabled(session.model) if switchable else nullcontext()
    with off, without_dropout(session.model, learning=False):
        yield


def _stop_if_asked(session: Session) -> None:
    if session.stop_signal is not None:
        raise Interrupted(session.stop_signal, where=str(session.folder), fix=f"ftcore resume {session.folder}")


class _Beside(Dataset):  # type: ignore[type-arg]
    """Rows with further numbers beside them."""

    def __init__(self, rows: Any, columns: Mapping[str, Tensor]) -> None:
        self.rows = rows
        self.columns = {name: values.tolist() for name, values in columns.items()}

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {**self.rows[index], **{name: values[index] for name, values in self.columns.items()}}
