"""The strategies `orpo`, `simpo` and `cpo`: a loss each, and the trainer for pairs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import Trainer

    from ftcore.run.session import Session
    from ftcore_plugins.pairwise.config import CpoConfig, OrpoConfig, SimpoConfig


class Orpo:
    def __init__(self, config: OrpoConfig) -> None:
        self._config = config

    def trainer(self, session: Session) -> Trainer:
        return _trainer(session, "orpo", strength=self._config.strength)


class Simpo:
    def __init__(self, config: SimpoConfig) -> None:
        self._config = config

    def trainer(self, session: Session) -> Trainer:
        return _trainer(session, "simpo", beta=self._config.beta, margin=self._config.margin)


class Cpo:
    def __init__(self, config: CpoConfig) -> None:
        self._config = config

    def trainer(self, session: Session) -> Trainer:
        return _trainer(session, "cpo", beta=self._config.beta, imitation=self._config.imitation)


def _trainer(session: Session, loss: str, **settings: Any) -> Trainer:
    from ftcore.pairs import pairwise_trainer
    from ftcore_plugins.pairwise import losses

    return pairwise_trainer(session, partial(getattr(losses, loss), **settings))
