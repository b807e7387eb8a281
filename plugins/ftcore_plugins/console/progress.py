"""How fast a run goes and how its loss falls, from the steps so far.

It deliberately prints nothing; both displays ask it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import pairwise

from ftcore.events import StepDone
from ftcore_plugins.metrics.words import duration, number, size

BARS = "▁▂▃▄▅▆▇█"


class Pace:
    """Steps go in; speed, remaining time and the last numbers come out.

    Speed is taken over the last 20 steps, so that it follows a machine that slows down.
    """

    def __init__(self) -> None:
        self._recent: deque[tuple[float, float]] = deque(maxlen=20)
        self._losses: list[float] = []
        self._metrics: Mapping[str, float] = {}
        self._steps_left = 0

    def add(self, event: StepDone) -> None:
        self._metrics = event.metrics
        self._steps_left = event.steps - event.step
        self._recent.append((event.metrics.get("seconds", 0.0), event.metrics.get("tokens", 0.0)))
        if "loss" in event.metrics:
            self._losses.append(event.metrics["loss"])

    def parts(self) -> list[str]:
        """Loss, reward, learning rate, tokens a second, memory and time left; what is not known is left out."""
        metrics = self._metrics
        seconds, tokens = (sum(column) for column in zip(*self._recent, strict=True))
        parts = []
        if "loss" in metrics:
            parts.append(f"loss {metrics['loss']:.4f}")
        if "reward" in metrics:  # where a model learns from rewards, its loss says little
            parts.append(f"reward {number(metrics['reward'])}")
        if "learning_rate" in metrics:
            parts.append(f"lr {number(metrics['learning_rate'])}")
        if seconds and tokens:
            parts.append(f"{tokens / seconds:,.0f} tokens/s")
        if metrics.get("memory_bytes"):
            parts.append(size(metrics["memory_bytes"]))
        if seconds and self._steps_left:
            parts.append(f"{duration(math.ceil(seconds / len(self._recent) * self._steps_left))} left")
        return parts

    def losses(self) -> str:
        """`loss 2.31 → 0.0821`, from the first step seen to the last."""
        return f"loss {number(self._losses[0])} → {number(self._losses[-1])}" if self._losses else ""

    def sparkline(self) -> str:
        return sparkline(self._losses)


def sparkline(values: Sequence[float], width: int = 20) -> str:
    """The curve in one line of text, each character the mean of a stretch: `█▆▃▂▁`."""
    finite = [value for value in values if abs(value) < float("inf")]  # not true of nan either
    if len(finite) < 2:
        return ""
    cells = min(width, len(finite))
    edges = [len(finite) * cell // cells for cell in range(cells + 1)]
    means = [sum(finite[a:b]) / (b - a) for a, b in pairwise(edges)]
    low, high = min(means), max(means)
    if high == low:
        return BARS[0] * cells
    return "".join(BARS[round((mean - low) / (high - low) * (len(BARS) - 1))] for mean in means)
