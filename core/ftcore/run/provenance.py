"""Whose code a run is made of: what lock.json says of its plugins, and whether they are still the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ftcore.errors import PluginError
from ftcore.loading.identity import code_hash, origin
from ftcore.loading.plugin import FILE, Plugin
from ftcore.manager import PluginManager
from ftcore.run.folder import read_lock
from ftcore.run.plan import Plan
from ftcore.types import Finding


def plugins(plan: Plan) -> list[dict[str, str]]:
    """The plugins that provide the components of a plan: key, distribution, version, whence it came, and a hash of the
    code."""
    return [
        {
            "key": p.key,
            "distribution": p.distribution,
            "version": p.version,
            "origin": origin(p.info),
            "hash": code_hash(p),
        }
        for p in _used(plan)
    ]


def must_be_here(folder: Path, manager: PluginManager) -> None:
    """Raise PluginError for a plugin that the run in the folder used, and that is not loaded now."""
    here = {plugin.key: plugin for plugin in manager.plugins}
    for key, used in _locked(folder).items():
        found = here.get(key)
        if found is None:
            raise PluginError(
                f"the run used the plugin {key}, which is not loaded here",
                where=str(folder),
                value=f"version {used['version']}",
                fix=_install(used),
            )
        if found.state != "active":
            raise PluginError(
                f"the run used the plugin {key}, which is {found.state}: {found.problem}",
                where=str(folder),
                fix=found.fix or "ftcore plugins list",
            )


def changes(folder: Path, plan: Plan) -> Iterator[Finding]:
    """A warning for each plugin that is not what it was when the run in the folder began."""
    before = _locked(folder)
    for now in plugins(plan):
        then = before.get(now["key"])
        if then is None or then.get("hash", now["hash"]) == now["hash"]:
            continue
        is_other = then["version"] != now["version"] and now["distribution"] != FILE
        words = f"it was {then['version']}, and is {now['version']}" if is_other else "its code is another"
        yield Finding(
            "warning",
            f"the plugin {now['key']} has changed since the run began: {words}",
            _install(then) if is_other else None,
        )


def _install(used: Mapping[str, str]) -> str:
    if used["distribution"] == FILE:
        return f"the same line with --plugin PATH/TO/{used['key'].partition(':')[2]}.py"
    whence = used.get("origin", "index")
    if whence == "local":
        return f"ftcore plugins install PATH/TO/{used['distribution']}"
    return f"pip install {used['distribution']}=={used['version']}" if whence == "index" else f"pip install {whence}"


def _locked(folder: Path) -> dict[str, dict[str, str]]:
    lock = folder / "lock.json"
    return {entry["key"]: entry for entry in read_lock(folder)["plugins"]} if lock.is_file() else {}


def _used(plan: Plan) -> list[Plugin]:
    return list({choice.plugin.key: choice.plugin for choice in plan.choices()}.values())
