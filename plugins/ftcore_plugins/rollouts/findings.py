"""What is to be said of every plan whose strategy writes answers and compares with the untuned model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ftcore.types import Finding


def findings(plan: Any) -> Iterator[Finding]:
    name, method = plan.strategy.spec.name, plan.method
    if plan.workers > 1:
        yield Finding("error", f"{name} computes in one process, not in {plan.workers}", "--backend.workers 1")
    if not method.spec.switchable:
        message = f"{method.spec.name} cannot be switched off, so {name} keeps a copy of the untuned model in memory"
        yield Finding("note", message, "--method lora")
    if dropout := getattr(method.settings, "dropout", 0):
        message = f"method.dropout {dropout:g} may make noise in the probabilities that {name} compares"
        yield Finding("note", message, "--method.dropout 0")
