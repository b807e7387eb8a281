"""Which plugins may be loaded: the lists of the command line, the environment and the run file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ftcore.errors import UsageError, did_you_mean
from ftcore.loading.plugin import Plugin

VARIABLE = "FTCORE_PLUGINS"


@dataclass(frozen=True, slots=True)
class Policy:
    """Every allow list must name a third-party plugin, and no deny list may name it.

    Built-ins and files that were named with `--plugin` need no leave, but may be denied. Lists hold keys
    (`acme:main`), names of entry points or distributions.
    """

    allow: tuple[tuple[str, Sequence[str]], ...] = ()
    deny: tuple[tuple[str, Sequence[str]], ...] = ()

    @classmethod
    def of(cls, allow: Sequence[str] | None = None, deny: Sequence[str] = ()) -> Policy:
        """The lists of the line and the run file, and those of the variable FTCORE_PLUGINS.

        The variable is `none`, or a list such as `acme,-other`: names with a dash before them are denied, and any
        name without one makes the rest an allow list.
        """
        words = _variable()
        allowed = [word for word in words if not word.startswith("-")]
        return cls(
            tuple(
                (where, names)
                for where, names in ((VARIABLE, allowed or None), ("plugins.allow of the run file", allow))
                if names is not None
            ),
            ((VARIABLE, [word[1:] for word in words if word.startswith("-")]), ("on request", deny)),
        )

    def against(self, plugin: Plugin) -> str | None:
        """Why a plugin may not be loaded; None when it may."""
        for where, names in self.deny:
            if any(plugin.is_called(name) for name in names):
                return "left out on request" if where == "on request" else f"left out by {where}"
        if plugin.is_built_in or plugin.is_file:
            return None
        for where, names in self.allow:
            if not any(plugin.is_called(name) for name in names):
                return f"not on the list of {where}: {', '.join(names)}"
        return None


def _variable() -> list[str]:
    return [word.strip() for word in os.environ.get(VARIABLE, "").split(",") if word.strip()]


def strangers(plugins: Sequence[Plugin]) -> list[str]:
    """A sentence for each name in FTCORE_PLUGINS that no plugin has. It is no error: one variable may serve several
    environments, and a command that refused to start could not say what is installed."""
    names = [word.removeprefix("-") for word in _variable() if word != "none"]
    return [
        f"{VARIABLE} names {name!r}, and there is no such plugin{did_you_mean(name, _words(plugins))}"
        for name in names
        if not any(plugin.is_called(name) for plugin in plugins)
    ]


def read_table(table: Any, where: str | None) -> tuple[list[str] | None, list[str]]:
    """`allow` and `deny` of a run file's table `plugins`. Raises UsageError for what is no such table."""
    entries = {} if table is None else table
    lists = {}
    for key, value in entries.items() if isinstance(entries, Mapping) else [("", table)]:
        names = [value] if isinstance(value, str) else value
        if key not in ("allow", "deny") or not isinstance(names, list) or not all(isinstance(n, str) for n in names):
            raise UsageError(
                "plugins says which to allow and which to deny", where=where, value=table, fix="plugins: {deny: [NAME]}"
            )
        lists[key] = names
    return lists.get("allow"), lists.get("deny", [])


def check_denied(names: Iterable[str], plugins: Sequence[Plugin]) -> None:
    """Raise UsageError for a name that is to be left out and that no plugin has."""
    for name in names:
        if not any(plugin.is_called(name) for plugin in plugins):
            guess = did_you_mean(name, _words(plugins))
            raise UsageError(f"there is no plugin {name!r} to leave out{guess}", fix="ftcore plugins list")


def _words(plugins: Sequence[Plugin]) -> set[str]:
    """What plugins may be called."""
    return {word for plugin in plugins for word in (plugin.key, plugin.name, plugin.distribution)}
