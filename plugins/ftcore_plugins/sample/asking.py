"""Prompts from data, and what runs answer to them, in the rows that `ftcore label` reads."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from ftcore.manager import PluginManager
from ftcore.run.generate import prompts
from ftcore.run.plan import DataChoice
from ftcore.run.rows import read, recognise, refuse_bad_rows
from ftcore.types import BadRow, ChatExample, Example
from ftcore_plugins.label.items import messages
from ftcore_plugins.sample.completions import Sampling, completions

KINDS = ("prompt", "preference", "feedback", "chat")
"""Formats of these are asked first: a bare prompt is all that is wanted."""

Asked = tuple[ChatExample, str]
"""A prompt and its reference answer, empty where there is none."""


def asked_by(sources: Sequence[DataChoice], manager: PluginManager) -> list[Asked]:
    """The prompts of all rows. Raises DataError for rows that cannot be read, unless they are to be dropped."""
    return prompts(example for entry in sources for example in _examples(entry, manager))


def _examples(entry: DataChoice, manager: PluginManager) -> Iterator[Example]:
    bad = []
    for kept in read(entry, recognise(manager, entry, KINDS)):
        if isinstance(kept, BadRow):
            bad.append(kept)
        else:
            yield kept.example
    refuse_bad_rows(entry, bad, len(bad))


def answered(
    runs: Sequence[Path], manager: PluginManager, asked: Sequence[Asked], sampling: Sampling
) -> list[dict[str, Any]]:
    """A row for every prompt, with what each run answers, one run after the other. How far it is stands on stderr."""
    said: list[list[dict[str, str]]] = [[] for _ in asked]
    for folder, name in zip(runs, names(runs), strict=True):
        found = completions(folder, manager, [chat for chat, _ in asked], sampling)
        with click.progressbar(found, length=len(asked), label=f"{name} answers", file=sys.stderr) as counting:
            for here, texts in zip(said, counting, strict=True):
                here += [{"text": text, "by": name} for text in texts]
    return [_row(chat, reference, found) for (chat, reference), found in zip(asked, said, strict=True)]


def _row(chat: ChatExample, reference: str, found: list[dict[str, str]]) -> dict[str, Any]:
    more = {"tools": list(chat.tools)} if chat.tools else {}
    return {"prompt": messages(chat.turns), "completions": found, "reference": reference, **more}


def names(runs: Sequence[Path]) -> list[str]:
    """The last part of a run's path, or the whole path where both end alike."""
    found = [run.resolve().name for run in runs]
    return found if len(set(found)) == len(found) else [str(run) for run in runs]
