"""Online DPO: of the answers that a step has written, the better is raised over the worse in one update."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ftcore.pairs import Pairs, log_probabilities, padded
from ftcore_plugins.online_dpo.objective import LOSSES, best_and_worst
from ftcore_plugins.reference.dropout import without_dropout
from ftcore_plugins.rollouts.trainer import Answers, RolloutTrainer, Side, pieces

if TYPE_CHECKING:
    from ftcore_plugins.online_dpo.config import OnlineDpoConfig

Pair = tuple[int, int]
"""The places of the better and of the worse answer among a step's."""


class OnlineDpoTrainer(RolloutTrainer):
    config: OnlineDpoConfig

    def training_step(self, model: nn.Module, inputs: Mapping[str, Tensor], *_: Any, **__: Any) -> Tensor:
        """Write answers and learn from their order; the gradient is left for the Trainer to apply."""
        model.train()
        generations = self.config.generations
        with without_dropout(model, learning=True):
            answers = self.answer([number for number in inputs["prompts"].tolist() for _ in range(generations)])
            pairs = best_and_worst(answers.rewarded.totals, [ids for _, ids in answers.sides], generations)
            self.optimizer.zero_grad()
            loss, ratios_B = self._learn(model, answers.sides, pairs)
        self.metrics = {**answers.rewarded.metrics, **_summary(answers, pairs, ratios_B.tolist(), self.config)}
        names = {best: "chosen" for best, _ in pairs} | {worst: "rejected" for _, worst in pairs}
        self.keep(answers, [{"side": names.get(place)} for place in range(len(answers.sides))])
        return torch.tensor(loss, device=self.args.device)

    def _learn(self, model: nn.Module, sides: Sequence[Side], pairs: Sequence[Pair]) -> tuple[float, Tensor]:
        """Accumulate the gradient of the pairs' mean loss, over as many pairs at once as fit into memory.

        Returns the loss, and the log ratios of all answers, (answers,).
        """
        micro = self.session.plan.micro_batch
        reference_B = self._reference(model, sides, 2 * micro)
        ratios_B = torch.zeros_like(reference_B)
        total = 0.0
        for piece in pieces(pairs, micro):
            rows = [best for best, _ in piece] + [worst for _, worst in piece]
            sums, lengths = self._log_probabilities(model, sides, rows)
            ratios = Pairs(*(sums - reference_B[rows]).chunk(2), *lengths.chunk(2))
            loss = LOSSES[self.config.loss](ratios, self.config.beta).sum() / len(pairs)
            self.accelerator.backward(loss)
            ratios_B[rows] = sums.detach() - reference_B[rows]
            total += float(loss.detach())
        if not pairs:
            _learn_nothing(model)
        # A model whose answers are all alike has no pairs left, and may have moved far: all answers tell how far.
        rest = sorted(set(range(len(sides))).difference(*pairs))
        with torch.no_grad():
            for rows in pieces(rest, 2 * micro):
                ratios_B[rows] = self._log_probabilities(model, sides, rows)[0] - reference_B[rows]
        return total, ratios_B

    @torch.no_grad()
    def _reference(self, model: nn.Module, sides: Sequence[Side], size: int) -> Tensor:
        """log p_ref of each answer, (answers,)."""
        with self.reference.model(model) as reference:
            parts = pieces(range(len(sides)), size)
            return torch.cat([self._log_probabilities(reference, sides, rows)[0] for rows in parts])

    def _log_probabilities(self, model: nn.Module, sides: Sequence[Side], rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Of some of the answers: sums over their tokens, and how many those are, (rows,) each."""
        batch = padded([sides[row] for row in rows], self.session.tokenizer.pad_token_id)
        device = next(model.parameters()).device
        return log_probabilities(model, {name: tensor.to(device) for name, tensor in batch.items()})


def _learn_nothing(model: nn.Module) -> None:
    """A gradient of zero rather than none, since methods that look at gradients and fp16's scaler expect one."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.zeros_like(parameter)


def _summary(
    answers: Answers, pairs: Sequence[Pair], ratios: Sequence[float], config: OnlineDpoConfig
) -> dict[str, float]:
    """What the log says. There may be no pair, and then nothing is said of pairs."""
    totals = answers.rewarded.totals
    found = {
        "kl": fmean(ratios),
        "answer_tokens": fmean(len(answer) for _, answer in answers.sides),
        "equal_groups": 1 - len(pairs) * config.generations / len(totals),
    }
    if pairs:
        margins = [config.beta * (ratios[best] - ratios[worst]) for best, worst in pairs]
        found |= {
            "chosen_reward": fmean(totals[best] for best, _ in pairs),
            "rejected_reward": fmean(totals[worst] for _, worst in pairs),
            "margin": fmean(margins),
            "accuracy": fmean(margin > 0 for margin in margins),
        }
    return found
