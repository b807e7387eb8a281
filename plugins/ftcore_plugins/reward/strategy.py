"""The strategy `reward`, on TRL's RewardTrainer, over rows that are tokenised already."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from torch.utils.data import Dataset
from trl import RewardConfig as Arguments
from trl import RewardTrainer

if TYPE_CHECKING:
    from transformers import Trainer

    from ftcore.run.session import Session
    from ftcore_plugins.reward.config import RewardConfig


class RewardStrategy:
    """Bradley and Terry 1952: the chosen answer is the better one with probability σ(s − t); the loss is the mean of
    −log σ(s − t), as in Ouyang et al. 2022 (https://arxiv.org/abs/2203.02155, equation 1).

    >>> trainer = RewardStrategy(RewardConfig(center=0.01)).trainer(session)
    """

    def __init__(self, config: RewardConfig) -> None:
        self._config = config

    def trainer(self, session: Session) -> Trainer:
        arguments = Arguments(
            **session.arguments(),
            max_length=session.plan.train.max_length,
            center_rewards_coefficient=self._config.center or None,
            disable_dropout=False,  # what the method's settings say about dropout holds
        )
        trainer = session.guarded(_Trainer)
        trainer.with_margins = self._config.margins
        return trainer(
            model=session.model,
            args=arguments,
            train_dataset=session.data.train,
            eval_dataset=session.data.heldout if len(session.data.heldout) else None,
            processing_class=session.tokenizer,
        )


class _Trainer(RewardTrainer):
    with_margins: bool

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Whole:
        return Whole(dataset, self.with_margins)


class Whole(Dataset):  # type: ignore[type-arg]
    """Pairs as TRL's collator takes them: each answer behind its prompt, and the margin, 0 where nobody said one."""

    def __init__(self, rows: Any, with_margins: bool) -> None:
        self.rows, self.with_margins = rows, with_margins

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = self.rows[index]
        pair = {side: row["prompt_ids"] + row[side] for side in ("chosen_ids", "rejected_ids")}
        margin = 0.0 if math.isnan(row["margin"]) else row["margin"]
        return {**pair, "margin": margin} if self.with_margins else pair
