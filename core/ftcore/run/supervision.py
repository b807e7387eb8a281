"""The supervision gate: what of a source's rows is learned, and a refusal where nothing is.

Training silently on nothing is the most frequent failure of fine-tuning: https://github.com/huggingface/trl/issues/6668.
"""

from __future__ import annotations

from collections.abc import Iterator

from ftcore.errors import DataError
from ftcore.run.plan import Plan
from ftcore.run.rows import Account
from ftcore.run.tokens import Encoded
from ftcore.types import BadRow, Finding


def count(account: Account, encoded: Encoded) -> None:
    account.cut += encoded.is_cut
    account.doubled_bos += encoded.doubled_bos
    account.lacks_bos += encoded.lacks_bos
    account.joined += encoded.is_joined
    account.special_in_text += encoded.special_in_text
    account.longest = max(account.longest, encoded.length)


def gate(plan: Plan, account: Account, bad: list[BadRow], findings: list[Finding]) -> None:
    """Refuse a source that teaches nothing; say what is dropped, cut, doubled or odd about the rest."""
    longer = f"--train.max_length {account.longest}" if account.longest > plan.train.max_length else None
    refuse(account, bad, longer)
    told = {finding.message for finding in plan.findings}
    findings += [
        Finding("warning", message, fix)
        for rows, said, fix in _remarks(plan, account, bad, longer)
        if rows and (message := f"{account.source}: {said}") not in told
    ]
    if account.unrolled:
        remark = f"{_rows(account.unrolled)} more, for turns that read otherwise once other turns follow"
        findings.append(Finding("note", f"{account.source}: {remark}", "--no-data.unroll leaves them out"))
    if account.joined:
        remark = "whose prompt and answer the tokenizer would join in one token; they are two, as they are at inference"
        findings.append(Finding("note", f"{account.source}: {_rows(account.joined)} {remark}"))


def refuse(account: Account, bad: list[BadRow], longer: str | None = None) -> None:
    """Raise DataError where none of a source's rows is learned. `bad` are the first that are not."""
    if not account.read:
        raise DataError("the source holds no row", where=account.source)
    if _undrawn(account) == account.read:
        raise DataError(
            f"no row of this source is drawn; {_rows(account.read)} are too few for its weight",
            where=account.source,
            fix="--data.weight 1",
        )
    if account.dropped["no shared prompt"] == account.read:
        raise DataError(
            "nothing would be learned from this source: no pair shares a prompt",
            where=account.source,
            more=[f"{row.where}: {row.reason}" for row in bad[:1]],
            fix="--data.columns prompt=COLUMN --data.columns chosen=chosen --data.columns rejected=rejected",
        )
    if account.read == sum(account.dropped.values()):
        found = ", ".join(f"{rows:,} {why}" for why, rows in account.dropped.items())
        raise DataError(
            f"nothing would be learned from this source: of {_rows(account.read)} {found}",
            where=account.source,
            more=[f"{row.where}: {row.reason}" for row in bad[:3]],
            fix=longer or "mend the rows, or --data ANOTHER",
        )


def _remarks(
    plan: Plan, account: Account, bad: list[BadRow], longer: str | None
) -> Iterator[tuple[int, str, str | None]]:
    """How many rows each remark is about, the remark, and what would help."""
    if lost := sum(account.dropped.values()) - _undrawn(account):
        too_long = account.dropped["nothing to learn"] + account.dropped["equal when cut"]
        yield lost, dropped(account, bad), longer if too_long else None
    cut = (
        f"{account.cut:,} of {_rows(account.read)} exceed {plan.train.max_length} tokens; "
        "their end, and so the token that ends a turn, is cut off"
    )
    yield account.cut, cut, longer
    doubled = "starting with the start token twice; take it out of the text, since the tokenizer adds one"
    yield account.doubled_bos, f"{_rows(account.doubled_bos)} {doubled}", None
    lacking = "starting without the start token that the tokenizer puts before any text; the chat template has none"
    yield account.lacks_bos, f"{_rows(account.lacks_bos)} {lacking}", None
    special = "with a special token such as <|endoftext|> inside the text; the model reads it as the real one"
    yield account.special_in_text, f"{_rows(account.special_in_text)} {special}", None
    turns = "not learned, since they read otherwise once other turns follow"
    yield account.unlearned_turns, f"{account.unlearned_turns:,} turns {turns}", "--data.unroll"


def dropped(account: Account, bad: list[BadRow]) -> str:
    """How many rows are dropped and why, with the first of them."""
    reasons = {why: rows for why, rows in account.dropped.items() if not why.startswith(_UNDRAWN)}
    # `bad` holds the first rows only, and none of them may be of these.
    first = next(
        (f"; the first is {row.where}: {row.reason}" for row in bad if not row.reason.startswith(_UNDRAWN)), ""
    )
    counts = ", ".join(f"{rows:,} {why}" for why, rows in reasons.items())
    lost = f"{sum(reasons.values()):,} of {_rows(account.read)} dropped"
    return f"{lost}: {counts}{first}"


_UNDRAWN = "not drawn"


def _undrawn(account: Account) -> int:
    return sum(rows for reason, rows in account.dropped.items() if reason.startswith(_UNDRAWN))


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number:,} rows"
