"""Reading rows as examples: the format is recognised once per source, and every row is accounted for.

No tokenizer is needed here, so all of this happens before torch is imported.
"""

from __future__ import annotations

import itertools
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ftcore import columns
from ftcore.errors import DataError, closest
from ftcore.manager import Offer, PluginManager
from ftcore.protocols import DatasetFormat
from ftcore.run.plan import Choice, DataChoice, Plan
from ftcore.specs import FormatSpec
from ftcore.types import BadRow, Example, PreferenceExample, Row

HELD_OUT = "heldout"
"""A source marks the rows of its own held-out part by the value of their column `split`."""

YIELD = 'yield Row({"prompt": "…", "completion": "…"}, where="…")'
PEEK = 50
"""Rows looked at to recognise a format or to suggest a mapping."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """The format of a source, and why it was taken."""

    choice: Choice[FormatSpec]
    reason: str
    format: DatasetFormat
    row: Mapping[str, Any] = field(default_factory=dict)
    """The first row, as the source gives it."""
    unused: tuple[str, ...] = ()
    """Its columns that the format does not speak of, but for ids and the like."""

    @property
    def name(self) -> str:
        return self.choice.spec.name

    @property
    def example(self) -> str:
        return self.choice.spec.example


@dataclass(frozen=True, slots=True)
class Kept:
    """A row that became an example."""

    example: Example
    where: str
    heldout: bool


@dataclass(slots=True)
class Account:
    """What became of the rows of one source: read = trained + held out + dropped, by reason."""

    source: str
    format: str
    format_reason: str
    read: int = 0
    trained: int = 0
    heldout: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    tokens: int = 0
    trained_tokens: int = 0
    cut: int = 0
    doubled_bos: int = 0
    lacks_bos: int = 0
    special_in_text: int = 0
    unlearned_turns: int = 0
    unrolled: int = 0
    """Rows that were made beside those that were read, for turns that read otherwise once others follow."""
    joined: int = 0
    longest: int = 0

    def dump(self) -> dict[str, Any]:
        return {
            **{name: getattr(self, name) for name in self.__slots__ if name != "dropped"},
            "dropped": dict(self.dropped),
        }


def label(entry: DataChoice) -> str:
    """The words by which a source is called in tables: its argument, or its name."""
    argument = entry.source.spec.argument
    value = getattr(entry.source.settings, argument, None) if argument else None
    text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
    return f"{entry.source.spec.name}:{text}" if text else entry.source.spec.name


def recognise(manager: PluginManager, entry: DataChoice, kinds: Sequence[str]) -> Recognised:
    """The format that the user named, or the first that knows the columns of the first readable rows.

    Formats of the `kinds` of example that the strategy learns from are asked first: a question with its answer is a
    conversation to imitate for one, and a prompt with a reference for another.

    Raises DataError with a column mapping that would work.
    """
    first = [row for row in itertools.islice(rows_of(entry), PEEK) if isinstance(row, Row)]
    mapped = [_mapped(entry, row) for row in first]
    usable = [row for row in mapped if isinstance(row, dict)]
    if entry.settings.format != "auto":
        offer = manager.find("format", entry.settings.format)
        return _recognised(offer, "named by you")
    if mapped and not usable:
        raise DataError(
            str(mapped[0]),
            where=first[0].where,
            fix=_corrected(entry.settings.columns, first[0]) or _fix(first, kinds, entry.settings.columns),
        )

    def order(offer: Offer) -> tuple[bool, int]:
        spec: Any = offer.spec
        return (spec.example not in kinds, -spec.priority)

    for row in usable:  # the first row may be an odd one, with a null where others have text
        for offer in sorted(manager.usable("format"), key=order):
            with manager.sparing(offer.plugin):
                reason = offer.spec.factory.load()().recognises(row)
                if reason:
                    return _recognised(offer, reason, first[0].values, _unused(entry, first[0], reason))
    if not first:
        raise DataError(
            "no row could be read", where=label(entry), more=_reasons(entry), fix="mend the rows, or --data ANOTHER"
        )
    raise DataError(
        f"no format recognises the columns {', '.join(map(repr, usable[0]))}",
        where=first[0].where,
        fix=_fix(first, kinds, entry.settings.columns),
        more=[*_unmapped(entry.settings.columns, first[0]), *_missing(usable[0], kinds)],
    )


def rows_of(entry: DataChoice) -> Iterator[Row | BadRow]:
    """Every row of a source. Raises PluginError for a source that gives something else."""
    source = entry.source.build()
    given = source.rows()
    if not isinstance(given, Iterable):
        raise entry.source.fault(f"gives {given!r} as its rows", source.rows, YIELD)
    for row in given:
        if not isinstance(row, (Row, BadRow)):
            raise entry.source.fault(f"gives {row!r}, which is neither a Row nor a BadRow", source.rows, YIELD)
        yield row


def read(entry: DataChoice, recognised: Recognised) -> Iterator[Kept | BadRow]:
    """Every row of a source, as an example or as a bad row with its reason. Stops after `limit` rows."""
    for row in itertools.islice(rows_of(entry), entry.settings.limit):
        if isinstance(row, BadRow):
            yield row
            continue
        mapped = _mapped(entry, row)
        if isinstance(mapped, ValueError):
            yield BadRow(row.where, str(mapped))
            continue
        try:
            example = recognised.format.example(mapped)
        except DataError as error:  # speaks of the source as a whole, which dropping the row would not mend
            error.where = error.where or row.where
            raise
        except ValueError as error:
            yield BadRow(row.where, str(error))
            continue
        if getattr(example, "kind", None) != recognised.example:
            what = f"makes {example!r} of a row, which is no {recognised.example} example, as its record says"
            raise recognised.choice.fault(what, recognised.format.example)
        yield Kept(example, row.where, row.values.get("split") == HELD_OUT)


def fault(example: Example) -> tuple[str, str] | None:
    """Why an example teaches nothing, whatever the tokenizer: a few words to count by, and a sentence."""
    if not isinstance(example, PreferenceExample):
        return None
    if not example.prompt:
        return "no shared prompt", "the two sides share no prompt, so they do not answer the same"
    if example.chosen == example.rejected:
        return "equal sides", "both sides are equal, so neither is the better one"
    return None


def refuse_bad_rows(entry: DataChoice, bad: list[BadRow], total: int) -> None:
    """Raise DataError that names the bad rows, all at once, unless they are to be dropped."""
    if not bad or entry.settings.bad_rows == "drop":
        return
    first, rest = bad[0], bad[1:]
    more = [f"{row.where}: {row.reason}" for row in rest]
    if total > len(bad):
        more = [*more[:2], f"and {total - 3} more rows"]
    raise DataError(
        first.reason, where=first.where, more=more, fix="mend them, or leave them out: --data.bad_rows drop"
    )


def wanted_heldout(plan: Plan, rows: int) -> int:
    """How many rows to hold out. A share never takes more than the evaluations will look at."""
    holdout = plan.evaluate.holdout
    if holdout == 0 or rows < 2:
        return 0
    if holdout >= rows:
        raise DataError(
            f"evaluate.holdout {int(holdout)} leaves none of the {rows} rows to train on", fix="--evaluate.holdout 0.1"
        )
    if holdout >= 1:
        return int(holdout)
    return max(1, min(round(rows * holdout), plan.evaluate.limit))


def drawn(sizes: Sequence[int], wanted: int, seed: int) -> list[int]:
    """Which groups of equal rows are held out, by their number: at random, and never more than `wanted` rows."""
    numbers = list(range(len(sizes)))
    random.Random(seed).shuffle(numbers)  # noqa: S311  not for secrets
    chosen, rows = [], 0
    for number in numbers:
        if rows + sizes[number] <= wanted:
            chosen.append(number)
            rows += sizes[number]
    return chosen


def _mapped(entry: DataChoice, row: Row) -> dict[str, Any] | ValueError:
    if not entry.settings.columns:
        return dict(row.values)
    try:
        return columns.apply(entry.settings.columns, row.values)
    except ValueError as error:
        return error


def _recognised(
    offer: Offer, reason: str, row: Mapping[str, Any] | None = None, unused: Iterable[str] = ()
) -> Recognised:
    choice = Choice.of("format", offer)
    return Recognised(choice, reason, choice.build(), row or {}, tuple(unused))


def _unused(entry: DataChoice, row: Row, reason: str) -> list[str]:
    """The columns that a mapping leaves out or, without one, that the format's reason does not name."""
    left = _left_out(entry.settings.columns, row)
    if not entry.settings.columns:
        left = [name for name in row.values if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", reason)]
    return [name for name in columns.telling(row.values) if name in left]


def _fix(rows: list[Row], kinds: Sequence[str], given: Mapping[str, str]) -> str:
    values: list[Mapping[str, Any]] = [row.values for row in rows]
    missing = _missing(given or values[0], kinds)
    if missing or not {"chat", "text", "prompt"} & set(kinds):  # a guess knows of no other kinds
        return columns.as_flag(columns.wanted(kinds[0], values[0], given)) or (
            "add what is missing to the rows, or --data ANOTHER" if missing else "ftcore list formats"
        )
    suggestion = columns.suggest(values)
    if suggestion.keys() == {"text"} and "text" not in kinds and "prompt" in kinds:
        suggestion = {"prompt": suggestion["text"]}  # a lone text is then one to answer
    return columns.as_flag(suggestion) if suggestion else "ftcore list formats"


def _missing(row: Mapping[str, Any], kinds: Sequence[str]) -> list[str]:
    """What rows lack that have a part of the columns by which pairs or judged answers are known."""
    names = columns.TAKES.get(kinds[0], ()) if kinds else ()
    absent = [name for name in names[1:] if name not in row]
    if not absent or not set(names[1:]) & row.keys() or "chat" in kinds:
        return []
    return [f"a {kinds[0]} example takes {', '.join(names[:-1])} and {names[-1]}; {absent[0]!r} is missing"]


def _corrected(mapping: Mapping[str, str], row: Row) -> str | None:
    """The user's own mapping with the misspelt column put right."""
    names = {
        name: place if place in row.values else closest(place, list(row.values)) or place
        for name, place in mapping.items()
    }
    return columns.as_flag(names) if names != mapping else None


def _unmapped(mapping: Mapping[str, str], row: Row) -> list[str]:
    """What a mapping left out: somebody may take it for additional to the columns that have the right name already."""
    left = _left_out(mapping, row)
    return [f"data.columns stands for the whole row; it leaves out {', '.join(map(repr, left))}"] if left else []


def _left_out(mapping: Mapping[str, str], row: Row) -> list[str]:
    return [name for name in row.values if mapping and not any(_names(place, name) for place in mapping.values())]


def _names(place: str, name: str) -> bool:
    """Whether a place is the column, a path into it, or a template that has it."""
    return place == name or place.startswith(f"{name}.") or f"{{{name}" in place


def _reasons(entry: DataChoice) -> list[str]:
    rows = itertools.islice(rows_of(entry), 3)
    return [f"{row.where}: {row.reason}" for row in rows if isinstance(row, BadRow)]
