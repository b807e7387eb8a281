"""Rows from CSV and TSV files: what the columns are called, and whether each row has as many cells as there are.

Every cell stays text; turning `1` into a number is not needed for anything that follows.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ftcore.errors import DataError
from ftcore.types import BadRow, Row
from ftcore_plugins.files.delimited import Record, csv_records, tsv_records
from ftcore_plugins.files.find import Found
from ftcore_plugins.files.opening import lines, open_text

_PEEK = 50
"""Records looked at to tell a header from a first row."""
_USUAL = frozenset({
    "text", "label", "prompt", "completion", "question", "answer", "instruction", "input", "output", "response",
    "context", "sentence", "category", "id", "title", "content", "source", "target", "query", "messages", "intent",
})  # fmt: skip
"""Names after which nobody needs to look at the values below."""
_LONGEST_NAME = 64
_MOST_WORDS = 6


@dataclass(frozen=True, slots=True)
class _Columns:
    """The names, and what counted the cells."""

    names: list[str]
    is_header: bool


def read_table(file: Found, encoding: str, header: str) -> Iterator[Row | BadRow]:
    """Rows of a `.csv` or `.tsv` file."""
    delimiter = "\t" if file.kind == "tsv" else _delimiter(file, encoding)
    with open_text(file, encoding, newline="") as text:
        records = tsv_records(text, file) if file.kind == "tsv" else csv_records(text, file, delimiter)
        head = list(itertools.islice(records, _PEEK))
        if head and head[0].problem and header != "no":
            more = ["this is the first row, which may name the columns"]
            raise DataError(head[0].problem, where=f"{file.label}:{head[0].line}", more=more)
        first = next((record for record in head if record.problem is None), None)
        if first is None:
            yield from (BadRow(f"{file.label}:{record.line}", record.problem or "") for record in head)
            return
        columns = _columns(first, head, file, header)
        for record in itertools.chain(head, records):
            if record is not first or not columns.is_header:
                yield _row(record, columns, file)


def _delimiter(file: Found, encoding: str) -> str:
    """A comma, unless the first line has none but semicolons or tabs, as spreadsheets in many countries write."""
    with open_text(file, encoding, newline="") as text:
        first = next(lines(text, file), "")
    if "," in first:
        return ","
    return next((other for other in ";\t" if other in first), ",")


def _row(record: Record, columns: _Columns, file: Found) -> Row | BadRow:
    where = f"{file.label}:{record.line}"
    if record.problem:
        return BadRow(where, record.problem)
    if len(record.cells) != len(columns.names):
        standard = "the header" if columns.is_header else "the first row"
        count, wanted = len(record.cells), len(columns.names)
        return BadRow(where, f"{count} {'cell' if count == 1 else 'cells'}, but {standard} has {wanted}")
    return Row(dict(zip(columns.names, record.cells, strict=True)), where)


# Header or not --------------------------------------------------------------------------------------------------------


def _columns(first: Record, head: Sequence[Record], file: Found, header: str) -> _Columns:
    cells = [cell.strip() for cell in first.cells]
    rest = [record.cells for record in head if record.problem is None and record is not first]
    if _has_index(cells, rest):
        cells = ["index", *cells[1:]]
    if header == "yes":
        _refuse_bad_names(cells, file, first.line)
    if header == "yes" or (header == "auto" and _is_header(cells, rest)):
        return _Columns(cells, is_header=True)
    return _Columns([str(number) for number in range(1, len(cells) + 1)], is_header=False)


def _has_index(cells: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """A nameless first column of whole numbers, as pandas writes its index."""
    return bool(
        len(cells) > 1 and not cells[0] and "index" not in cells and rest and all(row[0].isdigit() for row in rest[:5])
    )


def _is_header(cells: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Names are short, all there, all different, no numbers, and, unless usual, no values of the rows below."""
    if len(set(cells)) < len(cells) or not all(map(_is_name, cells)):
        return False
    if any(cell.lower() in _USUAL for cell in cells):
        return True
    return not any(cell == row[at].strip() for row in rest for at, cell in enumerate(cells) if at < len(row))


def _is_name(cell: str) -> bool:
    if not cell or len(cell) > _LONGEST_NAME or len(cell.split()) > _MOST_WORDS or cell[-1] in ".?!":
        return False
    return not re.fullmatch(r"[-+]?[\d.,]+(e[-+]?\d+)?%?", cell, re.IGNORECASE)


def _refuse_bad_names(cells: Sequence[str], file: Found, line: int) -> None:
    twice = next((cell for cell in cells if cells.count(cell) > 1), None)
    if twice is None and all(cells):
        return
    what = "a column in the header has no name" if not all(cells) else f"two columns are called {twice!r}"
    raise DataError(what, where=f"{file.label}:{line}", fix="name each column once, or: --data.header no")
