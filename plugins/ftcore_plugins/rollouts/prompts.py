"""The prompts of a run, and what stands for them in the Trainer's sampler."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ftcore.errors import DataError
from ftcore.run.generate import prompts

if TYPE_CHECKING:
    from ftcore.run.session import Session
    from ftcore.types import ChatExample


def asked(session: Session) -> list[tuple[ChatExample, str]]:
    """The conversations to answer, each with the right answer or nothing. Raises DataError when there is none."""
    found = prompts(session.data.train_examples)
    if not found:
        raise DataError("no row has a prompt to answer", fix="--data ANOTHER")
    return found


class Numbered(Dataset):  # type: ignore[type-arg]
    """Stands for the prompts in the Trainer's sampler, which shuffles their numbers."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> int:
        return index


def numbers(rows: Sequence[int]) -> dict[str, Tensor]:
    return {"prompts": torch.tensor(rows)}
