"""Settings of the source `labels`, and where a project's file is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator

from ftcore.settings import Settings

FOLDER = "labels"
"""Where projects are kept, below the folder in which the command is typed."""


def is_name(project: str) -> str:
    """Raise ValueError for what cannot be the name of a file everywhere."""
    if not re.fullmatch(r"[\w][\w.-]{0,80}", project):
        raise ValueError("a project's name is made of letters, digits, dots, hyphens and underscores")
    return project


def file_of(project: str, db: str | None = None) -> Path:
    """The database of a project: `labels/PROJECT.db`, unless another is named."""
    return Path(db) if db else Path(FOLDER) / f"{project}.db"


class LabelsConfig(Settings):
    """What people judged with `ftcore label`."""

    project: Annotated[str, AfterValidator(is_name)]
    """The project's name, as in `labels:my-project`."""

    db: str | None = None
    """The project's file. Left out: `labels/PROJECT.db`."""

    gives: Literal["auto", "preferences", "feedback", "answers"] = "auto"
    """Which rows come of it: preferences (for dpo, reward …), feedback (kto) or the answers that people liked or wrote
    (sft). `auto` gives what the task is about."""

    decide: Literal["majority", "each"] = "majority"
    """Where several people judged the same item: what most of them say, nothing where they are split, or a row for
    each judgement."""

    judges: list[str] | None = None
    """Only what these people judged, by the names they gave. Left out: everybody."""
