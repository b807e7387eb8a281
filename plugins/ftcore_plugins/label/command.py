"""The command `ftcore label`: serve a project, list projects, export what was judged, and say what came of it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ftcore.cli.options import Axis, scan
from ftcore.errors import DataError, ResourceError, UsageError
from ftcore.manager import PluginManager
from ftcore.run.check import missing_packages
from ftcore.run.plan import DataChoice
from ftcore_plugins.label.config import FOLDER, LabelsConfig, file_of, is_name
from ftcore_plugins.label.items import TASKS
from ftcore_plugins.label.options import WithData
from ftcore_plugins.label.project import Project, missing
from ftcore_plugins.metrics.words import counted

PACKAGES = ("starlette", "uvicorn")


class Label(click.Group):
    """A word that is no command is the name of a project: `ftcore label my-project`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = args[0] in self.commands or args[0].startswith("-")
        return super().resolve_command(ctx, args if known else ["open", *args])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = {option for parameter in open_.params for option in (*parameter.opts, *parameter.secondary_opts)}
        if args and args[0].partition("=")[0] in own:
            [data, *_] = scan(args)[1].get("data") or [""]
            raise UsageError(
                "the name of the project comes first", fix=f"ftcore label {_named_after(data)} {shlex.join(args)}"
            )
        return super().parse_args(ctx, args)


@click.group(cls=Label, context_settings={"help_option_names": ["-h", "--help"]})
def label() -> None:
    """Judge answers on a local web page.

    `ftcore label PROJECT --data FILE` begins a project, `ftcore label PROJECT` goes on with it, and
    `--data labels:PROJECT` trains on what was judged. See `ftcore label open --help` for its options.
    """


def _open(
    ctx: click.Context,
    project: str,
    task: str | None,
    each: int | None,
    db: str | None,
    port: int,
    opens: bool | None,
    **given: Any,
) -> None:
    """Serve the project PROJECT on a page of this machine, until Ctrl-C.

    A new project needs --data, or --task rows for rows written by hand. Data that is there already is not added twice,
    so the same line may be typed again. Answers are shown blind and in an order drawn for each judge.

    Tasks: pairs (which answer is better), answers (good, bad, or edited), rankings (up to nine answers), rows.
    """
    must_have_the_page()
    assert isinstance(ctx.command, WithData)
    sources = ctx.command.sources(ctx, given)
    if not sources and Path(project).suffix and Path(project).is_file():
        fix = f"ftcore label {_named_after(project)} --data {shlex.quote(project)}"
        raise UsageError("this is a file, and the name of a project comes first", where=project, fix=fix)
    path = _file(project, db)
    with _project(path, task, each, sources, ctx.command.manager) as opened:
        from ftcore_plugins.label.server import serve

        click.echo(f"{path}: {_summary(opened)}")
        serve(opened, project, port, opens, click.echo)
        click.echo(f"\n{path}: {_summary(opened)}")


def must_have_the_page() -> None:
    absent = missing_packages(PACKAGES)
    if absent:
        raise ResourceError(f"the page needs {', '.join(absent)}", fix="pip install 'ftcore[label]'")


def _project(
    path: Path, task: str | None, each: int | None, sources: Sequence[DataChoice], manager: PluginManager
) -> Project:
    """The project, with the data's items in it. A new one is made only when there is something to judge."""
    known = Project.open(path) if path.is_file() else None
    if known and task not in (None, known.task):
        raise UsageError("a project has one task", where=str(path), value=known.task, fix="choose another PROJECT name")
    if known and each is not None and str(each) != known.fact("each"):
        raise UsageError("--each is settled when a project begins", where=str(path), value=known.fact("each"))
    if not sources:
        if known is None and task != "rows":
            raise missing(path)
        return _with_items(known or Project.create(path, "rows", each))
    from ftcore_plugins.label.reading import items_of

    task, items = items_of(sources, manager, task, known.task if known else None)
    project = known or Project.create(path, task, each)
    try:
        new, old = project.add(items)
        _with_items(project)
    except BaseException:
        project.close()
        if known is None:
            path.unlink()
        raise
    click.echo(f"{counted(new, 'new item')}" + (f", {old:,} were there already" if old else ""))
    return project


def _with_items(project: Project) -> Project:
    if project.task != "rows" and not project.size():
        raise DataError(
            "the project holds nothing to judge", where=str(project.path), fix="mend the rows, or --data ANOTHER"
        )
    return project


DB = click.Option(["--db"], metavar="FILE", help=f"The project's file. Left out: {FOLDER}/PROJECT.db.")

PAGE = (
    click.Option(["--port"], type=click.IntRange(0, 65535), default=0, help="The port; 0 takes a free one."),
    click.Option(["--open/--no-open", "opens"], default=None, help="Open a browser. Left out: where a screen is."),
)

open_ = WithData(
    "open",
    callback=click.pass_context(_open),
    params=[
        click.Argument(["project"]),
        Axis("data"),
        click.Option(["--task"], type=click.Choice(TASKS), help="What is asked. Left out: what the data suggests."),
        click.Option(
            ["--each"],
            type=click.IntRange(min=1),
            help="Judgements that an item needs: judges share the items out. Left out: everybody judges everything.",
        ),
        DB,
        *PAGE,
    ],
    help=_open.__doc__,
    short_help="Serve a project on a local page.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
label.add_command(open_)


@label.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_(as_json: bool) -> None:
    """List the projects in this folder."""
    from ftcore.cli.listing import table

    found = []
    for path in sorted(Path(FOLDER).glob("*.db")):
        with Project.open(path) as project:
            judges = [judge for judge in project.judges() if judge.judged]
            found.append(
                {
                    "project": path.stem,
                    "task": project.task,
                    "items": project.size(),
                    "judgements": sum(judge.judged for judge in judges),
                    "judges": [judge.name for judge in judges],
                    "file": str(path),
                }
            )
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    elif found:
        cells = (
            [", ".join(value) if isinstance(value, list) else str(value) for value in row.values()] for row in found
        )
        table(cells, list(found[0]))
    else:
        click.echo("there are no projects here; ftcore label PROJECT --data FILE begins one")


def _shared(command: click.Command) -> click.Command:
    """Options of commands that read what was judged."""
    command.params += [
        DB,
        click.Option(["--judges"], metavar="NAMES", help="Only what these judged, joined by commas."),
        click.Option(["--decide"], type=click.Choice(["majority", "each"]), default="majority", show_default=True,
                     help="What most say of an item, or a row for each judgement."),
    ]  # fmt: skip
    return command


@label.command("export")
@click.argument("project")
@click.option("--out", metavar="FILE", required=True, type=click.Path(path_type=Path), help="The JSON Lines file.")
@click.option("--gives", type=click.Choice(["auto", "preferences", "feedback", "answers"]), default="auto",
              show_default=True, help="Which rows.")  # fmt: skip
@click.option("--raw", is_flag=True, help="Every judgement as it was made, with judge, time and writers, instead.")
def export(project: str, out: Path, gives: str, raw: bool, db: str | None, judges: str | None, decide: str) -> None:
    """Write what was judged in PROJECT as JSON Lines: the rows that `--data labels:PROJECT` gives."""
    from ftcore.run.folder import write_text
    from ftcore_plugins.label.export import judgement_records, rows_of

    if out.exists():
        raise UsageError("the file is there already", where=str(out), fix=f"--out {out.with_stem(f'{out.stem}-2')}")
    settings = _settings(project, db, judges, decide, gives)
    records = list(judgement_records(settings) if raw else rows_of(settings))
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    write_text(out, text.encode("utf-8", "backslashreplace").decode())  # half a surrogate pair stays a JSON escape
    click.echo(f"{counted(len(records), 'judgement' if raw else 'row')} written to {out}")


@label.command("results")
@click.argument("project")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def results(project: str, as_json: bool, db: str | None, judges: str | None, decide: str) -> None:
    """Say what came of PROJECT, no longer blind: verdicts, agreement, and which writer's answers won."""
    from ftcore_plugins.label.results import record, show

    found = record(_settings(project, db, judges, decide, "auto"))
    click.echo(json.dumps(found, indent=2, ensure_ascii=False) if as_json else "\n".join(show(found)))


_shared(export)
_shared(results)


def _settings(project: str, db: str | None, judges: str | None, decide: str, gives: str) -> LabelsConfig:
    _file(project, db)
    names: Sequence[str] | None = judges.split(",") if judges else None
    return LabelsConfig.model_validate(
        {"project": project, "db": db, "judges": names, "decide": decide, "gives": gives}
    )


def _named_after(data: str) -> str:
    """A name for a project with this data, where the name of a file can be one."""
    try:
        return is_name(Path(data).name.partition(".")[0])
    except ValueError:
        return "PROJECT"


def _file(project: str, db: str | None) -> Path:
    try:
        return file_of(is_name(project), db)
    except ValueError as error:
        raise UsageError(str(error), value=project, fix="ftcore label my-project") from None


def _summary(project: Project) -> str:
    judged = sum(judge.judged for judge in project.judges())
    items = "" if project.task == "rows" else f"{counted(project.size(), 'item')}, "
    return f"{project.task}, {items}{counted(judged, 'judgement')}"
