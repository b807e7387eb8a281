"""Settings of the evaluator `lm-eval`."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from ftcore.settings import Settings


def _as_list(value: object) -> object:
    """`arc_easy,hellaswag`, as one writes it on the command line, is a list."""
    return [word.strip() for word in value.split(",")] if isinstance(value, str) else value


class LmEvalConfig(Settings):
    """What is asked, and how much of it."""

    tasks: Annotated[list[str], BeforeValidator(_as_list), Field(min_length=1)]
    """Tasks or groups of the harness, such as `arc_easy,hellaswag`; `lm-eval ls tasks` lists them. Most fetch their
    questions from the model hub."""

    include_path: str | None = None
    """A folder with tasks of your own: YAML files of the harness, whose questions may be local files."""

    fewshot: Annotated[int | None, Field(ge=0)] = None
    """So many solved questions stand before each one. Left out: as the task says."""

    limit: Annotated[int | None, Field(gt=0)] = None
    """Only so many questions of each task, for a quick look: the numbers are then no longer those of the benchmark."""

    batch_size: Annotated[int, Field(gt=0)] = 8
    """Questions that are answered at a time."""

    chat: bool = False
    """Ask through the model's chat template, as a model that was tuned on conversations expects it."""
