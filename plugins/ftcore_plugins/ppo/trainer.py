"""PPO as a transformers Trainer: one of its steps is one rollout, learned from in several updates.

The Trainer does the last update of a step itself, so that checkpoints, clipping, the learning rate's schedule and
everything else that happens between steps are as in any other run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from ftcore.parameters import copy_into
from ftcore_plugins.ppo import objective
from ftcore_plugins.ppo.policy import Said, ask, log_probs, value_head
from ftcore_plugins.ppo.rollout import Rollout, learnable
from ftcore_plugins.reference.dropout import without_dropout
from ftcore_plugins.rollouts.trainer import RolloutTrainer, Side, pieces

if TYPE_CHECKING:
    from ftcore_plugins.ppo.config import PpoConfig

PRICE = "price"
"""The name under which the price of divergence stands in a checkpoint."""


class PpoTrainer(RolloutTrainer):
    config: PpoConfig

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.value_head = value_head(self.session.model)
        self.price = objective.Price(self.config.kl, self.config.kl_target, self.config.kl_gain)

    # What it learns beside the model ---------------------------------------------------------------------------------

    def own_parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        return [{"params": list(self.value_head.parameters()), "lr": learning_rate * self.config.value_rate}]

    def progress(self) -> dict[str, Tensor]:
        return {**self.value_head.state_dict(), PRICE: torch.tensor(self.price.value, dtype=torch.float64)}

    def load_progress(self, progress: Mapping[str, Tensor]) -> None:
        copy_into(self.value_head.state_dict(), {name: t for name, t in progress.items() if name != PRICE})
        self.price.value = float(progress[PRICE])

    # A step ----------------------------------------------------------------------------------------------------------

    def training_step(self, model: nn.Module, inputs: Mapping[str, Tensor], *_: Any, **__: Any) -> Tensor:
        """Write answers and learn from them; the gradient of the last update is left for the Trainer to apply."""
        model.train()
        with without_dropout(model, learning=True):
            rollout = self._rollout(model, inputs["prompts"].tolist())
            self.optimizer.zero_grad()
            learned: list[dict[str, float]] = []
            for rows in self._minibatches(len(rollout)):
                if learned:
                    self._update(model)
                learned.append(self._learn(model, rollout, rows))
        self.metrics |= {name: fmean(each[name] for each in learned) for name in learned[0]}
        return torch.tensor(self.metrics.pop("loss"), device=self.args.device)

    def _rollout(self, model: nn.Module, chosen: Sequence[int]) -> Rollout:
        answers = self.answer(chosen)
        said, reference_BT = self._before_learning(model, answers.sides)
        totals = answers.rewarded.totals
        rollout, metrics = learnable(answers.sides, said, reference_BT, totals, self.price.value, self.config)
        self.metrics = {**answers.rewarded.metrics, **metrics, "kl_price": self.price.value}
        self.price.update(metrics["kl"])
        self.keep(answers)
        return rollout

    @torch.no_grad()
    def _before_learning(self, model: nn.Module, sides: Sequence[Side]) -> tuple[Said, Tensor]:
        """What policy and value head say of the answers, and how likely the reference would have written them."""
        parts = [sides[rows.start : rows.stop] for rows in pieces(range(len(sides)), self.session.plan.micro_batch)]
        said = [self._ask(model, part) for part in parts]
        padding, temperature = self.session.tokenizer.pad_token_id, self.config.temperature
        with self.reference.model(model) as reference:
            theirs = [log_probs(reference, part, padding, temperature) for part in parts]
        names = ("log_probs", "entropy", "values")
        return Said(**{name: _joined([getattr(each, name) for each in said]) for name in names}), _joined(theirs)

    def _ask(self, model: nn.Module, sides: Sequence[Side]) -> Said:
        return ask(model, self.value_head, sides, self.session.tokenizer.pad_token_id, self.config.temperature)

    def _minibatches(self, count: int) -> Iterator[list[int]]:
        """Each pass takes the answers in another order. The last batch of an epoch may have fewer of them."""
        for _ in range(self.config.passes):
            for rows in torch.randperm(count).tensor_split(min(count, self.config.minibatches)):
                yield rows.tolist()

    def _learn(self, model: nn.Module, rollout: Rollout, rows: Sequence[int]) -> dict[str, float]:
        """Accumulate the gradient of one update over as many answers at once as fit into memory."""
        config, tokens = self.config, float(rollout.mask[list(rows)].sum())
        sums: dict[str, float] = {}
        for piece in pieces(rows, self.session.plan.micro_batch):
            part = rollout.part(piece)
            said = self._ask(model, part.sides)
            policy, clipped = objective.policy_loss(
                said.log_probs, part.old_log_probs, part.advantages, part.mask, config.clip
            )
            value = objective.value_loss(said.values, part.old_values, part.returns, part.mask, config.value_clip)
            loss = policy + config.value_weight * value
            share = float(part.mask.sum()) / tokens
            self.accelerator.backward(loss * share)
            found = {"loss": loss, "policy_loss": policy, "value_loss": value, "clip_fraction": clipped}
            for name, number in found.items():
                sums[name] = sums.get(name, 0.0) + share * float(number.detach())
        return sums

    def _update(self, model: nn.Module) -> None:
        """What the Trainer does after a step, within one."""
        norm = self._clip_grad_norm(model) if self.args.max_grad_norm > 0 else None
        self._get_grad_norm(model, grad_norm=norm)  # the guard's, which refuses a norm that is not finite
        self.control = self.callback_handler.on_pre_optimizer_step(self.args, self.state, self.control)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def _clip_grad_norm(self, model: nn.Module) -> Any:
        """The value head by itself: its gradient is large at first, and would take all of the norm."""
        norm = super()._clip_grad_norm(model)
        nn.utils.clip_grad_norm_(self.value_head.parameters(), self.args.max_grad_norm)
        return norm


def _joined(parts: Sequence[Tensor]) -> Tensor:
    """Answers of several batches in one, as wide as the widest."""
    return pad_sequence([row for part in parts for row in part], batch_first=True)
