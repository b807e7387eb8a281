"""Whose bug is it? An error that is no refusal arose in the core, or in the code of a plugin."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from traceback import walk_tb

from ftcore.loading.plugin import Plugin

OURS = ("ftcore", "ftcore_plugins")


def culprit(error: BaseException, plugins: Iterable[Plugin]) -> tuple[Plugin, str] | None:
    """The third-party plugin in whose code an error arose, and `file:line`; None when the code was ours.

    What counts is the innermost line that is ours or a plugin's: libraries do as they are told.
    """
    theirs = {_package(plugin): plugin for plugin in plugins if not plugin.is_built_in}
    for frame, line in reversed(list(walk_tb(error.__traceback__))):
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package in OURS:
            return None
        if package in theirs:
            return theirs[package], f"{frame.f_code.co_filename}:{line}"
    return None


def _package(plugin: Plugin) -> str:
    return Path(plugin.module).stem if plugin.is_file else plugin.module.partition(".")[0]
