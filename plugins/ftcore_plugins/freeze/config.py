"""Settings of freezing: which parts of the model train."""

from typing import Annotated

from pydantic import Field

from ftcore.settings import Settings


class FreezeConfig(Settings):
    """What is named here trains; everything else keeps the weights that it came with."""

    blocks: Annotated[int, Field(ge=0)] = 4
    """Train this many of the last decoder blocks, whole. A model with fewer trains them all."""

    head: bool = False
    """Train the output head too. In a model that ties its head to its embedding (SmolLM does) this is one matrix, so
    the embedding trains with it."""

    norms: bool = False
    """Train every normalisation layer too: the final one, and those in blocks that are otherwise frozen."""

    patterns: list[str] = []  # noqa: RUF012 - pydantic copies it
    """Train these parameters too: shell patterns on their names, such as `*.layers.0.*` or `*.q_proj.weight`."""
