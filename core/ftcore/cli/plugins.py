"""`plugins list`: every plugin, its state, and what is wrong with those that do not work."""

from __future__ import annotations

import json
from typing import Any

import click

from ftcore.cli.listing import table
from ftcore.manager import PluginManager
from ftcore.specs import KINDS


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def plugins() -> None:
    """See which plugins are installed and how they are."""


@plugins.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_(as_json: bool) -> None:
    """List plugins: distribution, version, state, and what each offers."""
    from ftcore.cli.main import options

    manager = options.manager()
    records = describe(manager)
    if as_json:
        click.echo(json.dumps({"plugins": records, "problems": manager.problems()}, indent=2))
        return
    table(
        ((r["key"], r["version"], r["state"], ", ".join(r["offers"]) or "–") for r in records),
        ("plugin", "version", "state", "offers"),
    )
    problems = manager.problems()
    if problems:
        click.echo()
        for problem in problems:
            click.echo(click.style(f"problem: {problem}", fg="red"))


def describe(manager: PluginManager) -> list[dict[str, Any]]:
    for kind in KINDS:
        manager.catalogue(kind)  # asks every plugin, so that what fails in a hook shows too
    return [
        {
            "key": plugin.key,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "state": plugin.state,
            "problem": plugin.problem,
            "offers": plugin.offers,
        }
        for plugin in manager.plugins
    ]
