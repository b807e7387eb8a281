"""The strategy `dpo`: the settings in TRL's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import Trainer

    from ftcore.run.session import Session
    from ftcore_plugins.dpo.config import DpoConfig


class Dpo:
    """
    >>> trainer = Dpo(DpoConfig(loss="ipo")).trainer(session)
    """

    def __init__(self, config: DpoConfig) -> None:
        self._config = config

    def trainer(self, session: Session) -> Trainer:
        """Raises UsageError where the method adapts the model's output layer."""
        from trl import DPOConfig

        from ftcore_plugins.dpo.trainer import DpoTrainer
        from ftcore_plugins.reference.trainer import arguments, inputs

        config = self._config
        settings = DPOConfig(
            **arguments(session),
            loss_type=[config.loss, "sft"] if config.imitation else [config.loss],
            loss_weights=[1.0, config.imitation] if config.imitation else None,
            beta=config.beta,
            label_smoothing=config.smoothing,
            f_divergence_type=config.f_divergence,
            f_alpha_divergence_coef=config.f_divergence_alpha,
            ld_alpha=config.ld_alpha,
            use_weighting=config.weighting,
            discopop_tau=config.discopop_tau,
        )
        return session.guarded(DpoTrainer)(args=settings, **inputs(session))
