"""`hooks`: what a plugin can implement, the records it yields, and what their factories build. It imports no torch."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

import click

from ftcore import events, specs, types
from ftcore.cli.listing import table
from ftcore.errors import UsageError, did_you_mean
from ftcore.manager import PluginManager, hook_functions
from ftcore.protocols import of_kind
from ftcore.specs import KINDS


@click.command
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def hooks(name: str | None, as_json: bool) -> None:
    """List every hook, or show the hook NAME.

    Shown are its signature, when it is called, the fields of the records that it yields or is given, the methods of
    what their factories build, and who implements it.
    """
    from ftcore.line import options

    functions = hook_functions()
    if name is not None and name not in functions:
        raise UsageError(f"there is no hook {name!r}{did_you_mean(name, functions)}", fix="ftcore hooks")
    manager = options.manager()
    if name:
        record = {**_hook(manager, name), **_parts(name)}
        click.echo(json.dumps(record, indent=2)) if as_json else _show(record)
        return
    records = [_hook(manager, hook) for hook in functions]
    if as_json:
        click.echo(json.dumps(records, indent=2))
    else:
        rows = ((r["name"], str(len(r["implemented_by"])), r["doc"].splitlines()[0]) for r in records)
        table(rows, ("hook", "plugins", "what it is for"))


def _hook(manager: PluginManager, name: str) -> dict[str, Any]:
    function = hook_functions()[name]
    return {
        "name": name,
        "signature": _signature(function),
        "doc": inspect.getdoc(function) or "",
        "implemented_by": [
            plugin.key for plugin in manager.plugins if name in plugin.hooks and plugin.state == "active"
        ],
    }


def _parts(name: str) -> dict[str, Any]:
    """The protocols of what a component's factory builds, and the records that the hook or they name."""
    protocols: list[dict[str, Any]] = [
        {"name": one.__name__, "doc": inspect.getdoc(one), "methods": list(_methods(one))}
        for kind in KINDS.values()
        if kind.hook == name
        for one in of_kind(kind.name)
    ]
    signatures = [_signature(hook_functions()[name]), *(m["signature"] for one in protocols for m in one["methods"])]
    words = dict.fromkeys(re.findall(r"[A-Z]\w+", " ".join(signatures)))
    known = [getattr(module, word, None) for word in words for module in (specs, events, types)]
    records = [
        {"name": one.__name__, "doc": inspect.getdoc(one), "fields": list(_fields(one))}
        for one in dict.fromkeys(known)
        if isinstance(one, type) and is_dataclass(one)
    ]
    return {"records": records, "protocols": protocols}


def _fields(record: Any) -> Iterator[dict[str, Any]]:
    for field in fields(record):
        default = field.default if field.default_factory is MISSING else field.default_factory()
        yield {"name": field.name, "type": field.type, "default": "required" if default is MISSING else repr(default)}


def _methods(protocol: type) -> Iterator[dict[str, Any]]:
    for name, member in vars(protocol).items():
        if inspect.isfunction(member) and not name.startswith("_"):
            yield {"name": name, "signature": _signature(member), "doc": inspect.getdoc(member) or ""}


def _signature(function: Any) -> str:
    return str(inspect.signature(function)).replace("'", "")


def _show(hook: dict[str, Any]) -> None:
    _title(f"{hook['name']}{hook['signature']}", hook["doc"])
    for record in hook["records"]:
        _title(record["name"], record["doc"])
        table(
            ([field["name"], field["type"], field["default"]] for field in record["fields"]),
            ("field", "type", "default"),
        )
        click.echo()
    for protocol in hook["protocols"]:
        _title(protocol["name"], protocol["doc"])
        for method in protocol["methods"]:
            click.echo(f"  {method['name']}{method['signature']}")
            for line in method["doc"].splitlines():
                click.echo(f"      {line}".rstrip())
        click.echo()
    click.echo("implemented by: " + (", ".join(hook["implemented_by"]) or "nobody"))


def _title(name: str, words: str) -> None:
    click.echo(click.style(name, bold=True))
    click.echo()
    click.echo(words)
    click.echo()
