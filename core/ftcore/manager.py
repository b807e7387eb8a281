"""Loading and asking plugins, so that no plugin can break ftcore or another plugin.

pluggy carries the calls. Loading is ours (`ftcore.loading`): pluggy's entry-point loader stops at the first broken
plugin, leaves half-registered ones behind, and does not notice a misspelt hook. No plugin is read from the working
directory; a file is loaded only when it is named (`--plugin FILE.py`).
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pluggy

import ftcore
from ftcore import hookspecs
from ftcore.errors import FtcoreError, PluginError, UsageError
from ftcore.loading import hung
from ftcore.loading.front import check_hooks, hook_functions, import_file, import_front
from ftcore.loading.installed import third_parties
from ftcore.loading.patience import Stalled, patience
from ftcore.loading.plugin import BUILT_IN, FILE, Command, Offer, Plugin, pick
from ftcore.loading.policy import Policy, check_denied
from ftcore.loading.records import offered
from ftcore.loading.words import definition, in_words, place
from ftcore.specs import KINDS, CommandSpec
from ftcore.unknown import unknown

__all__ = ["Command", "Offer", "Plugin", "PluginManager", "hook_functions"]

R = TypeVar("R")
FATAL = (KeyboardInterrupt, MemoryError)
"""What is passed on, whoever raised it. Anything else that a plugin raises is its own affair, SystemExit too."""


class PluginManager:
    """All plugins of a process.

    >>> manager = PluginManager.discover()
    >>> manager.find("method", "mine").spec.summary
    """

    def __init__(self, policy: Policy | None = None) -> None:
        self._pluggy = pluggy.PluginManager("ftcore")
        self._pluggy.add_hookspecs(hookspecs)
        self._policy = policy or Policy()
        self.plugins: list[Plugin] = []
        self.recipe: Mapping[str, Any] = {}
        """The arguments with which `discover` finds the same plugins in another process."""
        self._catalogues: dict[str, dict[str, list[Offer]]] = {}
        self._commands: dict[str, list[Command]] | None = None

    @classmethod
    def discover(
        cls, files: Iterable[str] = (), deny: Sequence[str] = (), allow: Sequence[str] | None = None
    ) -> PluginManager:
        """Built-in plugins, then those installed under the entry-point group `ftcore`, then the named files.

        `deny` and `allow` are those of the line and the run file; `FTCORE_PLUGINS` has a say besides (`Policy`).
        """
        manager = cls(Policy.of(allow, deny))
        manager.recipe = {"files": tuple(map(str, files)), "deny": tuple(deny), "allow": allow}
        manager.load_built_in()
        manager.load_installed()
        for file in manager.recipe["files"]:
            manager.load_file(Path(file))
        manager._files_must_work()
        check_denied(deny, manager.plugins)
        return manager

    # Loading ---------------------------------------------------------------------------------------------------------

    def load_built_in(self) -> None:
        for name in importlib.import_module("ftcore_plugins").PLUGINS:
            plugin = Plugin(f"{BUILT_IN}:{name.rpartition('.')[2]}", BUILT_IN, ftcore.__version__, name)
            self._load(plugin, partial(importlib.import_module, name))

    def load_installed(self) -> None:
        for plugin in third_parties():
            self._load(plugin, partial(import_front, plugin.module))

    def load_file(self, path: Path) -> None:
        """Raises UsageError or PluginError: whoever names a file wants it to work."""
        if not path.is_file():
            raise UsageError("there is no such plugin file", where=str(path), fix="--plugin PATH/TO/FILE.py")
        from ftcore.loading.identity import file_version  # hashlib takes 4 ms, and few lines name a file

        plugin = Plugin(f"{FILE}:{path.stem}", FILE, file_version(path), str(path))
        for other in self.plugins:
            if other.key == plugin.key:
                if Path(other.module).samefile(path):
                    return
                raise UsageError(
                    f"two plugin files are called {path.stem}",
                    where=str(path),
                    value=other.module,
                    fix=f"mv {path} {path.with_stem(path.stem + '_2')}",
                )
        error = self._load(plugin, partial(import_file, path))
        if plugin.state not in ("active", "blocked"):
            raise PluginError(
                f"the plugin does not load: {plugin.problem}",
                where=(error and place(error)) or str(path),
                fix="ftcore hooks" if isinstance(error, PluginError) else f"python {path}",
            ) from error

    def _files_must_work(self) -> None:
        """Ask files at once what they offer. Raises PluginError for one that fails there, with the line at fault."""
        files = [plugin for plugin in self.plugins if plugin.is_file and plugin.state == "active"]
        if files:
            self.ask_all()
        for plugin in files:
            if plugin.state != "active":
                raise PluginError(str(plugin.problem), where=plugin.where or plugin.module, fix=plugin.fix)

    def _load(self, plugin: Plugin, load: Callable[[], ModuleType]) -> BaseException | None:
        """Load a plugin unless it was stopped before; what it raised, if it did."""
        self.plugins.append(plugin)
        reason = self._policy.against(plugin)
        if reason:
            plugin.stop("blocked", reason)
        if plugin.state != "active":
            return None
        try:
            module = load()
            check_hooks(module)
            self._register(module, plugin)
        except FATAL:
            raise
        except BaseException as error:
            self._break(plugin, None, error)
            return error
        plugin.hooks = [hook.name for hook in self._pluggy.get_hookcallers(module) or ()]
        return None

    def _register(self, module: ModuleType, plugin: Plugin) -> None:
        earlier = self._pluggy.get_name(module)
        if earlier:
            raise PluginError(f"it names the same module as {earlier}")
        self._pluggy.register(module, name=plugin.key)

    # Asking ----------------------------------------------------------------------------------------------------------

    def catalogue(self, kind: str) -> Mapping[str, list[Offer]]:
        """Every component of a kind by name. A name with several offers is ambiguous unless one is built in."""
        if kind not in self._catalogues:
            offers: dict[str, list[Offer]] = {}
            for plugin, spec in self._records(KINDS[kind].hook, KINDS[kind].record):
                offers.setdefault(spec.name, []).append(Offer(spec, plugin))
                plugin.offers.append(f"{kind}:{spec.name}")
            self._catalogues[kind] = offers
        return self._catalogues[kind]

    def usable(self, kind: str) -> list[Offer]:
        """The components of a kind whose plugins work, for asking each of them: whatever they are called."""
        offers = (offer for offers in self.catalogue(kind).values() for offer in offers)
        return [offer for offer in offers if offer.plugin.state == "active"]

    def commands(self) -> Mapping[str, list[Command]]:
        """Every command that plugins add, by name, as `catalogue` has components."""
        if self._commands is None:
            self._commands = {}
            for plugin, spec in self._records("ftcore_commands", CommandSpec):
                self._commands.setdefault(spec.name, []).append(Command(spec, plugin))
                plugin.offers.append(f"command:{spec.name}")
        return self._commands

    def ask_all(self) -> None:
        """Ask every plugin for all that it offers, so that what fails in a hook is known."""
        for kind in KINDS:
            self.catalogue(kind)
        self.commands()

    def _records(self, hook: str, record: type[R]) -> Iterator[tuple[Plugin, R]]:
        for plugin, given in self._each(hook, partial(_records, hook, record), {}):
            yield from ((plugin, one) for one in given)

    def each(self, hook: str, **arguments: Any) -> Iterator[tuple[Plugin, Any]]:
        """Call a hook plugin by plugin, so that one that raises is left out with a warning and the others are heard."""
        yield from self._each(hook, _answer, arguments, warn=True)

    def _each(
        self, hook: str, ask: Callable[..., Any], arguments: Mapping[str, Any], warn: bool = False
    ) -> Iterator[tuple[Plugin, Any]]:
        by_key = {plugin.key: plugin for plugin in self.plugins}
        for impl in getattr(self._pluggy.hook, hook).get_hookimpls():
            plugin = by_key[impl.plugin_name]
            if plugin.state != "active":
                continue
            try:
                result = ask(impl.function, *(arguments[name] for name in impl.argnames))
            except FATAL:
                raise
            except BaseException as error:
                self._break(plugin, hook, error)
                plugin.where = plugin.where or definition(impl.function)
                if warn:
                    self._warn_of(plugin)
                continue
            yield plugin, result

    def first(self, hook: str, **arguments: Any) -> Any:
        """The answer of the plugin that was loaded last among those that have one, so that a user's own decides."""
        answers = [result for _, result in self.each(hook, **arguments) if result is not None]
        return answers[-1] if answers else None

    def find(self, kind: str, name: str) -> Offer:
        """The component that a user named. A bare name that a built-in carries is the built-in.

        Raises UsageError for a name that nobody offers, PluginError for an ambiguous one or a broken plugin's.
        """
        found = pick(self.catalogue(kind), name, KINDS[kind].title, f"--{kind} ")
        if found is None:
            self._must_work(name)
            raise unknown(self, kind, name)
        return found

    def command(self, name: str) -> Command | None:
        """The command of a plugin that a user typed. Raises PluginError for an ambiguous name or a broken plugin's."""
        found = pick(self.commands(), name, "command", "ftcore ")
        if found is None:
            self._must_work(name)
        return found

    def _must_work(self, name: str) -> None:
        """Raise PluginError where a name is that of a plugin that does not work, or `plugin/…` of one."""
        owner = name.rpartition("/")[0]
        for plugin in self.plugins:
            if plugin.state != "active" and (plugin.is_called(name) or plugin.is_called(owner)):
                fix = plugin.fix or "ftcore plugins list"
                raise PluginError(f"the plugin {plugin.key} is {plugin.state}: {plugin.problem}", fix=fix)

    # Trouble ---------------------------------------------------------------------------------------------------------

    def problems(self) -> list[str]:
        """What `plugins list` says in one line each: plugins that do not work, and names that are offered twice."""
        lines = [
            f"{plugin.key}: {plugin.problem}" for plugin in self.plugins if plugin.state not in ("active", "blocked")
        ]
        return [*lines, *(sentence for _, sentence in self.doubles())]

    def doubles(self) -> Iterator[tuple[Offer | Command, str]]:
        """What plugins offer under a name which another offers too, and what to write for theirs."""
        catalogues: dict[str, Mapping[str, Sequence[Offer | Command]]] = {
            KINDS[kind].title: self.catalogue(kind) for kind in KINDS
        }
        for title, catalogue in {**catalogues, "command": self.commands()}.items():
            for name, offers in catalogue.items():
                for offer in offers if len(offers) > 1 else ():
                    if not offer.plugin.is_built_in:
                        said = f"the {title} {name!r} is offered twice; write {offer.qualified}"
                        if any(other.plugin.is_built_in for other in offers):
                            said += f", since {name} alone is {BUILT_IN}'s"
                        yield offer, f"{offer.plugin.key}: {said}"

    @contextlib.contextmanager
    def sparing(self, plugin: Plugin) -> Iterator[None]:
        """Where a plugin is asked that nobody named, what it raises leaves it out instead of ending the command."""
        try:
            yield
        except FATAL:
            raise
        except BaseException as error:
            if plugin.is_built_in:
                raise
            self._break(plugin, place(error), error)
            self._warn_of(plugin)

    @staticmethod
    def _warn_of(plugin: Plugin) -> None:
        sys.stderr.write(f"warning: {plugin.key}: {plugin.problem}; the plugin is left out\n")

    def has_settings(self, offer: Offer) -> bool:
        """Whether the settings of a component that nobody named can be imported; its plugin is left out if not."""
        with self.sparing(offer.plugin):
            offer.settings()
        return offer.plugin.state == "active"

    def _break(self, plugin: Plugin, where: str | None, error: BaseException) -> None:
        """Leave a plugin out for what it did in `where`, a hook or a place; None means while it was imported."""
        fix = f"ftcore hooks {where}" if plugin.is_file and where in hook_functions() else plugin.check
        if isinstance(error, Stalled):
            hung.remember(plugin)
            plugin.stop("hung", f"{where or 'its import'} hangs: {error}", fix)
        else:
            said, is_verdict = in_words(error), isinstance(error, PluginError)
            fix = (plugin.is_file and isinstance(error, FtcoreError) and error.fix) or fix
            plugin.stop("broken", f"{where} raised {said}" if where and not is_verdict else said, fix)
        plugin.where = place(error)


def _records(hook: str, record: type[R], function: Callable[[], Any]) -> list[R]:
    """What a plugin offers. Unlike an observer, who may copy files, it has no reason to take its time."""
    with patience():
        return offered(hook, record, function)


def _answer(function: Callable[..., Any], *arguments: Any) -> Any:
    result = function(*arguments)
    return list(result) if inspect.isgenerator(result) else result
