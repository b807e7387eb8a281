"""The source `labels`: rows made of what people judged, at the moment of reading. Nothing is written here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from ftcore.errors import DataError
from ftcore.types import BadRow, Row
from ftcore_plugins.label.config import LabelsConfig, file_of
from ftcore_plugins.label.decisions import USUAL, decide, rows
from ftcore_plugins.label.project import Judgement, Project


class Labels:
    """Rows that people made.

    >>> for row in Labels(LabelsConfig(project="my-project")).rows():
    ...     print(row.where, row.values)
    """

    def __init__(self, config: LabelsConfig) -> None:
        self._config = config
        self._path = file_of(config.project, config.db)

    def rows(self) -> Iterator[Row | BadRow]:
        """Item by item. Raises UsageError where there is no such project, DataError where it gives no such rows yet."""
        with Project.open(self._path) as project:
            task = project.task
            gives = USUAL[task] if self._config.gives == "auto" else self._config.gives
            judgements = heard(project, self._config)
            texts = self._written(judgements) if task == "rows" else self._judged(project, task, gives, judgements)
            anything = False
            for where, values in texts if task != "rows" or gives == "answers" else ():
                anything = True
                yield Row(values, f"labels:{self._config.project}:{where}")
        if not anything:
            raise self._nothing(task, gives, len(judgements))

    def fingerprint(self) -> str:
        """`sha256:…` over the rows, so that every judgement changes it."""
        digest = hashlib.sha256()
        for row in self.rows():
            assert isinstance(row, Row)
            digest.update(json.dumps(row.values, sort_keys=True).encode())
        return f"sha256:{digest.hexdigest()}"

    def _judged(
        self, project: Project, task: str, gives: str, judgements: list[Judgement]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        by_item = {number: list(group) for number, group in groupby(judgements, key=lambda each: each.item)}
        for number, item in project.items():
            votes = by_item.get(number, [])
            together = [votes] if self._config.decide == "majority" else [[vote] for vote in votes]
            made = [row for some in together for row in rows(item, decide(task, some), gives)]
            for index, row in enumerate(made, start=1):
                yield (f"{number}.{index}" if len(made) > 1 else str(number)), row

    def _written(self, judgements: list[Judgement]) -> Iterator[tuple[str, dict[str, Any]]]:
        for index, each in enumerate(judgements, start=1):
            yield str(index), dict(each.detail)

    def _nothing(self, task: str, gives: str, judgements: int) -> DataError:
        others = gives != USUAL[task]
        return DataError(
            f"the project has no {gives} yet, from {judgements:,} judgements",
            where=str(self._path),
            more=[f"its task is {task}, which gives {USUAL[task]}"] if others else [],
            fix=f"--data.gives {USUAL[task]}" if others and judgements else f"ftcore label {self._config.project}",
        )


def heard(project: Project, settings: LabelsConfig) -> list[Judgement]:
    """The judgements that count. Raises DataError for the name of somebody who has judged nothing."""
    names = {judge.id: judge.name.lower() for judge in project.judges()}
    if settings.judges is None:
        return project.judgements()
    wanted = {name.strip().lower() for name in settings.judges}
    strangers = sorted(wanted - set(names.values()))
    if strangers:
        raise DataError(
            f"nobody called {strangers[0]!r} has judged",
            where=str(project.path),
            more=[f"judges: {', '.join(names.values()) or 'none'}"],
            fix="name one of them, or nobody",
        )
    return [each for each in project.judgements() if names[each.judge] in wanted]
