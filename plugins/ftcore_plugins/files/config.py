"""What can be set about files of rows. Nothing here looks at the disk: a missing file is reported when it is read."""

from __future__ import annotations

import codecs
from typing import Annotated, Literal

from pydantic import AfterValidator

from ftcore.settings import Settings


def _is_known(encoding: str) -> str:
    if encoding == "auto":
        return encoding
    try:
        known = codecs.lookup(encoding)
    except LookupError:
        raise ValueError(f"there is no encoding {encoding!r}; usual ones are utf-8, utf-16, latin-1, cp1252") from None
    if not getattr(known, "_is_text_encoding", True):
        raise ValueError(f"{encoding!r} does not encode text")
    return encoding


def _is_some(path: str | list[str]) -> str | list[str]:
    if not path or (isinstance(path, list) and not all(path)):
        raise ValueError("name a file, a folder or a pattern")
    return path


class FilesConfig(Settings):
    """Rows from files."""

    path: Annotated[str | list[str], AfterValidator(_is_some)]
    """A file, a folder (every data file in it), a pattern such as `data/*.jsonl`, or a list of them."""

    field: str | None = None
    """Where the rows are inside a JSON object: a key such as `train`, or keys joined by dots."""

    header: Literal["auto", "yes", "no"] = "auto"
    """Whether the first row of a CSV or TSV file names the columns. Without names, columns are called 1, 2, …"""

    encoding: Annotated[str, AfterValidator(_is_known)] = "auto"
    """How text is encoded. `auto` is UTF-8, or what the mark at the start of the file says."""
