"""`run`, `plan` and `resume`."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import click

from ftcore.cli.options import HELP, Axis, ComponentCommand, flags_of
from ftcore.cli.outlook import outlook
from ftcore.errors import UsageError
from ftcore.run.check import check
from ftcore.run.plan import Plan
from ftcore.run.resolve import resolve

CONTEXT = {"token_normalize_func": lambda token: token.replace("-", "_"), "help_option_names": ["-h", "--help"]}


def _component_command(name: str, function: Any, extra: list[click.Parameter]) -> ComponentCommand:
    run_file = click.Argument(["run_file"], required=False, metavar="[RUN.yaml]")
    return ComponentCommand(
        name,
        callback=click.pass_context(function),
        params=[run_file, *(Axis(kind) for kind in HELP), *extra],
        help=function.__doc__,
        context_settings=CONTEXT,
    )


def _planned(ctx: click.Context, given: dict[str, Any]) -> Plan:
    command = ctx.command
    assert isinstance(command, ComponentCommand)
    must_be_read(ctx, ctx.params.get("run_file"))
    flags = flags_of(ctx, given)
    if given.get("out"):
        flags["out"] = given["out"]
    return check(resolve(command.manager, command.run_file, flags), command.manager)


def _run(ctx: click.Context, run_file: str | None, as_json: bool, **given: Any) -> None:  # noqa: ARG001
    """Tune a model.

    With nothing but `--method qlora` it tunes a small model on a demo set, in minutes on two CPU cores. A RUN.yaml says
    the same things in a file; where both speak, options win.
    """
    plan = _planned(ctx, given)
    from ftcore.run.execute import execute

    assert isinstance(ctx.command, ComponentCommand)
    folder, report = execute(plan, ctx.command.manager)
    _finish(folder, report, as_json)


def _plan(ctx: click.Context, run_file: str | None, as_json: bool, as_yaml: bool, **given: Any) -> None:  # noqa: ARG001
    """Show what a run would do, and what speaks against it, without loading anything."""
    plan = _planned(ctx, given)
    from ftcore.run.report import plan_record
    from ftcore.run.runfile import dump_run_file

    if as_json:
        click.echo(json.dumps(plan_record(plan), indent=2, default=str))
        return
    if as_yaml:
        click.echo(dump_run_file(plan.dump()), nl=False)
    else:
        for name, text in outlook(plan):
            click.echo(f"{click.style(f'{name:<13}', fg='cyan')}  {text}")
    for finding in plan.findings:
        line = f"{finding.level}: {finding.message}" + (f"  try: {finding.fix}" if finding.fix else "")
        click.echo(f"# {line}" if as_yaml else line)


def must_be_read(ctx: click.Context, named: str | None) -> None:
    """Refuse a word that click takes for a run file and the first pass did not: it would silently be ignored."""
    command = ctx.command
    assert isinstance(command, ComponentCommand)
    if named is None or (command.run_file.path is not None and str(command.run_file.path) == named):
        return
    _is_value(command, named)
    kinds = [kind for kind in HELP if named in command.manager.catalogue(kind)]
    raise UsageError(
        f"{named!r} is no run file, whose name ends in .yaml",
        fix=f"{ctx.command_path} --{kinds[0] if kinds else 'data'} {named}",
    )


def _is_value(command: ComponentCommand, named: str) -> None:
    """Raise UsageError where the word stands behind a setting that does not take it."""
    before = command.line[: command.line.index(named)]
    option = next((word for word in reversed(before) if word.startswith("--")), "")
    setting = command.setting(option)
    if setting and setting.kind == "flag":
        off = named.lower() in ("no", "off", "false", "0")
        raise UsageError(f"{option} takes no value", value=named, fix=f"--{'no-' if off else ''}{setting.dotted}")
    if setting and setting.kind == "list":
        behind = command.line[len(before) - before[::-1].index(option) :]
        words = list(itertools.takewhile(lambda word: not word.startswith("--"), behind))
        raise UsageError(
            f"{option} takes one value, a list with commas", value=" ".join(words), fix=f"{option} {','.join(words)}"
        )


def _finish(folder: Path, report: Any, as_json: bool) -> None:
    from ftcore.run.report import summary

    if as_json:
        click.echo(json.dumps(summary(folder, report), indent=2))


JSON = click.Option(["--json", "as_json"], is_flag=True, help="Print the result as JSON.")
OUT = click.Option(["--out"], metavar="DIR", help="The run's folder. Left out: runs/DATE-METHOD-STRATEGY.")

run = _component_command("run", _run, [OUT, JSON])
YAML = click.Option(["--yaml", "as_yaml"], is_flag=True, help="Print the complete run file.")
plan = _component_command("plan", _plan, [OUT, YAML, JSON])


@click.command
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def resume(folder: Path, as_json: bool) -> None:
    """Go on with the run in the folder RUN, from its newest checkpoint."""
    from ftcore.cli.main import load_command
    from ftcore.cli.options import manager_for
    from ftcore.line import options
    from ftcore.run.execute import resume as go_on
    from ftcore.run.finished import owner
    from ftcore.run.folder import require_no_links
    from ftcore.run.runfile import RunFile, read_run_file

    if (pipeline := owner(folder, options.manager())) and not (folder / "run.yaml").is_file():
        require_no_links(folder)
        command = load_command(pipeline)
        command.main([str(folder), *(["--json"] if as_json else [])], f"ftcore {command.name}", standalone_mode=False)
        return
    path = folder / "run.yaml"
    manager = manager_for(read_run_file(path) if path.is_file() else RunFile())
    if (folder / "report.json").is_file():
        click.echo("the run is finished already; this is its result", err=True)
    _finish(*go_on(folder, manager), as_json)
