"""Encoded rows on disk: an Arrow stream that is memory-mapped afterwards, with each row's example beside its tokens."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from ftcore.errors import DataError
from ftcore.run.folder import open_own
from ftcore.run.tokens import Encoded
from ftcore.types import ChatExample, Example, FeedbackExample, PreferenceExample, PromptExample, TextExample, Turn

BATCH = 1000
"""Rows written to disk at a time."""


class Writer:
    """Rows into an Arrow stream file, a batch at a time. The first row says which columns there are."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream: Any = None
        self._file: Any = None
        self._schema: Any = None
        self._rows: list[dict[str, Any]] = []
        self._written = 0

    def write(self, encoded: Encoded, example: Example) -> int:
        """The row's place in the file."""
        row = {**encoded.columns, "example": dump_example(example)}
        if self._rows and self._rows[0].keys() != row.keys():
            raise DataError("one run learns from one kind of example", value=example.kind, fix="--data ONE SOURCE")
        self._rows.append(row)
        if len(self._rows) >= BATCH:
            self._flush()
        self._written += 1
        return self._written - 1

    def _flush(self) -> None:
        import pyarrow as pa

        if not self._rows:
            return
        if self._stream is None:
            self._schema = pa.schema([(name, _type(value)) for name, value in self._rows[0].items()])
            self._file = open_own(self._path, "wb")
            self._stream = pa.ipc.new_stream(self._file, self._schema)
        self._stream.write_batch(pa.RecordBatch.from_pylist(self._rows, schema=self._schema))
        self._rows.clear()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        if self._stream is not None:
            self._stream.close()
            self._file.close()


def _type(value: Any) -> Any:
    import pyarrow as pa

    if isinstance(value, list):
        return pa.list_(pa.int32())
    return {bool: pa.bool_(), float: pa.float32(), str: pa.large_string()}[type(value)]


def dump_example(example: Example) -> str:
    return json.dumps({"kind": example.kind, **dataclasses.asdict(example)}, ensure_ascii=False)


_KINDS: dict[str, Any] = {
    cls.kind: cls for cls in (ChatExample, TextExample, PreferenceExample, FeedbackExample, PromptExample)
}


def load_example(text: str) -> Example:
    value = json.loads(text)
    cls = _KINDS[value.pop("kind")]
    for name in ("turns", "prompt", "chosen", "rejected", "answer"):
        if name in value:
            value[name] = tuple(Turn(**turn) for turn in value[name])
    if "tools" in value:
        value["tools"] = tuple(value["tools"])
    example: Example = cls(**value)
    return example
