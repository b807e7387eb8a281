"""What a file's name says: which kind of data it holds, and whether a reference means files at all."""

from __future__ import annotations

import os
from pathlib import PurePath
from typing import Literal

Kind = Literal["json", "jsonl", "csv", "tsv", "parquet", "txt"]

KINDS: dict[str, Kind] = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".txt": "txt",
}
"""The kind by suffix, after a final `.gz` is taken off."""

SUPPORTED = ", ".join(KINDS)

UNPACK = {
    ".bz2": "bunzip2",
    ".xz": "unxz",
    ".zst": "unzstd",
    ".zip": "unzip",
    ".7z": "7z x",
    ".lz4": "unlz4",
    ".tar": "tar xf",
    ".tgz": "tar xzf",
}
"""Packed files that are not read, each with the command that unpacks it."""

SHEETS = {".xlsx", ".xls", ".ods"}
PICKLES = {".pkl", ".pickle", ".pt", ".pth", ".joblib"}
"""Files that can run code when they are loaded."""


def kind_of(name: str) -> Kind | None:
    """The kind of a data file by its name, or None.

    >>> kind_of("rows.jsonl.gz")
    'jsonl'
    """
    return KINDS.get(suffix(name))


def suffix(name: str) -> str:
    """The suffix that counts, in small letters: `.json` of `A.JSON.gz`."""
    path = PurePath(name)
    if path.suffix.lower() == ".gz":
        path = path.with_suffix("")
    return path.suffix.lower()


def is_gzipped(name: str) -> bool:
    return PurePath(name).suffix.lower() == ".gz"


def is_pattern(text: str) -> bool:
    return any(character in text for character in "*?[")


def is_data_path(text: str) -> float:
    """How surely a bare `--data` reference means files: it is called like a data file, a folder or a pattern.

    A missing `rows.jsonl` is claimed too, so that the user hears about the file and not about sources. A file with an
    unknown suffix is claimed for the same reason, and left to a source that knows it.
    """
    path = os.path.expanduser(text)
    known = {*KINDS, *UNPACK, *PICKLES, ".gz"}
    if os.path.isdir(path) or is_pattern(text) or suffix(text) in known or is_gzipped(text):
        return 1
    return 0.5 if os.path.exists(path) else 0
