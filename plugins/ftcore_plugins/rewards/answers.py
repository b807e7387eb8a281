"""The reward functions: each looks at one answer at a time and gives a number from 0 to 1."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from ftcore.types import Sample
from ftcore_plugins.rewards.config import (
    ExactConfig,
    JsonSchemaConfig,
    LengthConfig,
    NumericConfig,
    RegexConfig,
    read_schema,
)
from ftcore_plugins.rewards.schema import fits

MARK = "####"
"""Behind it GSM8K writes the result (https://arxiv.org/abs/2110.14168)."""

NUMBER = re.compile(r"(?<![\w.])[-−+]?(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)


class Exact:
    """1 where answer and reference are equal, else 0."""

    def __init__(self, config: ExactConfig) -> None:
        self._ignore_case = config.ignore_case

    def scores(self, samples: Sequence[Sample]) -> list[float]:
        return [float(self._plain(sample.output) == self._plain(sample.reference)) for sample in samples]

    def _plain(self, text: str) -> str:
        return text.strip().casefold() if self._ignore_case else text.strip()


class Numeric:
    """1 where |answer − reference| ≤ tolerance · max(1, |reference|), else 0; 0 too where either has no number."""

    def __init__(self, config: NumericConfig) -> None:
        self._tolerance = config.tolerance

    def scores(self, samples: Sequence[Sample]) -> list[float]:
        return [self._score(last_number(sample.output), last_number(sample.reference)) for sample in samples]

    def _score(self, answer: float | None, reference: float | None) -> float:
        if answer is None or reference is None:
            return 0.0
        return float(abs(answer - reference) <= self._tolerance * max(1.0, abs(reference)))


class Regex:
    """1 where the pattern matches, else 0."""

    def __init__(self, config: RegexConfig) -> None:
        pattern = re.compile(config.pattern, re.DOTALL)
        self._match = pattern.fullmatch if config.match == "full" else pattern.search

    def scores(self, samples: Sequence[Sample]) -> list[float]:
        return [float(self._match(sample.output) is not None) for sample in samples]


class JsonSchema:
    """1 where the whole answer is JSON that fits the schema, else 0. Text around the JSON is no JSON."""

    def __init__(self, config: JsonSchemaConfig) -> None:
        self._schema = read_schema(config.shape)

    def scores(self, samples: Sequence[Sample]) -> list[float]:
        return [float(self._fits(sample.output)) for sample in samples]

    def _fits(self, text: str) -> bool:
        try:
            value = json.loads(text, parse_constant=_refuse)
        except (ValueError, RecursionError):
            return False
        return fits(value, self._schema)


class Length:
    """1 between `least` and `most`. Below, n / least; above, 1 − (n − most) / most, and 0 from twice `most` on."""

    def __init__(self, config: LengthConfig) -> None:
        self._least, self._most = config.least or config.target, config.most or config.target
        self._words = config.unit == "words"

    def scores(self, samples: Sequence[Sample]) -> list[float]:
        return [self._score(sample.output) for sample in samples]

    def _score(self, text: str) -> float:
        length = len(text.split()) if self._words else len(text)
        if self._least is not None and length < self._least:
            return length / self._least
        if self._most is not None and length > self._most:
            return max(0.0, 1 - (length - self._most) / self._most)
        return 1.0


def last_number(text: str) -> float | None:
    """The last number in a text, or the one behind the last `####`; None where there is none.

    >>> last_number("6 * 3 = 18, so she makes $1,018.50 a day.")
    1018.5
    """
    _, mark, behind = text.rpartition(MARK)
    found = NUMBER.findall(behind if mark else text)
    if not found:
        return None
    number = float(found[0 if mark else -1].replace(",", "").replace("−", "-"))
    return number if abs(number) < float("inf") else None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
