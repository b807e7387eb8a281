"""What a plugin raised, for people: one line, and the place."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ftcore.errors import PluginError
from ftcore.loading.patience import Stalled

OURS = Path(__file__).parents[1]


def in_words(error: BaseException) -> str:
    """What a plugin raised, in one line."""
    if isinstance(error, PluginError):
        return error.what
    if isinstance(error, Stalled):
        return str(error)
    if isinstance(error, SystemExit):
        return f"SystemExit: it called sys.exit({error.code!r})"
    return f"{type(error).__name__}: {error}"


def place(error: BaseException) -> str | None:
    """File and line from which an error came; of our own verdict on a plugin what it says, which may be None."""
    if isinstance(error, PluginError):
        return error.where
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    import traceback  # 5 ms, and only where something is wrong

    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(("<", str(OURS)))
    ]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else None


def definition(function: Callable[..., Any]) -> str | None:
    """File and line where a function or class begins, for what no line of it raised; None where there is no source."""
    function = inspect.unwrap(function)
    try:
        return f"{inspect.getsourcefile(function)}:{inspect.getsourcelines(function)[1]}"
    except (OSError, TypeError):
        return None


def remedy(error: BaseException) -> str:
    """What to type about it."""
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    return f"pip install {missing.partition('.')[0]}" if missing else "ftcore plugins list"


def few(names: Iterable[str], most: int = 3) -> str:
    """The first names, and how many more there are."""
    names = list(names)
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
