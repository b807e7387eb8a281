"""What `ftcore label export` writes: the rows that train, or every judgement as it was made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ftcore.types import Row
from ftcore_plugins.label.config import LabelsConfig, file_of
from ftcore_plugins.label.items import Item, messages
from ftcore_plugins.label.project import Project
from ftcore_plugins.label.source import Labels, heard


def rows_of(settings: LabelsConfig) -> Iterator[Mapping[str, Any]]:
    """The rows that `--data labels:PROJECT` gives."""
    return (row.values for row in Labels(settings).rows() if isinstance(row, Row))


def judgement_records(settings: LabelsConfig) -> Iterator[dict[str, Any]]:
    """Who said what about which item, and when. `choice` and `detail` are those of `verdicts.verdict`."""
    with Project.open(file_of(settings.project, settings.db)) as project:
        items = dict(project.items())
        names = {judge.id: judge.name for judge in project.judges()}
        for each in heard(project, settings):
            item = {} if each.item is None else {"item": each.item, **_shown(items[each.item])}
            said = {"judge": names[each.judge], "made": each.made, "choice": each.choice, "detail": each.detail}
            yield {**item, **said}


def _shown(item: Item) -> dict[str, Any]:
    answers = [{"by": answer.by, "messages": messages(answer.turns)} for answer in item.answers]
    return {"source": item.where, "prompt": messages(item.prompt), "answers": answers}
