"""The command `ftcore rlhf`: plans all stages, trains what is not trained yet, then shows what came of it."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from ftcore.cli.outlook import outlook
from ftcore.cli.run import CONTEXT
from ftcore.errors import UsageError, closest, did_you_mean
from ftcore.line import options
from ftcore.run.folder import writable, write_text
from ftcore.run.runfile import dump_run_file
from ftcore_plugins.jobs.job import Job, folder_for
from ftcore_plugins.rlhf.pipeline import FILE, OWN, Pipeline, read
from ftcore_plugins.rlhf.plans import dump, in_the_file, planned


class _Rlhf(click.Command):
    """Its settings are in the file; who types one is told how it stands there."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        typed = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            option = error.option_name
            if option.removeprefix("--").partition(".")[0] not in OWN:
                raise
            value = next(iter(typed[typed.index(option) + 1 :] if option in typed else ()), "…")
            fix = f"in the file, above stages or in one: {in_the_file(f'{option} {value}', None)}"
            raise UsageError(f"{option} stands in the file, for all stages or for one", fix=fix) from None


@click.command(cls=_Rlhf, context_settings=CONTEXT)
@click.argument("file", required=False, metavar="[FILE.yaml | DIR]")
@click.option("--model", metavar="NAME", help="Which model the first stage begins from.")
@click.option("--method", metavar="NAME", help="Which parameters train, in all stages.")
@click.option("--backend", metavar="NAME", help="On what hardware.")
@click.option("--until", metavar="STAGE", help="Stop after this stage; the same line without it goes on.")
@click.option("--out", metavar="DIR", help="The pipeline's folder. Left out: runs/DATE-rlhf.")
@click.option("--plan", "only_plan", is_flag=True, help="Show what each stage would do, and what speaks against it.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def rlhf(
    file: str | None, until: str | None, out: str | None, only_plan: bool, as_json: bool, **shared: str | None
) -> None:
    """Tune, learn what people prefer, and learn from that: stages that build on each other, in one file.

    A FILE.yaml holds the keys of a run file, which all stages share, and `stages`, each with keys of its own. With
    nothing else it goes through supervised tuning, a reward model and PPO on the demo's data. Every stage is checked
    before the first begins, and each is an ordinary run in a folder of its own.

    With the folder of an earlier line, DIR, it goes on with the stage that was under way.
    """
    pipeline, out = _read(file, out, {key: value for key, value in shared.items() if value})
    folder = _from_here(folder_for(out or pipeline.out, FILE, "DATE-rlhf"))
    jobs = planned(pipeline, folder)
    chosen = _until(jobs, until)
    if only_plan:
        _show_plans(chosen, as_json)
        return
    again = _carry_out(jobs, chosen, folder, pipeline)
    _show(chosen, folder, as_json)
    if len(chosen) < len(jobs) and not as_json:
        click.echo(f"go on with {jobs[len(chosen)].name}: {again}")


def _read(file: str | None, out: str | None, shared: dict[str, str]) -> tuple[Pipeline, str | None]:
    if file is None or not Path(file).is_dir():
        return read(Path(file) if file else None, shared), out
    if not (Path(file) / FILE).is_file():
        raise _no_pipeline(Path(file))
    if out or shared:
        raise UsageError("a pipeline goes on in its own folder, as it was begun", where=file, fix=f"ftcore rlhf {file}")
    return read(Path(file) / FILE), file


def _no_pipeline(folder: Path) -> UsageError:
    if not (folder / "run.yaml").is_file():
        what, fix = "there is no pipeline in this folder", f"ftcore rlhf FILE.yaml --out {folder}-2"
    elif (folder.parent / FILE).is_file():
        what, fix = "this is one stage of a pipeline", f"ftcore rlhf {folder.parent}"
    else:
        line = "report" if (folder / "report.json").is_file() else "resume"
        what, fix = "this is the folder of a run, not of a pipeline", f"ftcore {line} {folder}"
    return UsageError(what, where=str(folder), fix=fix)


def _from_here(folder: Path) -> Path:
    """The same folder is called the same however it is typed, since later stages name those before by their folder."""
    whole, here = folder.resolve(), Path.cwd()
    return whole.relative_to(here) if whole.is_relative_to(here) else whole


def _until(jobs: Sequence[Job], stage: str | None) -> Sequence[Job]:
    names = [job.name for job in jobs]
    if stage is None:
        return jobs
    if stage not in names:
        near = closest(stage, names) or names[-1]
        raise UsageError(f"there is no stage {stage!r}{did_you_mean(stage, names)}", fix=f"--until {near}")
    return jobs[: names.index(stage) + 1]


def _carry_out(jobs: Sequence[Job], chosen: Sequence[Job], folder: Path, pipeline: Pipeline) -> str:
    """Gives the line that goes on."""
    from ftcore_plugins.jobs.processes import plugin_options
    from ftcore_plugins.rlhf.training import kept, train

    done = kept(jobs, folder)
    with writable(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / FILE, dump_run_file(dump(jobs, pipeline.run_file.values.get("plugins"))))
    again = shlex.join(["ftcore", *plugin_options(), "rlhf", str(folder)])
    train(chosen, done, folder, again)
    return again


def _show(jobs: Sequence[Job], folder: Path, as_json: bool) -> None:
    from ftcore_plugins.rlhf.results import JSON, PAGE, read, show, write

    results = [read(job) for job in jobs]
    record = write(results, folder)
    if as_json:
        click.echo(json.dumps(record, indent=2))
        return
    show(results)
    click.echo(f"written: {folder / PAGE} and {JSON}")
    if jobs[-1].plan.strategy.spec.head == "lm":
        click.echo(f"talk to it: ftcore chat {jobs[-1].folder}{options.files}")
    sys.stdout.flush()


def _show_plans(jobs: Sequence[Job], as_json: bool) -> None:
    if as_json:
        from ftcore.run.report import plan_record

        click.echo(json.dumps({job.name: plan_record(job.plan) for job in jobs}, indent=2, default=str))
        return
    for job in jobs:
        click.echo(click.style(job.name, bold=True))
        for name, text in outlook(job.plan):
            click.echo(f"  {click.style(f'{name:<13}', fg='cyan')}  {job.folder if name == 'folder' else text}")
        for finding in job.plan.findings:
            click.echo(f"  {finding.level}: {finding.message}" + (f"  try: {finding.fix}" if finding.fix else ""))
