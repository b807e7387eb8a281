"""What is known of a plugin, and of what it offers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from ftcore.errors import PluginError
from ftcore.specs import CommandSpec, Spec

if TYPE_CHECKING:
    from ftcore.settings import Settings

BUILT_IN = "ftcore"
FILE = "file"

State = Literal["active", "blocked", "incompatible", "hung", "broken"]


@dataclass(slots=True)
class Plugin:
    """A plugin and the state it is in. `key` is `distribution:entry`, unique in an environment.

    - `active`: it works.
    - `blocked`: left out on request.
    - `incompatible`: it says that it needs another version of ftcore.
    - `hung`: its import, or a hook, stood still.
    - `broken`: its import or a hook raised, or it offers what no plugin can.

    In all but the first, `problem` says why, `where` at which line if that is known, and `fix` what to type.
    """

    key: str
    distribution: str
    version: str
    module: str
    state: State = "active"
    problem: str | None = None
    fix: str | None = None
    where: str | None = None
    offers: list[str] = field(default_factory=list)
    hooks: list[str] = field(default_factory=list)
    info: Path | None = None
    """The folder with the distribution's metadata; None for built-ins and files."""

    @property
    def name(self) -> str:
        return self.key.partition(":")[2]

    @property
    def is_built_in(self) -> bool:
        return self.distribution == BUILT_IN

    @property
    def is_file(self) -> bool:
        return self.distribution == FILE

    @property
    def place(self) -> str:
        """Where to look for what it does: the file, or its key."""
        return self.module if self.is_file else self.key

    @property
    def check(self) -> str | None:
        """What to type to learn more about a plugin that does not work."""
        return None if self.is_file or self.is_built_in else f"ftcore plugins check {self.distribution}"

    def is_called(self, word: str) -> bool:
        """Whether a word means this plugin: its key, its name, or its distribution in any spelling that pip takes."""
        return word in (self.key, self.name) or canonical(word) == canonical(self.distribution)

    def qualify(self, name: str) -> str:
        return f"{self.name if self.is_file else self.distribution}/{name}"

    def stop(self, state: State, problem: str, fix: str | None = None) -> None:
        self.state, self.problem, self.fix = state, problem, fix


@dataclass(frozen=True, slots=True)
class Offer:
    """A record and the plugin that offers it."""

    spec: Spec
    plugin: Plugin

    @property
    def qualified(self) -> str:
        """The name that is never ambiguous: `acme/lora`, and of a file `norms/lora`."""
        return self.plugin.qualify(self.spec.name)

    def settings(self) -> type[Settings] | None:
        """The class of its settings. Raises PluginError where `config` does not load, or is no `Settings`."""
        if self.spec.config is None:
            return None
        from ftcore.settings import Settings  # pydantic takes longer than listing all plugins

        found = self.spec.config.load()
        if not (isinstance(found, type) and issubclass(found, Settings)):
            what = f"the config of {self.spec.name!r} is {found!r}, no subclass of ftcore.settings.Settings"
            name = self.spec.config.target.rpartition(":")[2]
            raise PluginError(what, where=self.plugin.place, fix=f"class {name}(Settings):")
        return found

    def fields(self) -> Mapping[str, Any]:
        """Its settings by name, as pydantic describes them."""
        model = self.settings()
        return model.model_fields if model else {}


@dataclass(frozen=True, slots=True)
class Command:
    """A command and the plugin that offers it."""

    spec: CommandSpec
    plugin: Plugin

    @property
    def qualified(self) -> str:
        return self.plugin.qualify(self.spec.name)


Offered = TypeVar("Offered", Offer, Command)


def pick(catalogue: Mapping[str, list[Offered]], name: str, title: str, flag: str) -> Offered | None:
    """What a name means: the built-in of that name, or the only one; None where nobody offers it.

    Raises PluginError where several plugins offer it. `flag` is what to type before a name.
    """
    owner, slash, bare = name.rpartition("/")
    offers = catalogue.get(bare if slash else name, [])
    if slash:
        offers = [offer for offer in offers if offer.plugin.is_called(owner)]
    built_in = [offer for offer in offers if offer.plugin.is_built_in]
    if len(built_in) == 1:
        return built_in[0]
    if len(offers) > 1:
        choices = [offer.qualified for offer in offers]
        raise PluginError(f"{len(offers)} plugins offer the {title} {name!r}", fix=flag + choices[0], more=choices)
    return offers[0] if offers else None


def typed(catalogue: Mapping[str, list[Offered]], offer: Offered) -> str:
    """The name by which `pick` finds this one again: the bare one, unless others have it too."""
    is_alone = offer.plugin.is_built_in or len(catalogue[offer.spec.name]) == 1
    return offer.spec.name if is_alone else offer.qualified


def canonical(name: str) -> str:
    """A distribution's name as pip compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
