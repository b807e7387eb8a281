"""The source `files`: every row of the named files, in order, streaming.

It finds and reads; what rows mean, and which are held out, is decided elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from ftcore.errors import DataError
from ftcore.types import BadRow, Row
from ftcore_plugins.files.config import FilesConfig
from ftcore_plugins.files.find import Found, find
from ftcore_plugins.files.json_files import read_json, read_json_lines
from ftcore_plugins.files.opening import fault, lines, open_text
from ftcore_plugins.files.parquet import read_parquet
from ftcore_plugins.files.tables import read_table


class Files:
    """Rows from files.

    >>> for row in Files(FilesConfig(path="train.jsonl")).rows():
    ...     print(row.where, row.values)
    """

    def __init__(self, config: FilesConfig) -> None:
        self._config = config

    def rows(self) -> Iterator[Row | BadRow]:
        """Every row of every file. Raises DataError at once for missing files, and on the way for an empty one."""
        return self._rows(self._found())

    def fingerprint(self) -> str:
        """sha256 over the names and contents of the files."""
        total = hashlib.sha256()
        for file in self._found():
            with open(file.path, "rb") as raw:
                content = hashlib.file_digest(raw, "sha256").hexdigest()
            total.update(f"{file.label}\0{content}\n".encode(errors="surrogateescape"))
        return f"sha256:{total.hexdigest()}"

    def _found(self) -> list[Found]:
        paths = self._config.path
        found = find([paths] if isinstance(paths, str) else paths)
        for file in found:
            if self._config.field is not None and file.kind not in {"json", "jsonl"}:
                what = f"--data.field looks into JSON objects, and a {file.kind} file has none"
                raise DataError(what, where=str(file.path), fix="leave --data.field out")
        return found

    def _rows(self, files: list[Found]) -> Iterator[Row | BadRow]:
        for file in files:
            empty = True
            for row in self._read(file):
                empty = False
                yield row
            if empty:
                what = "the file is empty" if file.path.stat().st_size == 0 else "the file holds no rows"
                raise DataError(what, where=str(file.path), fix="choose a file with rows: --data FILE")

    def _read(self, file: Found) -> Iterator[Row | BadRow]:
        encoding = self._config.encoding
        if file.kind == "json":
            return read_json(file, encoding, self._config.field)
        if file.kind == "jsonl":
            return read_json_lines(file, encoding, self._config.field)
        if file.kind == "parquet":
            return read_parquet(file)
        if file.kind == "txt":
            return _read_text(file, encoding)
        return read_table(file, encoding, self._config.header)


def _read_text(file: Found, encoding: str) -> Iterator[Row | BadRow]:
    """One row a line; a blank line is none."""
    with open_text(file, encoding) as text:
        for number, line in enumerate(lines(text, file), start=1):
            if line.isspace():
                continue
            found = fault(line)
            if found:
                yield BadRow(f"{file.label}:{number}:{found[1] + 1}", found[0])
            else:
                yield Row({"text": line.rstrip("\n")}, f"{file.label}:{number}")
