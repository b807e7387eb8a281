"""What must be equal for a comparison to mean anything: the held-out rows, how they are judged, and the budget."""

from __future__ import annotations

JUDGING = (
    "data",
    "train.seed",
    "train.max_length",
    "evaluate.holdout",
    "evaluate.limit",
    "strategy.template",
)
"""Settings that decide which rows are held out, and how the model sees them."""

ANSWERING = ("evaluate.generate", "evaluate.max_new_tokens")
"""Settings that decide how many of them it answers, and at what length."""

BUDGET = ("model", "strategy", "train.steps", "train.epochs", "train.batch_size")
"""Settings that decide what a method has to work with."""
