"""The strategy `ppo`: prompts out of examples, and the trainer over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftcore.errors import DataError

if TYPE_CHECKING:
    from transformers import Trainer

    from ftcore.run.session import Session
    from ftcore_plugins.ppo.config import PpoConfig


class Ppo:
    """Ouyang et al. 2022, https://arxiv.org/abs/2203.02155, section 3.5 and appendix C.4.

    >>> trainer = Ppo(PpoConfig(kl_target=6)).trainer(session)
    """

    def __init__(self, config: PpoConfig) -> None:
        self._config = config

    def trainer(self, session: Session) -> Trainer:
        """Raises DataError when no row has a prompt, ModelError for a model that a value head cannot stand beside."""
        from transformers import TrainingArguments

        from ftcore.run.generate import prompts
        from ftcore_plugins.ppo.trainer import Numbered, PpoTrainer, numbers

        asked = prompts(session.data.train_examples)
        if not asked:
            raise DataError("no row has a prompt to answer", fix="--data ANOTHER")
        arguments = {
            **session.arguments(),
            # A step is one rollout, whatever fits into memory at once.
            "per_device_train_batch_size": session.plan.train.batch_size,
            "gradient_accumulation_steps": 1,
            "remove_unused_columns": False,
            "label_names": [],
        }
        trainer: Trainer = session.guarded(PpoTrainer)(
            model=session.model,
            args=TrainingArguments(**arguments),
            train_dataset=Numbered(len(asked)),
            data_collator=numbers,
            asked=asked,
            config=self._config,
        )
        return trainer
