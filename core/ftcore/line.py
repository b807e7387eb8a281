"""The command line that this process was started with: which plugins it asks for, and those that are loaded for it.

A component that needs another plugin's, such as a model loader that begins from a run, finds it here.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from ftcore.errors import UsageError
from ftcore.loading.policy import strangers
from ftcore.manager import Plugin, PluginManager


class Options:
    """The options that may stand anywhere, taken out of the line before click reads it."""

    def __init__(self) -> None:
        self.json_errors = False
        self.typed: Sequence[str] = ()
        self.plugin: list[str] = []
        self.no_plugin: list[str] = []
        self.allow_env: list[str] = []
        self._managers: dict[tuple[Any, Any, Any], PluginManager] = {}

    def take(self, arguments: Sequence[str]) -> list[str]:
        self.typed, rest, waiting = arguments, [], iter(arguments)
        lists = {"--plugin": self.plugin, "--no-plugin": self.no_plugin, "--allow-env": self.allow_env}
        for argument in waiting:
            name, equals, value = argument.partition("=")
            if argument == "--json-errors":
                self.json_errors = True
            elif name in ("--plugins", "--no-plugins"):
                # A component of that file would be missed before click came to the option.
                right, file = name.removesuffix("s"), value or next(waiting, "FILE")
                raise UsageError(f"there is no option {name} (did you mean {right}?)", fix=f"{right} {file}")
            elif name in lists:
                text = value if equals else next(waiting, None)
                if text is None:
                    raise UsageError(f"{name} wants a value", fix=f"{name} NAME")
                lists[name].append(text)
            else:
                rest.append(argument)
        return rest

    def manager(self, deny: Sequence[str] = (), allow: Sequence[str] | None = None) -> PluginManager:
        """The plugins of this process, discovered once."""
        key = (tuple(self.plugin), (*self.no_plugin, *deny), None if allow is None else tuple(allow))
        if key not in self._managers:
            manager = PluginManager.discover(*key)
            if not self._managers:
                doubles = manager.doubles() if self.plugin else ()
                of_files = [said for offer, said in doubles if offer.plugin.is_file and not self._says(offer.qualified)]
                for sentence in [*strangers(manager.plugins), *of_files]:
                    sys.stderr.write(f"warning: {sentence}\n")
            self._managers[key] = manager
        return self._managers[key]

    def _says(self, qualified: str) -> bool:
        """Whether the name stands on the line, alone or among others."""
        return any(qualified in re.split("[,=:]", word) for word in self.typed)

    @property
    def files(self) -> str:
        """The plugin files of this line, to stand at the end of another line that needs them too."""
        return "".join(f" --plugin {shlex.quote(file)}" for file in self.plugin)

    def plugins(self) -> list[Plugin]:
        """Every plugin that was found so far."""
        return [plugin for manager in self._managers.values() for plugin in manager.plugins]


options = Options()
