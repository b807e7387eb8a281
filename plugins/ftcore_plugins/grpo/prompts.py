"""In which order prompts are answered: each several times in a row, and each group again for every batch of it.

The order of an epoch follows from the seed and the epoch's number, so that a resumed run meets it again.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from trl.trainer.utils import RepeatSampler


class Prompts(RepeatSampler):
    """TRL's order, epoch by epoch, but that no prompt is left out at an epoch's end.

    The last generation of an epoch is filled up with prompts from the epoch's beginning.
    """

    epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed)
        orders = [torch.randperm(self.num_samples, generator=generator).tolist() for _ in range(self.epoch + 1)]
        order = orders[-1]
        for start in range(0, self.num_samples, self.batch_size):
            group = [order[place % self.num_samples] for place in range(start, start + self.batch_size)]
            for _ in range(self.repeat_count):
                yield from (number for number in group for _ in range(self.mini_repeat_count))

    def __len__(self) -> int:
        generations = -(-self.num_samples // self.batch_size)
        return generations * self.batch_size * self.mini_repeat_count * self.repeat_count
