"""Rows from Parquet files, a batch at a time. pyarrow is imported only here, when such a file is read."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from ftcore.errors import DataError, ResourceError
from ftcore.types import BadRow, Row
from ftcore_plugins.files.find import Found
from ftcore_plugins.files.opening import open_bytes

_BATCH = 256


def read_parquet(file: Found) -> Iterator[Row | BadRow]:
    """Rows as dictionaries of plain Python values. Places are row numbers, from 1."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ResourceError("reading Parquet needs pyarrow", where=str(file.path), fix="pip install pyarrow") from error
    number = 0
    with _seekable(file) as raw:
        try:
            table = pq.ParquetFile(raw, pre_buffer=False)
            _refuse_repeated_names(table.schema_arrow.names, file)
            for batch in table.iter_batches(batch_size=_BATCH):
                for row in _values(batch):
                    number += 1
                    where = f"{file.label}:{number}"
                    yield BadRow(where, row) if isinstance(row, str) else Row(row, where)
        except pa.ArrowException as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"the Parquet file is damaged: {reason}", where=f"{file.label}:{number + 1}") from error


@contextmanager
def _seekable(file: Found) -> Iterator[IO[bytes]]:
    """Parquet is read from its end, so a gzipped file is unpacked onto the disk first."""
    with open_bytes(file) as raw:
        if not file.is_gzipped:
            yield raw
            return
        with tempfile.TemporaryFile() as unpacked:
            shutil.copyfileobj(raw, unpacked)
            unpacked.seek(0)
            yield unpacked


def _values(batch: Any) -> Iterator[dict[str, Any] | str]:
    """Rows of a batch; text that is not UTF-8 costs its own row only, and comes as the reason."""
    try:
        yield from batch.to_pylist()
        return
    except UnicodeDecodeError:
        pass
    for at in range(batch.num_rows):
        try:
            yield batch.slice(at, 1).to_pylist()[0]
        except UnicodeDecodeError as error:
            yield f"not UTF-8 (byte 0x{error.object[error.start]:02x})"


def _refuse_repeated_names(names: list[str], file: Found) -> None:
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"two columns are called {name!r}", where=str(file.path))
