"""What a hook offers: records that can be used, all of them or none, with a verdict in plain words."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable
from dataclasses import fields
from types import ModuleType
from typing import Any, TypeVar

from ftcore.errors import PluginError, closest, did_you_mean
from ftcore.loading.words import place
from ftcore.specs import Ref

NAME = re.compile(r"[A-Za-z0-9][\w.+-]*")
"""What a component may be called: `plugin/name`, `name:rest` and `one,two` mean something of their own."""

R = TypeVar("R")


def offered(hook: str, wanted: type[R], function: Callable[[], Any]) -> list[R]:
    """The records that a plugin's implementation of a hook gives. Raises PluginError for what is no such record."""
    try:
        given = function()
        if isinstance(given, wanted):
            raise PluginError(
                f"{hook} returns a {wanted.__name__}; it should yield it", fix=f"yield {wanted.__name__}(…)"
            )
        if given is None:
            raise PluginError(f"{hook} gave no record; yield it", fix=f"yield {wanted.__name__}(…)")
        records = list(given)
    except TypeError as error:
        raise _unknown_field(error, wanted) or error from None
    module = sys.modules[function.__module__]
    for record in records:
        _check_record(record, hook, wanted)
        if hasattr(module, "__ftcore_file__"):
            _check_references(record, module)
    _check_names([record.name for record in records], hook)
    return records


def _unknown_field(error: TypeError, wanted: type[Any]) -> PluginError | None:
    """What Python calls an unexpected keyword argument of `__init__`."""
    found = re.match(rf"{wanted.__name__}\.__init__\(\) got an unexpected keyword argument '(\w+)'", str(error))
    if found is None:
        return None
    known = [field.name for field in fields(wanted)]
    return PluginError(
        f"{wanted.__name__} has no field {found[1]!r}{did_you_mean(found[1], known)}", where=place(error)
    )


def _check_record(record: Any, hook: str, wanted: type[Any]) -> None:
    """Raise PluginError for what is no such record, or has a name that cannot be typed."""
    if not isinstance(record, wanted):
        raise PluginError(f"{hook} gave {record!r}, not a {wanted.__name__}")
    if not NAME.fullmatch(record.name):
        raise PluginError(f"{hook} gave a {wanted.__name__} with the name {record.name!r}, which cannot be typed")


def _check_names(names: list[str], hook: str) -> None:
    """Raise PluginError where a plugin gives two records one name: nobody could choose between them."""
    if twice := [name for name in names if names.count(name) > 1]:
        raise PluginError(f"{hook} gives {twice[0]!r} twice", fix="give one another name")


def _check_references(record: Any, file: ModuleType) -> None:
    """Raise PluginError where a reference of a plugin file names nothing in it, or a module that there is not."""
    for field in fields(record):
        reference = getattr(record, field.name)
        if not isinstance(reference, Ref):
            continue
        module, _, name = reference.target.partition(":")
        first = name.partition(".")[0]
        is_own = module == file.__name__
        if hasattr(file, first) if is_own else _is_there(module, record):
            continue
        meant = first if hasattr(file, first) else closest(first, _own(file))
        wrong = f"the file has no {first!r}" if is_own else f"there is no module {module!r}"
        raise PluginError(
            f"the {field.name} of {record.name!r} is not where its record says: {wrong}",
            fix=f'{field.name}=Ref("{file.__name__}:{meant or "NAME"}")',
        )


def _own(file: ModuleType) -> list[str]:
    """What a reference may well mean of that which a file defines: a class, or else a function, and nothing private."""
    own = {word: value for word, value in vars(file).items() if getattr(value, "__module__", None) == file.__name__}
    public = {word: value for word, value in own.items() if not word.startswith("_") and not _is_hook(value)}
    return [word for word, value in public.items() if isinstance(value, type)] or list(public)


def _is_hook(value: Any) -> bool:
    return hasattr(value, "ftcore_impl")


def _is_there(module: str, record: Any) -> bool:
    """Whether a module can be found; of a package that the record says it needs the plan knows more to say."""
    top = module.partition(".")[0]
    return top in (*sys.modules, *getattr(record, "packages", ())) or importlib.util.find_spec(top) is not None
