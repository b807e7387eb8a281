"""What the judge has said, kept in the run folder: a run that goes on asks nothing twice, and people can read it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ftcore.run.folder import open_own

FILE = "judge.jsonl"


class Memory:
    """Scores by a hash of all that was sent; one JSON object a line, with the prompt, the answer and the reply besides.

    Evaluators and the trainer each have one over the same file, so what others wrote is read before each look. A line
    that a crash has torn is no JSON, and is passed over.

    >>> Memory(folder / FILE)["5f3c…"]
    7.0
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path, self._read = path, 0
        self._scores: dict[str, float] = {}

    def __contains__(self, key: str) -> bool:
        self._catch_up()
        return key in self._scores

    def __getitem__(self, key: str) -> float:
        return self._scores[key]

    def keep(self, key: str, score: float, **more: Any) -> None:
        self._scores[key] = score
        if self._path:
            line = json.dumps({**more, "score": score, "key": key}, ensure_ascii=False)
            with open_own(self._path, "a+b") as file:
                torn = file.tell() and _last_byte(file) != b"\n"
                file.write(b"\n" * torn + line.encode("utf-8", errors="replace") + b"\n")

    def _catch_up(self) -> None:
        if self._path is None or not self._path.is_file() or self._path.stat().st_size == self._read:
            return
        with self._path.open("rb") as file:
            file.seek(self._read)
            whole = file.read().rpartition(b"\n")
        self._read += len(whole[0]) + len(whole[1])
        for line in whole[0].split(b"\n"):
            try:
                entry = json.loads(line)
                self._scores[entry["key"]] = float(entry["score"])
            except (ValueError, TypeError, KeyError):
                continue


def _last_byte(file: Any) -> bytes:
    file.seek(-1, 2)
    return bytes(file.read(1))
