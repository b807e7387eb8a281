"""Writing small files and reading them back through the source `files`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ftcore.types import BadRow, Row
from ftcore_plugins.files.config import FilesConfig
from ftcore_plugins.files.source import Files


def source(path: Path | str | list[str], **settings: Any) -> Files:
    return Files(FilesConfig(path=path if isinstance(path, list) else str(path), **settings))


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path | str | list[str], **settings: Any) -> list[Row | BadRow]:
    return list(source(path, **settings).rows())


def values(path: Path | str | list[str], **settings: Any) -> list[Any]:
    """The values of all rows, none of which may be bad."""
    rows = read(path, **settings)
    assert [row for row in rows if isinstance(row, BadRow)] == []
    return [dict(row.values) for row in rows if isinstance(row, Row)]
