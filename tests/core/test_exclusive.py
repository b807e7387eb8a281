"""One process at a time works on a run; the second is told which the first is."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ftcore.errors import ResourceError
from ftcore.run import exclusive as module
from ftcore.run.exclusive import exclusive, require_free
from tests.conftest import Terminal

HOLDER = """
import sys, time
from pathlib import Path
from ftcore.run.exclusive import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path):
    with subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_second_is_refused_and_told_who_the_first_is(tmp_path: Path, holder: subprocess.Popen[str]):
    for asked in (exclusive(tmp_path).__enter__, lambda: require_free(tmp_path)):
        with pytest.raises(ResourceError) as refused:
            asked()
        assert refused.value.exit_code == 5
        assert f"process {holder.pid} on {socket.gethostname()}, since 20" in str(refused.value.value)
        assert refused.value.fix.endswith(f"kill {holder.pid}")


def test_the_lock_goes_with_its_process_however_it_ends(tmp_path: Path, holder: subprocess.Popen[str]):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / ".lock").is_file()
    require_free(tmp_path)
    with exclusive(tmp_path):
        assert json.loads((tmp_path / ".lock").read_text())["pid"] == os.getpid()
    assert not (tmp_path / ".lock").exists()


def test_without_locks_on_files_the_living_process_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As on Windows, and on file systems that know no locks."""
    monkeypatch.setattr(module, "fcntl", None)
    lock = tmp_path / ".lock"
    parent = {"pid": os.getppid(), "host": socket.gethostname(), "started": "2026-01-01T00:00:00+00:00"}
    lock.write_text(json.dumps(parent))
    with pytest.raises(ResourceError, match="another process works on this run"):
        exclusive(tmp_path).__enter__()
    lock.write_text(json.dumps({**parent, "pid": 2**22 + 1}))  # no process has such a number
    with exclusive(tmp_path):
        pass
    lock.write_text("torn")
    with exclusive(tmp_path):
        pass


def _count(folder: Path, counts: multiprocessing.Queue[int]) -> None:
    taken = 0
    for _ in range(200):
        try:
            with exclusive(folder):
                (folder / "inside").touch(exist_ok=False)
                (folder / "inside").unlink()
                taken += 1
        except ResourceError:
            time.sleep(0.001)
    counts.put(taken)


def test_of_many_never_two_are_inside(tmp_path: Path):
    context = multiprocessing.get_context("spawn")
    counts = context.Queue()
    workers = [context.Process(target=_count, args=(tmp_path, counts)) for _ in range(3)]
    for worker in workers:
        worker.start()
    assert all(counts.get(timeout=120) > 0 for _ in workers), "a FileExistsError inside would have ended one"
    for worker in workers:
        worker.join()


def test_a_run_under_way_is_neither_resumed_nor_begun_anew(ftcore: Terminal, tiny: Path, rows: Path, tmp_path: Path):
    """A plugin holds the run inside its first step while another process tries."""
    line = ["--model", str(tiny), "--data", str(rows), "--train.steps", "2", "--evaluators", "none", "--out", "run"]
    (tmp_path / "tries.py").write_text(
        "import subprocess, sys\nfrom pathlib import Path\nfrom ftcore import hookimpl\n"
        "@hookimpl\ndef ftcore_after_step(event):\n"
        "    for number, words in enumerate((['resume', 'run'], ['run', *LINE])):\n"
        "        done = subprocess.run([sys.executable, '-m', 'ftcore', *words], capture_output=True, text=True)\n"
        "        Path(f'tried-{number}').write_text(f'{done.returncode} {done.stderr}')\n"
        f"LINE = {line!r}\n"
    )
    done = ftcore("run", "--plugin", "tries.py", *line)
    assert done.code == 0, done.err
    for number in (0, 1):
        tried = (tmp_path / f"tried-{number}").read_text()
        assert tried.startswith("5 error: run: another process works on this run"), tried
        assert f"process {os.getpid()} on {socket.gethostname()}" in tried
    lines = [json.loads(text) for text in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "when" not in line] == [1, 2]
