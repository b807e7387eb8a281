"""Runs jobs one after the other, each in a process of its own: memory is measured for one run alone, and a crash ends
one run alone. What is finished is kept, what was interrupted goes on.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from ftcore.cli.main import options
from ftcore.errors import FtcoreError, Interrupted, ResourceError, UsageError
from ftcore.run.folder import read_json, write_text
from ftcore.run.runfile import dump_run_file, read_run_file
from ftcore_plugins.compare.comparison import Absent
from ftcore_plugins.compare.plans import Job
from ftcore_plugins.compare.same import differences
from ftcore_plugins.metrics.history import FILE, lines

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
POLL_SECONDS = 0.25
EARLY_FILES = {"quarantine.jsonl", "rows.arrow"}
"""What a run that was killed while it loaded leaves behind."""

KILLED = -9
"""The return code of a process that SIGKILL ended, as the system does where memory runs out."""

State = Literal["new", "begun", "finished"]
Watch = Callable[[int], None]
"""Told the last step that is done, a few times a second."""


def state(job: Job) -> State:
    """What the job's folder holds. Raises UsageError when it is another run than is asked for now."""
    path = job.folder / "run.yaml"
    if not path.is_file():
        if job.folder.is_dir() and {each.name for each in job.folder.iterdir()} <= EARLY_FILES:
            shutil.rmtree(job.folder)
        return "new"
    both = {"the run there": read_run_file(path).values, "this line": job.values}
    other = next(differences(both, [key for key in job.values if key != "reporters"]), None)
    if other is None and (job.folder / "lock.json").is_file():
        then = read_json(job.folder / "lock.json").get("data")
        now = [entry.source.build().fingerprint() for entry in job.plan.data]
        other = None if then == now else "its data have changed since"
    if other:
        raise UsageError(
            f"the run there is another than is asked for now: {other}",
            where=str(job.folder),
            fix="--out ANOTHER/FOLDER",
        )
    return "finished" if (job.folder / "report.json").is_file() else "begun"


class Runner:
    """Runs jobs, and hands a signal on to the one under way, which ends after its step with a checkpoint.

    >>> with Runner().listening() as runner:
    ...     reason = runner.run(job, print)
    """

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._signal: int | None = None

    @contextmanager
    def listening(self) -> Iterator[Runner]:
        try:
            old = {number: signal.signal(number, self._take) for number in SIGNALS}
        except ValueError:  # not in the main thread, where signals belong to somebody else
            yield self
            return
        try:
            yield self
        finally:
            for number, before in old.items():
                signal.signal(number, before)

    def run(self, job: Job, watch: Watch) -> Absent | None:
        """Start the job or go on with it. None when it has finished, else why it has not. Raises Interrupted."""
        self._stop_if_asked()
        log = job.folder.with_name(f"{job.folder.name}.log")
        with log.open("ab") as file, subprocess.Popen(
            # -P: what lies in the working directory is nobody's module.
            [sys.executable, "-P", "-m", "ftcore", "--json-errors", *plugin_options(), *_line(job)],
            stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            start_new_session=True,  # Ctrl-C reaches the run once: through us
        ) as child:  # fmt: skip
            self._child = child
            if self._signal is not None:  # it came while the process was being made
                child.terminate()
            try:
                while child.poll() is None:
                    if step := _step(job.folder):
                        watch(step)
                    time.sleep(POLL_SECONDS)
            finally:
                self._child = None
                if child.poll() is None:
                    child.terminate()
        self._stop_if_asked()
        if child.returncode in (128 + signal.SIGINT, 128 + signal.SIGTERM):
            raise Interrupted(child.returncode - 128)
        return _failure(job.name, child.returncode, log) if child.returncode else None

    def _take(self, number: int, _: object) -> None:
        self._signal = number
        if self._child is not None:
            self._child.send_signal(signal.SIGINT if number == signal.SIGINT else signal.SIGTERM)

    def _stop_if_asked(self) -> None:
        if self._signal is not None:
            raise Interrupted(self._signal)


def plugin_options() -> list[str]:
    """The options of this line that say which plugins are loaded, for the line of a run."""
    named = [("--plugin", file) for file in options.plugin] + [("--no-plugin", name) for name in options.no_plugin]
    return [word for pair in named for word in pair]


def _line(job: Job) -> list[str]:
    if state(job) == "begun":
        return ["resume", str(job.folder)]
    path = job.folder.with_name(f"{job.folder.name}.yaml")
    write_text(path, dump_run_file(job.values))
    return ["run", str(path), "--out", str(job.folder)]


def _step(folder: Path) -> int:
    return max((record["step"] for _, record in lines(folder / FILE)), default=0)


def _failure(name: str, code: int, log: Path) -> Absent:
    """Why a run failed, in the words of its own error."""
    if code == KILLED:
        return Absent(name, "failed", "its process was killed, as when memory runs out", ResourceError.exit_code)
    if code < 0:
        return Absent(name, "failed", f"its process was ended by signal {-code}; see {log}", FtcoreError.exit_code)
    for line in reversed(log.read_text(encoding="utf-8", errors="replace").splitlines()[-50:]):
        record = _parsed(line)
        if record.get("what"):
            fix = f" (try: {record['fix']})" if record.get("fix") else ""
            return Absent(name, "failed", f"{record['what']}{fix}", code)
    return Absent(name, "failed", f"it ended with code {code}; see {log}", code)


def _parsed(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line) if line.startswith("{") else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def finished(jobs: Sequence[Job]) -> list[Job]:
    return [job for job in jobs if state(job) == "finished"]
