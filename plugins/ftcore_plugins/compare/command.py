"""The command `ftcore compare`: trains what is not trained yet, then shows and writes the comparison."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import click

from ftcore.cli.run import CONTEXT
from ftcore.errors import FtcoreError, Interrupted, UsageError
from ftcore.specs import Ref
from ftcore_plugins.compare.comparison import Absent, Comparison
from ftcore_plugins.compare.entries import entries
from ftcore_plugins.compare.results import Result, main_metric, read
from ftcore_plugins.jobs.job import folder_for
from ftcore_plugins.metrics.words import counted


class Modes(click.Command):
    """A command that is another one under a certain flag, with a help of its own."""

    modes: Mapping[str, Ref] = {"--human": Ref("ftcore_plugins.compare.human:human")}

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **extra: Any) -> click.Context:
        flag = next((word for word in args if word in self.modes), None)
        if flag is None:
            return super().make_context(info_name, args, *rest, **extra)
        other: click.Command = self.modes[flag].load()
        return other.make_context(f"{info_name} {flag}", [word for word in args if word != flag], *rest, **extra)


@click.command(cls=Modes, context_settings={**CONTEXT, "ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[RUN.yaml] [OPTION …] | RUN RUN …")
@click.option("--methods", metavar="LIST", multiple=True, help="Methods to train: lora,lora:rank=64,full")
@click.option(
    "--metric",
    metavar="NAME",
    help="The score to compare by. Left out: the held-out loss; of several objectives another.",
)
@click.option("--out", metavar="DIR", help="The comparison's folder. Left out: runs/compare-DATE.")
@click.option("--skip-impossible", is_flag=True, help="Leave out methods that cannot run here, with the reason.")
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
@click.option(
    "--human",
    is_flag=True,
    expose_value=False,
    help="Let people judge two finished runs blind, on a page; its options: ftcore compare --human --help",
)
def compare(
    arguments: tuple[str, ...],
    methods: tuple[str, ...],
    metric: str | None,
    out: str | None,
    skip_impossible: bool,
    as_json: bool,
) -> None:
    """Compare methods on your data, or finished runs.

    With --methods each method trains on the same rows for the same number of steps, one after the other, and is judged
    by the same held-out rows. Every other option is one of `ftcore run` and the same for all; what stands behind a
    method's name is its own. LoRA twice, and every parameter:

        --methods lora,lora:rank=64,train.learning_rate=1e-4,full

    Typed again with the same --out, it keeps what is finished and goes on with the rest.

    Without --methods it compares the finished runs in the folders RUN; with --human people say which of two is better.
    """
    from ftcore_plugins.compare.files import MARKER, write

    if methods:
        _must_be_one_word(methods[-1], arguments)
        folder = folder_for(out, MARKER, "compare-DATE")
        words = ["--methods", ",".join(methods), *arguments, *(["--metric", metric] if metric else [])]
        words += [*(["--skip-impossible"] if skip_impossible else []), "--out", str(folder)]
        comparison = _trained(methods, arguments, metric, folder, skip_impossible, words)
    else:
        comparison = _finished(arguments, metric)
        folder = folder_for(out, MARKER, "compare-DATE")
    write(comparison, folder)
    _show(comparison, folder, as_json)
    _must_all_have_run(comparison.absent, folder)


def _must_be_one_word(methods: str, arguments: Sequence[str]) -> None:
    """Refuse `--methods lora, full`, of which the shell makes two words."""
    rest = list(takewhile(lambda word: not word.startswith("-"), arguments))
    if methods.endswith(",") and rest:
        raise UsageError("a list has no spaces in it", where="--methods", fix=f"--methods {''.join([methods, *rest])}")


def _trained(
    methods: Sequence[str],
    arguments: Sequence[str],
    metric: str | None,
    folder: Path,
    skip_impossible: bool,
    words: Sequence[str],
) -> Comparison:
    """Train what is not trained yet. Raises FtcoreError; Interrupted with the line that goes on."""
    from ftcore_plugins.compare.comparison import compare as compared
    from ftcore_plugins.compare.files import begin
    from ftcore_plugins.compare.plans import metrics, planned
    from ftcore_plugins.compare.training import train
    from ftcore_plugins.jobs.processes import plugin_options

    plan = planned(entries(methods), arguments, folder, skip_impossible)
    strategies = [job.plan.strategy for job in plan.jobs]
    objectives = {(chosen.spec.name, getattr(chosen.settings, "loss", None)) for chosen in strategies}
    key = main_metric([metrics(job) for job in plan.jobs], metric, len(objectives) <= 1)
    line = shlex.join(["ftcore", *plugin_options(), "compare", *words])
    begin(folder, line)
    try:
        failed = train(plan, key)
    except Interrupted as stop:
        raise Interrupted(
            stop.exit_code - 128, where=str(folder), fix=line, more=["what is done is kept; the same line goes on"]
        ) from None
    results = [read(job.folder, job.name) for job in plan.jobs if job.name not in {each.name for each in failed}]
    if not results:
        _must_all_have_run(failed, folder)
    return compared(results, metric, [*plan.absent, *failed], line, plan.places)


def _finished(folders: Sequence[str], metric: str | None) -> Comparison:
    from ftcore.line import options
    from ftcore_plugins.compare.comparison import compare as compared
    from ftcore_plugins.compare.plans import places

    for word in folders:
        if word.startswith("-") or word.endswith((".yaml", ".yml")):
            raise UsageError(
                "finished runs are compared, unless methods are named", value=word, fix="--methods lora,full"
            )
    runs = [run for folder in folders for run in _runs(Path(folder))]
    if len(runs) < 2:
        raise UsageError(
            "a comparison takes methods, or two finished runs",
            fix=f"ftcore compare {folders[0]} OTHER" if folders else "ftcore compare --methods lora,full",
            value=folders[0] if folders else None,
        )
    line = shlex.join(["ftcore", "compare", *folders])
    return compared(_results(runs), metric, command=line, places=places(options.manager()))


def _results(paths: Sequence[Path]) -> list[Result]:
    """The runs by the last part of their path, or by the whole path where that is not theirs alone."""
    twice = next((path for path in paths if [other.resolve() for other in paths].count(path.resolve()) > 1), None)
    if twice:
        raise UsageError("the same run is named twice", where=str(twice), fix="ftcore compare RUN OTHER")
    names = [path.resolve().name for path in paths]
    return [read(path, name if names.count(name) == 1 else str(path)) for path, name in zip(paths, names, strict=True)]


def _runs(folder: Path) -> list[Path]:
    """The folder itself, or the runs of the comparison that it holds."""
    from ftcore.run.folder import read_json
    from ftcore_plugins.compare.files import MARKER

    if not (folder / MARKER).is_file():
        return [folder]
    runs = [folder / run["folder"] for run in read_json(folder / MARKER)["runs"]]
    if not runs:
        raise UsageError("no run of this comparison has finished", where=str(folder), fix="type its line again")
    return runs


def _show(comparison: Comparison, folder: Path, as_json: bool) -> None:
    if as_json:
        from ftcore_plugins.compare.comparison import record

        click.echo(json.dumps(record(comparison, folder), indent=2, ensure_ascii=False))
        return
    from ftcore_plugins.compare.show import show

    show(comparison)
    click.echo(f"written: {folder / 'compare.html'}, and the same as .md, .json", nl=False)
    click.echo(
        " and .svg" if (folder / "compare.svg").is_file() else "; with pip install 'ftcore[report]' a picture too"
    )
    sys.stdout.flush()


def _must_all_have_run(absent: Sequence[Absent], folder: Path) -> None:
    """Raise what failed, with the exit code of the first, so that a program knows that not all went well."""
    failed = [each for each in absent if each.state == "failed"]
    if failed:
        kinds = {vars(kind)["exit_code"]: kind for kind in FtcoreError.__subclasses__() if "exit_code" in vars(kind)}
        error = kinds.get(failed[0].exit_code, FtcoreError)
        raise error(
            f"{counted(len(failed), 'run')} failed; what has finished is kept",
            where=str(folder),
            more=[f"{each.name}: {each.reason}" for each in failed],
            fix="the same line again, with the same --out, takes up what failed",
        )
