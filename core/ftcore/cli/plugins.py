"""`plugins`: the commands about plugins, and the one that lists them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from ftcore.cli.lazy import LazyGroup
from ftcore.cli.listing import table
from ftcore.manager import PluginManager

SUBCOMMANDS = {
    "list": ("ftcore.cli.plugins:list_", "List plugins: distribution, version, state, and what each offers."),
    "install": ("ftcore.cli.plugins_install:install", "Install a plugin, after showing what that adds."),
    "uninstall": ("ftcore.cli.plugins_install:uninstall", "Uninstall a plugin."),
    "check": ("ftcore.cli.plugins_check:check", "Test all that a plugin offers against the contracts of its kinds."),
    "new": ("ftcore.cli.plugins_new:new", "Write a plugin package that passes its own tests."),
}

plugins = LazyGroup(
    "plugins",
    table=SUBCOMMANDS,
    help="See which plugins are installed and how they are; install, check and write them.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_(as_json: bool) -> None:
    """List plugins: distribution, version, state, and what each offers.

    `blocked` was left out on request; `incompatible` needs another version of ftcore; `hung` stood still while it was
    imported, and is not tried again; `broken` raised, or offers what no plugin can. The reasons stand below the table.
    """
    from ftcore.line import options

    manager = options.manager()
    records = describe(manager)
    problems = [*manager.problems(), *_displaced(manager)]
    if as_json:
        click.echo(json.dumps({"plugins": records, "problems": problems}, indent=2))
        return
    table(
        ((r["key"], r["version"], r["state"], ", ".join(r["offers"]) or "–") for r in records),
        ("plugin", "version", "state", "offers"),
    )
    blocked = [f"{plugin.key} is blocked: {plugin.problem}" for plugin in manager.plugins if plugin.state == "blocked"]
    if problems or blocked:
        click.echo()
    for line in blocked:
        click.echo(line)
    for problem in problems:
        click.echo(click.style(f"problem: {problem}", fg="red"))
    for fix in dict.fromkeys(plugin.fix for plugin in manager.plugins if plugin.fix):
        click.echo(f"  try: {fix}")


def describe(manager: PluginManager) -> list[dict[str, Any]]:
    """Every plugin as JSON, once it was asked for all that it offers."""
    manager.ask_all()
    return [
        {
            "key": plugin.key,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "state": plugin.state,
            "problem": plugin.problem,
            "fix": plugin.fix,
            "offers": plugin.offers,
        }
        for plugin in manager.plugins
    ]


def _displaced(manager: PluginManager) -> Iterator[str]:
    """Commands of plugins that are called like one of the core."""
    from ftcore.cli.main import COMMANDS

    for name in COMMANDS:
        for command in manager.commands().get(name, ()):
            yield f"{command.plugin.key}: {name!r} is a command of ftcore itself; type: ftcore {command.qualified}"
