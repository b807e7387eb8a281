"""Which code a plugin was: a hash that stays the same on every machine and changes with every line."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import json
from collections.abc import Iterable
from pathlib import Path

from ftcore.loading.plugin import Plugin

INSTALLERS = ("INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")
"""What pip or uv write beside a distribution; they tell how it came here, not what it is."""


def code_hash(plugin: Plugin) -> str:
    """Of an installed distribution its RECORD; of built-in and editable plugins and of files the source itself."""
    if plugin.is_file:
        return _of_files([Path(plugin.module)])
    if plugin.info is not None and not _is_editable(plugin.info):
        return record_hash(plugin.info)
    return _of_files(_sources(plugin.module))


def record_hash(info: Path) -> str:
    """SHA-256 over the lines of RECORD that carry a hash, sorted.

    Left out are bytecode, which has none, scripts outside the package, which name the interpreter, and what the
    installer wrote, so that one wheel gives one hash wherever it is installed.
    """
    try:
        text = (info / "RECORD").read_text(encoding="utf-8")
    except OSError:
        return "unrecorded"
    rows = [row for row in csv.reader(text.splitlines()) if len(row) == 3]
    told = [
        f"{path},{digest}"
        for path, digest, _ in rows
        if digest and not path.startswith(("..", "/")) and path.rpartition("/")[2] not in INSTALLERS
    ]
    return _sha256("\n".join(sorted(told)).encode())


def _is_editable(info: Path) -> bool:
    try:
        return bool(json.loads((info / "direct_url.json").read_text(encoding="utf-8"))["dir_info"]["editable"])
    except (OSError, ValueError, KeyError, TypeError):
        return not (info / "RECORD").is_file()  # an egg-info in a source folder


def _sources(module: str) -> list[Path]:
    """The Python files of the package that holds a front, or the one file that it is."""
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:
        return []
    front = Path(found.origin)
    is_package = found.submodule_search_locations is not None
    return sorted(front.parent.rglob("*.py")) if is_package or "." in module else [front]


def _of_files(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.name}\n{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def _sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
