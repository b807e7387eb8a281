"""The strategy `ppo`: the trainer over the run's prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
        from ftcore_plugins.ppo.trainer import PpoTrainer
        from ftcore_plugins.rollouts.trainer import rollout_trainer

        return rollout_trainer(PpoTrainer, session, self._config)
