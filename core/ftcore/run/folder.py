"""The run folder: where it is, and how its files are written so that a reader never sees half of one.

A run folder may come from somebody else, so no link in it is followed: it could lead a writer to any file of the user.
"""

from __future__ import annotations

import datetime
import errno
import hashlib
import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ftcore.errors import ModelError, PolicyError, ResourceError, UsageError
from ftcore.run.plan import Plan

CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)


LOCK_FILE = ".lock"
"""What the process that works on a run holds locked."""

_TEMPORARY = re.compile(r"\..+\.\d+\.tmp")
"""What `write_text` calls a file that it has not finished."""


def create(plan: Plan) -> Path:
    """Make the run's folder: `--out`, or `runs/<date>-<method>-<strategy>`, numbered where that is taken.

    `--out` may be there, as long as it `is_unused`.
    """
    try:
        return _create(plan)
    except OSError as error:
        where = str(plan.out or "runs")
        raise ResourceError(
            f"the folder of the run cannot be made: {error.strerror}", where=where, fix="--out ANOTHER/FOLDER"
        ) from None


def _create(plan: Plan) -> Path:
    if plan.out is not None:
        plan.out.mkdir(parents=True, exist_ok=True)
        return plan.out
    today = datetime.date.today().isoformat()
    base = Path("runs") / f"{today}-{plan.method.spec.name}-{plan.strategy.spec.name}"
    for number in range(1, 10_000):
        folder = base if number == 1 else base.with_name(f"{base.name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise UsageError("ten thousand runs of today are there already", where=str(base), fix="--out runs/another")


def is_unused(folder: Path) -> bool:
    """Whether a folder is empty, or holds no more than a run leaves that was killed before its first file stood."""
    return all(path.name == LOCK_FILE or _TEMPORARY.fullmatch(path.name) for path in folder.iterdir())


def sweep(folder: Path) -> None:
    """Take away what only a run under way needs, and what one that was killed had not finished to write."""
    for path in folder.iterdir():
        if path.name in ("rows.arrow", ".tmp-model", ".old-model") or _TEMPORARY.fullmatch(path.name):
            remove(path)


def require_no_links(folder: Path) -> None:
    """Raise PolicyError for a run folder that holds a link: what is written there could land anywhere."""
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            if path.is_symlink():
                copy = shlex.join(["cp", "-rL", str(folder), str(free(folder))])
                raise PolicyError(
                    "a run folder holds no links: one could lead what is written there to any file of yours",
                    where=str(path),
                    value=f"it leads to {os.readlink(path)}",
                    fix=f"if you trust it, copy what it leads to: {copy}",
                )


def anew(folder: Path) -> str:
    """The line that does the run in a folder once more, beside it."""
    return f"ftcore run {folder / 'run.yaml'} --out {free(folder)}"


def free(folder: Path) -> Path:
    """A name beside a folder that nothing has yet: `runs/legs-2`."""
    return next(path for n in range(2, 10_000) if not (path := folder.with_name(f"{folder.name}-{n}")).exists())


def open_own(path: Path, mode: str) -> IO[Any]:
    """`open` for a file of a run folder. Raises PolicyError where a link stands in its place."""
    text: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
    return open(path, mode, opener=_not_through_a_link, **text)


def _not_through_a_link(path: str, flags: int) -> int:
    try:
        return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise PolicyError("a link stands in the place of a run's file", where=path, fix=f"rm {path}") from None
        raise


def remove(path: Path) -> None:
    """Take away whatever stands there, a file, a link or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def follow_umask(folder: Path) -> None:
    """Give the files below a folder the rights that a new file gets. safetensors makes its own for their owner alone,
    so whoever may read the folder could not load the model."""
    umask = os.umask(0o077)  # it can only be read by setting it
    os.umask(umask)
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o666 & ~umask)


@contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Turn a full or read-only disk into a ResourceError, whoever met it: Python, or safetensors, which is in Rust."""
    try:
        yield
    except Exception as error:
        rusts = re.search(r"os error (\d+)", str(error))
        number = error.errno if isinstance(error, OSError) else int(rusts.group(1)) if rusts else None
        if number not in CANNOT_WRITE:
            raise
        can_go_on = (folder / "lock.json").is_file()
        raise ResourceError(
            f"the disk does not take the run's files: {os.strerror(number)}",
            where=str(getattr(error, "filename", None) or folder),
            fix=f"make room, then: ftcore resume {folder}" if can_go_on else "--out ANOTHER/FOLDER",
        ) from None


def write_text(path: Path, text: str) -> None:
    """Atomically: the old file or the new one, never half. The data is on disk before the name is."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with open_own(temporary, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def manifest(folder: Path) -> list[dict[str, Any]]:
    """Name, size in bytes and hash of every file below a folder, in order."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "MANIFEST.json")
    return [
        {"name": path.relative_to(folder).as_posix(), "bytes": path.stat().st_size, "sha256": sha256(path)}
        for path in files
    ]


def verify(folder: Path, files: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is wrong with the files of a manifest, in words; empty when all is well."""
    problems = []
    for entry in files:
        path = folder / entry["name"]
        if not path.is_file():
            problems.append(f"{entry['name']} is missing")
        elif path.stat().st_size != entry["bytes"] or sha256(path) != entry["sha256"]:
            problems.append(f"{entry['name']} has changed since it was written")
    return problems


def verify_manifest(folder: Path) -> list[str]:
    """The same for a folder that holds its own MANIFEST.json; without one, nothing in it can be trusted."""
    try:
        return verify(folder, read_json(folder / "MANIFEST.json")["files"])
    except ModelError as error:
        return [f"MANIFEST.json: {error.what}"]
    except (KeyError, TypeError):
        return ["MANIFEST.json is not one that ftcore wrote"]


def read_lock(folder: Path) -> dict[str, Any]:
    """lock.json of the run in a folder. Raises ModelError where ftcore cannot have written it."""
    lock = read_json(folder / "lock.json")
    if not isinstance(lock, dict) or not isinstance(lock.get("plugins"), list):
        raise ModelError("this is not a lock.json that ftcore wrote", where=str(folder / "lock.json"))
    return lock


def read_json(path: Path) -> Any:
    """Raises ModelError where a file of a run is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError("the file is missing; is this the folder of a run?", where=str(path)) from None
    except (ValueError, RecursionError) as error:
        raise ModelError(f"the file is damaged: {error}", where=str(path)) from None
    except OSError as error:  # a folder of that name, a loop of links, no permission
        raise ModelError(f"the file cannot be read: {error.strerror}", where=str(path)) from None
