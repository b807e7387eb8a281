"""The supervision gate: what of a source's rows is learned, and a refusal where nothing is.

Training silently on nothing is the most frequent failure of fine-tuning: https://github.com/huggingface/trl/issues/6668.
"""

from __future__ import annotations

from ftcore.errors import DataError
from ftcore.run.plan import Plan
from ftcore.run.rows import Account
from ftcore.run.tokens import Encoded
from ftcore.types import BadRow, Finding


def count(account: Account, encoded: Encoded) -> None:
    account.cut += encoded.is_cut
    account.doubled_bos += encoded.doubled_bos
    account.special_in_text += encoded.special_in_text
    account.unlearned_turns += encoded.unlearned_turns
    account.longest = max(account.longest, encoded.length)


def gate(plan: Plan, account: Account, bad: list[BadRow], findings: list[Finding]) -> None:
    """Refuse a source that teaches nothing; say what is cut, doubled or odd about the rest."""
    kept = account.read - sum(account.dropped.values())
    longer = f"--train.max_length {account.longest}"
    undrawn = sum(rows for reason, rows in account.dropped.items() if reason.startswith("not drawn"))
    if account.read and undrawn == account.read:
        raise DataError(
            f"no row of this source is drawn; {account.read} rows are too few for its weight",
            where=account.source,
            fix="--data.weight 1",
        )
    if account.read and account.dropped["no shared prompt"] == account.read:
        raise DataError(
            "nothing would be learned from this source: no pair shares a prompt",
            where=account.source,
            more=[f"{row.where}: {row.reason}" for row in bad[:1]],
            fix="--data.columns prompt=COLUMN --data.columns chosen=chosen --data.columns rejected=rejected",
        )
    if account.read and not kept:
        raise DataError(
            "nothing would be learned from this source: no row has a token to train on",
            where=account.source,
            more=[f"{row.where}: {row.reason}" for row in bad[:3]],
            fix=longer if account.longest > plan.train.max_length else "ftcore data preview --data …",
        )
    if not kept:
        raise DataError("the source holds no row", where=account.source)
    empty = account.dropped["nothing to learn"]
    if empty:
        findings.append(Finding("warning", f"{account.source}: {empty} rows teach nothing and are dropped", longer))
    if account.cut:
        findings.append(
            Finding(
                "warning",
                f"{account.source}: {account.cut} of {account.read} rows exceed {plan.train.max_length} tokens; "
                "their end, and so the token that ends a turn, is cut off",
                longer,
            )
        )
    if account.doubled_bos:
        findings.append(
            Finding(
                "warning",
                f"{account.source}: {account.doubled_bos} rows begin with the start token twice; "
                "take it out of the text, since the tokenizer adds one",
            )
        )
    if account.special_in_text:
        findings.append(
            Finding(
                "warning",
                f"{account.source}: {account.special_in_text} rows spell a special token such as "
                "<|endoftext|> inside their text; the model reads it as the real one",
            )
        )
    if account.unlearned_turns:
        findings.append(
            Finding(
                "warning",
                f"{account.source}: {account.unlearned_turns} turns are not learned, since the chat template renders "
                "them differently once other turns follow",
            )
        )
