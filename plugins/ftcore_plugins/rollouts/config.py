"""The settings of writing: how a model answers prompts in training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ftcore.settings import KnownAs, Settings


class Writing(Settings):
    """How answers are written."""

    template: Literal["chat", "none"] = "chat"
    """`chat` renders prompts with the model's chat template, as they will be at inference; `none` takes them as they
    are."""

    max_new_tokens: Annotated[int, Field(gt=0), KnownAs("max_completion_length", "response_length")] = 64
    """Longest answer in training, in tokens."""

    temperature: Annotated[float, Field(gt=0)] = 1.0
    """How boldly answers are drawn; logits are divided by it. Too low, and the model tries nothing: answers to a prompt
    are all alike, and there is nothing to learn."""

    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Draw only from the likeliest tokens that hold this share of the probability."""
