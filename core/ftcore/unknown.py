"""What to say about a name that no plugin offers: what it is instead, what is near, and what to type."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from ftcore.errors import UsageError, closest, did_you_mean
from ftcore.specs import KINDS

if TYPE_CHECKING:
    from ftcore.loading.plugin import Offer
    from ftcore.manager import PluginManager


def unknown(manager: PluginManager, kind: str, name: str) -> UsageError:
    """The error for a component of a kind that nobody offers under this name."""
    ways = (_a_file, _of_another_kind, _a_command, _known_elsewhere)
    return next((error for way in ways if (error := way(manager, kind, name))), None) or _plain(manager, kind, name)


def _a_file(_: PluginManager, kind: str, name: str) -> UsageError | None:
    if not name.endswith(".py"):
        return None
    return UsageError(
        f"{name} is a file, not the name of {_a(KINDS[kind].title)}; --plugin loads a file, and then it has a name",
        fix=f"--plugin {name} --{kind} {Path(name).stem}",
    )


def _of_another_kind(manager: PluginManager, kind: str, name: str) -> UsageError | None:
    for other in KINDS:
        if other != kind and name in manager.catalogue(other):
            return UsageError(
                f"{name} is {_a(KINDS[other].title)}, not {_a(KINDS[kind].title)}", fix=f"--{other} {name}"
            )
    return None


def _a_command(manager: PluginManager, kind: str, name: str) -> UsageError | None:
    if name not in manager.commands():
        return None
    return UsageError(f"{name} is a command, not {_a(KINDS[kind].title)}", fix=f"ftcore {name}")


def _known_elsewhere(manager: PluginManager, kind: str, name: str) -> UsageError | None:
    """Components say which names count among their kind, whether or not anybody offers those here."""
    for other in KINDS:
        catalogue = manager.catalogue(other)
        relatives = [o for offers in catalogue.values() for o in offers if name in o.spec.relatives]
        if error := next((error for o in relatives if (error := _a_choice(manager, other, o, name))), None):
            return error
        if relatives:
            return UsageError(
                f"{name} is {_a(KINDS[other].title)}"
                + (f", not {_a(KINDS[kind].title)}" if other != kind else "")
                + f"; no plugin that is installed offers it by this name, and {relatives[0].spec.name} is its relative",
                fix=f"--{other} {relatives[0].spec.name}",
                more=[f"installed {KINDS[other].plural}: {', '.join(sorted(catalogue))}"],
            )
    return None


def _a_choice(manager: PluginManager, kind: str, offer: Offer, name: str) -> UsageError | None:
    """The error for a name that a component does offer, as a choice of one of its settings: `ipo`, a loss of dpo."""
    plain = name.replace("-", "_")
    for setting, field in offer.fields().items() if manager.has_settings(offer) else ():
        choices = [word for word in get_args(field.annotation) if isinstance(word, str)]
        # `exo` means `exo_pair`.
        if taken := next((word for word in choices if f"{word}_".startswith(f"{plain}_")), None):
            return UsageError(
                f"{name} is {_a(KINDS[kind].title)} that {offer.spec.name} offers as its {setting}",
                fix=f"--{kind} {offer.spec.name} --{kind}.{setting} {taken}",
            )
    return None


def _plain(manager: PluginManager, kind: str, name: str) -> UsageError:
    names = sorted(manager.catalogue(kind))
    plain = re.sub(r"[-_]?trainer$", "", name, flags=re.IGNORECASE)  # TRL's GRPOTrainer is grpo
    near = closest(plain, names)
    idle = [
        f"{plugin.key} is {plugin.state}: {plugin.problem}"
        for plugin in manager.plugins
        if plugin.state not in ("active", "blocked")
    ]
    return UsageError(
        f"there is no {KINDS[kind].title} {name!r}{did_you_mean(plain, names)}",
        fix=f"--{kind} {near}" if near else f"ftcore list {KINDS[kind].plural}",
        more=[f"installed: {', '.join(names) or 'none'}", *idle],
    )


def with_setting(manager: PluginManager, axis: str, key: str, value: Any = None) -> list[tuple[str, str, Any]]:
    """Components of an axis that have a setting of that name, those first that are taken by themselves.

    Of each its name, and what `ftcore.settings.called` says of the setting.
    """
    from ftcore.settings import called

    offers = sorted(manager.usable(axis), key=lambda offer: not offer.spec.default)
    found = ((o.spec.name, called(key, value, o.fields())) for o in offers if manager.has_settings(o))
    return [(name, *setting) for name, setting in found if setting]


def _a(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"
