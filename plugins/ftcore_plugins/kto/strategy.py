"""The strategy `kto`: the settings in TRL's words."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ftcore.errors import DataError
from ftcore.types import Finding
from ftcore_plugins.kto import one_kind

if TYPE_CHECKING:
    from transformers import Trainer

    from ftcore.run.session import Session
    from ftcore_plugins.kto.config import KtoConfig


class Kto:
    """
    >>> trainer = Kto(KtoConfig(beta=0.2)).trainer(session)
    """

    def __init__(self, config: KtoConfig) -> None:
        self._config = config

    def trainer(self, session: Session) -> Trainer:
        """Raises UsageError where the method adapts the model's output layer, and DataError where answers of one kind
        are all there is.
        """
        from trl import KTOConfig

        from ftcore_plugins.kto.trainer import KtoTrainer
        from ftcore_plugins.reference.trainer import arguments, inputs

        good, bad = _good_and_bad(session.data.train)
        if not (good and bad):
            message, fix = one_kind(good, bad)
            raise DataError(message, fix=fix)
        good_weight, bad_weight = self._config.weights(good, bad)
        if good_weight != bad_weight:
            weigh = f"a good one weighs {good_weight:.3g}, a bad one {bad_weight:.3g}"
            found = Finding("note", f"{good:,} good and {bad:,} bad answers: {weigh}")
            session.plan = replace(session.plan, findings=(*session.plan.findings, found))
        settings = KTOConfig(
            **arguments(session),
            loss_type=self._config.loss,
            beta=self._config.beta,
            desirable_weight=good_weight,
            undesirable_weight=bad_weight,
            train_sampling_strategy="sequential",
        )
        return session.guarded(KtoTrainer)(args=settings, **inputs(session))


def _good_and_bad(rows: Any) -> tuple[int, int]:
    """A pair counts as one of each."""
    if "good" not in rows.column_names:
        return len(rows), len(rows)
    good = sum(rows["good"])
    return good, len(rows) - good
