"""Tells by its form whether a bare reference means something on the hub. It asks neither the hub nor the cache."""

from __future__ import annotations

import os
import re

_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_ID = re.compile(rf"({_PART}/)?{_PART}")


def is_hub_id(text: str) -> bool:
    """Whether a bare reference is written `owner/name` and nothing on this machine is called so."""
    return is_id(text) and "/" in text and not os.path.exists(text)


def is_hub_data_id(text: str) -> bool:
    """As `is_hub_id`, but `folder/rows.jsonl` is a missing file rather than a data set."""
    endings = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".txt", ".gz", ".zip", ".arrow", ".pkl")
    return is_hub_id(text) and not text.lower().endswith(endings)


def is_id(text: str) -> bool:
    """Whether a text has the form of a repository's id: `owner/name`, or `name` for the oldest ones."""
    return bool(_ID.fullmatch(text)) and ".." not in text and "--" not in text and not text.endswith((".git", "."))
