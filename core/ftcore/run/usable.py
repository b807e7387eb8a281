"""Which rows can be learned from, as far as that shows before there is a tokenizer."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterator

from ftcore.errors import DataError, FtcoreError, UsageError
from ftcore.run.plan import DataChoice, Plan, Rows
from ftcore.run.rows import Account, Recognised, drawn, fault, label, read, refuse_bad_rows, wanted_heldout
from ftcore.run.supervision import dropped, refuse
from ftcore.types import BadRow, Finding, PreferenceExample

NAMED_BAD_ROWS = 20
"""Bad rows kept for the message; a broken file may hold millions."""


@dataclasses.dataclass(slots=True)
class Usable:
    """A source's usable rows, how many of them it holds out itself, and how often each counts. `equal` counts those
    that read the same, which stay on one side, `answered` those with a right answer to compare with, and `good` and
    `bad` those with an answer that is called so."""

    weight: float
    rows: int = 0
    marked: int = 0
    equal: Counter[bytes] = dataclasses.field(default_factory=Counter)
    answered: int = 0
    good: int = 0
    bad: int = 0


def looked_through(
    sources: list[tuple[DataChoice, Recognised]], findings: list[Finding], usable: list[Usable]
) -> Iterator[FtcoreError]:
    """Read every row of local sources once, for bad ones and for those that teach nothing."""
    for entry, recognised in sources:
        account = Account(label(entry), recognised.name, recognised.reason)
        found = Usable(entry.settings.weight)
        bad: list[BadRow] = []
        idle: list[BadRow] = []
        for row in read(entry, recognised):
            account.read += 1
            if isinstance(row, BadRow):
                account.dropped["bad row"] += 1
                bad.append(row) if len(bad) < NAMED_BAD_ROWS else None
                idle.append(row) if not idle else None
            elif wrong := fault(row.example):
                account.dropped[wrong[0]] += 1
                idle.append(BadRow(row.where, wrong[1])) if not idle else None
            else:
                found.rows += 1
                found.marked += row.heldout
                found.answered += bool(getattr(row.example, "reference", True))
                is_pair = isinstance(row.example, PreferenceExample)
                found.good += is_pair or getattr(row.example, "good", None) is True
                found.bad += is_pair or getattr(row.example, "good", None) is False
                digest = hashlib.blake2b(repr(row.example).encode("utf-8", "replace"), digest_size=16)
                found.equal[digest.digest()] += 1
        usable.append(found)
        if account.dropped["bad row"] == account.read:
            yield DataError(
                f"the source holds no usable row of the format {recognised.name!r}",
                where=account.source,
                more=[f"{row.where}: {row.reason}" for row in bad[:3]],
                fix="--data.format auto" if entry.settings.format != "auto" else "mend the rows, or --data ANOTHER",
            )
            continue
        try:
            refuse_bad_rows(entry, bad, account.dropped["bad row"])
            refuse(account, idle)
        except DataError as error:
            yield error
        if any(account.dropped.values()):
            findings.append(Finding("warning", f"{account.source}: {dropped(account, idle)}"))


def unanswered(plan: Plan, usable: list[Usable]) -> Iterator[FtcoreError]:
    """Refuse rewards that all compare with a right answer where no row has one: nothing would be learned."""
    counted = [entry.function.spec for entry in plan.rewards if entry.settings.weight]
    if not plan.strategy.spec.needs_rewards or len(usable) < len(plan.data) or any(one.answered for one in usable):
        return
    if counted and all(spec.needs_reference for spec in counted):
        yield UsageError(
            f"the rewards {', '.join(spec.name for spec in counted)} compare with the right answer, and no row has one",
            fix="--data.columns prompt=prompt --data.columns reference=COLUMN",
        )


def split(plan: Plan, usable: list[Usable]) -> Rows | None:
    """What training and judging will see. A source that brings its own held-out part is not split again."""
    if len(usable) < len(plan.data):
        return None
    equal = sum((source.equal for source in usable if not source.marked), Counter[bytes]())
    free, sizes = equal.total(), list(equal.values())
    taken = sum(sizes[group] for group in drawn(sizes, wanted_heldout(plan, free), plan.train.seed))
    kept = 1 - taken / free if free else 0.0
    train = sum((s.rows - s.marked) * s.weight * (1 if s.marked else kept) for s in usable)
    heldout = taken + sum(source.marked for source in usable)
    return Rows(round(train), heldout, sum(source.good for source in usable), sum(source.bad for source in usable))
