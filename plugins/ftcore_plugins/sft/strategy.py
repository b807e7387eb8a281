"""The strategy `sft`, on TRL's SFTTrainer. Which tokens are learned was decided when rows were tokenised."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftcore_plugins.sft.config import SftConfig

if TYPE_CHECKING:
    from transformers import Trainer

    from ftcore.run.session import Session


class Sft:
    """Cross-entropy over the learned tokens of a batch: −1/N Σ log p(token | text before it), N the learned tokens.

    >>> trainer = Sft(SftConfig(packing=True)).trainer(session)
    """

    def __init__(self, config: SftConfig) -> None:
        self._config = config

    def trainer(self, session: Session) -> Trainer:
        """TRL's trainer over rows that are tokenised and labelled already."""
        from trl import SFTConfig, SFTTrainer

        arguments = SFTConfig(
            **session.arguments(),
            max_length=session.plan.train.max_length,
            packing=self._config.packing,
            eval_packing=False,
            loss_type=self._config.loss,
            # Rows are cut to max_length and have their labels; TRL prepares them further only to pack them.
            dataset_kwargs={"skip_prepare_dataset": not self._config.packing},
        )
        return session.guarded(SFTTrainer)(
            model=session.model,
            args=arguments,
            train_dataset=session.data.train,
            eval_dataset=session.data.heldout if len(session.data.heldout) else None,
            processing_class=session.tokenizer,
        )
