"""Plugins whose import stood still are remembered, so that only the first command waits for them.

One small file in the user's cache folder, keyed by distribution, version and RECORD: a new version is tried again. It
deliberately never raises: where it cannot be read or written, every command waits.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Set
from pathlib import Path

from ftcore.loading.plugin import Plugin, canonical


def remembered() -> Set[str]:
    """The keys of the plugins that hung."""
    try:
        return set(map(str, json.loads(_file().read_text(encoding="utf-8"))))
    except (OSError, ValueError, TypeError):
        return set()


def is_among(plugin: Plugin, keys: Set[str]) -> bool:
    return bool(keys) and _key(plugin) in keys


def remember(plugin: Plugin) -> None:
    if plugin.info is not None:
        _write({*remembered(), _key(plugin)})


def forget(name: str) -> None:
    """Have the plugins of a distribution, or the plugin of that name or key, tried again from now on."""
    known = remembered()
    kept = {key for key in known if not _is_called(key, name)}
    if kept != known:
        _write(kept)


def _is_called(key: str, name: str) -> bool:
    distribution, entry, *_ = *key.split(" "), ""
    return canonical(name) in (distribution, f"{distribution}:{canonical(entry)}") or name == entry


def _key(plugin: Plugin) -> str:
    from ftcore.loading.identity import record_hash  # hashlib takes 4 ms

    assert plugin.info is not None
    return f"{canonical(plugin.distribution)} {plugin.name} {plugin.version} {record_hash(plugin.info)}"


def _file() -> Path:
    """Where platformdirs would put it on Linux, without the 7 ms of importing that; Windows has no patience anyway."""
    folder = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(folder, "ftcore", "hung-plugins.json")


def _write(keys: Set[str]) -> None:
    path = _file()
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(sorted(keys), indent=2) + "\n", encoding="utf-8")
        temporary.replace(path)
