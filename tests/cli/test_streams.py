"""A run outlives whoever reads what it says: a pipe that closes, a full disk, a terminal that is gone."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = shlex.quote(str(Path(sys.executable).with_name("ftcore")))


def bash(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    words = ["bash", "-o", "pipefail", "-c", line]
    return subprocess.run(words, cwd=folder, env=dict(os.environ), capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("behind", ["2>&1 | head -1", "2> /dev/full", "<&- >&- 2>&-", "--json | true"])
def test_a_run_goes_on_when_nobody_can_hear_it(tmp_path: Path, tiny: Path, rows: Path, behind: str):
    done = bash(
        tmp_path,
        f"{COMMAND} run --model {tiny} --data {rows.name} --train.steps 2 --evaluators none --checkpoints.every 1"
        f" --out out {behind}",
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "report.json").is_file()
    assert "Traceback" not in done.stderr


def test_a_result_that_was_lost_is_told_by_the_exit_code(tmp_path: Path):
    done = bash(tmp_path, f"{COMMAND} list --json > /dev/full")
    assert done.returncode == 5
    assert done.stderr.splitlines()[0] == "error: stdout: the output could not be written: No space left on device"
    assert bash(tmp_path, f"{COMMAND} list | head -1").returncode == 0


def test_a_closed_descriptor_is_not_taken_by_the_next_file(tmp_path: Path):
    """Else a library that prints to descriptor 2 would print into it."""
    code = (
        "from ftcore.cli.streams import open_closed_descriptors as o; o(); import os; "
        "f = open('data', 'w'); print(f.fileno()); os.write(2, b'noise')"
    )
    done = bash(tmp_path, f"{shlex.quote(sys.executable)} -c {shlex.quote(code)} 2>&-")
    assert int(done.stdout) > 2
    assert (tmp_path / "data").read_bytes() == b""
