"""Rows from JSON and JSON Lines. A `.json` file may be a list, JSON Lines by another name, or an object of lists.

Of an object of lists only the list that `field` names is read: which part trains is the user's choice, not a guess.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ftcore.errors import DataError, did_you_mean
from ftcore.types import BadRow, Row
from ftcore_plugins.files.find import Found
from ftcore_plugins.files.json_stream import BrokenJsonError, JsonStream
from ftcore_plugins.files.opening import fault, lines, open_text
from ftcore_plugins.files.strict_json import StrictDecoder, in_words

_HEAD = 1024 * 1024
"""Characters looked at to tell JSON Lines from one JSON document."""


def read_json(file: Found, encoding: str, field: str | None) -> Iterator[Row | BadRow]:
    """Rows of a `.json` file. Raises DataError where the document breaks, since nothing after that can be told."""
    with open_text(file, encoding) as text:
        head = text.read(_HEAD)
    if _is_json_lines(head):
        yield from read_json_lines(file, encoding, field)
        return
    try:
        with open_text(file, encoding) as text:
            yield from _document(JsonStream(text.read), file, encoding, field)
    except BrokenJsonError as error:
        where = f"{file.label}:{error.line}:{error.column}"
        raise DataError(error.what, where=where, fix=_remedy(file, head)) from None


def _remedy(file: Found, head: str) -> str:
    """What to type about a broken document: where its lines look like a table, another suffix."""
    first, second, *_ = *head.splitlines(), "", ""
    for mark, suffix in ((",", ".csv"), ("\t", ".tsv")):
        if first.count(mark) and first.count(mark) == second.count(mark) and first.lstrip()[:1] not in ("{", "["):
            right = file.path.with_name(file.path.name.replace(".json", suffix))
            return f"mv {shlex.quote(str(file.path))} {shlex.quote(str(right))}"
    return f"python -P -m json.tool {shlex.quote(str(file.path))}"


def read_json_lines(file: Found, encoding: str, field: str | None) -> Iterator[Row | BadRow]:
    """Rows of a file with one JSON value a line; a broken line is a bad row, and the next is read."""
    if field is not None:
        raise DataError(
            "the file holds one row a line, so there is no field to look into",
            where=str(file.path),
            value=field,
            fix="leave --data.field out",
        )
    decoder = StrictDecoder()
    with open_text(file, encoding) as text:
        for number, line in enumerate(lines(text, file), start=1):
            if not line.isspace():
                yield _line(decoder, file, line, number)


def _is_json_lines(head: str) -> bool:
    """The first line is a whole value, and there is another line with something on it."""
    first, newline, rest = head.lstrip().partition("\n")
    if not (newline and rest.strip()):
        return False
    try:
        value, end = json.JSONDecoder().raw_decode(first)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, (dict, list, str)) and not first[end:].strip()


def _line(decoder: StrictDecoder, file: Found, line: str, number: int) -> Row | BadRow:
    start = len(line) - len(line.lstrip(" \t\r\n"))
    try:
        value, end, problem = decoder.decode(line, start)
        if problem is None and line[end:].strip():
            raise json.JSONDecodeError("there is more on the line after the row", line, end)
    except ValueError as error:
        if number == 1 and line.strip() == "[":
            raise _is_a_list(file) from None
        reason, at = fault(line) or (in_words(error), getattr(error, "pos", start))
        return BadRow(f"{file.label}:{number}:{at + 1}", reason)
    if number == 1 and isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        raise _is_a_list(file)
    return _row(value, problem, f"{file.label}:{number}")


def _is_a_list(file: Found) -> DataError:
    name = shlex.quote(str(file.path))
    right = shlex.quote(str(file.path.with_name(file.path.name.replace(".jsonl", ".json").replace(".ndjson", ".json"))))
    return DataError(
        "the file holds one JSON list, not one row a line", where=f"{file.label}:1", fix=f"mv {name} {right}"
    )


def _row(value: Any, problem: str | None, where: str) -> Row | BadRow:
    if problem:
        return BadRow(where, problem)
    if isinstance(value, dict):
        return Row(value, where)
    if isinstance(value, list) and value:
        return Row({str(number): cell for number, cell in enumerate(value, start=1)}, where)
    if isinstance(value, str):
        return Row({"value": value}, where)
    shown = "an empty list" if value == [] else json.dumps(value)
    return BadRow(where, f"a row is an object, a list or a text, not {shown}")


# One document ---------------------------------------------------------------------------------------------------------


def _document(stream: JsonStream, file: Found, encoding: str, field: str | None) -> Iterator[Row | BadRow]:
    first = stream.peek()
    if first == "":
        return
    if first == "{":
        if field is None or not _go_to(stream, field):
            raise _refusal(file, encoding, field)
        if stream.peek() != "[":
            raise _refusal(file, encoding, field)
        yield from _rows(stream, file)
        return
    if first != "[":
        value, problem = stream.value()
        raise DataError(
            problem or f"the file holds one value, not a list of rows: {json.dumps(value)[:60]}", where=str(file.path)
        )
    if field is not None:
        what = "the file is a list of rows, so there is no field to look into"
        raise DataError(what, where=str(file.path), value=field, fix="leave --data.field out")
    yield from _rows(stream, file)
    if stream.peek():
        raise BrokenJsonError("there is more after the end of the list", stream.line, stream.column)


def _rows(stream: JsonStream, file: Found) -> Iterator[Row | BadRow]:
    """The items of a list. Their places are lines; of several on one line, all but the first need the column too."""
    last = 0
    for line, column in stream.walk_list():
        value, problem = stream.value()
        yield _row(value, problem, f"{file.label}:{line}:{column}" if line == last else f"{file.label}:{line}")
        last = line


def _go_to(stream: JsonStream, field: str) -> bool:
    """Step to the value under a dotted key; false when it is not there."""
    for key in stream.walk_object():
        first = stream.enter()
        if key == field:
            return True
        inner = field.removeprefix(f"{key}.")
        if inner != field and first == "{":
            if _go_to(stream, inner):
                return True
        else:
            stream.skip()
    return False


# Refusing an object, with the fix -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _List:
    field: str
    count: int
    first: str

    @property
    def holds_cells(self) -> bool:
        """Its items are single values, as in a column, rather than rows."""
        return self.first not in {"{", "["}


def _refusal(file: Found, encoding: str, field: str | None) -> DataError:
    with open_text(file, encoding) as text:
        stream = JsonStream(text.read)
        stream.peek()
        lists = list(_lists(stream))
        if stream.peek():
            raise BrokenJsonError("there is more after the end of the object", stream.line, stream.column)
    where = str(file.path)
    if not lists:
        what = "the file is one object, with no list of rows in it"
        return DataError(what, where=where, fix="write the rows as a list: [{…}, {…}], or one a line as .jsonl")
    if _are_columns(lists):
        return _columns_refusal(file, lists)
    lists.sort(key=lambda each: (each.field != "train", each.holds_cells, -each.count))
    counts = [f"{each.field} ({each.count:,})" for each in lists[:6]] + (["…"] if len(lists) > 6 else [])
    what = "the file is an object, not a list of rows"
    if field is not None:
        what = f"there is no list of rows under {field!r}{did_you_mean(field, [each.field for each in lists])}"
    return DataError(
        what, where=where, more=[f"lists in it: {', '.join(counts)}"], fix=f"--data.field {shlex.quote(lists[0].field)}"
    )


def _lists(stream: JsonStream, prefix: str = "", depth: int = 0) -> Iterator[_List]:
    """The lists in an object and in objects within it, down to two levels."""
    for key in stream.walk_object():
        first = stream.enter()
        if first == "[":
            yield _measured(stream, prefix + key)
        elif first == "{" and depth < 2:
            yield from _lists(stream, f"{prefix}{key}.", depth + 1)
        else:
            stream.skip()


def _measured(stream: JsonStream, field: str) -> _List:
    count, first = 0, ""
    for _ in stream.walk_list():
        first = first or stream.peek()
        stream.value()
        count += 1
    return _List(field, count, first)


def _are_columns(lists: list[_List]) -> bool:
    counts = {each.count for each in lists}
    return len(lists) > 1 and len(counts) == 1 and counts != {0} and all(each.holds_cells for each in lists)


def _columns_refusal(file: Found, lists: list[_List]) -> DataError:
    new = str(file.path.with_name(f"{file.path.name.partition('.')[0]}-rows.json"))
    code = (
        f"import json; d = json.load(open({str(file.path)!r})); "
        f"json.dump([dict(zip(d, r)) for r in zip(*d.values())], open({new!r}, 'w'))"
    )
    names = ", ".join(each.field for each in lists)
    return DataError(
        f"the file is written by column ({names}), each a list of {lists[0].count:,}; rows are needed",
        where=str(file.path),
        fix=f"python -c {shlex.quote(code)}",
    )
