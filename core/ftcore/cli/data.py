"""`data preview`: rows as the model will see them, with what is learned and what is not, and the totals of a source."""

from __future__ import annotations

import itertools
import json
import tempfile
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

    Learned text is green, or stands between ⟦ and ⟧ where there is no colour. The totals below count every row.
    """
    command = ctx.command
    assert isinstance(command, ComponentCommand)
    must_be_read(ctx, run_file)
    plan = check(resolve(command.manager, command.run_file, flags_of(ctx, given)), command.manager)
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
        _print_tokens(record) if tokens else click.echo(_painted(record))
        click.echo()
    _print_account(plan, account)
    for finding in findings:
        click.echo(f"{finding.level}: {finding.message}" + (f"  try: {finding.fix}" if finding.fix else ""))


def _record(tokenizer: Any, row: Any) -> dict[str, Any]:
    """A row's text, its runs of learned and unlearned text, and its tokens. A character may be several tokens, so runs
    are decoded whole."""
    pieces = [tokenizer.decode([token]) for token in row["input_ids"]]
    pairs = list(zip(row["input_ids"], row["labels"], strict=True))
    runs = [
        {"learned": learned, "text": tokenizer.decode([token for token, _ in group])}
        for learned, group in itertools.groupby(pairs, key=lambda pair: pair[1] != IGNORED)
    ]
    return {
        "text": tokenizer.decode(row["input_ids"]),
        "runs": runs,
        "tokens": [
            {"id": token, "text": piece, "learned": label != IGNORED}
            for token, piece, label in zip(row["input_ids"], pieces, row["labels"], strict=True)
        ],
    }


def _counts(record: dict[str, Any]) -> str:
    learned = sum(token["learned"] for token in record["tokens"])
    return f"{len(record['tokens'])} tokens, {learned} learned"


def _painted(record: dict[str, Any]) -> str:
    """Runs of learned and unlearned tokens, marked twice: by colour, and by brackets for those who see none."""
    return "".join(
        click.style(f"⟦{_visible(run['text'])}⟧", fg="green", bold=True)
        if run["learned"]
        else click.style(_visible(run["text"]), dim=True)
        for run in record["runs"]
    )


def _visible(text: str) -> str:
    """Control characters of a row must not drive the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def _print_tokens(record: dict[str, Any]) -> None:
    rows = ((str(t["id"]), "learned" if t["learned"] else "·", repr(t["text"])) for t in record["tokens"])
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
