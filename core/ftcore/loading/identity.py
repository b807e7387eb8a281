"""Which code a plugin was: a hash that stays the same on every machine and changes with every line; and its origin."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import json
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

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


def file_version(path: Path) -> str:
    """What stands in the place of a version for a plugin file."""
    return _sha256(path.read_bytes())[:23]


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


def origin(info: Path | None) -> str:
    """Whence a distribution came, in words that hold on every machine: `index`, `local` for a folder or a file, or the
    address. By name and version only those of an index can be had again; another may carry the name there."""
    direct = _direct_url(info) if info else {}
    url = str(direct.get("url", ""))
    if "vcs_info" in direct:
        return f"{direct['vcs_info']['vcs']}+{url}@{direct['vcs_info']['commit_id']}"
    return "local" if url.startswith("file:") else url or "index"


def as_before(info: Path, name: str, version: str) -> str:
    """What `ftcore plugins install` takes on this machine to install a distribution again."""
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    whence = origin(info)
    if whence == "local":
        path = shlex.quote(url2pathname(urlsplit(_direct_url(info)["url"]).path))
        return f"{path} --editable" if _is_editable(info) else path
    return f"{name}=={version}" if whence == "index" else shlex.quote(whence)


def _is_editable(info: Path) -> bool:
    is_in_place = not (info / "RECORD").is_file()  # an egg-info in a source folder
    return is_in_place or bool(_direct_url(info).get("dir_info", {}).get("editable"))


def _direct_url(info: Path) -> dict[str, Any]:
    """What pip writes beside a distribution that came from no index (PEP 610)."""
    try:
        found = json.loads((info / "direct_url.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


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
