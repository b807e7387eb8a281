"""`list` and `explain`: what there is to choose from. Plain text, no torch, no pydantic but for `explain`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import click

from ftcore.errors import UsageError, did_you_mean
from ftcore.manager import Command, Offer, PluginManager
from ftcore.specs import KINDS, Spec


def table(rows: Iterable[Sequence[str]], header: Sequence[str]) -> None:
    """Columns as wide as they must be; the last one runs on."""
    everything = [list(header), *map(list, rows)]
    widths = [max(len(row[i]) for row in everything) for i in range(len(header) - 1)]
    for index, row in enumerate(everything):
        line = "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        click.echo(click.style(line, bold=True) if index == 0 else line)


@click.command("list")
@click.argument("what", required=False, metavar="[WHAT]")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_(what: str | None, as_json: bool) -> None:
    """List what is installed.

    WHAT is one of loaders, sources, formats, methods, strategies, backends, rewards, evaluators, exporters, reporters,
    commands. Without it, everything that a run is made of.
    """
    from ftcore.line import options

    if what in ("command", "commands"):
        _list_commands(options.manager(), as_json)
        return
    plurals = {kind.plural: kind for kind in KINDS.values()} | {kind.name: kind for kind in KINDS.values()}
    if what is not None and what not in plurals:
        choices = [*(kind.plural for kind in KINDS.values()), "commands"]
        raise UsageError(
            f"there is nothing called {what!r} to list{did_you_mean(what, choices)}",
            fix="ftcore list",
            more=[", ".join(choices)],
        )
    kinds = [plurals[what]] if what else list(KINDS.values())
    manager = options.manager()
    if as_json:
        listed = {kind.plural: [_record(o) for o in _offers(manager, kind.name)] for kind in kinds}
        click.echo(json.dumps(listed[kinds[0].plural] if what else listed, indent=2, default=str))
        return
    for kind in kinds:
        rows = [(_name(manager, o), o.plugin.distribution, o.spec.summary) for o in _offers(manager, kind.name)]
        table(rows, (kind.plural, "from", kind.question))
        click.echo()


def _list_commands(manager: PluginManager, as_json: bool) -> None:
    """The core's own commands and those of plugins, each as it must be typed."""
    from ftcore.cli.main import COMMANDS

    rows = [(name, "ftcore", summary) for name, (_, summary) in COMMANDS.items()]
    for name, commands in manager.commands().items():
        for command in commands:
            typed = command.qualified if name in COMMANDS or len(commands) > 1 else name
            rows.append((typed, command.plugin.distribution, command.spec.summary))
    if as_json:
        keys = ("name", "from", "summary")
        click.echo(json.dumps([dict(zip(keys, row, strict=True)) for row in rows], indent=2))
    else:
        table(rows, ("commands", "from", "what it does"))


@click.command
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def explain(name: str, as_json: bool) -> None:
    """Show the facts and the settings of the component NAME."""
    from ftcore.line import options

    manager = options.manager()
    found = [(kind, offer) for kind in KINDS for offer in _offers(manager, kind) if _is_called(manager, offer, name)]
    if not found:
        command = manager.command(name)  # raises where the name is that of a plugin that does not work
        if command is not None:
            _explain_command(command, as_json)
            return
        names = sorted({offer.spec.name for kind in KINDS for offer in _offers(manager, kind)})
        raise UsageError(f"nothing is called {name!r}{did_you_mean(name, names)}", fix="ftcore list")
    if as_json:
        click.echo(json.dumps([_explained(kind, offer) for kind, offer in found], indent=2, default=str))
        return
    for kind, offer in found:
        _print_explanation(kind, offer)


def _explain_command(command: Command, as_json: bool) -> None:
    """A command has no facts; its settings are the options that its own help shows."""
    spec, plugin = command.spec, command.plugin
    if as_json:
        record = {"kind": "command", "name": spec.name, "summary": spec.summary}
        click.echo(json.dumps([{**record, "plugin": plugin.key, "version": plugin.version}], indent=2))
        return
    click.echo(click.style(spec.name, bold=True) + f" — command: {spec.summary}")
    click.echo(f"from {plugin.key} {plugin.version}; its options: ftcore {spec.name} --help")


def _print_explanation(kind: str, offer: Offer) -> None:
    record = _explained(kind, offer)
    click.echo(click.style(f"{offer.spec.name}", bold=True) + f" — {KINDS[kind].title}: {offer.spec.summary}")
    click.echo(f"from {offer.plugin.key} {offer.plugin.version}")
    for fact, value in record["facts"].items():
        click.echo(f"  {fact}: {_in_words(value)}")
    click.echo()
    rows = [(f"--{kind}.{s['name']} {s['type']}", _help(s)) for s in record["settings"]]
    if rows:
        formatter = click.HelpFormatter(width=min(shutil.get_terminal_size().columns, 120))
        formatter.write_dl(rows)
        click.echo(formatter.getvalue(), nl=False)
    else:
        click.echo("It has no settings.")
    click.echo()


def _help(setting: Mapping[str, Any]) -> str:
    default = setting["default"]
    if default in (None, [], ()):
        return str(setting["help"])
    return f"{setting['help']} [{default if default == 'required' else f'default: {_in_words(default)}'}]"


def _in_words(value: Any) -> str:
    """A fact or a default as it would be typed or said: no brackets and quotes of Python's."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_in_words(one)}" for key, one in value.items())
    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(map(_in_words, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _explained(kind: str, offer: Offer) -> dict[str, Any]:
    from ftcore.cli.options import _metavar

    config = offer.settings()
    settings = [
        {
            "name": name,
            "type": _metavar(field.annotation),
            "default": "required" if field.is_required() else field.get_default(call_default_factory=True),
            "help": " ".join((field.description or "").split()),
        }
        for name, field in (config.model_fields.items() if config else ())
    ]
    return {"kind": kind, **_record(offer), "settings": settings}


def _record(offer: Offer) -> dict[str, Any]:
    shared = {field.name for field in fields(Spec)}
    facts = {
        field.name: getattr(offer.spec, field.name)
        for field in fields(offer.spec)
        if field.name not in shared or field.name == "defaults"
    }
    return {
        "name": offer.spec.name,
        "summary": offer.spec.summary,
        "plugin": offer.plugin.key,
        "version": offer.plugin.version,
        "facts": {key: value for key, value in facts.items() if value not in (None, (), {}) and key != "claims"},
    }


def _offers(manager: PluginManager, kind: str) -> list[Offer]:
    return [offer for offers in manager.catalogue(kind).values() for offer in offers]


def _name(manager: PluginManager, offer: Offer) -> str:
    """As it must be typed."""
    for kind in KINDS:
        offers = manager.catalogue(kind).get(offer.spec.name, [])
        if offer in offers and len(offers) > 1 and not offer.plugin.is_built_in:
            return offer.qualified
    return offer.spec.name


def _is_called(manager: PluginManager, offer: Offer, name: str) -> bool:
    return name in (offer.qualified, _name(manager, offer))
