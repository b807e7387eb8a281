"""One process at a time works on a run: a lock on a file in its folder, held until the process ends, however it ends.

It deliberately keeps nobody from reading: `report`, `chat` and people may look while a run trains.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from ftcore.errors import ResourceError
from ftcore.run.folder import LOCK_FILE, open_own, writable

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

TRIES, PAUSE = 10, 0.02
"""Who only looks whether a run is locked holds the lock for a moment, which is not worth a refusal."""


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Raises ResourceError, naming the process, while another works on the run in the folder."""
    path = folder / LOCK_FILE
    with _taken(path, folder) as file:
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "started": _now()}) + "\n")
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def require_free(folder: Path) -> None:
    """Raise ResourceError, naming the process, while one works on the run in the folder."""
    try:
        with (folder / LOCK_FILE).open(encoding="utf-8") as file:
            if not lock(file, shared=True):
                raise _refusal(folder)
    except OSError:  # no such file, or nobody's to read
        return


def _taken(path: Path, folder: Path) -> IO[str]:
    for _ in range(TRIES):
        with writable(folder):
            file = open_own(path, "a")
        if lock(file) and _is_still(file, path):
            return file
        file.close()
        time.sleep(PAUSE)
    raise _refusal(folder)


def lock(file: IO[Any], shared: bool = False) -> bool:
    """Take the lock on a file, which ends with its process, unless somebody has it.

    Where the file system knows none, it counts whether the process lives that the file names.
    """
    try:
        if fcntl is not None:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            return True
    except BlockingIOError:
        return False
    except OSError:
        pass
    return not _lives(_holder(Path(file.name)))


def _is_still(file: IO[str], path: Path) -> bool:
    """Whether the file is the one of that name: its last holder may have taken the name away meanwhile."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    return False


def _holder(path: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        holder = json.loads(path.read_text(encoding="utf-8"))
        return holder if isinstance(holder, dict) else {}
    return {}


def _lives(holder: dict[str, Any]) -> bool:
    import psutil

    is_here = holder.get("host") == socket.gethostname() and isinstance(holder.get("pid"), int)
    return is_here and holder["pid"] != os.getpid() and bool(psutil.pid_exists(holder["pid"]))


def _refusal(folder: Path) -> ResourceError:
    holder = _holder(folder / LOCK_FILE)
    by = f"process {holder['pid']} on {holder['host']}, since {holder['started']}" if len(holder) == 3 else None
    return ResourceError(
        "another process works on this run",
        where=str(folder),
        value=by,
        fix=f"wait for it, or stop it first: kill {holder['pid']}" if by else "wait for it",
    )


def _now() -> str:
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")
