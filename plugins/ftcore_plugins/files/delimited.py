"""Records of CSV and TSV text: the cells of each row and the line on which it starts, or why it has none.

What the cells are called is decided in `tables`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from ftcore.errors import DataError
from ftcore_plugins.files.find import Found
from ftcore_plugins.files.opening import LONGEST, fault, lines


@dataclass(frozen=True, slots=True)
class Record:
    """The cells of a row, or the reason why they cannot be read. `line` is where the row starts."""

    line: int
    cells: list[str]
    problem: str | None = None


def csv_records(text: IO[str], file: Found, delimiter: str) -> Iterator[Record]:
    """Records as RFC 4180 has them; blank lines are none. Raises DataError for a quote that swallows the file."""
    csv.field_size_limit(LONGEST)
    reader = csv.reader(lines(text, file), delimiter=delimiter, strict=True)
    while True:
        start = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield _broken(error, file, start, reader.line_num)
            continue
        if not _is_blank(cells):
            yield _checked(start, cells)


def _broken(error: csv.Error, file: Found, start: int, end: int) -> Record:
    text = str(error)
    if "unexpected end" in text or "field larger" in text:
        what = "a quote that is opened in this row is never closed"
        if end > start:
            raise DataError(what, where=f"{file.label}:{start}", more=[f"it runs on to line {end}"])
        return Record(start, [], what)
    if "expected after" in text:
        return Record(start, [], 'text follows a closing quote; a quote inside a quoted cell is written twice: ""')
    return Record(start, [], f"broken CSV: {text}")


def tsv_records(text: IO[str], file: Found) -> Iterator[Record]:
    """Records between tabs. Quotes are text, but for cells that are quoted throughout, as spreadsheets write them.

    A cell that opens a quote runs on over line ends when the lines only together make up a row.
    """
    width, ahead = 0, _Ahead(lines(text, file))
    while (line := ahead.take()) is not None:
        start, cells = ahead.number, line.split("\t")
        while width and _is_open(cells[-1]) and ahead.peek() is not None and _belongs(cells, ahead.peek(), width):
            more = ahead.take() or ""
            head, *rest = more.split("\t")
            cells = [*cells[:-1], f"{cells[-1]}\n{head}", *rest]
        width = width or len(cells)
        if not _is_blank(cells):
            yield _wrapped(start, cells)


class _Ahead:
    """Lines without their ends, with a look at the next one."""

    def __init__(self, source: Iterator[str]) -> None:
        self._source, self._next = source, next(source, None)
        self.number = 0

    def peek(self) -> str | None:
        return None if self._next is None else self._next.rstrip("\r\n")

    def take(self) -> str | None:
        line = self.peek()
        if line is not None:
            self.number += 1
            self._next = next(self._source, None)
        return line


def _is_open(cell: str) -> bool:
    return cell.startswith('"') and cell.count('"') % 2 == 1


def _belongs(cells: list[str], following: str | None, width: int) -> bool:
    """Whether the next line fits into the open row, rather than being a row of its own."""
    return width > 1 and len(cells) + (following or "").count("\t") <= width


def _wrapped(line: int, cells: list[str]) -> Record:
    """The record without the quotes around its cells; a cell of several lines must have them."""
    inner = [_unquoted(cell) for cell in cells]
    if any("\n" in cell and cell == text for cell, text in zip(cells, inner, strict=True)):
        return Record(line, [], "a quote that is opened in this row is never closed")
    return _checked(line, inner)


def _unquoted(cell: str) -> str:
    if len(cell) < 2 or not (cell.startswith('"') and cell.endswith('"')):
        return cell
    inner = cell[1:-1]
    return inner.replace('""', '"') if '"' not in inner.replace('""', "") else cell


def _is_blank(cells: list[str]) -> bool:
    return not cells or (len(cells) == 1 and not cells[0].strip())


def _checked(line: int, cells: list[str]) -> Record:
    found = fault("".join(cells))
    return Record(line, cells, found[0] if found else None)
