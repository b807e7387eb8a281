"""Finding, loading and asking plugins, so that no plugin can break ftcore or another plugin.

pluggy carries the calls. Loading is ours: pluggy's entry-point loader stops at the first broken plugin, leaves
half-registered ones behind, and does not notice a misspelt hook. It deliberately reads no plugin from the working
directory; a file is loaded only when it is named (`--plugin FILE.py`).
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pluggy

import ftcore
from ftcore import hookspecs
from ftcore.errors import PluginError, UsageError, closest, did_you_mean
from ftcore.specs import KINDS, Spec

ENTRY_POINT_GROUP = "ftcore"
BUILT_IN = "ftcore"


@dataclass(slots=True)
class Plugin:
    """A plugin and the state it is in. `key` is `distribution:entry`, unique in an environment.

    `active` works; `broken` could not be loaded, and `problem` says why; `blocked` was not loaded on request.
    """

    key: str
    distribution: str
    version: str
    module: str
    state: Literal["active", "broken", "blocked"] = "active"
    problem: str | None = None
    offers: list[str] = field(default_factory=list)
    hooks: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.key.partition(":")[2]

    @property
    def is_built_in(self) -> bool:
        return self.distribution == BUILT_IN


@dataclass(frozen=True, slots=True)
class Offer:
    """A record and the plugin that offers it."""

    spec: Spec
    plugin: Plugin

    @property
    def qualified(self) -> str:
        """The name that is never ambiguous: `acme/lora`."""
        return f"{self.plugin.distribution}/{self.spec.name}"


class PluginManager:
    """All plugins of a process.

    >>> manager = PluginManager.discover()
    >>> manager.find("method", "lora").spec.summary
    """

    def __init__(self, allow: Sequence[str] | None = None, deny: Sequence[str] = ()) -> None:
        self._pluggy = pluggy.PluginManager("ftcore")
        self._pluggy.add_hookspecs(hookspecs)
        self._allow, self._deny = allow, tuple(deny)
        self.plugins: list[Plugin] = []
        self._catalogues: dict[str, dict[str, list[Offer]]] = {}

    @classmethod
    def discover(
        cls, files: Iterable[str] = (), deny: Sequence[str] = (), allow: Sequence[str] | None = None
    ) -> PluginManager:
        """Built-in plugins, then those installed under the entry-point group `ftcore`, then the named files.

        `FTCORE_PLUGINS` allows or denies third-party plugins: `none`, or a list such as `acme,-other`. Denying may name
        a built-in too; allowing speaks of third parties only.
        """
        words = [word.strip() for word in os.environ.get("FTCORE_PLUGINS", "").split(",") if word.strip()]
        allowed = [word for word in words if not word.startswith("-")]
        manager = cls(allow=allowed or allow, deny=[*deny, *(word[1:] for word in words if word.startswith("-"))])
        manager.load_built_in()
        manager.load_installed()
        for file in files:
            manager.load_file(Path(file))
        manager.check_denied(deny)
        return manager

    # Loading ---------------------------------------------------------------------------------------------------------

    def check_denied(self, names: Iterable[str]) -> None:
        """Raise UsageError for a name that is to be left out and that no plugin has."""
        known = {word for plugin in self.plugins for word in (plugin.key, plugin.name, plugin.distribution)}
        for name in names:
            if name not in known:
                raise UsageError(
                    f"there is no plugin {name!r} to leave out{did_you_mean(name, known)}", fix="ftcore plugins list"
                )

    def load_built_in(self) -> None:
        for name in importlib.import_module("ftcore_plugins").PLUGINS:
            plugin = Plugin(f"{BUILT_IN}:{name.rpartition('.')[2]}", BUILT_IN, ftcore.__version__, name)
            self._load(plugin, partial(importlib.import_module, name))

    def load_installed(self) -> None:
        from importlib.metadata import entry_points

        for entry in entry_points(group=ENTRY_POINT_GROUP):
            distribution = entry.dist.name if entry.dist else "unknown"
            version = entry.dist.version if entry.dist else "unknown"
            self._load(Plugin(f"{distribution}:{entry.name}", distribution, version, entry.value), entry.load)

    def load_file(self, path: Path) -> None:
        if not path.is_file():
            raise UsageError("there is no such plugin file", where=str(path), fix="--plugin PATH/TO/FILE.py")
        plugin = Plugin(f"file:{path.stem}", "file", _hash(path), str(path))
        self._load(plugin, lambda: _import_file(path))
        if plugin.state == "broken":
            raise PluginError(f"the plugin does not load: {plugin.problem}", where=str(path))

    def _load(self, plugin: Plugin, load: Callable[[], Any]) -> None:
        self.plugins.append(plugin)
        if self._is_blocked(plugin):
            plugin.state = "blocked"
            return
        try:
            module = load()
            _check_hooks(module)
            self._pluggy.register(module, name=plugin.key)
        except (KeyboardInterrupt, MemoryError):
            raise
        except BaseException as error:  # a plugin may raise anything on import, SystemExit too
            if self._pluggy.has_plugin(plugin.key):
                self._pluggy.unregister(name=plugin.key)
            plugin.state, plugin.problem = "broken", _in_words(error)
            return
        plugin.hooks = [hook.name for hook in self._pluggy.get_hookcallers(module) or ()]

    def _is_blocked(self, plugin: Plugin) -> bool:
        names = {plugin.key, plugin.name, plugin.distribution}
        if names & set(self._deny):
            return True
        if plugin.is_built_in or plugin.distribution == "file" or self._allow is None:
            return False
        return not names & set(self._allow)

    # Asking ----------------------------------------------------------------------------------------------------------

    def catalogue(self, kind: str) -> Mapping[str, list[Offer]]:
        """Every component of a kind by name. A name with several offers is ambiguous unless one is built in."""
        if kind not in self._catalogues:
            offers: dict[str, list[Offer]] = {}
            for plugin, spec in self._records(kind):
                offers.setdefault(spec.name, []).append(Offer(spec, plugin))
                plugin.offers.append(f"{kind}:{spec.name}")
            self._catalogues[kind] = offers
        return self._catalogues[kind]

    def _records(self, kind: str) -> Iterable[tuple[Plugin, Spec]]:
        for plugin, records in self.each(KINDS[kind].hook):
            for record in records or ():
                if isinstance(record, KINDS[kind].record):
                    yield plugin, record
                else:
                    self._break(plugin, f"{KINDS[kind].hook} gave {record!r}, not a {KINDS[kind].record.__name__}")

    def each(self, hook: str, **arguments: Any) -> Iterable[tuple[Plugin, Any]]:
        """Call a hook plugin by plugin, so that one that raises is left out and the others are heard."""
        by_key = {plugin.key: plugin for plugin in self.plugins}
        for impl in getattr(self._pluggy.hook, hook).get_hookimpls():
            plugin = by_key[impl.plugin_name]
            if plugin.state != "active":
                continue
            try:
                result = impl.function(*(arguments[name] for name in impl.argnames))
                yield plugin, list(result) if inspect.isgenerator(result) else result
            except Exception as error:
                self._break(plugin, f"{hook} raised {_in_words(error)}")

    def first(self, hook: str, **arguments: Any) -> Any:
        """The answer of the plugin that was installed last among those that have one, so that a user's own decides."""
        answers = [result for _, result in self.each(hook, **arguments) if result is not None]
        return answers[-1] if answers else None

    def find(self, kind: str, name: str) -> Offer:
        """The component that a user named. A bare name that a built-in carries is the built-in.

        Raises UsageError for a name that nobody offers, PluginError for an ambiguous one or a broken plugin's.
        """
        catalogue = self.catalogue(kind)
        prefix, slash, bare = name.rpartition("/")
        offers = catalogue.get(bare if slash else name, [])
        if slash:
            offers = [offer for offer in offers if prefix in {offer.plugin.distribution, offer.plugin.name}]
        built_in = [offer for offer in offers if offer.plugin.is_built_in]
        if len(built_in) == 1:
            return built_in[0]
        if len(offers) == 1:
            return offers[0]
        if offers:
            choices = [offer.qualified for offer in offers]
            raise PluginError(
                f"{len(offers)} plugins offer the {KINDS[kind].title} {name!r}",
                fix=f"--{kind} {choices[0]}",
                more=choices,
            )
        raise self._unknown(kind, name)

    def _unknown(self, kind: str, name: str) -> PluginError | UsageError:
        for plugin in self.plugins:
            if plugin.state != "active" and name in {plugin.name, plugin.distribution, name.rpartition("/")[0]}:
                why = plugin.problem or "blocked on request"
                return PluginError(f"the plugin {plugin.key} is {plugin.state}: {why}", fix="ftcore plugins list")
        for other in KINDS:
            if other != kind and name in self.catalogue(other):
                flag = "evaluators" if other == "evaluators" else other
                return UsageError(
                    f"{name} is {_a(KINDS[other].title)}, not {_a(KINDS[kind].title)}", fix=f"--{flag} {name}"
                )
        for other in KINDS:
            for relative in self._relatives_of(other, name):
                return UsageError(
                    f"{name} is {_a(KINDS[other].title)}"
                    + (f", not {_a(KINDS[kind].title)}" if other != kind else "")
                    + "; no plugin that is installed offers it",
                    fix=f"--{other} {relative}",
                    more=[f"installed {KINDS[other].plural}: {', '.join(sorted(self.catalogue(other)))}"],
                )
        names = sorted(self.catalogue(kind))
        near = closest(name, names)
        broken = [f"{plugin.key} is broken: {plugin.problem}" for plugin in self.plugins if plugin.state == "broken"]
        return UsageError(
            f"there is no {KINDS[kind].title} {name!r}{did_you_mean(name, names)}",
            fix=f"--{kind} {near}" if near else f"ftcore list {KINDS[kind].plural}",
            more=[f"installed: {', '.join(names) or 'none'}", *broken],
        )

    def _relatives_of(self, kind: str, name: str) -> list[str]:
        """Components that count a name among those of their kind."""
        offers = [offer for offers in self.catalogue(kind).values() for offer in offers]
        return [offer.spec.name for offer in offers if name in offer.spec.relatives]

    def problems(self) -> list[str]:
        """What `plugins list` says in one line each: broken plugins, and names that a built-in keeps to itself."""
        lines = [f"{plugin.key}: {plugin.problem}" for plugin in self.plugins if plugin.state == "broken"]
        for kind in KINDS:
            for name, offers in self.catalogue(kind).items():
                third = [offer for offer in offers if not offer.plugin.is_built_in]
                if third and len(offers) > 1:
                    lines += [
                        f"{offer.plugin.key}: {KINDS[kind].title} {name!r} is offered twice; write {offer.qualified}"
                        for offer in third
                    ]
        return lines

    def _break(self, plugin: Plugin, problem: str) -> None:
        plugin.state, plugin.problem = "broken", problem


@cache
def hook_functions() -> Mapping[str, Callable[..., Any]]:
    """Every hook's specification by name, in the order of a run."""
    return {name: value for name, value in vars(hookspecs).items() if name.startswith("ftcore_")}


def _check_hooks(module: Any) -> None:
    """Raise PluginError where a plugin misspells a hook, forgets the decorator, or asks for unknown arguments."""
    known = hook_functions()
    for name, value in vars(module).items():
        if not callable(value) or isinstance(value, type):
            continue
        marked = getattr(value, "ftcore_impl", None)
        if marked is None:
            if name in known and getattr(value, "__module__", None) == getattr(module, "__name__", None):
                raise PluginError(f"{name} lacks the decorator @hookimpl")
            continue
        hook = marked.get("specname") or name
        if hook not in known:
            raise PluginError(f"there is no hook {hook}{did_you_mean(hook, known)}")
        unknown = set(inspect.signature(value).parameters) - set(inspect.signature(known[hook]).parameters)
        if unknown:
            wanted = ", ".join(inspect.signature(known[hook]).parameters) or "no arguments"
            raise PluginError(f"{hook} takes {wanted}; it has no {', '.join(sorted(unknown))}")


def _import_file(path: Path) -> ModuleType:
    name = path.stem
    if name in sys.modules and not hasattr(sys.modules[name], "__ftcore_file__"):
        raise PluginError(f"a module named {name!r} is loaded already; give the file another name")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    module.__dict__["__ftcore_file__"] = str(path)
    sys.modules[name] = module  # references in the file's records are written "my_method:MyMethod"
    spec.loader.exec_module(module)
    return module


def _hash(path: Path) -> str:
    import hashlib

    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"


def _a(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _in_words(error: BaseException) -> str:
    if isinstance(error, PluginError):
        return error.what
    if isinstance(error, SystemExit):
        return f"it called sys.exit({error.code!r}) while loading"
    return f"{type(error).__name__}: {error}"
