"""The command `ftcore sample`: prompts in, JSON Lines with N completions of each run out.

A line is `{"prompt": [messages], "completions": [{"text": "…", "by": "run"}, …], "reference": "…"}`; `tools` and
`reference` stand there where the row brought them. `ftcore label` reads it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ftcore.cli.options import Axis
from ftcore.errors import DataError, UsageError
from ftcore_plugins.label.options import WithData
from ftcore_plugins.metrics.words import counted


def _sample(
    ctx: click.Context,
    runs: tuple[Path, ...],
    n: int,
    out: Path,
    limit: int | None,
    max_new_tokens: int,
    temperature: float,
    top_p: float,
    seed: int,
    **given: Any,
) -> None:
    """Let the finished run RUN, or two of them, answer the prompts of --data N times each, and write the answers.

    Judge them with `ftcore label PROJECT --data FILE`: two runs meet in blind pairs. The same line gives the same
    answers on the same machine.
    """
    from ftcore.run.folder import write_text
    from ftcore_plugins.sample.asking import answered, asked_by
    from ftcore_plugins.sample.completions import Sampling

    command = ctx.command
    assert isinstance(command, WithData)
    _check(runs, n, out, temperature)
    sources = command.sources(ctx, given)
    if not sources:
        raise UsageError("there is nothing to answer", fix="--data FILE")
    asked = asked_by(sources, command.manager)[:limit]
    if not asked:
        raise DataError("no row holds a prompt", where=str(given["data"][0]), fix="--data ANOTHER")
    lines = answered(runs, command.manager, asked, Sampling(n, max_new_tokens, temperature, top_p, seed))
    written = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    write_text(out, written.encode("utf-8", "backslashreplace").decode())
    click.echo(f"{counted(len(lines), 'prompt')} with {counted(n * len(runs), 'answer')} each written to {out}")


def _check(runs: Sequence[Path], n: int, out: Path, temperature: float) -> None:
    if len(runs) > 2:
        raise UsageError("one run answers, or two", value=" ".join(map(str, runs)), fix="ftcore sample RUN OTHER")
    if len(runs) == 2 and runs[0].resolve() == runs[1].resolve():
        raise UsageError("the same run is named twice", where=str(runs[0]), fix="--n 2")
    if temperature == 0 and n > 1:
        raise UsageError("without chance all answers are the same", value="--temperature 0", fix="--n 1")
    if out.exists():
        raise UsageError("the file is there already", where=str(out), fix=f"--out {out.with_stem(f'{out.stem}-2')}")
    if not out.absolute().parent.is_dir():
        raise UsageError("there is no such folder", where=str(out.parent), fix=f"mkdir -p {out.parent}")


sample = WithData(
    "sample",
    callback=click.pass_context(_sample),
    params=[
        click.Argument(["runs"], nargs=-1, required=True, metavar="RUN [RUN]", type=click.Path(path_type=Path)),
        Axis("data"),
        click.Option(["--n"], type=click.IntRange(1, 64), default=2, show_default=True, help="Answers to a prompt."),
        click.Option(["--out"], metavar="FILE", required=True, type=click.Path(path_type=Path), help="Where they go."),
        click.Option(["--limit"], type=click.IntRange(min=1), help="Answer only so many prompts."),
        click.Option(["--max-new-tokens"], type=click.IntRange(min=1), default=256, show_default=True,
                     help="Longest answer in tokens."),
        click.Option(["--temperature"], type=click.FloatRange(min=0), default=0.8, show_default=True,
                     help="0 always takes the likeliest token."),
        click.Option(["--top-p"], type=click.FloatRange(0, 1, min_open=True), default=0.95, show_default=True,
                     help="Only the likeliest tokens that together have this probability."),
        click.Option(["--seed"], type=int, default=0, show_default=True, help="The answers follow from it."),
    ],
    help=_sample.__doc__,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip
