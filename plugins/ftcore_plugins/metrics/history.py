"""Reads `metrics.jsonl` back: the lines up to a step, and the curve of one number.

A line that was torn off by a crash is passed over; it deliberately repairs nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FILE = "metrics.jsonl"


def lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every whole line of the file, as text and as an object. No file gives none."""
    if not path.is_file():
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        for text in file:
            try:
                record = json.loads(text)
            except ValueError:
                continue
            if isinstance(record, dict) and isinstance(record.get("step"), int):
                yield text.rstrip("\n"), record


def lines_until(path: Path, step: int) -> list[str]:
    """The lines of steps up to and with `step`, unchanged."""
    return [text for text, record in lines(path) if record["step"] <= step]


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Each number's (step, value) pairs in the order of steps; an evaluation's is keyed `evaluator.metric`.

    Where a step stands twice the later line counts. Values that are not finite are left out.
    """
    found: dict[str, dict[int, float]] = {}
    for _, record in lines(folder / FILE):
        for key, value in record.items():
            if key != "step" and isinstance(value, int | float):
                found.setdefault(key, {})[record["step"]] = float(value)
    return {key: sorted(points.items()) for key, points in found.items()}
