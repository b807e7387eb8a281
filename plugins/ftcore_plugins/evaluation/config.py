"""Settings of the evaluators."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ftcore.settings import Settings


class SamplesConfig(Settings):
    """How much there is to read."""

    count: Annotated[int, Field(gt=0)] = 3
    """So many held-out prompts are shown, with what the model wrote before and after."""
