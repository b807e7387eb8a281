"""The strategy `online-dpo`: the trainer over the run's prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import Trainer

    from ftcore.run.session import Session
    from ftcore_plugins.online_dpo.config import OnlineDpoConfig


class OnlineDpo:
    """Guo et al. 2024, https://arxiv.org/abs/2402.04792, algorithm 1.

    >>> trainer = OnlineDpo(OnlineDpoConfig(loss="ipo")).trainer(session)
    """

    def __init__(self, config: OnlineDpoConfig) -> None:
        self._config = config

    def trainer(self, session: Session) -> Trainer:
        """Raises DataError when no row has a prompt."""
        from ftcore_plugins.online_dpo.trainer import OnlineDpoTrainer
        from ftcore_plugins.rollouts.trainer import rollout_trainer

        return rollout_trainer(OnlineDpoTrainer, session, self._config)
