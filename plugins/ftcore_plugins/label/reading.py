"""Items from data: rows with `completions`, as `ftcore sample` writes them, or whatever ftcore has a format for."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from ftcore import columns
from ftcore.errors import DataError, UsageError
from ftcore.manager import PluginManager
from ftcore.run.plan import DataChoice
from ftcore.run.rows import Recognised, label, read, recognise, refuse_bad_rows, rows_of
from ftcore.types import BadRow, ChatExample, Example, FeedbackExample, PreferenceExample, PromptExample, Row, Turn
from ftcore_plugins.formats.turns import tools_of
from ftcore_plugins.judgements.parts import opened, prompt_columns, prompt_of
from ftcore_plugins.label.items import Answer, Item, for_task, suited

KINDS = ("preference", "feedback", "chat")
"""Formats of these are asked first: a question with its answer is an answer to judge, not a prompt to answer."""


def items_of(
    entries: Sequence[DataChoice], manager: PluginManager, task: str | None, has: str | None = None
) -> tuple[str, Iterator[Item]]:
    """The task, which the first row decides if nobody has, and the items, reading as they are taken. `has` is the task
    of a project that is there already.

    Raises DataError for rows that cannot be read or that hold too few answers, unless they are to be dropped, and
    UsageError for answers that belong together where an existing project would show them one by one unasked.
    """
    sources = [(entry, _recognised(entry, manager)) for entry in entries]
    first = next((item for entry, found in sources for item in _read(entry, found) if isinstance(item, Item)), None)
    suits = suited(first) if first else "answers"
    if task is None and has == "answers" != suits:
        raise UsageError(
            f"these rows suit {suits}, and the project's task is answers",
            fix="choose another PROJECT name, or judge each answer by itself: --task answers",
        )
    task = task or has or suits
    fix = "choose another PROJECT name" if has else f"--task {suits}"
    return task, itertools.chain.from_iterable(_items(entry, found, task, fix) for entry, found in sources)


def _recognised(entry: DataChoice, manager: PluginManager) -> Recognised | None:
    """The format of a source, or None for rows that bring several completions."""
    first = next((row for row in rows_of(entry) if isinstance(row, Row)), None)
    if first is not None and "completions" in first.values and entry.settings.format == "auto":
        return None
    found = recognise(manager, entry, KINDS)
    if found.example == "prompt" and found.unused:
        given = entry.settings.columns
        mapping = columns.wanted("preference", found.row, given) or columns.wanted("chat", found.row, given)
        click.echo(
            f"warning: {label(entry)}: only the prompts are shown; the columns "
            f"{', '.join(map(repr, found.unused))} were not used\n  try: {columns.as_flag(mapping)}",
            err=True,
        )
    return found


def _items(entry: DataChoice, found: Recognised | None, task: str, fix: str) -> Iterator[Item]:
    """The items of one source. `fix` is what to do where none of its rows suits the task."""
    bad, unsuited, fitting = [], None, False
    for one in _read(entry, found):
        if isinstance(one, BadRow):
            bad.append(one)
            continue
        try:
            yield from for_task(one, task)
            fitting = True
        except ValueError as error:
            unsuited = unsuited or DataError(str(error), where=one.where, more=["so it is with every row"], fix=fix)
            bad.append(BadRow(one.where, str(error)))
    if unsuited and not fitting:
        raise unsuited
    refuse_bad_rows(entry, bad, len(bad))


def _read(entry: DataChoice, found: Recognised | None) -> Iterator[Item | BadRow]:
    """What every row holds, before it is known what is asked about it."""
    if found is None:
        for row in itertools.islice(rows_of(entry), entry.settings.limit):
            yield row if isinstance(row, BadRow) else _guarded(sampled, row.values, row.where)
        return
    for kept in read(entry, found):
        yield kept if isinstance(kept, BadRow) else _guarded(_shown, kept.example, kept.where)


def _guarded(make: Any, value: Any, where: str) -> Item | BadRow:
    try:
        item: Item = make(value, where)
    except ValueError as error:
        return BadRow(where, str(error))
    return item if item.prompt else BadRow(where, "there is no prompt")


def sampled(row: Mapping[str, Any], where: str) -> Item:
    """A row of `ftcore sample`: `{"prompt": …, "completions": [{"text": "…", "by": "run-a"}, …]}`.

    The prompt is a text, messages or an instruction with its input; a completion may be a bare text. Raises ValueError.
    """
    if not prompt_columns(row):
        raise ValueError("there is no prompt beside the completions")
    completions = row.get("completions")
    if not isinstance(completions, list) or not completions:
        raise ValueError("completions is no list of answers")
    answers = []
    for number, given in enumerate(completions, start=1):
        text = given.get("text") if isinstance(given, Mapping) else given
        if not isinstance(text, str):
            raise ValueError(f"completion {number} has no text")
        by = given.get("by") if isinstance(given, Mapping) else None
        answers.append(Answer((Turn("assistant", text),), str(by or "")))
    return Item(opened(prompt_of(row), row.get("system")), tuple(answers), where, tools_of(row.get("tools")))


def _shown(example: Example, where: str) -> Item:
    match example:
        case PreferenceExample():
            answers = (Answer(example.chosen, "chosen"), Answer(example.rejected, "rejected"))
            return Item(example.prompt, answers, where, example.tools)
        case FeedbackExample():
            return Item(example.prompt, (Answer(example.answer),), where, example.tools)
        case ChatExample(turns, tools):
            last = max((index for index, turn in enumerate(turns) if turn.is_trained), default=0)
            return Item(turns[:last], (Answer(turns[last : last + 1]),), where, tools)
        case PromptExample():
            known = (Answer((Turn("assistant", example.reference),)),) if example.reference else ()
            return Item(example.prompt, known, where, example.tools)
    raise ValueError("plain text has no answer to judge")
