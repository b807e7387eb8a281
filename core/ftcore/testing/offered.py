"""The contract class for any component, made from its kind and name, and from hints that its plugin may give.

    TestNorms = contract("method", "acme-norms/norms")

Some contracts cannot do without data of the author's: rows that a format reads, a folder for a source. A plugin's front
may give it as `FTCORE_CHECK`, by kind and name, as attributes of the contract class:

    FTCORE_CHECK = {"format:faq": {"rows": [{"faq": "How long?", "reply": "Two days."}]}}

What is not given is left out, and the results say so.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ftcore.errors import PluginError
from ftcore.manager import Offer, Plugin, PluginManager
from ftcore.specs import Ref
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
    """The class with which to test a component, with its plugin's hints as attributes."""
    base: type[Contract] = CONTRACTS[kind].load()
    offer = PluginManager.discover(files=plugin_files).find(kind, name)
    attributes = {**hints(kind, offer), "name": name, "plugin_files": plugin_files}
    missing = _missing(offer, attributes.get("settings", {}))
    if missing and "prepare" not in attributes:
        attributes["choice"] = classmethod(lambda *_: left_out(f"no settings for {', '.join(missing)}"))
    return type("Offered", (base,), attributes)


def _missing(offer: Offer, settings: Mapping[str, Any]) -> list[str]:
    """The settings without which a component cannot be made, and that nobody gave."""
    fields = offer.spec.config.load().model_fields if offer.spec.config else {}
    return [name for name, field in fields.items() if field.is_required() and name not in settings]


def hints(kind: str, offer: Offer) -> Mapping[str, Any]:
    """What a plugin says to the contract of its component. Raises PluginError for hints that are none."""
    given = getattr(_front(offer.plugin), HINTS, {})
    key = f"{kind}:{offer.spec.name}"
    found = given.get(key, {}) if isinstance(given, Mapping) else None
    if not isinstance(found, Mapping):
        raise PluginError(
            f"{HINTS} maps the kind and name of a component to attributes of its contract",
            where=offer.plugin.key,
            fix=f'{HINTS} = {{"{key}": {{"settings": {{}}}}}}',
        )
    return found


def _front(plugin: Plugin) -> Any:
    if plugin.distribution == "file":
        return sys.modules[Path(plugin.module).stem]
    return importlib.import_module(plugin.module.partition(":")[0])
