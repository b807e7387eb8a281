"""Importing a plugin's front, whatever it does, and judging its hooks before anybody relies on them."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from ftcore import hookspecs
from ftcore.errors import PluginError, did_you_mean
from ftcore.loading.patience import patience


def import_front(module: str) -> ModuleType:
    """Import the module that an entry point names, with patience. What it prints goes to stderr: stdout is data."""
    if ":" in module:
        raise PluginError(f"the entry point names {module!r}; it should name the module that holds the hooks")
    with patience(), contextlib.redirect_stdout(sys.stderr):
        return importlib.import_module(module)


def import_file(path: Path) -> ModuleType:
    """Import a plugin file as a module of its own name, so that its records may refer to it: `my_method:MyMethod`."""
    name = path.stem
    earlier = sys.modules.get(name)
    if earlier is not None and not hasattr(earlier, "__ftcore_file__"):
        raise PluginError(f"a module named {name!r} is loaded already; give the file another name")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError("the name of a plugin file ends in .py")
    module = importlib.util.module_from_spec(spec)
    module.__dict__["__ftcore_file__"] = str(path)
    sys.modules[name] = module
    with patience(), contextlib.redirect_stdout(sys.stderr):
        spec.loader.exec_module(module)
    return module


@cache
def hook_functions() -> Mapping[str, Callable[..., Any]]:
    """Every hook's specification by name, in the order of a run."""
    return {name: value for name, value in vars(hookspecs).items() if name.startswith("ftcore_")}


def check_hooks(module: ModuleType) -> None:
    """Raise PluginError where a plugin misspells a hook, forgets the decorator, asks for unknown arguments, or has no
    hook at all: its entry point then names the wrong module."""
    known = hook_functions()
    has_hooks = False
    for name, value in vars(module).items():
        if not callable(value) or isinstance(value, type):
            continue
        marked = getattr(value, "ftcore_impl", None)
        if marked is None:
            if name in known and getattr(value, "__module__", None) == getattr(module, "__name__", None):
                raise PluginError(f"{name} lacks the decorator @hookimpl")
            continue
        hook = marked.get("specname") or name
        if hook not in known:
            raise PluginError(f"there is no hook {hook}{did_you_mean(hook, known)}")
        unknown = set(_arguments(value)) - set(_arguments(known[hook]))
        if unknown:
            wanted = ", ".join(_arguments(known[hook])) or "no arguments"
            raise PluginError(f"{hook} takes {wanted}; it has no {', '.join(sorted(unknown))}")
        has_hooks = True
    if not has_hooks:
        raise PluginError("it has no hooks: no function in it carries the decorator @hookimpl")


def _arguments(function: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(function).parameters)
