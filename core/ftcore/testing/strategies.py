"""The contract of alignment strategies: real steps on a tiny model change what trains, and nothing breaks on the way.

    from ftcore.testing.strategies import StrategyContract

    class TestPlain(StrategyContract):
        name = "plain"

Whether the objective is the right one is for the author's own tests to say.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from ftcore.protocols import AlignmentStrategy
from ftcore.run.plan import Plan
from ftcore.run.session import Session
from ftcore.specs import StrategySpec
from ftcore.testing.probes import snapshot
from ftcore.testing.runs import ROWS, RunContract, fresh, must_resume_exactly, session


class StrategyContract(RunContract):
    """Inherit, give the strategy's `name` and `settings`, and let pytest collect the rest.

    It trains with the method `method`; what else its runs need goes into `run_file`.
    """

    kind = "strategy"

    @classmethod
    def spec(cls) -> StrategySpec:
        spec = super().spec()
        assert isinstance(spec, StrategySpec)
        return spec

    @classmethod
    def build(cls) -> AlignmentStrategy:
        strategy = super().build()
        assert isinstance(strategy, AlignmentStrategy)
        return strategy

    @classmethod
    def plan(cls, model: Path, folder: Path, example: str = "chat", **more: Any) -> Plan:
        return super().plan(model, folder, example, **{"strategy": cls.itself(), **more})

    @classmethod
    def session(cls, model: Path, folder: Path, example: str) -> Session:
        return session(cls.plan(model, folder, example, train={"steps": 2}), cls.manager())

    def test_the_declared_examples_exist(self) -> None:
        spec = self.spec()
        assert spec.examples, "a strategy says from which examples it learns"
        assert spec.learning_rate_scale > 0

    def test_two_steps_on_each_declared_kind_change_what_trains_and_nothing_else(
        self, base_folder: Path, tmp_path: Path
    ) -> None:
        for example in self.spec().examples:
            assert example in ROWS
            ready = self.session(base_folder, fresh(tmp_path), example)
            trainable = {name for name, parameter in ready.model.named_parameters() if parameter.requires_grad}
            before = snapshot(ready.model)
            losses = _train(ready)
            assert len(losses) == 2, f"two steps on {example} examples report {len(losses)} losses"
            assert all(math.isfinite(loss) for loss in losses), f"on {example} examples the losses are {losses}"
            after = snapshot(ready.model)
            changed = {name for name in before if not torch.equal(before[name], after[name])}
            assert changed, f"two steps on {example} examples change nothing"
            assert changed <= trainable, f"frozen parameters have moved: {sorted(changed - trainable)[:3]}"

    def test_the_trainer_is_guarded(self, base_folder: Path, tmp_path: Path) -> None:
        """Checkpoints, resume, events and the check for non-finite numbers come with `session.guarded`."""
        ready = self.session(base_folder, tmp_path, self.spec().examples[0])
        trainer: Any = ready.trainer
        assert hasattr(trainer, "take_up"), "build the trainer from session.guarded(SomeTrainer)"
        assert trainer.args.output_dir == str(ready.folder), "start from session.arguments()"

    def test_the_heldout_loss_is_a_number_and_leaves_no_trace(self, base_folder: Path, tmp_path: Path) -> None:
        ready = self.session(base_folder, tmp_path, self.spec().examples[0])
        before = snapshot(ready.model)
        first = ready.heldout_loss()
        assert math.isfinite(first)
        assert all(torch.equal(before[name], tensor) for name, tensor in snapshot(ready.model).items())
        if not self.spec().generates:
            assert ready.heldout_loss() == first, "asked again, the held-out loss is another"

    def test_a_run_that_was_stopped_ends_as_if_it_had_not_been(self, base_folder: Path, tmp_path: Path) -> None:
        must_resume_exactly(self.plan(base_folder, tmp_path, self.spec().examples[0]), self.manager())


def _train(ready: Session) -> list[float]:
    assert ready.trainer is not None
    ready.trainer.train()
    return [entry["loss"] for entry in ready.trainer.state.log_history if "loss" in entry]
