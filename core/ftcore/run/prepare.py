"""Rows → token ids on disk, split into trained and held out; every row passes the supervision gate.

Rows stream from the source to an Arrow file, so a data set larger than memory works.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftcore.errors import DataError
from ftcore.manager import PluginManager
from ftcore.run.plan import DataChoice, Plan
from ftcore.run.rows import Account, Kept, label, read, recognise, refuse_bad_rows, wanted_heldout
from ftcore.run.supervision import count, gate, why_nothing
from ftcore.run.tokens import Encoded, encode
from ftcore.types import BadRow, ChatExample, Example, Finding, TextExample, Turn

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

BATCH = 1000
"""Rows written to disk at a time."""

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A row on disk: its place is its index. `digest` is equal for rows that read the same to the model."""

    digest: bytes
    source: int
    marked: bool
    repeats: int


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
        """Those rows, memory-mapped, with the columns `input_ids` and `labels`."""
        from datasets import Dataset

        return Dataset.from_file(str(self.path)).select(indices).select_columns(["input_ids", "labels"])

    def largest_token(self) -> int:
        """The highest token id in any row."""
        import pyarrow.compute as pc
        from datasets import Dataset

        column = Dataset.from_file(str(self.path)).data.column("input_ids")
        return int(pc.max(pc.list_flatten(column)).as_py())

    def examples(self, indices: Sequence[int]) -> list[Example]:
        from datasets import Dataset

        rows = Dataset.from_file(str(self.path)).select(indices)["example"]
        return [load_example(row) for row in rows]

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
    with _Writer(path) as writer, (folder / "quarantine.jsonl").open("w", encoding="utf-8") as quarantine:
        for number, entry in enumerate(plan.data):
            recognised = recognise(manager, entry)
            account = Account(label(entry), recognised.name, recognised.reason)
            accounts.append(account)
            bad: list[BadRow] = []
            for outcome in _outcomes(plan, entry, number, recognised, tokenizer, account):
                if isinstance(outcome, BadRow):
                    bad.append(outcome) if len(bad) < BATCH else None
                    line = {"source": account.source, "where": outcome.where, "reason": outcome.reason}
                    quarantine.write(json.dumps(line, ensure_ascii=False) + "\n")
                else:
                    writer.write(outcome[0], outcome[1].example)
                    entries.append(outcome[2])
                    if len(systems) < 2:
                        systems.add(_system(outcome[1].example))
                    advance(len(entries))
            gate(plan, account, bad, findings)
    trained, heldout = _split(plan, entries, accounts, findings)
    return Prepared(path, trained, heldout, accounts, findings, systems)


def _outcomes(
    plan: Plan, entry: DataChoice, number: int, recognised: Any, tokenizer: Any, account: Account
) -> Iterator[BadRow | tuple[Encoded, Kept, _Entry]]:
    template = getattr(plan.strategy.settings, "template", "chat")
    bad: list[BadRow] = []
    for index, row in enumerate(read(entry, recognised)):
        account.read += 1
        if isinstance(row, BadRow):
            bad.append(row) if len(bad) < BATCH else None
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
        if encoded.num_trained == 0:
            account.dropped["nothing to learn"] += 1
            yield BadRow(row.where, why_nothing(encoded, plan.train.max_length))
            continue
        account.tokens += len(encoded.input_ids)
        account.trained_tokens += encoded.num_trained
        digest = hashlib.blake2b(repr((encoded.input_ids, encoded.labels)).encode(), digest_size=16).digest()
        yield encoded, row, _Entry(digest, number, row.heldout, repeats)
    refuse_bad_rows(entry, bad, len(bad))


def _system(example: Example) -> str | None:
    first = example.turns[0] if isinstance(example, ChatExample) else None
    return first.content if first and first.role == "system" else None


def _repeats(weight: float, seed: str) -> int:
    whole, share = divmod(weight, 1)
    return int(whole) + (share > 0 and random.Random(seed).random() < share)  # noqa: S311  not for secrets


def _split(
    plan: Plan, entries: list[_Entry], accounts: list[Account], findings: list[Finding]
) -> tuple[list[int], list[int]]:
    """Indices to train on (repeated by weight) and to hold out. Rows that read the same stay on one side."""
    has_own = {entry.source for entry in entries if entry.marked}
    by_digest: dict[bytes, list[int]] = {}
    for index, entry in enumerate(entries):
        if entry.source not in has_own:
            by_digest.setdefault(entry.digest, []).append(index)
    wanted = wanted_heldout(plan, sum(map(len, by_digest.values())))
    chosen: set[int] = set()
    groups = list(by_digest.values())
    random.Random(plan.train.seed).shuffle(groups)  # noqa: S311
    for group in groups:
        if len(chosen) + len(group) <= wanted:
            chosen.update(group)
    heldout = [index for index, entry in enumerate(entries) if entry.marked or index in chosen]
    out = set(heldout)
    trained = [i for i, entry in enumerate(entries) if i not in out for _ in range(entry.repeats)]
    for index, entry in enumerate(entries):
        account = accounts[entry.source]
        if index in out:
            account.heldout += 1
        else:
            account.trained += 1
            account.repeated += entry.repeats - 1
    if not trained:
        raise DataError("every row is held out, so none is left to train on", fix="--evaluate.holdout 0.1")
    seen = {entries[index].digest for index in trained}
    leaked = sum(entries[index].digest in seen for index in heldout)
    if leaked:
        findings.append(Finding("warning", f"{leaked} held-out rows are trained on too, so their score means little"))
    if not heldout:
        findings.append(Finding("warning", "no row is held out: nothing will say whether the tuned model is better"))
    return trained, heldout


class _Writer:
    """Rows into an Arrow stream file, a batch at a time."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        ids = pa.list_(pa.int32())
        self._schema = pa.schema([("input_ids", ids), ("labels", ids), ("example", pa.large_string())])
        self._stream = pa.ipc.new_stream(str(path), self._schema)
        self._rows: list[dict[str, Any]] = []

    def write(self, encoded: Encoded, example: Example) -> None:
        self._rows.append({"input_ids": encoded.input_ids, "labels": encoded.labels, "example": dump_example(example)})
        if len(self._rows) >= BATCH:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._rows:
            self._stream.write_batch(pa.RecordBatch.from_pylist(self._rows, schema=self._schema))
            self._rows.clear()

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._stream.close()


def dump_example(example: Example) -> str:
    return json.dumps({"kind": example.kind, **dataclasses.asdict(example)}, ensure_ascii=False)


def load_example(text: str) -> Example:
    value = json.loads(text)
    if value.pop("kind") == TextExample.kind:
        return TextExample(value["text"])
    return ChatExample(tuple(Turn(**turn) for turn in value["turns"]), tuple(value["tools"]))
