"""`plugins install` and `plugins uninstall`: pip underneath, with what it would change shown before it does."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import click

from ftcore.cli import pip
from ftcore.errors import PluginError, UsageError, did_you_mean
from ftcore.loading import hung
from ftcore.loading.identity import as_before
from ftcore.loading.installed import Installed, installed
from ftcore.loading.plugin import canonical

Record = dict[str, Any]


@click.command
@click.argument("spec")
@click.option("--editable", "-e", is_flag=True, help="SPEC is a folder; changes in it count at once.")
@click.option("--allow-changes", is_flag=True, help="Let pip change the versions of ftcore's own dependencies.")
@click.option("--dry-run", is_flag=True, help="Only show what would be installed.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON. Wants --yes or --dry-run.")
def install(spec: str, editable: bool, allow_changes: bool, dry_run: bool, yes: bool, as_json: bool) -> int:
    """Install the plugin SPEC into this environment: a name, a name with a version, a wheel, or a folder.

    Shows beforehand what pip would add or change, and afterwards what the plugin offers. ftcore's own dependencies keep
    their versions. Ends with 7 when the plugin does not work.
    """
    line = _line(spec, editable, allow_changes)
    if not dry_run:
        _must_be_askable(line, yes, as_json)
    pip.must_be_there(spec)
    target = ["--editable", spec] if editable else [spec]
    changes = pip.plan_installation(target, allow_changes)
    record: Record = {
        "spec": spec,
        "adds": [{"name": c.name, "version": c.version} for c in changes if c.is_new],
        "changes": [{"name": c.name, "from": c.before, "to": c.version} for c in changes if not c.is_new],
        "installed": False,
        "plugins": [],
    }
    if not as_json:
        _show_changes(spec, changes)
    if changes and not dry_run:
        if not yes and not _agreed(line):
            click.echo("Nothing was installed.")
            return 0
        pip.carry_out(target, allow_changes)
        record["installed"] = True
    if not dry_run:
        record["plugins"] = _plugins_of(changes, spec)
    if as_json:
        click.echo(json.dumps(record, indent=2))
    else:
        _show_plugins(record["plugins"], [change["name"] for change in record["adds"]])
    return PluginError.exit_code if any(plugin["state"] != "active" for plugin in record["plugins"]) else 0


def _line(spec: str, editable: bool, allow_changes: bool) -> str:
    flags = {"--editable": editable, "--allow-changes": allow_changes}
    return shlex.join(["ftcore", "plugins", "install", spec, *(flag for flag, is_set in flags.items() if is_set)])


def _names(spec: str) -> Iterator[str]:
    """The distribution that a requirement or a wheel is of; none for a folder or an address: only pip can tell."""
    found = re.search(r"([\w.]+)-[^/\\]*\.whl$", spec) or re.match(r"([\w.-]+)\s*(?:$|[\[@=<>!~;])", spec)
    if found:
        yield found[1]


def _show_changes(spec: str, changes: Sequence[pip.Change]) -> None:
    if not changes:
        click.echo(f"{spec} is installed already.")
        return
    click.echo("pip would install:")
    for change in changes:
        click.echo(f"  {change.name} {change.version}" + (f"  (now {change.before})" if change.before else ""))
    moved = [c for c in changes if canonical(c.name) in pip.CORE and c.before not in (None, c.version)]
    for change in moved:
        text = f"warning: {change.name} goes from {change.before} to {change.version}, and results may change with it"
        click.echo(click.style(text, fg="yellow"))


def _must_be_askable(line: str, yes: bool, as_json: bool) -> None:
    """Raise UsageError, before pip is asked for anything, where a program reads the answer and nobody has agreed."""
    if as_json and not yes:
        raise UsageError("with --json nobody can be asked whether to go on", fix=f"{line} --json --yes")


def _agreed(line: str) -> bool:
    """Raises UsageError where nobody can be asked."""
    if not sys.stdin.isatty():
        raise UsageError("somebody must agree to it, and nobody can be asked here", fix=f"{line} --yes")
    return click.confirm("Go on?")


def _plugins_of(changes: Sequence[pip.Change], spec: str) -> list[Record]:
    """The plugins that an installation brought, as a new process sees them: this one has imported older modules.

    The other plugins are left out of that process, so that none can be taken for a fault of this one.
    """
    wanted = {canonical(name) for name in (*(change.name for change in changes), *_names(spec))}
    for name in wanted:
        hung.forget(name)
    others = sorted({canonical(entry.distribution) for entry in installed()} - wanted)
    line = [sys.executable, "-P", "-m", "ftcore", "plugins", "list", "--json"]
    line += [f"--no-plugin={name}" for name in others]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    new = [change.name for change in changes if change.is_new]
    undo = pip.line("uninstall", *new) if new else "ftcore plugins list"
    try:
        everything = json.loads(done.stdout)["plugins"]
    except ValueError:
        raise PluginError("it is installed, and ftcore does not start with it", where=spec, fix=undo) from None
    found = [record for record in everything if canonical(record["distribution"]) in wanted]
    if wanted and not found:
        raise PluginError(
            "it is installed, and brings no plugin: it has no entry point in the group 'ftcore'", where=spec, fix=undo
        )
    return found


def _uninstall(name: str) -> str:
    return f"ftcore plugins uninstall {name}"


def _show_plugins(plugins: Sequence[Record], new: Sequence[str]) -> None:
    """`new` names the distributions that were not there before: what is offered to be uninstalled is among them."""
    for plugin in plugins:
        if plugin["state"] == "active":
            offers = ", ".join(plugin["offers"]) or "nothing to choose; it only listens"
            click.echo(f"{plugin['key']} {plugin['version']} offers {offers}")
            names = [offer.partition(":")[2] for offer in plugin["offers"]]
            if names:
                click.echo(f"  try: ftcore explain {names[0]}")
        else:
            text = f"{plugin['key']} {plugin['version']} is {plugin['state']}: {plugin['problem']}"
            click.echo(click.style(text, fg="red"))
            fix = _uninstall(plugin["distribution"]) if plugin["distribution"] in new else plugin["fix"]
            if fix:
                click.echo(f"  try: {fix}")


@click.command
@click.argument("name")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON. Wants --yes.")
def uninstall(name: str, yes: bool, as_json: bool) -> None:
    """Uninstall the plugin NAME: a distribution, or the name of a plugin in one.

    No plugin is imported for it, so it works for one that ends every command. What came with it stays.
    """
    _must_be_askable(_uninstall(name), yes, as_json)
    entry = _find(name)
    if not as_json:
        click.echo(f"pip would uninstall {entry.distribution} {entry.version}")
    if not yes and not _agreed(_uninstall(name)):
        click.echo("Nothing was uninstalled.")
        return
    again = as_before(entry.info, entry.distribution, entry.version)
    pip.remove(entry.distribution, entry.info)
    hung.forget(entry.distribution)
    if as_json:
        click.echo(json.dumps({"uninstalled": entry.distribution, "version": entry.version}, indent=2))
    else:
        click.echo(f"{entry.distribution} is gone. Runs that used it need it: ", nl=False)
        click.echo(f"ftcore plugins install {again}")


def _find(name: str) -> Installed:
    """Raises UsageError for a name that no distribution with a plugin has, or that several have."""
    entries = list(installed())
    found = [entry for entry in entries if canonical(entry.distribution) == canonical(name)]
    found = found or [entry for entry in entries if name in (entry.entry, f"{entry.distribution}:{entry.entry}")]
    several = sorted({entry.distribution for entry in found})
    if len(several) == 1:
        return found[0]
    if several:
        raise UsageError(
            f"{len(several)} distributions have a plugin {name!r}", more=several, fix=_uninstall(several[0])
        )
    known = sorted({entry.distribution for entry in entries})
    raise UsageError(
        f"no installed distribution has a plugin {name!r}{did_you_mean(name, known)}",
        fix=_uninstall(known[0]) if len(known) == 1 else "ftcore plugins list",
        more=["what comes with ftcore stays; --no-plugin NAME leaves it out of one command"],
    )
