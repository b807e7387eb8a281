"""Where unpacked models are kept between runs, and how one gets there complete or not at all.

It never deletes what is there: the folder may be removed by hand at any time.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from ftcore.errors import ResourceError
from ftcore.run.folder import follow_umask


def models_folder() -> Path:
    """`$FTCORE_CACHE/models`, or `models` in the user's cache folder, such as ~/.cache/ftcore/models."""
    chosen = os.environ.get("FTCORE_CACHE")
    if chosen:
        return Path(chosen).expanduser() / "models"
    import platformdirs

    return Path(platformdirs.user_cache_dir("ftcore")) / "models"


def cached(key: str, make: Callable[[Path], None]) -> Path:
    """The folder of the cache for `key`, `made` if it is not there yet. Raises ResourceError as `made` does."""
    return made(models_folder() / key, make, "FTCORE_CACHE=FOLDER ftcore …")


def made(final: Path, make: Callable[[Path], None], fix: str) -> Path:
    """The folder `final`, made by `make(empty folder)` if it is not there yet.

    `make` works in a folder beside, which is renamed at the end. So a folder with the right name is complete, and of
    two processes that make the same one, both get the first that was finished. Raises ResourceError, with this
    fix, if the disk is full or not writable.
    """
    if final.is_dir():
        return final
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{final.name}-", dir=final.parent))
    except OSError as error:
        raise _cannot_write(final.parent, error, fix) from error
    try:
        new = work / final.name  # with the permissions that a folder usually has; mkdtemp closes its own to others
        new.mkdir()
        make(new)
        follow_umask(new)
        _rename(new, final)
    except OSError as error:
        raise _cannot_write(final.parent, error, fix) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return final


def _rename(new: Path, final: Path) -> None:
    try:
        os.rename(new, final)
    except OSError:
        # Another process was first; a folder is never renamed onto one that holds something.
        if not final.is_dir():
            raise


def _cannot_write(folder: Path, error: OSError, fix: str) -> ResourceError:
    return ResourceError(f"the model cannot be written: {error.strerror or error}", where=str(folder), fix=fix)
