"""`data preview`: rows as the model will see them, with what is learned and what is not, and the totals of a source."""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ftcore.cli.listing import table
from ftcore.cli.options import HELP, Axis, ComponentCommand, flags_of
from ftcore.cli.run import CONTEXT, must_be_read
from ftcore.run.check import check
from ftcore.run.plan import Plan
from ftcore.run.resolve import resolve
from ftcore.run.tokens import IGNORED


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def data() -> None:
    """Look at rows as the model will see them."""


def _preview(
    ctx: click.Context,
    run_file: str | None,
    rows: int,
    tokens: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Show rows as the model will see them: the rendered template, what is learned and what is only read.

    Learned text is green, or stands between ⟦ and ⟧ where there is no colour. Of answers that are compared or judged,
    those to learn from are green and those to avoid are red. The totals below count every row.
    """
    command = ctx.command
    assert isinstance(command, ComponentCommand)
    must_be_read(ctx, run_file)
    plan = check(resolve(command.manager, command.run_file, flags_of(ctx, given)), command.manager, trains=False)
    from ftcore.run.load import load_tokenizer
    from ftcore.run.prepare import prepare

    tokenizer, _ = load_tokenizer(plan.model.build())
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare(plan, command.manager, tokenizer, Path(folder))
        shown = prepared.open(sorted({*prepared.trained, *prepared.heldout})[:rows])
        records = [_record(tokenizer, row) for row in shown]
    account = prepared.account()
    findings = [*plan.findings, *prepared.findings]
    if as_json:
        click.echo(json.dumps({"rows": records, "account": account}, indent=2))
        return
    for number, record in enumerate(records, 1):
        click.echo(click.style(f"── row {number} ", bold=True) + f"({_counts(record)})")
        _print_row(record, tokens)
        click.echo()
    _print_account(plan, account)
    for finding in findings:
        click.echo(f"{finding.level}: {finding.message}" + (f"  try: {finding.fix}" if finding.fix else ""))


def _record(tokenizer: Any, row: Any) -> dict[str, Any]:
    """A row's text, its runs of learned and unlearned text, and its tokens; or those of its prompt and each answer."""
    if "input_ids" in row:
        return _text(tokenizer, row["input_ids"], [label != IGNORED for label in row["labels"]])
    parts = {
        name.removesuffix("_ids"): _text(tokenizer, ids, [name != "prompt_ids"] * len(ids))
        for name, ids in row.items()
        if name.endswith("_ids")
    }
    # A margin that nobody gave is not a number, and so not equal to itself.
    known = {name: row[name] for name in ("good", "margin") if name in row and row[name] == row[name]}
    return {**parts, **known}


def _text(tokenizer: Any, ids: Sequence[int], learned: Sequence[bool]) -> dict[str, Any]:
    """A character may be several tokens, so runs are decoded whole."""
    pairs = list(zip(ids, learned, strict=True))
    return {
        "text": tokenizer.decode(ids),
        "runs": [
            {"learned": is_learned, "text": tokenizer.decode([token for token, _ in group])}
            for is_learned, group in itertools.groupby(pairs, key=lambda pair: pair[1])
        ],
        "tokens": [
            {"id": token, "text": tokenizer.decode([token]), "learned": is_learned} for token, is_learned in pairs
        ],
    }


def _parts(record: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The texts of a row by their names; the text of a row that is one has none."""
    if "runs" in record:
        return [("", record)]
    judged = {True: "good", False: "bad", None: "completion"}[record.get("good")]
    names = [(judged if name == "completion" else name, part) for name, part in record.items()]
    return [(name, part) for name, part in names if isinstance(part, dict)]


def _counts(record: dict[str, Any]) -> str:
    tokens = [token for _, part in _parts(record) for token in part["tokens"]]
    return f"{len(tokens)} tokens, {sum(token['learned'] for token in tokens)} learned"


def _print_row(record: dict[str, Any], as_tokens: bool) -> None:
    """The row as the model sees it. Several texts stand below each other, each behind its name."""
    for name, part in _parts(record):
        if as_tokens:
            click.echo(f"{name}:") if name else None
            _print_tokens(part)
        else:
            painted = _painted(part, "red" if name in ("rejected", "bad") else "green")
            click.echo(f"{name:<10}" + painted.replace("\n", "\n" + " " * 10) if name else painted)
    if "margin" in record:
        click.echo(f"{'margin':<10}{record['margin']:g}")


def _painted(part: dict[str, Any], colour: str) -> str:
    """Runs of learned and unlearned tokens, marked twice: by colour, and by brackets for those who see none."""
    return "".join(
        click.style(f"⟦{_visible(run['text'])}⟧", fg=colour, bold=True)
        if run["learned"]
        else click.style(_visible(run["text"]), dim=True)
        for run in part["runs"]
    )


def _visible(text: str) -> str:
    """Control characters of a row must not drive the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def _print_tokens(part: dict[str, Any]) -> None:
    rows = ((str(t["id"]), "learned" if t["learned"] else "·", repr(t["text"])) for t in part["tokens"])
    table(rows, ("id", "", "token"))


def _print_account(plan: Plan, account: dict[str, Any]) -> None:
    header = ("source", "format", "read", "train", "held out", "dropped", "tokens", "learned", "too long")
    rows = [
        (
            source["source"],
            source["format"],
            *(f"{source[key]:,}" for key in ("read", "trained", "heldout")),
            ", ".join(f"{count} {reason}" for reason, count in source["dropped"].items()) or "0",
            *(f"{source[key]:,}" for key in ("tokens", "trained_tokens", "cut")),
        )
        for source in account["sources"]
    ]
    table(rows, header)
    longest = max(source["longest"] for source in account["sources"])
    click.echo(f"longest row: {longest} tokens; the limit is train.max_length {plan.train.max_length}")


preview = ComponentCommand(
    "preview",
    callback=click.pass_context(_preview),
    params=[
        click.Argument(["run_file"], required=False, metavar="[RUN.yaml]"),
        *(Axis(kind) for kind in HELP),
        click.Option(["--rows"], type=click.IntRange(min=1), default=3, show_default=True, help="Rows to show."),
        click.Option(["--tokens"], is_flag=True, help="One token a line."),
        click.Option(["--json", "as_json"], is_flag=True, help="Print as JSON."),
    ],
    help=_preview.__doc__,
    context_settings=CONTEXT,
)
data.add_command(preview)
