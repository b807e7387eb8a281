"""What the tests of wrong input share: two steps on the tiny model, and the agreed form of a refusal."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from tests.conftest import Result

USAGE, DATA, MODEL, RESOURCE, PLUGIN, POLICY = 2, 3, 4, 5, 7, 8

Try = Callable[..., Result]


def refused(result: Result, code: int, *words: str) -> None:
    """The agreed form of a refusal, in a folder where no run was begun."""
    assert result.code == code, result.err
    assert result.out == ""
    lines = result.err.splitlines()
    assert 2 <= len(lines) <= 6, result.err
    assert lines[0].startswith("error: ")
    assert [line for line in lines if line.startswith("  try: ")] == [lines[-1]]
    assert lines[-1] != "  try: "
    assert "Traceback" not in result.err
    assert "has a bug" not in result.err
    for word in words:
        assert word in result.err
    begun = {".lock", "lock.json", "quarantine.jsonl", "rows.arrow"}
    assert not [path for path in Path().rglob("*") if path.name in begun], "no run folder is left behind"


def snapshot(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
