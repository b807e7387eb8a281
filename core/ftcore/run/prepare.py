"""Rows → token ids on disk, split into trained and held out; every row passes the supervision gate.

Rows stream from the source to an Arrow file, so a data set larger than memory works.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftcore.errors import DataError
from ftcore.manager import PluginManager
from ftcore.run.compared import encode
from ftcore.run.folder import open_own
from ftcore.run.plan import DataChoice, Plan
from ftcore.run.rows import Account, drawn, label, read, recognise, refuse_bad_rows, wanted_heldout
from ftcore.run.store import Writer, load_example
from ftcore.run.supervision import count, gate
from ftcore.run.tokens import Encoded, unrolled
from ftcore.types import (
    BadRow,
    ChatExample,
    Example,
    FeedbackExample,
    Finding,
    PreferenceExample,
    PromptExample,
    TextExample,
    Turn,
)

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

NAMED = 1000
"""Bad rows kept for messages."""

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A row that was read: `rows` are the places of what was made of it on disk, its own first. `digest` is equal for
    rows that read the same to the model."""

    digest: bytes
    source: int
    marked: bool
    repeats: int
    rows: tuple[int, ...] = ()


@dataclass(slots=True)
class Prepared:
    """All rows of a run, tokenised and split. `indices` point into the Arrow file."""

    path: Path
    trained: list[int]
    heldout: list[int]
    accounts: list[Account]
    findings: list[Finding] = field(default_factory=list)
    systems: set[str | None] = field(default_factory=set)
    """The system messages of the rows, None for a row without one; no more than two are kept."""

    def open(self, indices: Sequence[int]) -> Dataset:
        """Those rows, memory-mapped, with the columns that `ftcore.run.compared.encode` gives their kind."""
        from datasets import Dataset

        return Dataset.from_file(str(self.path)).select(indices).remove_columns("example")

    def largest_token(self) -> int:
        """The highest token id in any row."""
        import pyarrow.compute as pc
        from datasets import Dataset

        data = Dataset.from_file(str(self.path)).data
        columns = [data.column(name) for name in data.column_names if name.endswith("_ids")]
        return max(int(pc.max(pc.list_flatten(column)).as_py()) for column in columns)

    def examples(self, indices: Sequence[int]) -> Sequence[Example]:
        """Those rows as examples, each read when it is asked for."""
        from datasets import Dataset

        return _Examples(Dataset.from_file(str(self.path)).select(indices).select_columns("example"))

    def account(self) -> dict[str, Any]:
        """The sums over all sources, as they stand in data.json."""
        dropped: dict[str, int] = {}
        for account in self.accounts:
            for reason, number in account.dropped.items():
                dropped[reason] = dropped.get(reason, 0) + number
        totals = {
            name: sum(getattr(account, name) for account in self.accounts) for name in ("read", "trained", "heldout")
        }
        assert totals["read"] == totals["trained"] + totals["heldout"] + sum(dropped.values()), (
            "a row is unaccounted for"
        )
        system = next(iter(self.systems)) if len(self.systems) == 1 else None
        sources = [account.dump() for account in self.accounts]
        return {**totals, "dropped": dropped, "system": system, "sources": sources}


class _Examples(Sequence[Example]):
    def __init__(self, rows: Dataset) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        return load_example(self._rows[index]["example"])


def prepare(
    plan: Plan,
    manager: PluginManager,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    advance: Advance = lambda _: None,
) -> Prepared:
    """Tokenise every row once. Writes `rows.arrow` and `quarantine.jsonl` into `folder`. Raises DataError."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "rows.arrow"
    entries: list[_Entry] = []
    accounts: list[Account] = []
    findings: list[Finding] = []
    systems: set[str | None] = set()
    with Writer(path) as writer, open_own(folder / "quarantine.jsonl", "w") as quarantine:
        for number, entry in enumerate(plan.data):
            recognised = recognise(manager, entry, plan.strategy.spec.examples)
            account = Account(label(entry), recognised.name, recognised.reason)
            accounts.append(account)
            bad: list[BadRow] = []
            for outcome in _outcomes(plan, entry, number, recognised, tokenizer, account):
                if isinstance(outcome, BadRow):
                    bad.append(outcome) if len(bad) < NAMED else None
                    line = {"source": account.source, "where": outcome.where, "reason": outcome.reason}
                    quarantine.write(json.dumps(line, ensure_ascii=False) + "\n")
                else:
                    made, one = outcome
                    entries.append(replace(one, rows=tuple(writer.write(*each) for each in made)))
                    if len(systems) < 2:
                        systems.add(_system(made[0][1]))
                    advance(len(entries))
            gate(plan, account, bad, findings)
    trained, heldout = _split(plan, entries, accounts, findings)
    return Prepared(path, trained, heldout, accounts, findings, systems)


def _outcomes(
    plan: Plan, entry: DataChoice, number: int, recognised: Any, tokenizer: Any, account: Account
) -> Iterator[BadRow | tuple[list[tuple[Encoded, Example]], _Entry]]:
    template = getattr(plan.strategy.settings, "template", "chat")
    bad: list[BadRow] = []
    for index, row in enumerate(read(entry, recognised)):
        account.read += 1
        if isinstance(row, BadRow):
            bad.append(row) if len(bad) < NAMED else None
            account.dropped["bad row"] += 1
            yield row
            continue
        repeats = _repeats(entry.settings.weight, f"{plan.train.seed}:{number}:{index}")
        if repeats == 0:
            account.dropped[f"not drawn (weight {entry.settings.weight:g})"] += 1
            yield BadRow(row.where, f"not drawn: the source's weight is {entry.settings.weight:g}")
            continue
        try:
            encoded = encode(row.example, tokenizer, plan.train.max_length, template)
        except ValueError as error:
            account.dropped["not renderable"] += 1
            yield BadRow(row.where, str(error))
            continue
        count(account, encoded)
        if encoded.fault:
            kind, reason = encoded.fault
            account.dropped[kind] += 1
            yield BadRow(row.where, reason)
            continue
        made: list[tuple[Encoded, Example]] = [(encoded, row.example)]
        if not entry.settings.unroll:
            account.unlearned_turns += len(encoded.unlearned)
        elif isinstance(row.example, ChatExample):
            made += unrolled(row.example, encoded.unlearned, tokenizer, plan.train.max_length, template)
            account.unrolled += len(made) - 1
        account.tokens += sum(each.num_tokens for each, _ in made)
        account.trained_tokens += sum(each.num_trained for each, _ in made)
        digest = hashlib.blake2b(repr(encoded.columns).encode(), digest_size=16).digest()
        yield made, _Entry(digest, number, row.heldout, repeats)
    refuse_bad_rows(entry, bad, len(bad))


def _system(example: Example) -> str | None:
    turns = () if isinstance(example, TextExample) else prompt_of(example)
    return turns[0].content if turns and turns[0].role == "system" else None


def prompt_of(example: ChatExample | PreferenceExample | FeedbackExample | PromptExample) -> tuple[Turn, ...]:
    """The turns of a conversation, or those before the answers that are compared."""
    return example.turns if isinstance(example, ChatExample) else example.prompt


def _repeats(weight: float, seed: str) -> int:
    whole, share = divmod(weight, 1)
    return int(whole) + (share > 0 and random.Random(seed).random() < share)  # noqa: S311  not for secrets


def _split(
    plan: Plan, entries: list[_Entry], accounts: list[Account], findings: list[Finding]
) -> tuple[list[int], list[int]]:
    """Places of rows to train on (repeated by weight) and to hold out. What reads the same stays on one side."""
    has_own = {entry.source for entry in entries if entry.marked}
    by_digest: dict[bytes, list[int]] = {}
    for index, entry in enumerate(entries):
        if entry.source not in has_own:
            by_digest.setdefault(entry.digest, []).append(index)
    groups = list(by_digest.values())
    wanted = wanted_heldout(plan, sum(map(len, groups)))
    chosen = {index for group in drawn([*map(len, groups)], wanted, plan.train.seed) for index in groups[group]}
    held = [index for index, entry in enumerate(entries) if entry.marked or index in chosen]
    out = set(held)
    kept = [entry for index, entry in enumerate(entries) if index not in out]
    trained = [row for entry in kept for _ in range(entry.repeats) for row in entry.rows]
    for index, entry in enumerate(entries):
        account = accounts[entry.source]
        if index in out:
            account.heldout += 1
        else:
            account.trained += 1
            account.repeated += entry.repeats - 1
    if not trained:
        raise DataError("every row is held out, so none is left to train on", fix="--evaluate.holdout 0.1")
    seen = {entry.digest for entry in kept}
    leaked = sum(entries[index].digest in seen for index in held)
    if leaked:
        findings.append(Finding("warning", f"{leaked} held-out rows are trained on too, so their score means little"))
    # A conversation is judged once, to its end.
    heldout = [entries[index].rows[0] for index in held]
    if not heldout and all(choice.spec.examples for choice in plan.evaluators):
        findings.append(Finding("warning", "no row is held out: nothing will say whether the tuned model is better"))
    return trained, heldout
