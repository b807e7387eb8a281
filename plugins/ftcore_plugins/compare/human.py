"""`ftcore compare --human`: two finished runs answer the same prompts, and people say blind which answer is better.

The page, and the project in which judgements are kept, are those of `ftcore label`; the answers are those of
`ftcore sample`. Here they are brought together once, and what came of it is counted.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from ftcore.errors import DataError, UsageError
from ftcore.manager import PluginManager
from ftcore.run.finished import plan_of
from ftcore.run.folder import read_json
from ftcore_plugins.compare.comparison import judging
from ftcore_plugins.compare.plans import places
from ftcore_plugins.compare.same import JUDGING
from ftcore_plugins.compare.votes import contest, show
from ftcore_plugins.jobs.same import contents_differ, differences
from ftcore_plugins.label.command import PAGE, must_have_the_page
from ftcore_plugins.label.config import file_of, is_name
from ftcore_plugins.label.project import Project

FACT = "contest"
"""Under this name the project keeps what its answers depend on."""


def _human(
    runs: tuple[Path, ...], project: str | None, as_json: bool, port: int, opens: bool | None, **asked: Any
) -> None:
    """Let people judge blind which of two finished runs answers better.

    RUN and OTHER answer the prompts that both held out, or those of --prompts. A page on this machine shows the two
    answers side by side, the sides shuffled, to everybody who opens it; at Ctrl-C the share of prompts that RUN won is
    shown with its interval. Typed again, the same line goes on judging.
    """
    from ftcore.line import options
    from ftcore_plugins.sample.asking import names

    if len(runs) != 2 or runs[0].resolve() == runs[1].resolve():
        raise UsageError(
            "two different runs are judged", value=" ".join(map(str, runs)), fix="ftcore compare --human RUN OTHER"
        )
    manager = options.manager()
    named = names(runs)
    name = _project_name(project, named)
    path = file_of(name)
    about = {**{key: str(value) for key, value in asked.items()}, **_artifacts(runs, manager)}
    if as_json:
        with _opened(path, about) as judged:
            click.echo(json.dumps(record(judged, name, named), indent=2, ensure_ascii=False))
        return
    must_have_the_page()
    if not path.is_file():
        _begin(path, _items(runs, manager, **asked), about)
    with _opened(path, about) as judged:
        from ftcore_plugins.label.server import serve

        _say(record(judged, name, named))
        serve(judged, name, port, opens, click.echo)
        click.echo()
        _say(record(judged, name, named))


def record(project: Project, name: str, runs: Sequence[str]) -> dict[str, Any]:
    """Everything that is known of a contest, for programs."""
    facts = json.loads(project.fact(FACT))
    judges = {judge.id: judge.name for judge in project.judges()}
    said = contest(runs[0], runs[1], dict(project.items()), project.judgements(), judges)
    return {"project": name, "prompts": project.size(), "same_answer": facts["same_answer"], **said}


def _say(found: Mapping[str, Any]) -> None:
    click.echo("\n".join(show(found)))


def _project_name(given: str | None, runs: Sequence[str]) -> str:
    parts = [re.sub(r"[^\w.-]+", "-", run).strip("-.")[-38:] for run in runs]
    try:
        return is_name(given or "-vs-".join(parts))
    except ValueError as error:
        raise UsageError(str(error), where="--project", value=given, fix="--project contest") from None


def _artifacts(runs: Sequence[Path], manager: PluginManager) -> dict[str, str]:
    """What each run has learned, by a hash. Raises UsageError for what is no finished run that writes."""
    for run in runs:
        plan_of(run, manager, "lm")
    manifests = [(run / "model" / "MANIFEST.json").read_bytes() for run in runs]
    return {which: hashlib.sha256(text).hexdigest() for which, text in zip(("RUN", "OTHER"), manifests, strict=True)}


def _opened(path: Path, about: Mapping[str, str]) -> Project:
    """The project. Raises UsageError when its answers are others than this line would bring."""
    if not path.is_file():
        raise UsageError("nobody has judged yet", where=str(path), fix="the same line without --json")
    project = Project.open(path)
    known = project.found(FACT)
    then = json.loads(known)["about"] if known else {}
    other = [key for key in about if then.get(key) != about[key]]
    if other:
        project.close()
        what = f"it was made with another {', '.join(other)}" if known else "it was begun by ftcore label"
        raise UsageError(f"the project holds other answers: {what}", where=str(path), fix=f"--project {path.stem}-2")
    return project


def _begin(path: Path, items: Sequence[Any], about: Mapping[str, str]) -> None:
    different = [item for item in items if item.answers[0].text != item.answers[1].text]
    if not different:
        raise DataError("both runs answer every prompt the same", value=f"{len(items)} prompts", fix="--prompts FILE")
    with Project.create(path, "pairs") as project:
        project.add(different)
        project.note(FACT, json.dumps({"about": about, "same_answer": len(items) - len(different)}))


def _items(
    runs: Sequence[Path], manager: PluginManager, prompts: str | None, limit: int, max_new_tokens: int,
    temperature: float, seed: int,
) -> list[Any]:  # fmt: skip
    """Each prompt with the answer of either run, the first run's first."""
    from ftcore.run.resolve import resolve
    from ftcore.run.runfile import RunFile
    from ftcore_plugins.label.reading import sampled
    from ftcore_plugins.sample.asking import answered, asked_by
    from ftcore_plugins.sample.completions import Sampling

    if prompts is None:
        asked = _held_out(runs, manager)
    else:
        asked = asked_by(resolve(manager, RunFile(), {"data": [prompts]}).data, manager)
    if not asked:
        raise DataError("there is no prompt to answer", where=prompts, fix="--prompts FILE")
    rows = answered(runs, manager, asked[:limit], Sampling(1, max_new_tokens, temperature, 0.95, seed))
    return [sampled(row, f"prompt {number}") for number, row in enumerate(rows, start=1)]


def _held_out(runs: Sequence[Path], manager: PluginManager) -> list[Any]:
    """The prompts of the rows that neither run trained on. Raises UsageError when they held out different ones."""
    from ftcore.run.generate import prompts
    from ftcore.run.load import load_tokenizer
    from ftcore.run.prepare import prepare

    plans = [plan_of(run, manager) for run in runs]
    then = [read_json(run / "lock.json").get("data") for run in runs]
    now = [entry.source.build().fingerprint() for entry in plans[0].data]
    shown = {str(run): judging(plan.dump(), places(manager)) for run, plan in zip(runs, plans, strict=True)}
    apart = [
        *contents_differ("the data", dict(zip(map(str, runs), then, strict=True))),
        *differences(shown, JUDGING),
        *(["the data have changed since"] if now != then[0] else []),
    ]
    if apart:
        raise UsageError(f"the runs did not hold out the same rows: {apart[0]}", more=apart[1:], fix="--prompts FILE")
    with tempfile.TemporaryDirectory() as scratch:
        tokenizer, _ = load_tokenizer(plans[0].model.build())
        prepared = prepare(plans[0], manager, tokenizer, Path(scratch))
        return prompts(prepared.examples(prepared.heldout))


human = click.Command(
    "compare --human",
    callback=_human,
    params=[
        click.Argument(["runs"], nargs=-1, metavar="RUN OTHER", type=click.Path(path_type=Path)),
        click.Option(["--prompts"], metavar="DATA", help="Prompts to answer: a file, or any other data. Left out: the "
                     "rows that both held out."),
        click.Option(["--limit"], type=click.IntRange(min=1), default=50, show_default=True,
                     help="Answer at most so many prompts."),
        click.Option(["--max-new-tokens"], type=click.IntRange(min=1), default=256, show_default=True,
                     help="Longest answer in tokens."),
        click.Option(["--temperature"], type=click.FloatRange(min=0), default=0.0, show_default=True,
                     help="0 always takes the likeliest token."),
        click.Option(["--seed"], type=int, default=0, show_default=True, help="The answers follow from it."),
        click.Option(["--project"], metavar="NAME", help="Where judgements are kept, as in ftcore label. Left out: "
                     "RUN-vs-OTHER."),
        *PAGE,
        click.Option(["--json", "as_json"], is_flag=True, help="Print the result so far as JSON, and serve no page."),
    ],
    help=_human.__doc__,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip
