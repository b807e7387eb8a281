"""Opening a file as bytes or as text, whatever its packing and encoding, and saying what is odd about its text.

Text is decoded as it streams. A byte that is not UTF-8 is carried along as a lone surrogate, so that the row that holds
it can be named and the rows around it still be read.
"""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from ftcore.errors import DataError
from ftcore_plugins.files.find import Found

LONGEST = 64 * 1024 * 1024
"""Characters that one row may have. What is longer is a lost quote or not this kind of file."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it starts with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LFS = b"version https://git-lfs.github.com/spec/"
_UNDECODED = re.compile("[\udc80-\udcff]")


@contextmanager
def open_bytes(file: Found) -> Iterator[IO[bytes]]:
    """The unpacked bytes. Raises DataError for pointers, damaged packing, and what may not be read."""
    try:
        with open(file.path, "rb") as raw:
            head = raw.read(512)
            raw.seek(0)
            _refuse(file, head)
            if not file.is_gzipped:
                yield raw
                return
            if head and not head.startswith(b"\x1f\x8b"):
                raise DataError("the file is called .gz but is not gzipped", where=str(file.path))
            with gzip.open(raw) as unpacked:
                yield unpacked  # type: ignore[misc]
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"the gzip data is damaged or cut off: {error}", where=str(file.path)) from error
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror or error}", where=str(file.path)) from error


@contextmanager
def open_text(file: Found, encoding: str, newline: str | None = None) -> Iterator[IO[str]]:
    """The decoded text. `newline` as for `open`: None makes every line end a plain one, "" leaves them."""
    with open_bytes(file) as raw:
        buffered = raw if hasattr(raw, "peek") else io.BufferedReader(raw)  # type: ignore[arg-type]
        chosen, errors = _decoding(file, encoding, buffered.peek(4096)[:4096])
        text = io.TextIOWrapper(buffered, encoding=chosen, errors=errors, newline=newline)  # type: ignore[arg-type]
        try:
            yield text
        except UnicodeError as error:
            raise DataError(f"the file is not {chosen}: {error}", where=str(file.path), fix=_fix(encoding)) from error
        finally:
            text.detach()


def lines(text: IO[str], file: Found) -> Iterator[str]:
    """Line by line, refusing one that would fill the memory."""
    number = 0
    while line := text.readline(LONGEST + 1):
        number += 1
        if len(line) > LONGEST:
            what = f"the line is longer than {LONGEST:,} characters"
            raise DataError(what, where=f"{file.label}:{number}", fix="write one row a line")
        yield line


def fault(text: str) -> tuple[str, int] | None:
    """What is wrong with decoded text, and at which character (from 0); None when it is fine."""
    if not text.isascii() and (found := _UNDECODED.search(text)):
        byte = ord(found.group()) - 0xDC00
        return f"not UTF-8 (byte 0x{byte:02x}); if it is Latin-1: --data.encoding latin-1", found.start()
    at = text.find("\0")
    return ("a NUL byte in the text", at) if at >= 0 else None


def _decoding(file: Found, encoding: str, head: bytes) -> tuple[str, str]:
    """The codec, and what it does about bytes that it cannot decode."""
    marked = next((name for mark, name in _MARKS if head.startswith(mark)), None)
    if encoding == "auto":
        if marked is None:
            _refuse_unmarked_utf16(file, head)
        encoding = marked or "utf-8"
    if codecs.lookup(encoding).name in {"utf-8", "utf-8-sig"}:
        return ("utf-8-sig" if marked == "utf-8-sig" else "utf-8"), "surrogateescape"
    return encoding, "strict"


def _refuse_unmarked_utf16(file: Found, head: bytes) -> None:
    """Every other byte of Western UTF-16 is zero; stray NULs in UTF-8 are far fewer."""
    if len(head) >= 4 and head.count(0) > 0.3 * len(head):
        name = "utf-16-le" if head[1::2].count(0) > head[0::2].count(0) else "utf-16-be"
        what = "the file looks like UTF-16, but has no mark that says so"
        raise DataError(what, where=str(file.path), fix=f"--data.encoding {name}")


def _fix(encoding: str) -> str:
    return "--data.encoding latin-1" if encoding == "auto" else "--data.encoding auto"


def _refuse(file: Found, head: bytes) -> None:
    if head.startswith(_LFS):
        raise DataError(
            "this is a git-LFS pointer, not the data itself",
            where=str(file.path),
            fix=f"git lfs pull --include {file.path.name}",
        )
    if re.match(rb"\s*<(!doctype html|html)", head, re.IGNORECASE):
        raise DataError(
            "this is a web page, not data; the download went wrong", where=str(file.path), fix="download the file anew"
        )
