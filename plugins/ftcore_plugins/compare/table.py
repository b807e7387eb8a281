"""A comparison as a table of texts, which the terminal, the page and Markdown lay out each in their way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ftcore_plugins.compare.comparison import Comparison
from ftcore_plugins.compare.results import Key, Result
from ftcore_plugins.metrics.comparison import Change, label
from ftcore_plugins.metrics.words import NONE, duration, number, short_count, shown, size

FRONT = "●"

MEMORY_NOTE = (
    "Peak memory is the most that a run's process held on its device until training ended, loading and judging before "
    "it included. Training time is that of the steps alone. A percent of either is no difference."
)


@dataclass(frozen=True, slots=True)
class Line:
    """One run: its name, its cells under `headers`, and what the front says of it."""

    result: Result
    cells: tuple[str, ...]
    is_on_front: bool


def headers(comparison: Comparison) -> list[str]:
    scores = [_title(comparison, key) for key in comparison.metrics]
    return [
        "", "method", *scores, "trained", "peak memory", "training", "tokens/s", "artifact", "beaten by"
    ]  # fmt: skip


def lines(comparison: Comparison) -> Iterator[Line]:
    for result, by in zip(comparison.results, comparison.beaten_by, strict=True):
        cells = (
            FRONT if by == () else "",
            shown(result.name, one_line=True),
            *(_score(comparison.score(result, key)) for key in comparison.metrics),
            _trained(result),
            size(result.memory),
            duration(result.seconds),
            number(result.speed),
            f"{size(result.bytes)}{', whole' if result.is_whole else ''}",
            NONE if by is None else _some(by),
        )
        yield Line(result, cells, by == ())


def fitting(rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """The columns for which there is room, in order. The last ones go first, but those that everybody asks for stay."""
    widths = [max(map(len, column)) + 3 for column in zip(*rows, strict=True)]
    kept = list(range(len(widths)))
    for name in ("beaten by", "tokens/s", "artifact", "trained"):
        if sum(widths[index] for index in kept) > width:
            kept.remove(rows[0].index(name))
    return kept


def notes(comparison: Comparison) -> list[str]:
    """What is to be known to read the table."""
    score = _title(comparison, comparison.metric)
    found = [
        f"{FRONT} on the Pareto front: no other run is at least as good in {score}, peak memory and training time, "
        "and better in one of them.",
        MEMORY_NOTE,
    ]
    rates = [
        f"{shown(each.name, one_line=True)} {each.learning_rate:g}" for each in comparison.results if each.learning_rate
    ]
    if rates:
        found.append(f"Learning rates: {', '.join(rates)}.")
    whole = {result.is_whole for result in comparison.results}
    if whole == {True, False}:
        found.append(
            "A whole model stands alone; the other artifacts need their base model. Sizes count the tokenizer."
        )
    return found


def markdown(comparison: Comparison, title: str, picture: str | None) -> str:
    """The table for pasting into a document, with its notes."""
    rows = [headers(comparison), ["---"] * len(headers(comparison)), *(line.cells for line in lines(comparison))]
    table = "\n".join(f"| {' | '.join(_escaped(cell) for cell in row)} |" for row in rows)
    absent = [f"- {each.name}: {each.state}, {each.reason}" for each in comparison.absent]
    said = [*(f"Warning: {warning}." for warning in comparison.warnings), *notes(comparison)]
    parts = [title, table, "\n".join(map(_escaped, absent)), *map(_escaped, said)]
    if picture:
        parts.append(f"![{title}]({picture})")
    return "\n\n".join(part for part in parts if part) + "\n"


def _title(comparison: Comparison, key: Key) -> str:
    every = [metric for _, metric in comparison.metrics]
    return label(*key, alone=every.count(key[1]) == 1)


def _score(change: Change | None) -> str:
    if change is None:
        return NONE
    return change.after if change.old is None else f"{change.before} → {change.after}"


def _some(names: tuple[str, ...]) -> str:
    """The first, which has the best score, and how many more."""
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{shown(names[0], one_line=True)}{more}" if names else ""


def _trained(result: Result) -> str:
    if result.trainable is None:
        return NONE
    share = f" ({100 * result.trainable / result.total:.3g} %)" if result.total else ""
    return f"{short_count(result.trainable)}{share}"


def _escaped(text: str) -> str:
    """Nothing in a name may end a cell or begin markup."""
    text = shown(text, one_line=True)
    for mark in "\\`*_|[]<>#":
        text = text.replace(mark, f"\\{mark}")
    return text if text != "\\-\\-\\-" else "---"
