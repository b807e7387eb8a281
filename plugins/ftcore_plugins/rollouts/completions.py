"""Writes every answer of training into `completions.jsonl` with its rewards, to see what is rewarded."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ftcore.run.folder import open_own, write_text

FILE = "completions.jsonl"


class Completions:
    """One JSON object a line: `step`, `prompt`, `completion`, `rewards` by function, `advantage`.

    A function that had nothing to compare with gives null. What a resumed run writes again takes the old lines' place.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._begun = False

    def write(self, step: int, answers: Sequence[Mapping[str, Any]]) -> None:
        if not self._begun:
            write_text(self._path, "".join(self._before(step)))
            self._begun = True
        lines = [json.dumps({"step": step, **answer}, ensure_ascii=False) + "\n" for answer in answers]
        with open_own(self._path, "a") as file:
            file.writelines(lines)

    def _before(self, step: int) -> list[str]:
        """The whole lines of earlier steps. One that a crash has torn off is not whole."""
        if not self._path.is_file():
            return []
        lines = self._path.read_text(encoding="utf-8").split("\n")[:-1]
        return [f"{line}\n" for line in lines if json.loads(line)["step"] < step]
