"""How a command that carries out several runs says on stderr how it goes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ftcore_plugins.console.config import ConsoleConfig
from ftcore_plugins.console.reporter import display

if TYPE_CHECKING:
    from ftcore_plugins.console.log import Log
    from ftcore_plugins.console.terminal import Terminal

    Screen = Log | Terminal


@contextmanager
def screen() -> Iterator[Screen]:
    """A terminal's display, or a log's; what is left on it is taken down at the end."""
    shown = display(sys.stderr, ConsoleConfig())
    try:
        yield shown
    finally:
        shown.close()
