"""Answers that are good or bad by themselves, in an order in which neighbours have nothing to do with each other.

The loss compares each answer with the next one of its batch, put behind the wrong prompt. So batches are put together
here, once, and the trainer takes them as they come.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from torch.utils.data import Dataset


class Judged(Dataset):  # type: ignore[type-arg]
    """Rows of feedback or of pairs as TRL's collator takes them: `prompt_ids`, `completion_ids`, `label`.

    A pair counts as a good answer and a bad one. With `mismatched`, `KL_completion_ids` is the answer before in the
    same batch, and the last one for the first, as TRL arranges them. A batch of one takes it from the batch before.
    """

    def __init__(self, rows: Any, seed: int, batch: int, mismatched: bool) -> None:
        self.rows, self.batch, self.mismatched = rows, batch, mismatched
        sides: Sequence[str | None] = (None,) if "good" in rows.column_names else ("chosen_ids", "rejected_ids")
        self.places = [(index, side) for index in range(len(rows)) for side in sides]
        random.Random(seed).shuffle(self.places)  # noqa: S311  not for secrets

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = self._row(index)
        if self.mismatched:
            row["KL_completion_ids"] = self._row(self._other(index))["completion_ids"]
        return row

    def _row(self, index: int) -> dict[str, Any]:
        place, side = self.places[index]
        row: Mapping[str, Any] = self.rows[place]
        answer, is_good = (row["completion_ids"], row["good"]) if side is None else (row[side], side == "chosen_ids")
        return {"prompt_ids": row["prompt_ids"], "completion_ids": answer, "label": is_good}

    def _other(self, index: int) -> int:
        begin = index - index % self.batch
        last = min(begin + self.batch, len(self)) - 1
        if index > begin or begin == last:
            return max(0, index - 1)
        return last
