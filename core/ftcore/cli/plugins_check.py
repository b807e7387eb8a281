"""`plugins check`: does a plugin keep what ftcore promises of every component of its kind?"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator, Sequence
from typing import Any

import click

from ftcore.errors import PluginError, ResourceError, UsageError, did_you_mean
from ftcore.loading import hung
from ftcore.loading.plugin import Offer, Plugin
from ftcore.manager import PluginManager
from ftcore.specs import KINDS
from ftcore.testing.verdicts import Verdict, judge

COLOURS = {"passed": "green", "passed in part": "yellow", "failed": "bold red"}

NAMED = 3
"""Promises that are named of those that one cause breaks; `--json` names all."""


@click.command
@click.argument("plugin", required=False, metavar="[PLUGIN]")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def check(plugin: str | None, as_json: bool) -> int:
    """Test all that PLUGIN offers against the contracts of its kinds.

    PLUGIN is a distribution, such as acme-norms, the name of one plugin, or of a component that it offers. Left out:
    the files that --plugin names, or else every plugin that is not built in. `passed in part` means that promises were
    left out, for want of what FTCORE_CHECK in the plugin can give. Ends with 7 when a promise is broken.
    """
    from ftcore.line import options

    _must_have_pytest()
    if plugin:
        hung.forget(plugin)
    manager = options.manager()
    manager.ask_all()
    chosen = _chosen(manager, plugin, bool(options.plugin))
    components = list(_components(manager, chosen))
    if components and not as_json:
        names = ", ".join(offer.spec.name for _, offer in components)
        click.echo(f"checking {names}; a component takes some seconds", err=True)
    verdicts = judge(components, options.plugin) if components else []
    broken = [one for one in chosen if one.state != "active"]
    if as_json:
        click.echo(json.dumps(_record(chosen, verdicts), indent=2, ensure_ascii=False))
    else:
        _show(chosen, verdicts)
    return PluginError.exit_code if broken or any(verdict.broken for verdict in verdicts) else 0


def _must_have_pytest() -> None:
    if importlib.util.find_spec("pytest") is None:
        raise ResourceError(
            "the contracts run with pytest, which is not installed", fix="pip install 'ftcore[testing]'"
        )


def _chosen(manager: PluginManager, name: str | None, has_files: bool) -> list[Plugin]:
    if name is None:
        found = [one for one in manager.plugins if (one.is_file if has_files else not one.is_built_in)]
        if not found:
            raise UsageError(
                "no plugin is installed but those that come with ftcore", fix="ftcore plugins check --plugin FILE.py"
            )
        return found
    found = [one for one in manager.plugins if one.is_called(name)]
    found = found or [one for one in manager.plugins if name in (offer.partition(":")[2] for offer in one.offers)]
    if not found:
        known = {word for one in manager.plugins for word in (one.name, one.distribution)}
        raise UsageError(f"there is no plugin {name!r}{did_you_mean(name, known)}", fix="ftcore plugins list")
    return found


def _components(manager: PluginManager, plugins: Sequence[Plugin]) -> Iterator[tuple[str, Offer]]:
    keys = {plugin.key for plugin in plugins}
    for kind in KINDS:
        for offers in manager.catalogue(kind).values():
            yield from ((kind, offer) for offer in offers if offer.plugin.key in keys)


def _record(plugins: Sequence[Plugin], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    return {
        "plugins": [
            {key: getattr(one, key) for key in ("key", "version", "state", "problem", "where", "fix")}
            for one in plugins
        ],
        "components": [
            {
                "kind": verdict.kind,
                "name": verdict.offer.spec.name,
                "plugin": verdict.offer.plugin.key,
                "passed": not verdict.broken,
                "result": verdict.result,
                "kept": verdict.kept,
                "broken": [{"promise": p.words, "why": p.why, "where": p.where} for p in verdict.broken],
                "left_out": [{"promise": promise.words, "why": promise.why} for promise in verdict.left_out],
            }
            for verdict in verdicts
        ],
    }


def _show(plugins: Sequence[Plugin], verdicts: Sequence[Verdict]) -> None:
    from rich import box
    from rich.console import Console, Group
    from rich.table import Table
    from rich.text import Text

    for plugin in plugins:
        if plugin.state != "active":
            where = f"{plugin.where}: " if plugin.where else ""
            click.echo(click.style(f"{plugin.key} is {plugin.state}: {where}{plugin.problem}", fg="red"))
        elif not any(verdict.offer.plugin.key == plugin.key for verdict in verdicts):
            click.echo(f"{plugin.key} works and offers no component; its hooks: {', '.join(plugin.hooks) or 'none'}")
    if not verdicts:
        return
    table = Table("component", "kind", "result", "promises", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for verdict in verdicts:
        result = Text(verdict.result, COLOURS[verdict.result])
        table.add_row(Text(verdict.offer.spec.name), KINDS[verdict.kind].title, result, Group(*_promises(verdict)))
    console = Console()
    Console(width=console.width if console.is_terminal else 120).print(table)


def _promises(verdict: Verdict) -> Iterator[Any]:
    """How many are kept; what breaks others, each cause once; and with one reason a line, how many were left out."""
    from rich.text import Text

    yield Text(f"{len(verdict.kept)} kept")
    for (where, why), words in verdict.causes().items():
        more = f"; and {len(words) - NAMED} more" if len(words) > NAMED else ""
        cause = f"{where}: {why}" if where else why
        yield Text.assemble((f"broken: {'; '.join(words[:NAMED])}{more}", "red"), f"\n  {cause}")
    reasons = [promise.why for promise in verdict.left_out]
    for why in dict.fromkeys(reasons):
        yield Text(f"{reasons.count(why)} left out: {why}", "yellow")
