"""Runs jobs one after the other, each in a process of its own: memory is measured for one run alone, and a crash ends
one run alone. What is finished is kept, what was interrupted goes on.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from ftcore.errors import FtcoreError, Interrupted, ResourceError, from_record
from ftcore.line import options
from ftcore.run.exclusive import lock
from ftcore.run.folder import open_own, write_text
from ftcore.run.runfile import dump_run_file
from ftcore_plugins.jobs.job import Job, state
from ftcore_plugins.metrics.history import FILE, lines

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
POLL_SECONDS = 0.25

KILLED = -9
"""The return code of a process that SIGKILL ended, as the system does where memory runs out."""

Watch = Callable[[int], None]
"""Told the last step that is done."""


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

    def run(self, job: Job, watch: Watch) -> FtcoreError | None:
        """Start the job or go on with it. None when it has finished, else why it has not. Raises Interrupted."""
        log, look = job.folder.with_name(f"{job.folder.name}.log"), _once(watch, job.folder)
        with open_own(log, "ab") as file:
            self._wait_for(file, look)
            if state(job) == "finished":
                return None
            with subprocess.Popen(
                # -P: what lies in the working directory is nobody's module.
                [sys.executable, "-P", "-m", "ftcore", "--json-errors", *plugin_options(), *_agreed(job), *_line(job)],
                stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                start_new_session=True,  # Ctrl-C reaches the run once: through us
            ) as child:  # fmt: skip
                self._follow(child, look)
        self._stop_if_asked()
        if child.returncode in (128 + signal.SIGINT, 128 + signal.SIGTERM):
            raise Interrupted(child.returncode - 128)
        return _failure(child.returncode, log) if child.returncode else None

    def _wait_for(self, log: BinaryIO, look: Callable[[], None]) -> None:
        """Until nobody else is at the job: where we were killed, the process that we had started works on.

        It holds a lock on its log, which it was given with the file and which ends with it.
        """
        self._stop_if_asked()
        while not lock(log):
            look()
            time.sleep(POLL_SECONDS)
            self._stop_if_asked()

    def _follow(self, child: subprocess.Popen[bytes], look: Callable[[], None]) -> None:
        self._child = child
        if self._signal is not None:  # it came while the process was being made
            child.terminate()
        try:
            while child.poll() is None:
                look()
                time.sleep(POLL_SECONDS)
        finally:
            self._child = None
            if child.poll() is None:
                child.terminate()

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


def _agreed(job: Job) -> list[str]:
    """The variables whose values the run sends: the command was allowed to, and the run reads of them in a file."""
    names = dict.fromkeys(secret.variable for secret in job.plan.secrets())
    return [word for name in names for word in ("--allow-env", name)]


def _line(job: Job) -> list[str]:
    if state(job) == "begun":
        return ["resume", str(job.folder)]
    path = job.folder.with_name(f"{job.folder.name}.yaml")
    write_text(path, dump_run_file(job.values))
    return ["run", str(path), "--out", str(job.folder)]


def _once(watch: Watch, folder: Path) -> Callable[[], None]:
    """Looks how far the run in the folder is, and tells each step once."""
    told = 0

    def look() -> None:
        nonlocal told
        if (step := _step(folder)) > told:
            told = step
            watch(step)

    return look


def _step(folder: Path) -> int:
    return max((record["step"] for _, record in lines(folder / FILE)), default=0)


def _failure(code: int, log: Path) -> FtcoreError:
    """Why a run failed, in the words of its own error."""
    if code == KILLED:
        return ResourceError("its process was killed, as when memory runs out")
    if code < 0:
        return FtcoreError(f"its process was ended by signal {-code}; see {log}")
    for line in reversed(log.read_text(encoding="utf-8", errors="replace").splitlines()[-50:]):
        record = _parsed(line)
        if record.get("what"):
            return from_record(record)
    error = FtcoreError(f"it ended with code {code}; see {log}")
    error.exit_code = code
    return error


def _parsed(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line) if line.startswith("{") else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
