"""The contract class for any component, made from its kind and name, and from hints that its plugin may give.

    TestNorms = contract("method", "acme-norms/norms")

Some contracts cannot do without what only the author has: rows that a format reads, a way to load an artifact. A
plugin's front may give it as `FTCORE_CHECK`, by kind and name, as members of the contract class:

    FTCORE_CHECK = {"format:faq": {"rows": [{"faq": "How long?", "reply": "Two days."}]}}

A `Ref` stands for what it names, so that the front stays light. What is not given is left out, and the results say so.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ftcore.errors import PluginError, did_you_mean
from ftcore.manager import Offer, Plugin, PluginManager
from ftcore.specs import KINDS, Ref
from ftcore.testing.contract import Contract, left_out

CONTRACTS: Mapping[str, Ref] = {
    "model": Ref("ftcore.testing.loaders:LoaderContract"),
    "data": Ref("ftcore.testing.sources:SourceContract"),
    "format": Ref("ftcore.testing.formats:FormatContract"),
    "method": Ref("ftcore.testing.methods:MethodContract"),
    "strategy": Ref("ftcore.testing.strategies:StrategyContract"),
    "backend": Ref("ftcore.testing.backends:BackendContract"),
    "rewards": Ref("ftcore.testing.rewards:RewardContract"),
    "evaluators": Ref("ftcore.testing.evaluators:EvaluatorContract"),
    "exporter": Ref("ftcore.testing.exporters:ExporterContract"),
    "reporters": Ref("ftcore.testing.reporters:ReporterContract"),
}
"""The contract of each kind of component."""

HINTS = "FTCORE_CHECK"


def contract(kind: str, name: str, plugin_files: tuple[str, ...] = ()) -> type[Contract]:
    """The class with which to test a component, its plugin's hints as members. Raises PluginError for wrong ones."""
    base: type[Contract] = CONTRACTS[kind].load()
    manager = PluginManager.discover(files=plugin_files)
    offer = manager.find(kind, name)
    members = {**_members(base, hints(manager, kind, offer)), "name": name, "plugin_files": plugin_files}
    missing = _missing(offer, members.get("settings", {}))
    if missing and "prepare" not in members:
        members["choice"] = classmethod(lambda *_: left_out(f"no settings for {', '.join(missing)}"))
    return type("Offered", (base,), members)


def keys(base: type[Contract]) -> dict[str, type[Contract]]:
    """What a plugin may say to a contract, each key with the class that documents it."""
    classes = [cls for cls in reversed(base.__mro__) if issubclass(cls, Contract)]
    found = {name: cls for cls in classes for name in (*inspect.get_annotations(cls), *_replaceable(cls))}
    not_theirs = {"kind", "name", "plugin_files", base.kind}  # a method, for one, is not tried with another method
    return {name: cls for name, cls in found.items() if name not in not_theirs}


def _replaceable(cls: type[Contract]) -> list[str]:
    functions = {name: getattr(value, "__func__", value) for name, value in vars(cls).items()}
    return [name for name, function in functions.items() if hasattr(function, "is_replaceable")]


def _members(base: type[Contract], given: Mapping[str, Any]) -> dict[str, Any]:
    """The hints as members of a class: references loaded, functions bound as those whose place they take."""
    members = {key: value.load() if isinstance(value, Ref) else value for key, value in given.items()}
    of_class = {name for cls in base.__mro__ for name, value in vars(cls).items() if isinstance(value, classmethod)}
    return {key: classmethod(value) if key in of_class else value for key, value in members.items()}


def _missing(offer: Offer, settings: Mapping[str, Any]) -> list[str]:
    """The settings without which a component cannot be made, and that nobody gave."""
    fields = offer.fields()
    return [name for name, field in fields.items() if field.is_required() and name not in settings]


def hints(manager: PluginManager, kind: str, offer: Offer) -> Mapping[str, Any]:
    """What a plugin says to the contract of its component. Raises PluginError for hints that are none."""
    given = getattr(_front(offer.plugin), HINTS, {})
    key = f"{kind}:{offer.spec.name}"
    found = given.get(key, {}) if isinstance(given, Mapping) else None
    if not isinstance(found, Mapping):
        raise PluginError(
            f"{HINTS} maps the kind and name of a component to members of its contract",
            where=offer.plugin.key,
            fix=f'{HINTS} = {{"{key}": {{"settings": {{}}}}}}',
        )
    _must_be_known(offer.plugin, given, _offered(manager, offer.plugin), "the plugin offers")
    _must_be_known(offer.plugin, found, keys(CONTRACTS[kind].load()), f"for a {KINDS[kind].title} there are")
    return found


def _must_be_known(plugin: Plugin, given: Mapping[str, Any], known: Collection[str], what: str) -> None:
    for key in given:
        if key not in known:
            guess = did_you_mean(str(key), known)
            raise PluginError(
                f"{HINTS} has a key {key!r} that means nothing{guess}; {what} {', '.join(known) or 'none'}",
                where=plugin.key,
            )


def _offered(manager: PluginManager, plugin: Plugin) -> list[str]:
    """All that comes from the plugin's front; two entry points may share one."""
    manager.ask_all()
    front = _module(plugin)
    return [offered for one in manager.plugins if _module(one) == front for offered in one.offers]


def _front(plugin: Plugin) -> Any:
    if plugin.is_file:
        return sys.modules[Path(plugin.module).stem]
    return importlib.import_module(_module(plugin))


def _module(plugin: Plugin) -> str:
    return plugin.module if plugin.is_file else plugin.module.partition(":")[0]
